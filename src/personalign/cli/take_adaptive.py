"""The adaptive questionnaire: which item `personalign take --adaptive` puts next, and when it ends.

A skipped item is not put again while others are left, and says nothing. Going back walks through
the items in the order they were asked; an answer changed there stands, and what is asked after the
last one goes by all answers as they then are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from personalign.dataset.adaptive import Standing
    from personalign.dataset.answers import AnswerSheet

ITEMS = 30
"""Answers where neither a number nor a standard error is asked for."""


class Adaptive:
    """Items by what they tell, until enough answers are given or they are precise enough."""

    def __init__(self, *, items: int | None = None, standard_error: float | None = None) -> None:
        self.total = items if items is not None else (ITEMS if standard_error is None else 120)
        self.standard_error = standard_error

    def first(self, sheet: AnswerSheet) -> int | None:
        """The next item to ask; None where the test is over."""
        from personalign.dataset.adaptive import next_items
        from personalign.dataset.answers import ADAPTIVE_MINIMUM

        standing, responses = _standing(sheet)
        answered = int((responses > 0).sum())
        precise = self.standard_error is not None and answered >= ADAPTIVE_MINIMUM
        if precise and standing.trait_errors.max() <= (self.standard_error or 0):
            return None
        if answered >= self.total:
            return None
        asked = responses >= 0
        if asked.all():  # nothing is left but what was skipped
            skipped = [place for place in sheet.asked or () if sheet.answers[place] == 0]
            return skipped[0] if answered < ADAPTIVE_MINIMUM else None
        return int(next_items(standing.model, responses.clip(0), asked, standing=standing)[0])

    def after(self, sheet: AnswerSheet, place: int) -> int | None:
        asked = sheet.asked or ()
        at = asked.index(place) + 1
        return asked[at] if at < len(asked) else self.first(sheet)

    def before(self, sheet: AnswerSheet, place: int | None) -> int | None:
        asked = sheet.asked or ()
        at = asked.index(place) if place in asked else len(asked)
        return asked[at - 1] if at else (asked[0] if asked else place)

    def count(self, sheet: AnswerSheet, place: int) -> int:
        """One more than the answers given before this item was asked."""
        asked = sheet.asked or ()
        earlier = asked[: asked.index(place)] if place in asked else asked
        return 1 + sum(1 for other in earlier if sheet.answers[other])

    def filled(self, sheet: AnswerSheet, place: int, answer: int) -> AnswerSheet:
        answers = (*sheet.answers[:place], answer, *sheet.answers[place + 1 :])
        asked = sheet.asked or ()
        asked = asked if place in asked else (*asked, place)
        return replace(sheet, answers=answers, asked=asked)

    def farewell(self, sheet: AnswerSheet) -> None:
        """Where the person stands on each trait, and how surely."""
        from rich.table import Table

        from personalign.cli.console import console
        from personalign.inventory.keys import TRAITS

        standing, responses = _standing(sheet)
        answered, skipped = int((responses > 0).sum()), int((responses == 0).sum())
        console.print(f"That was the last item: {answered} answered, {skipped} skipped.")
        table = Table(box=None, title="In standard deviations from the mean", title_justify="left")
        table.add_column("")
        table.add_column("estimate", justify="right")
        table.add_column("standard error", justify="right")
        rows = zip(TRAITS.values(), standing.traits[0], standing.trait_errors[0], strict=True)
        for name, place, error in rows:
            table.add_row(name, f"{place:+.2f}", f"{error:.2f}")
        console.print(table)
        if self.standard_error is not None:
            largest = float(standing.trait_errors.max())
            reached = "reached" if largest <= self.standard_error else "not reached"
            console.print(
                f"Largest standard error {largest:.2f}; {self.standard_error:g} was {reached}.",
                highlight=False,
            )


def _standing(sheet: AnswerSheet) -> tuple[Standing, np.ndarray]:
    """Where the person stands, and (1, items) answers: 0 skipped, -1 not reached."""
    import numpy as np

    from personalign.dataset.adaptive import locate
    from personalign.dataset.responses_model import load_responses_model

    model = load_responses_model().only(sheet.inventory)
    answers = [-1 if answer is None else answer for answer in sheet.answers]
    responses = np.array([answers], dtype=np.int8)
    return locate(model, responses.clip(0)), responses
