"""Reading what people hand in: text files, of which some are not UTF-8."""

from __future__ import annotations

from pathlib import Path

from personalign.errors import EvaluationError


def read_text(path: Path) -> str:
    """A UTF-8 file, with or without its mark; EvaluationError for another coding."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EvaluationError(
            f"{path.name} is no UTF-8 text ({error.reason} at byte {error.start}); save it as such."
        ) from error
