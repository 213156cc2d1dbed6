"""The adaptive questionnaire in the terminal: `personalign take --adaptive`.

What is put next is `AdaptiveTest`'s business. Going back walks through the items in the order they
were asked; an answer changed there stands, and what is asked after the last one goes by all answers
as they then are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from personalign.dataset.answers import AnswerSheet


class Adaptive:
    """Items by what they tell, until enough answers are given or they are precise enough."""

    def __init__(self, *, items: int | None = None, standard_error: float | None = None) -> None:
        from personalign.dataset.adaptive_person import ITEMS, AdaptiveTest

        self.total = items if items is not None else (ITEMS if standard_error is None else 120)
        self.test = AdaptiveTest(self.total, standard_error)

    def first(self, sheet: AnswerSheet) -> int | None:
        """The next item to ask; None where the test is over."""
        following = self.test.following(sheet)
        return following[0] if following else None

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
        from personalign.dataset.adaptive_person import standing_of
        from personalign.inventory.keys import TRAITS

        standing = standing_of(sheet)
        answered = sum(1 for answer in sheet.answers if answer)
        skipped = sheet.answers.count(0)
        console.print(f"That was the last item: {answered} answered, {skipped} skipped.")
        table = Table(box=None, title="In standard deviations from the mean", title_justify="left")
        table.add_column("")
        table.add_column("estimate", justify="right")
        table.add_column("standard error", justify="right")
        rows = zip(TRAITS.values(), standing.traits[0], standing.trait_errors[0], strict=True)
        for name, place, error in rows:
            table.add_row(name, f"{place:+.2f}", f"{error:.2f}")
        console.print(table)
        aim = self.test.standard_error
        if aim is not None:
            largest = float(standing.trait_errors.max())
            reached = "reached" if largest <= aim else "not reached"
            console.print(
                f"Largest standard error {largest:.2f}; {aim:g} was {reached}.",
                highlight=False,
            )
