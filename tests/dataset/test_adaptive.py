"""Adaptive testing: what answers say, and which item is asked next."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from personalign.dataset.adaptive import adaptive_order, locate, next_items
from personalign.dataset.responses_model import ResponsesModel, load_responses_model
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError
from personalign.inventory.items import Inventory, ipip_neo_120
from personalign.inventory.keys import TRAITS, to_keyed


@cache
def model() -> ResponsesModel:
    return load_responses_model().only(ipip_neo_120())


@cache
def answers(people: int = 12) -> np.ndarray:
    drawn = simulate(people, seed=31)
    return drawn.responses[:, drawn.inventory.columns(ipip_neo_120())]


def _some(columns: list[int], response: int) -> np.ndarray:
    known = np.zeros((1, 120), dtype=np.int8)
    known[0, columns] = response
    return known


def test_nothing_answered_is_the_population() -> None:
    standing = locate(model(), np.zeros((2, 120), dtype=np.int8))
    assert (standing.theta == 0).all()
    assert standing.covariance[1] == pytest.approx(model().correlations)
    assert standing.trait_errors == pytest.approx(np.ones((2, 5)))


def test_the_mode_is_where_the_posterior_s_slope_is_zero() -> None:
    standing = locate(model(), answers())
    keyed = to_keyed(answers(), model().inventory.signs)
    inverse = np.linalg.inv(model().correlations)

    def log_posterior(theta: np.ndarray) -> np.ndarray:
        from personalign.dataset.responses_model import option_probabilities

        chances = option_probabilities(
            model().slopes, model().intercepts, theta[:, model().scale_of]
        )
        taken = np.take_along_axis(chances, keyed[..., None].astype(int) - 1, axis=-1)
        prior = np.einsum("ps,st,pt->p", theta, inverse, theta) / 2
        return np.log(taken).sum(axis=(1, 2)) - prior

    best = log_posterior(standing.theta)
    for scale in range(30):
        for by in (-0.02, 0.02):
            moved = standing.theta.copy()
            moved[:, scale] += by
            assert (log_posterior(moved) < best).all()


def test_agreeing_with_an_item_moves_its_scale_its_way_and_others_with_it() -> None:
    form = model().inventory
    for column in (0, 5, 40, 77):
        facet = model().scale_of[column]
        for response in (1, 5):
            theta = locate(model(), _some([column], response)).theta[0]
            way = (1 if response == 5 else -1) * form.signs[column]
            assert theta[facet] * way > 0
            along = model().correlations[facet] * theta[facet]
            assert theta == pytest.approx(along)  # one answer moves the rest by correlation


def test_every_answer_lessens_the_uncertainty_in_the_sense_of_the_prior() -> None:
    short = _some(list(range(10)), 4)
    longer = _some(list(range(60)), 4)
    nothing, some, more = (
        locate(model(), known).errors for known in (np.zeros_like(short), short, longer)
    )
    assert (some < nothing).all() and (more < some).all()


def test_people_do_not_depend_on_each_other_or_on_the_start() -> None:
    together = locate(model(), answers())
    alone = locate(model(), answers()[3:4])
    assert alone.theta[0] == pytest.approx(together.theta[3], abs=1e-5)
    elsewhere = locate(model(), answers(), start=np.full((12, 30), 1.5))
    assert elsewhere.theta == pytest.approx(together.theta, abs=1e-4)


def test_estimates_recover_people_drawn_from_the_model() -> None:
    from personalign.dataset.responses_model import option_probabilities
    from personalign.inventory.keys import to_responses

    rng = np.random.default_rng(3)
    theta = rng.multivariate_normal(np.zeros(30), model().correlations, 300)
    chances = option_probabilities(
        model().slopes, model().intercepts, theta[:, model().scale_of]
    ).cumsum(axis=-1)
    keyed = 1 + (rng.random((300, 120, 1)) > chances[..., :4]).sum(axis=-1)
    standing = locate(model(), to_responses(keyed, model().inventory.signs))
    off = (standing.theta - theta) / standing.errors
    assert off.std() == pytest.approx(1, abs=0.08)  # the errors are as large as they say
    assert abs(off.mean()) < 0.05


def test_the_next_item_is_the_one_that_lessens_the_variance_most() -> None:
    """Against brute force: give each item's expected information to the posterior and see."""
    known = _some([3, 50, 90], 4)
    asked = known > 0
    chosen = int(next_items(model(), known, asked)[0])
    standing = locate(model(), known)
    inverse = np.linalg.inv(standing.covariance[0])
    counts = {t: int(asked[0, model().inventory.traits == t].sum()) for t in TRAITS}
    open_traits = [t for t in TRAITS if counts[t] == min(counts.values())]
    left = {}
    for column in np.flatnonzero(~asked[0]):
        if model().inventory.traits[column] not in open_traits:
            continue
        scale = model().scale_of[column]
        error, middle = standing.errors[0, scale], standing.theta[0, scale]
        places = np.linspace(-5, 5, 201)
        weights = np.exp(-(places**2) / 2) / np.exp(-(places**2) / 2).sum()
        information = [
            model().information(np.full((1, 120), middle + error * place))[0, column]
            for place in places[::10]
        ]
        expected = np.interp(places, places[::10], information) @ weights
        more = inverse.copy()
        more[scale, scale] += expected
        left[column] = np.trace(np.linalg.inv(more))
    assert left[chosen] <= min(left.values()) + 0.02  # five places stand for the integral


def test_traits_stay_within_one_item_of_each_other_and_none_is_asked_twice() -> None:
    order = adaptive_order(model(), answers(), 120)
    assert (np.sort(order, axis=1) == np.arange(120)).all()
    for count in (5, 17, 30, 60):
        traits = model().inventory.traits[order[:, :count]]
        per_trait = np.stack([(traits == trait).sum(axis=1) for trait in TRAITS])
        assert (per_trait.max(axis=0) - per_trait.min(axis=0) <= 1).all()


def test_the_order_goes_by_the_answers_and_is_the_same_every_time() -> None:
    order = adaptive_order(model(), answers(), 20)
    assert (order[:, 0] == order[0, 0]).all()  # nothing known yet: the same first item
    assert len({tuple(row) for row in order.tolist()}) > 1
    assert np.array_equal(order, adaptive_order(model(), answers(), 20))
    assert np.array_equal(order[4:5], adaptive_order(model(), answers()[4:5], 20))


def test_of_equal_items_the_earlier_is_asked() -> None:
    form = Inventory("pair", tuple(i for i in ipip_neo_120()))
    whole = model()
    same = ResponsesModel(
        form,
        np.ones(120),
        np.tile([3.0, 1.0, -1.0, -3.0], (120, 1)),
        np.eye(30),
        "equal items of unrelated scales",
    )
    chosen = int(next_items(same, np.zeros((1, 120), np.int8), np.zeros((1, 120), bool))[0])
    assert chosen == 0
    assert whole.scales == same.scales


def test_when_all_is_asked_nothing_is_next() -> None:
    assert next_items(model(), answers(), np.ones((12, 120), bool)).tolist() == [-1] * 12


def test_a_skipped_item_counts_as_asked_and_says_nothing() -> None:
    skipping = np.zeros((1, 120), dtype=np.int8)
    order = adaptive_order(model(), skipping, 30)[0]
    assert len(set(order.tolist())) == 30


def test_other_shapes_are_refused() -> None:
    with pytest.raises(PeopleError, match=r"\(people, 120\)"):
        locate(model(), np.zeros((1, 300), dtype=np.int8))
    with pytest.raises(PeopleError, match="121 items cannot be asked"):
        adaptive_order(model(), answers(), 121)
