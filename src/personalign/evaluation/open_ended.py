"""Statements lived out in text: what a persona writes about each, in four parts.

The paper's open-ended task (section 5.3, Appendix C.3): for every held-out statement the model
describes a scenario, the actions taken, the thoughts and the emotions, greedily, as the person. A
judge then compares the text with what the person had answered (`judge.py`).

The paper shows its template as a picture (Figure 10) of which its text holds only the four
headings, so `TEMPLATE` has those headings and our own words around them. Nor does it say how long a
text may get; `MAX_NEW_TOKENS` leaves room above the lengths of its Table 4 (393 to 417).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from personalign.errors import EvaluationError
from personalign.model.any_model import Model, texts_of
from personalign.model.decoder import Decoder
from personalign.model.prompts import OPTIONS, lower_first, without_full_stop

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Item
    from personalign.model.persona import Persona

PARTS = ("Scenario Description", "Actions Taken", "Thought Process", "Emotional Response")
"""The four headings, as the paper has them."""

TEMPLATE = """Given a statement of you: "You {statement}."
Describe in detail how this statement does or does not show in your life, in four parts:

Scenario Description: a specific situation of yours in which the statement matters.
Actions Taken: what you do in this situation.
Thought Process: what you think while you do it.
Emotional Response: what you feel, and how it affects what you do and think.

Write as yourself, in the first person, and begin each part with its heading."""
"""What is asked of the model."""

MAX_NEW_TOKENS = 600
"""Longest text, in tokens."""

RATERS_QUESTION = """\
Above are a statement and how accurately it describes somebody, then two texts. Which text agrees \
better with that, in values, behaviours and preferences?

A: Text A agrees significantly better.
B: Text B agrees significantly better.
neither: Neither agrees significantly better."""
"""What human raters are asked about two texts. The paper says only what they judged: "the
consistency between target values and model-generated text in terms of values, behaviors, and
preferences" (Appendix E.2)."""


class WrittenText(TypedDict):
    """One raw row: what one persona wrote about one statement."""

    person: str
    """The person's id."""
    item: int
    """The statement's number in the questionnaire."""
    statement: str
    """The statement, as printed."""
    target: int
    """The person's own response, 1-5: what the text should show."""
    method: str
    """Whose persona wrote it."""
    text: str
    """The text."""
    tokens: int | None
    """Tokens of the text in the model's own tokenizer; None behind an API."""
    words: int
    """Words of the text, split at white space."""
    parts: int
    """How many of the four headings the text has, 0-4."""


def open_question(item: Item) -> str:
    """What the model is asked about an item.

    >>> from personalign.inventory.items import ipip_neo_120
    >>> print(open_question(ipip_neo_120().items[0]).splitlines()[0])
    Given a statement of you: "You worry about things."
    """
    return TEMPLATE.format(statement=lower_first(without_full_stop(item.statement)))


def write_open_ended(
    model: Model,
    personas: Sequence[Persona],
    people: Respondents,
    items: Sequence[Item] | None = None,
    *,
    method: str,
    max_new_tokens: int = MAX_NEW_TOKENS,
    progress: Callable[[int, int], None] | None = None,
) -> list[WrittenText]:
    """Every persona's text about every statement its person answered, greedily, in one batch.

    personas: one a person, in their order. people: with all their answers; a statement without an
        answer is left out, there being nothing to compare a text with.
    items: the statements; all held-out ones where left out.
    method: what the rows call these personas.
    progress: called with (texts written, texts).
    Returns rows by person, then statement. A text does not depend on the company it is written in,
    as far as the arithmetic allows.
    Raises EvaluationError where personas and people are not equally many.
    """
    if len(personas) != len(people):
        raise EvaluationError(
            f"There are {len(personas)} personas for {len(people)} people; give one persona a "
            "person, in their order."
        )
    chosen = tuple(people.inventory.held_out if items is None else items)
    own = people.responses[:, people.inventory.columns(chosen)]  # (people, items)
    asked = [
        (person, place)
        for person in range(len(people))
        for place in range(len(chosen))
        if own[person, place]
    ]
    if not asked:
        return []
    texts = texts_of(
        model,
        [personas[person] for person, _ in asked],
        [open_question(chosen[place]) for _, place in asked],
        max_new_tokens=max_new_tokens,
        progress=progress,
    )
    return [
        WrittenText(
            person=people.ids[person],
            item=chosen[place].number,
            statement=chosen[place].statement,
            target=int(own[person, place]),
            method=method,
            text=text,
            tokens=len(model.chat.encode(text)) if isinstance(model, Decoder) else None,
            words=len(text.split()),
            parts=headings(text),
        )
        for (person, place), text in zip(asked, texts, strict=True)
    ]


def headings(text: str) -> int:
    """How many of the four headings begin a line of the text, marks around them aside.

    >>> headings("**Scenario Description:** A party.\\nactions taken\\nI left.")
    2
    """
    begun = [line.strip("#*_- \t0123456789.)").lower() for line in text.splitlines()]
    return sum(any(line.startswith(part.lower()) for line in begun) for part in PARTS)


def as_replies(texts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Texts as what `blind.pack_pairs` takes: methods are the conditions (the paper's E.2).

    Raters see the statement and the target value, and judge which text agrees with them better.
    """
    return [
        {
            "person": row["person"],
            "prompt": str(row["item"]),
            "asked": f"Statement: {row['statement']}\nTarget value: {OPTIONS[row['target']]}",
            "condition": row["method"],
            "text": row["text"],
        }
        for row in texts
    ]
