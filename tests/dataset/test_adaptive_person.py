"""One person's adaptive test: one item at a time, several together, and its end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from personalign.dataset.adaptive_person import AdaptiveTest, standing_of
from personalign.dataset.answers import AnswerSheet
from personalign.inventory.items import ipip_neo_120
from personalign.inventory.keys import TRAITS

FORM = ipip_neo_120()
EMPTY = AnswerSheet(FORM, (None,) * 120, ())


def answered(sheet: AnswerSheet, answers: dict[int, int]) -> AnswerSheet:
    given = tuple(answers.get(place, old) for place, old in enumerate(sheet.answers))
    asked = (
        *(sheet.asked or ()),
        *(place for place in answers if place not in (sheet.asked or ())),
    )
    return replace(sheet, answers=given, asked=asked)


def test_five_together_are_one_of_each_trait_and_begin_with_the_best() -> None:
    sheet, test = EMPTY, AdaptiveTest()
    for _ in range(3):
        five = test.following(sheet, count=5)
        assert sorted(FORM.items[place].trait for place in five) == sorted(TRAITS)
        assert five[:1] == test.following(sheet)
        sheet = answered(sheet, {place: 1 + place % 5 for place in five})


def test_what_was_put_and_not_answered_is_not_put_again() -> None:
    five = AdaptiveTest().following(EMPTY, count=5)
    again = AdaptiveTest().following(EMPTY, count=5, put=five)
    assert not set(five) & set(again)


def test_it_ends_after_the_answers_it_was_made_for_and_skips_do_not_count() -> None:
    sheet, test = EMPTY, AdaptiveTest(items=12)
    pages = []
    while places := test.following(sheet, count=5):
        pages.append(len(places))
        answers = dict.fromkeys(places, 4)
        if len(pages) == 1:
            answers[places[0]] = 0
        sheet = answered(sheet, answers)
    assert pages == [5, 5, 3]
    assert sheet.tuning_answered == 12 and standing_of(sheet).errors.max() < 1


def test_where_all_were_skipped_the_skipped_ones_come_back() -> None:
    sheet = answered(EMPTY, dict.fromkeys(range(120), 0))
    assert AdaptiveTest().following(sheet, count=5) == (0, 1, 2, 3, 4)
    assert np.allclose(standing_of(sheet).errors, 1)
