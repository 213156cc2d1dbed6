"""Laws of shifts: laid in the right place, adding and scaling linear, bad values refused."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalign.errors import SteeringError
from personalign.model.shift import Shift

HEADS, HEAD_DIM, LAYERS = 3, 4, 5


def shift_of(seed: int, k: int = 4) -> Shift:
    random = np.random.default_rng(seed)
    flat = random.permutation(LAYERS * HEADS)[:k]
    directions = random.normal(size=(k, HEAD_DIM))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return Shift(flat // HEADS, flat % HEADS, directions, random.uniform(0.1, 2, k))


def laid(shift: Shift, alpha: float) -> np.ndarray:
    """All layers' displacements, (layers, heads * head_dim)."""
    whole = np.zeros((LAYERS, HEADS * HEAD_DIM))
    for layer, row in shift.displacements(alpha, HEADS, HEAD_DIM).items():
        whole[layer] = row
    return whole


def test_a_displacement_is_alpha_sigma_direction_at_its_head() -> None:
    shift = Shift([2, 2], [0, 2], np.array([[1, 0, 0, 0], [0, 0.6, 0, -0.8]]), [2.0, 0.5])
    rows = shift.displacements(3.0, HEADS, HEAD_DIM)
    assert set(rows) == {2}
    assert rows[2].dtype == np.float32
    np.testing.assert_allclose(rows[2], [6, 0, 0, 0, 0, 0, 0, 0, 0, 0.9, 0, -1.2], rtol=1e-6)


seeds = st.integers(0, 10_000)
factors = st.floats(-5, 5)


@settings(deadline=None)
@given(seeds, seeds, factors, st.integers(0, 8), st.integers(0, 8))
def test_shifts_add_and_scale(a: int, b: int, factor: float, k: int, j: int) -> None:
    one, two = shift_of(a, k), shift_of(b, j)
    np.testing.assert_allclose(
        laid(one + two, 1.5), laid(one, 1.5) + laid(two, 1.5), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        laid(one.scaled(factor), 1.5), factor * laid(one, 1.5), rtol=1e-4, atol=1e-5
    )
    assert one + two == one + two
    assert len(one + two) == len(set(one.pairs) | set(two.pairs))


@settings(deadline=None)
@given(seeds)
def test_a_shift_and_its_opposite_cancel(seed: int) -> None:
    shift = shift_of(seed)
    assert not laid(shift + shift.scaled(-1), 4.0).any()


@settings(deadline=None)
@given(seeds, st.permutations(range(4)))
def test_the_digest_does_not_depend_on_order(seed: int, order: list[int]) -> None:
    shift = shift_of(seed)
    shuffled = Shift(
        shift.layers[order], shift.heads[order], shift.directions[order], shift.sigmas[order]
    )
    assert shuffled == shift and hash(shuffled) == hash(shift)


def test_any_change_changes_the_digest() -> None:
    shift = shift_of(0)
    turned = shift.directions.copy()
    turned[0] = -turned[0]
    parts = (shift.layers, shift.heads, shift.directions, shift.sigmas)
    digests = {
        shift.digest,
        Shift(parts[0] + 1, *parts[1:]).digest,
        Shift(parts[0], parts[1] + 1, *parts[2:]).digest,
        Shift(*parts[:2], turned, parts[3]).digest,
        Shift(*parts[:3], np.nextafter(shift.sigmas, np.float32(9))).digest,
        shift_of(0, 3).digest,
    }
    assert len(digests) == 6
    assert shift != "a shift"


def test_a_shift_cannot_be_changed_from_outside() -> None:
    directions = np.eye(4, dtype=np.float32)[:1]
    shift = Shift([0], [0], directions, [1.0])
    directions[0] = 0
    assert shift.directions[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        shift.sigmas[0] = 2
    with pytest.raises(FrozenInstanceError):
        shift.sigmas = np.ones(1)  # type: ignore[misc]


UNIT = np.array([[1.0, 0.0]])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (([0], [0], UNIT * np.nan, [1.0]), "not finite"),
        (([0], [0], UNIT * 2, [1.0]), "has length 2"),
        (([0], [0], UNIT * 0, [1.0]), "has length 0"),
        (([0], [0], UNIT, [np.nan]), "finite and not negative"),
        (([0], [0], UNIT, [-1.0]), "finite and not negative"),
        (([0], [0], UNIT, [np.inf]), "finite and not negative"),
        (([0, 1], [0], UNIT, [1.0]), "2, 1, 1 and 1"),
        (([0], [0], UNIT[0], [1.0]), "2 are needed"),
        (([-1], [0], UNIT, [1.0]), "none is negative"),
        (([3, 3], [1, 1], UNIT.repeat(2, 0), [1.0, 1.0]), "Head 1 of layer 3 .* twice"),
    ],
)
def test_bad_values_are_refused(arguments: tuple, reason: str) -> None:
    with pytest.raises(SteeringError, match=reason):
        Shift(*arguments)


def test_a_shift_that_does_not_fit_is_refused() -> None:
    shift = Shift([0], [2], UNIT, [1.0])
    with pytest.raises(SteeringError, match="2 wide, the model's heads 4"):
        shift.displacements(1.0, 3, 4)
    with pytest.raises(SteeringError, match=r"pushes head 2, .* have 2 heads, numbered 0 to 1"):
        shift.displacements(1.0, 2, 2)
    with pytest.raises(SteeringError, match="Alpha is nan"):
        shift.displacements(float("nan"), 3, 2)
    with pytest.raises(SteeringError, match="cannot be added"):
        shift_of(0) + shift
    assert Shift([], [], np.zeros((0, 2)), []).displacements(1.0, 3, 2) == {}
