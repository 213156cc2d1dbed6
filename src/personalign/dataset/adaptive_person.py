"""An adaptive test of one person: what is put to them next, and when it is over.

`adaptive.py` has the mathematics, for any number of people; this is the conduct of one test, the
same in the terminal and on the site. A skipped item is not put again while others are left, and
says nothing. Several items may be put together: they are the best given the answers so far, and
since the five traits stay within one item of each other, five items are one of each trait.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personalign.dataset.adaptive import Standing, locate, next_items
from personalign.dataset.answers import ADAPTIVE_MINIMUM, AnswerSheet
from personalign.dataset.responses_model import load_responses_model

ITEMS = 30
"""Answers where neither a number nor a standard error is asked for."""


@dataclass(frozen=True)
class AdaptiveTest:
    """When a test ends."""

    items: int = ITEMS
    """After so many answers."""
    standard_error: float | None = None
    """Or, after 10 answers, when no trait's standard error is above this."""

    def following(
        self, sheet: AnswerSheet, *, count: int = 1, put: Iterable[int] = ()
    ) -> tuple[int, ...]:
        """The places of the next items, at most `count` of them; none where the test is over.

        put: places that were put to the person and are not answered or skipped yet.
        """
        responses = _responses(sheet)
        standing = standing_of(sheet)
        answered = int((responses > 0).sum())
        precise = self.standard_error is not None and answered >= ADAPTIVE_MINIMUM
        if precise and standing.trait_errors.max() <= (self.standard_error or 0):
            return ()
        asked = responses >= 0
        asked[0, list(put)] = True
        places: list[int] = []
        while len(places) < min(count, self.items - answered) and not asked.all():
            known = responses.clip(0)
            place = int(next_items(standing.model, known, asked, standing=standing)[0])
            asked[0, place] = True
            places.append(place)
        if not places and answered < min(
            ADAPTIVE_MINIMUM, self.items
        ):  # only skipped ones are left
            places = [place for place in sheet.asked or () if sheet.answers[place] == 0][:count]
        return tuple(places)


def standing_of(sheet: AnswerSheet) -> Standing:
    """Where the person of a sheet stands, by the answers so far."""
    model = load_responses_model().only(sheet.inventory)
    return locate(model, _responses(sheet).clip(0))


def _responses(sheet: AnswerSheet) -> NDArray[np.int8]:
    """(1, items) answers: 0 skipped, -1 not reached."""
    answers = [-1 if answer is None else answer for answer in sheet.answers]
    return np.array([answers], dtype=np.int8)
