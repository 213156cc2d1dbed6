"""What is wrong with what a researcher gave, said in the reader's language."""

from __future__ import annotations

from collections.abc import Callable

from personalign.errors import EvaluationError, InputRefused


class Wrong(InputRefused):
    """Something in a study's form cannot be; its words are the text study.problem.REASON."""

    def __init__(self, reason: str, **values: object) -> None:
        super().__init__(reason, reason, **values)


def problem_text(say: Callable[..., str], error: EvaluationError) -> str:
    """The sentence for a page; say: key and values -> text."""
    if isinstance(error, InputRefused):
        return say(f"study.problem.{error.reason}", **error.values)
    return str(error)
