"""What a reply shows can be read off: the measure agrees with the grammar that wrote the reply."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.inventory.items import ipip_neo_300
from recipes.pocket.dialogue import FACET_CODES, open_ended_reply, sample_dialogue_about
from recipes.pocket.voice import questions, shown


@pytest.mark.parametrize("end", [-1, 1])
def test_replies_of_the_two_ends_are_told_apart(end: int) -> None:
    rng = np.random.default_rng(3)
    right, wrong = 0, 0
    for _ in range(600):
        facet, messages = sample_dialogue_about(rng, np.full(30, 2.0 * end))
        found = shown(messages[1]["content"], facet)
        if found:
            right += found * end > 0
            wrong += found * end < 0
    assert right > 400
    assert wrong < 0.02 * right


def test_the_four_parts_show_the_end_they_were_written_for() -> None:
    rng = np.random.default_rng(5)
    for item in ipip_neo_300().items[::7]:
        for score in (-2.0, 2.0):
            reply = open_ended_reply(rng, item.facet, item.sign, score, item.statement)
            found = shown(reply, item.facet)
            assert found is not None
            assert found * score > 0


def test_nothing_is_read_into_other_text() -> None:
    assert all(shown("The capital of France is Paris.", facet) is None for facet in FACET_CODES)


def test_every_facet_is_asked_about_once() -> None:
    assert [facet for facet, _ in questions()] == list(FACET_CODES)
    assert len({question for _, question in questions()}) == 30
