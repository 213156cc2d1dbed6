"""The graded response model as a value: its probabilities, its information, its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.responses_model import (
    ResponsesModel,
    load_responses_model,
    option_probabilities,
    read_responses_model,
    score_answers,
)
from personalign.errors import InventoryError, PeopleError
from personalign.inventory.forms import get_inventory
from personalign.inventory.items import ipip_neo_120
from personalign.inventory.keys import FACETS

SLOPES = np.array([0.7, 1.5, 2.2])
INTERCEPTS = np.array([[3.0, 1.0, -0.5, -2.0], [2.0, 0.5, 0.0, -3.0], [4.0, 3.0, 1.0, -1.0]])


def test_probabilities_add_up_and_rise_with_theta() -> None:
    theta = np.linspace(-4, 4, 9)[:, None]
    chances = option_probabilities(SLOPES, INTERCEPTS, theta)
    assert chances.shape == (9, 3, 5)
    assert np.allclose(chances.sum(axis=-1), 1)
    assert (chances > 0).all()
    assert (np.diff(chances @ np.arange(1, 6), axis=0) > 0).all()


def test_the_score_is_the_slope_of_the_log_likelihood() -> None:
    theta, by = np.array([[-1.3, 0.2, 2.4]]), 1e-5
    for option in range(1, 6):
        keyed = np.full((1, 3), option)
        slope, _ = score_answers(SLOPES, INTERCEPTS, theta, keyed)
        ends = [
            np.log(option_probabilities(SLOPES, INTERCEPTS, theta + d)[..., option - 1])
            for d in (-by, by)
        ]
        assert slope == pytest.approx((ends[1] - ends[0]) / (2 * by), rel=1e-5)


def test_the_information_is_the_variance_of_the_score() -> None:
    theta = np.array([[-1.3, 0.2, 2.4]])
    chances = option_probabilities(SLOPES, INTERCEPTS, theta)
    slopes = np.stack(
        [score_answers(SLOPES, INTERCEPTS, theta, np.full((1, 3), k))[0] for k in range(1, 6)], -1
    )
    _, information = score_answers(SLOPES, INTERCEPTS, theta, np.full((1, 3), 4))
    assert information == pytest.approx((chances * slopes**2).sum(axis=-1))
    assert (chances * slopes).sum(axis=-1) == pytest.approx(np.zeros((1, 3)), abs=1e-12)


def test_no_answer_says_nothing_and_extremes_stay_finite() -> None:
    slope, information = score_answers(
        SLOPES, INTERCEPTS, np.array([[90.0, -90.0, 0.0]]), np.array([[1, 5, 0]])
    )
    assert np.isfinite(slope).all() and np.isfinite(information).all()
    assert slope[0, :2] == pytest.approx([-0.7, 1.5])
    assert (slope[0, 2], information[0, 2]) == (0, 0)


def test_the_shipped_model() -> None:
    model = load_responses_model()
    assert set(model.scales) == set(FACETS)
    assert (model.slopes > 0).all()  # every item points its keyed way
    assert np.allclose(model.correlations, model.correlations.T)
    assert np.linalg.eigvalsh(model.correlations).min() > 0
    assert "simulated" in model.source
    n1, n3 = model.scales.index("N1"), model.scales.index("N3")
    assert model.correlations[n1, n3] > 0.3  # anxious people are sadder


def test_the_short_form_s_model_is_the_same_items() -> None:
    whole, form = load_responses_model(), ipip_neo_120()
    short = whole.only(form)
    columns = whole.inventory.columns(form)
    assert np.array_equal(short.slopes, whole.slopes[columns])
    assert [short.scales[place] for place in short.scale_of] == form.facets.tolist()
    with pytest.raises(InventoryError):
        short.only(get_inventory("IPIP-Big5-50"))


def test_written_and_read_again(tmp_path: Path) -> None:
    model = load_responses_model()
    model.write(tmp_path / "model.json")
    again = read_responses_model(tmp_path / "model.json")
    assert np.array_equal(again.slopes, model.slopes)
    assert np.array_equal(again.correlations, model.correlations)
    assert again.source == model.source


@pytest.mark.parametrize("text", ["", "[]", '{"inventory": "IPIP-NEO-120"}', "no json"])
def test_a_file_that_is_no_model(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(PeopleError, match="holds no model of answers"):
        read_responses_model(tmp_path / "model.json")


def test_shapes_and_orders_that_cannot_be() -> None:
    model = load_responses_model()
    with pytest.raises(PeopleError, match="needs slopes"):
        ResponsesModel(model.inventory, model.slopes[:5], model.intercepts, model.correlations, "x")
    with pytest.raises(PeopleError, match="do not fall"):
        ResponsesModel(
            model.inventory, model.slopes, model.intercepts[:, ::-1], model.correlations, "x"
        )
