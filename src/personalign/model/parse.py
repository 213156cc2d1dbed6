"""Reading a response out of a model's text.

`parse_reply` is ours: the label at the start of the reply, or the option in words. The rule of
the paper's released code, `parse_reply_as_released`, takes the first letter a-e that no letter
follows within twelve characters, which also finds an E in "The"; it is kept for comparison.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from personalign.model.prompts import OPTIONS, Wording

Parser = Callable[[str, Wording], int]
"""(reply, wording) -> response 1-5, or 0 when nothing can be read."""

RELEASED_WINDOW = 12
"""Characters the released rule looks at."""

_OPENERS = r"^[\s\"'*(\[{<]*(?:(?:the |my )?(?:answer|option|choice)(?: is)?[\s:]*)?[\s\"'*(\[{<]*"


def parse_reply(text: str, wording: Wording) -> int:
    """The response (1-5) a reply gives, or 0.

    A label counts at the beginning, bare, in brackets, or after a few words such as "Option" or
    "The answer is"; otherwise an option's own wording anywhere, the first one named.

    >>> from personalign.model.prompts import PAPI
    >>> [parse_reply(text, PAPI) for text in ("(B). Moderately Accurate", "Option D", "Hm.")]
    [4, 2, 0]
    """
    labels = sorted(wording.labels, key=len, reverse=True)
    found = re.match(
        f"{_OPENERS}({'|'.join(map(re.escape, labels))})(?![^\\W_])", text, re.IGNORECASE
    )
    if found and not _is_article(found.group(1), text[found.end() :]):
        for label, response in zip(wording.labels, wording.order, strict=True):
            if label.lower() == found.group(1).lower():
                return response
    return option_named(text)


def option_named(text: str) -> int:
    """The first option (1-5) named in words, or 0; "Inaccurate" is not taken for "Accurate".

    >>> option_named("I would say moderately  inaccurate."), option_named("(A).")
    (2, 0)
    """
    spaced = " ".join(text.lower().split())
    places = {
        response: match.start()
        for response, option in OPTIONS.items()
        if (match := re.search(rf"\b{option.lower()}\b", spaced))
    }
    return min(places, key=lambda response: places[response]) if places else 0


def parse_reply_as_released(text: str, wording: Wording) -> int:
    """The released rule: the first of [a-e] followed by no letter, in the first 12 characters.

    The letter is the place of the option, whatever the wording's labels; 0 if there is none.

    >>> from personalign.model.prompts import PAPI
    >>> parse_reply_as_released(" (E). Very", PAPI), parse_reply_as_released("The other", PAPI)
    (1, 1)
    """
    found = re.search(r"([a-eA-E])[^a-zA-Z]", text[:RELEASED_WINDOW])
    return wording.order["abcde".index(found.group(1).lower())] if found else 0


def _is_article(label: str, rest: str) -> bool:
    """Whether the label is the word "a" of a sentence: in lower case or with a word after it."""
    return label.lower() == "a" and re.match(r" +[a-z]", rest) is not None
