"""Assistants that share a person's values, and assistants that do not (section 5.4, Figure 8).

From each person's answers two personas are made by the same method: one of the answers as given,
one of the answers mirrored (6 - response, `dataset/mirror.py`). Both, and the model as it is, reply
to general prompts; `blind.py` packs the replies for raters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

from personalign.dataset.mirror import mirrored
from personalign.errors import EvaluationError
from personalign.model.any_model import Model, texts_of
from personalign.model.persona import PLAIN

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.evaluation.general_prompts import Prompt
    from personalign.methods.base import PersonaMethod
    from personalign.model.persona import Persona

ALIGNED, MISALIGNED, ORIGINAL = "aligned", "misaligned", "original"
"""The conditions: of the answers as given, of the mirrored ones, and the model as it is."""

CONDITIONS = (ALIGNED, MISALIGNED, ORIGINAL)
"""All of them."""

DEFAULT_CONTRAST = (ALIGNED, MISALIGNED)
"""What is compared where nothing else is asked for."""

MAX_NEW_TOKENS = 512
"""Longest reply, in tokens; the paper does not say how long its replies may get."""

Progress = Callable[[int, int], None]


class AssistantReply(TypedDict):
    """One raw row: what one assistant replied to one prompt."""

    person: str
    """Whose values it shares, or does not."""
    prompt: str
    """The prompt's id."""
    asked: str
    """The prompt."""
    condition: str
    """Which assistant."""
    text: str
    """The reply."""


def value_personas(
    method: PersonaMethod,
    people: Respondents,
    conditions: Sequence[str] = CONDITIONS,
    *,
    progress: Progress | None = None,
) -> dict[str, list[Persona]]:
    """Condition -> one persona a person: aligned, misaligned and, for the original, nobody.

    people: their answers to the tuning items are read, nothing else. conditions: which to make.
    progress: called with (steps done, steps), for all groups of personas together.
    """
    known = people.only(people.inventory.tuning)
    answers = {ALIGNED: known, MISALIGNED: mirrored(known)}
    making = [condition for condition in answers if condition in conditions]
    made: dict[str, list[Persona]] = {}
    for number, condition in enumerate(making):

        def advance(done: int, total: int, number: int = number) -> None:
            if progress is not None:
                progress(number * total + done, len(making) * total)

        made[condition] = method.personas(answers[condition], progress=advance)
    if ORIGINAL in conditions:
        made[ORIGINAL] = [PLAIN] * len(people)
    return made


def assistant_replies(
    model: Model,
    personas: Mapping[str, Sequence[Persona]],
    people: Sequence[str],
    prompts: Sequence[Prompt],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    progress: Progress | None = None,
) -> list[AssistantReply]:
    """Every assistant's greedy reply to every prompt, for every person, in one batch.

    personas: condition -> one persona a person. people: their ids, in that order.
    progress: called with (replies written, replies); equal personas reply to a prompt once.
    Returns rows by person, prompt and condition. Raises EvaluationError where a condition has not
    one persona a person.
    """
    for condition, group in personas.items():
        if len(group) != len(people):
            raise EvaluationError(
                f"There are {len(group)} personas for {condition} and {len(people)} people; give "
                "one a person."
            )
    rows = [
        (person, prompt, condition)
        for person in range(len(people))
        for prompt in prompts
        for condition in personas
    ]
    asked = {
        (personas[condition][person].key, prompt.text): personas[condition][person]
        for person, prompt, condition in rows
    }
    if not asked:
        return []
    texts = texts_of(
        model,
        list(asked.values()),
        [text for _, text in asked],
        max_new_tokens=max_new_tokens,
        progress=progress,
    )
    said = dict(zip(asked, texts, strict=True))
    return [
        AssistantReply(
            person=people[person],
            prompt=prompt.id,
            asked=prompt.text,
            condition=condition,
            text=said[personas[condition][person].key, prompt.text],
        )
        for person, prompt, condition in rows
    ]
