"""Reading an answer out of a reply.

The rules are those of `answer_cleansing` in the zero_shot_cot repository: of a few-shot reply what
stands after the last "The answer is", or, where that was not said, the last candidate in the
whole; of a zero-shot answer the first candidate. `original_answer` is that to the letter.
`read_answer` mends what it cannot mean, and is what counts:

- capital letters inside words are no options: "Based on this" is not B, and of "I think (C)" the
  letter in brackets is meant. "A" before a small word is an article where there is another letter;
- numbers are compared by value: 18.00 is 18, and so is a data set's "2,125" what a reply's 2125 is;
- a minus may be a real minus sign; yes and no may stand in brackets or before any mark;
- options may be in small letters, as in the worked examples, and "The answer is" may follow "So".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from personalign.evaluation.reasoning.prompts import FEW_SHOT_TRIGGER, Prompting
from personalign.evaluation.reasoning.questions import LETTERS, plain_number
from personalign.evaluation.reasoning.tasks import Kind

_NUMBER = re.compile(r"-?\d+\.?\d*")
_DATE = re.compile(r"(?<!\d)(\d{1,2})/(\d{1,2})/(\d{4})(?!\d)")
_TRIGGER = re.compile(re.escape(FEW_SHOT_TRIGGER), re.IGNORECASE)
_ARTICLE = re.compile(r"\bA(?= [a-z])")


def read_answer(reply: str, kind: Kind, prompting: Prompting, *, options: int = 0) -> str | None:
    """The answer in a reply, in the form of `Question.gold`; None where there is none to be read.

    reply: of the second stage, zero-shot; whole, few-shot. options: how many there are to choose
    from.

    >>> read_answer("So he pays $1,234.50. The answer is 1,234.50.", "number", "few-shot")
    '1234.5'
    >>> read_answer(" (B). Because a bank has doors.", "choice", "zero-shot", options=5)
    'B'
    >>> read_answer("nobody knows", "yes-no", "zero-shot") is None
    True
    """
    parts = _TRIGGER.split(reply) if prompting == "few-shot" else [reply]
    found = _candidates(parts[-1], kind, options)
    if not found:
        return None
    return found[-1] if prompting == "few-shot" and len(parts) == 1 else found[0]


def original_answer(reply: str, kind: Kind, prompting: Prompting, *, options: int = 0) -> str:
    """What the zero_shot_cot repository reads; "" for nothing. Dates are not read there: "".

    >>> original_answer("Based on this, C.", "choice", "zero-shot", options=5)
    'B'
    """
    parts = reply.split(FEW_SHOT_TRIGGER) if prompting == "few-shot" else [reply]
    text = parts[-1]
    found: Sequence[str]
    if kind == "number":
        found = _NUMBER.findall(text.replace(",", ""))
    elif kind == "choice":
        found = re.findall("|".join(LETTERS[:options]), text)
    elif kind == "yes-no":
        words = re.sub(r"[\"'\n.\s:,]", " ", text.lower()).split(" ")
        found = [word for word in words if word in ("yes", "no")]
    else:
        found = []
    if not found:
        return ""
    last = prompting == "few-shot" and len(parts) == 1
    return found[-1 if last else 0].removesuffix(".")


def _candidates(text: str, kind: Kind, options: int) -> list[str]:
    """Everything in a text that may be an answer, in order."""
    if kind == "number":
        return [
            plain_number(found)
            for found in _NUMBER.findall(text.replace(",", "").replace("−", "-"))
        ]
    if kind == "yes-no":
        return re.findall(r"\b(yes|no)\b", text.lower())
    if kind == "date":
        return [f"{int(m):02d}/{int(d):02d}/{y}" for m, d, y in _DATE.findall(text)]
    letters = LETTERS[:options]
    bracketed = re.findall(rf"\(([{letters}{letters.lower()}])\)", text)
    if bracketed:
        return [letter.upper() for letter in bracketed]
    alone = re.compile(rf"\b[{letters}]\b")
    return alone.findall(_ARTICLE.sub("", text)) or alone.findall(text)
