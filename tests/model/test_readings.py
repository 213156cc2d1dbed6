"""What is kept between calls is right, is read once, and stays within its budget."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from personalign.evaluation.meter import counted
from personalign.model.answer import answer_items
from personalign.model.persona import PLAIN, Persona
from personalign.model.readings import Readings, kept_readings, read_once
from tests.model.conftest import some_shift
from tests.model.loud import ITEMS, loud


def replying(*alphas: float, prompt: str | None = None) -> list[Persona]:
    shift = some_shift(loud())
    return [Persona(prompt, shift, alpha=alpha, scope="generated") for alpha in alphas]


def test_answers_are_bit_for_bit_those_without_it() -> None:
    asked = [replying(1.0), replying(2.0, 3.0), replying(1.0, 4.0, prompt="You love parties.")]
    expected = [answer_items(loud(), some, ITEMS).log_probs for some in asked]
    for budget in (2**30, 50_000, 0):
        with kept_readings(loud(), budget):
            for _ in range(2):
                for some, log_probs in zip(asked, expected, strict=True):
                    found = answer_items(loud(), [PLAIN, *some], ITEMS).log_probs[1:]
                    np.testing.assert_array_equal(found, log_probs)


def test_questions_are_read_once_and_let_go_at_the_end() -> None:
    first, second = replying(1.0), replying(2.0)
    with counted(loud()) as whole:
        answer_items(loud(), second, ITEMS)
    with kept_readings(loud()):
        answer_items(loud(), first, ITEMS)
        with counted(loud()) as again:
            answer_items(loud(), second, ITEMS)
    assert again.forward < whole.forward / 3  # a reply is begun with fewer tokens than a question
    with counted(loud()) as after:
        answer_items(loud(), second, ITEMS)
    assert after.forward == whole.forward


@pytest.mark.parametrize("budget", [0, 100, 250])
def test_the_least_recently_used_goes_first(budget: int) -> None:
    """Each entry takes 100 bytes."""
    entry = [(torch.zeros(1, 1, 25), torch.zeros(0))]
    readings, reads = Readings(budget), []
    for key in "abacbab":
        readings.get(key, lambda key=key: reads.append(key) or entry)  # type: ignore[func-returns-value]
        assert readings.held <= budget
    assert "".join(reads) == {0: "abacbab", 100: "abacbab", 250: "abcba"}[budget]


def test_outside_a_block_nothing_is_kept() -> None:
    reads: list[int] = []
    for _ in range(2):
        read_once(loud(), "key", lambda: reads.append(1) or [])  # type: ignore[func-returns-value]
    assert len(reads) == 2
