"""The reward of reinforcement learning: how near the option a reply names is to the person's own.

Appendix C.2 of the paper, `calculate_score`: minus the absolute difference between the option said
and the person's, 0 to -4, and -6 for a reply in which no option can be read. There is no reward
model. Where ours differs from the printed function:

- It looks for underscored names ("Very_Accurate"); our options are the questionnaire's own texts,
  and replies look like "(B). Moderately Accurate".
- It tries the options from 5 down to 1 and takes the first that occurs anywhere, so a reply that
  lists all of them counts as "Very Accurate". We take the one named first. "Inaccurate" contains
  "accurate", so options are matched as whole words, in either case.
- A bare label ("B") names an option too. A reply whose label and words name different options says
  nothing: answers are read off the label later, and words alone could otherwise earn the reward.
- The printed table has a 0, "Unknown", which earns up to 5 points more than silence; ours does not.
  An answer that the person did not give has no reward at all, and is never asked for in training.
"""

from __future__ import annotations

from collections.abc import Sequence

from personalign.errors import MethodError
from personalign.model.parse import option_named, parse_reply
from personalign.model.prompts import OPTIONS, Wording

UNREADABLE = -6.0
"""Reward of a reply that names no option."""


def calculate_score(said: int, given: int) -> float:
    """Minus the distance between two responses, or -6 where nothing was said (0).

    said: 1-5, or 0 if unreadable. given: the person's response, 1-5.
    Raises MethodError for a missing answer: it rewards nothing.

    >>> calculate_score(5, 4), calculate_score(1, 5), calculate_score(0, 3)
    (-1.0, -4.0, -6.0)
    """
    if given not in OPTIONS:
        raise MethodError(
            f"The person's response is {given}; a reply is rewarded by a response of 1-5. Leave "
            "out the items they did not answer."
        )
    return UNREADABLE if said == 0 else -float(abs(said - given))


def option_said(text: str, wording: Wording) -> int:
    """The response (1-5) that a whole reply gives, or 0: nothing readable, or two things at once.

    >>> from personalign.model.prompts import PAPI
    >>> replies = ("(B). Moderately Accurate", "very inaccurate", "B", "(B). Very Accurate", "Hm.")
    >>> [option_said(reply, PAPI) for reply in replies]
    [4, 1, 4, 0, 0]
    """
    said, named = parse_reply(text, wording), option_named(text)
    return 0 if named and named != said else said


def reply_rewards(texts: Sequence[str], given: Sequence[int], wording: Wording) -> list[float]:
    """A reward for each reply; `given` are the person's responses (1-5), in the same order."""
    return [
        calculate_score(option_said(text, wording), int(response))
        for text, response in zip(texts, given, strict=True)
    ]
