"""The search for alpha, against a made-up model whose error at each alpha is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from personalign.errors import SteeringError
from personalign.inventory.items import ipip_neo_300
from personalign.methods import search
from personalign.methods.search import ALPHA_GRID, composites, search_alphas
from personalign.model.persona import PLAIN
from personalign.model.prompts import PAPI

ITEMS = ipip_neo_300().tuning


class Curves:
    """Stands in for the model: person i answers all items so that the error is curves[i](alpha)."""

    def __init__(self, *curves: Callable[[float], float]) -> None:
        self.curves = curves
        self.batches: list[int] = []
        self.breaks_from = float("inf")

    def __call__(self, decoder, personas, items, *, wording, progress=None) -> Curves:
        alphas = [persona.alpha for persona in personas]
        if max(alphas) >= self.breaks_from:
            raise SteeringError("not finite")
        self.batches.append(len(personas))
        self.asked = [(int(persona.system_prompt), persona.alpha) for persona in personas]
        if progress is not None:
            progress(len(personas) * len(items), len(personas) * len(items))
        return self

    def responses(self) -> np.ndarray:
        """The share of 5s among answers to people who said 1 throughout is the error / 20."""
        answers = np.ones((len(self.asked), len(ITEMS)), dtype=np.int8)
        for row, (person, alpha) in enumerate(self.asked):
            wrong = round(self.curves[person](alpha) / 20 * 24)
            for trait in "OCEAN":
                places = [i for i, item in enumerate(ITEMS) if item.trait == trait]
                answers[row, places[:wrong]] = 5
        return answers


def run(monkeypatch, model: Curves, **settings):
    """The curves stand for the decoder, too."""
    monkeypatch.setattr(search, "answer_items", model)
    people = len(model.curves)
    personas = [type(PLAIN)(system_prompt=str(person)) for person in range(people)]
    ones = np.ones((people, len(ITEMS)), dtype=np.int8)
    return search_alphas(model, personas, ones, ITEMS, wording=PAPI, **settings)


def test_of_two_troughs_the_deeper_is_found_on_either_side(monkeypatch) -> None:
    def left(alpha: float) -> float:
        return min(4 + 4 * abs(alpha - 1), 8 + abs(alpha - 8))

    def right(alpha: float) -> float:
        return min(8 + 4 * abs(alpha - 1), 2 + abs(alpha - 8))

    curves = run(monkeypatch, Curves(left, right))
    assert [curve.best for curve in curves] == pytest.approx([1.0, 8.0], abs=0.2)


def test_the_neighbourhood_of_the_best_is_refined(monkeypatch) -> None:
    (curve,) = run(monkeypatch, Curves(lambda alpha: 15 * abs(alpha - 2.2)))
    assert curve.best == pytest.approx(2.2, abs=0.1)
    assert set(ALPHA_GRID) < set(curve.alphas)
    assert curve.error(curve.best) == min(curve.errors) and list(curve.alphas) == sorted(
        curve.alphas
    )


def test_of_equals_the_smallest_alpha_is_taken(monkeypatch) -> None:
    flat, step = run(monkeypatch, Curves(lambda alpha: 10.0, lambda alpha: 10.0 * (alpha < 1)))
    assert flat.best == 0.0
    assert step.best == 1.0
    assert 0.875 in step.alphas  # the gap below is halved twice


def test_all_people_and_alphas_are_one_batch_a_round(monkeypatch) -> None:
    model = Curves(*[lambda alpha: alpha] * 5)
    run(monkeypatch, model)
    assert model.batches == [5 * len(ALPHA_GRID), 5, 5]  # best at 0: one gap beside it


def test_progress_reaches_the_end_and_never_falls(monkeypatch) -> None:
    steps: list[tuple[int, int]] = []
    model = Curves(lambda alpha: alpha, lambda alpha: abs(alpha - 3))
    run(monkeypatch, model, progress=lambda done, total: steps.append((done, total)))
    assert len({total for _, total in steps}) == 1
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == steps[-1][1]


def test_alphas_that_overflow_are_infinitely_wrong_and_stop_nobody(monkeypatch) -> None:
    model = Curves(lambda alpha: 10 - alpha, lambda alpha: alpha)
    model.breaks_from = 6.0
    curves = run(monkeypatch, model, refinements=0)
    assert [curve.best for curve in curves] == [5.0, 0.0]
    assert [curve.error(8.0) for curve in curves] == [np.inf, np.inf]


def test_missing_answers_on_either_side_are_left_out() -> None:
    given = np.zeros((1, len(ITEMS)), dtype=np.int8)
    extraverted = [place for place, item in enumerate(ITEMS) if item.trait == "E"]
    given[0, extraverted[:2]] = 5, 3
    answered = np.full((1, len(ITEMS)), 4, dtype=np.int8)
    assert composites(answered, given, ITEMS) == [1.0]
    answered[0, extraverted[0]] = 0
    given[0, extraverted[1]] = 1
    assert composites(answered, given, ITEMS) == [3.0]


def test_the_error_is_the_aligned_score_on_the_tuning_items() -> None:
    from personalign.dataset.simulate import simulate
    from personalign.evaluation.aligned import aligned_score

    people, others = simulate(6, seed=1), simulate(6, seed=2)
    columns = people.inventory.columns(ITEMS)
    predicted = others.responses[:, columns]
    score = aligned_score(predicted, people, ITEMS)
    assert np.allclose(composites(predicted, people.responses[:, columns], ITEMS), score.per_person)
