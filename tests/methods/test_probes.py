"""Probes of all heads and people at once against one scikit-learn probe at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from personalign.methods import probes
from personalign.methods.probes import ProbeFitter, row_labels
from personalign.methods.split import item_split, row_split

ITEMS, LAYERS, HEADS, WIDTH = 120, 3, 4, 16


@pytest.fixture(scope="module")
def outputs() -> torch.Tensor:
    """(240, 3, 4, 16): what an item is about, which answer was given, noise, and a common mean."""
    rng = np.random.default_rng(0)
    about = np.repeat(rng.normal(size=(ITEMS, 5)), 2, axis=0)
    answer = np.tile([1.0, -1.0], ITEMS)[:, None]
    mix = rng.normal(size=(3, 5, LAYERS * HEADS * WIDTH))
    flat = about @ mix[0] + (about * answer) @ mix[1] + answer * mix[2, 0] + 2 * mix[2, 1]
    flat += 2 * rng.normal(size=flat.shape)
    return torch.from_numpy(0.3 * flat).float().reshape(2 * ITEMS, LAYERS, HEADS, WIDTH)


@pytest.fixture(scope="module")
def responses() -> np.ndarray:
    """(5, 120) answers, some neutral and some missing."""
    return np.random.default_rng(1).integers(0, 6, size=(5, ITEMS)).astype(np.int8)


def one_at_a_time(outputs, labels, train) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(heads,) training and validation accuracy, and (heads, width) weights, by scikit-learn."""
    found = []
    for layer in range(LAYERS):
        for head in range(HEADS):
            x, kept = outputs[:, layer, head].numpy().astype(float), labels != 0
            probe = LogisticRegression(max_iter=100_000, tol=1e-10)
            probe.fit(x[kept & train], labels[kept & train])
            found.append(
                (
                    probe.score(x[kept & train], labels[kept & train]),
                    probe.score(x[kept & ~train], labels[kept & ~train]),
                    probe.coef_[0],
                )
            )
    train_accuracy, validation_accuracy, weights = zip(*found, strict=True)
    return np.array(train_accuracy), np.array(validation_accuracy), np.array(weights)


@pytest.mark.parametrize("split", ["items", "rows"])
def test_accuracies_are_scikit_learns_exactly(outputs, responses, split: str) -> None:
    labels = row_labels(responses)
    if split == "items":
        train = np.repeat(item_split(ITEMS, seed=3), 2)
        fitter = ProbeFitter(outputs, train)
    else:
        train = row_split(labels != 0, seed=3)
        fitter = ProbeFitter(outputs)
    found = fitter.fit(labels, train, weights=True)
    for person in range(len(labels)):
        mine = train if split == "items" else train[person]
        on_train, on_rest, weights = one_at_a_time(outputs, labels[person], mine)
        assert np.allclose(found.train_accuracy[person].reshape(-1), on_train, atol=1e-6)
        assert np.allclose(found.validation_accuracy[person].reshape(-1), on_rest, atol=1e-6)
        ours = found.weights[person].reshape(-1, WIDTH)
        assert np.allclose(ours, weights, atol=2e-3 * np.abs(weights).max())


def test_chunks_of_heads_change_nothing(outputs, responses, monkeypatch) -> None:
    labels, train = row_labels(responses), np.repeat(item_split(ITEMS, seed=0), 2)
    whole = ProbeFitter(outputs, train).fit(labels, train, weights=True)
    monkeypatch.setattr(probes, "CACHE_BYTES", 60_000)
    parts = ProbeFitter(outputs, train).fit(labels, train, weights=True)
    assert np.array_equal(whole.validation_accuracy, parts.validation_accuracy)
    assert np.allclose(whole.weights, parts.weights, atol=1e-4)


def test_more_people_change_nothing_for_one(outputs, responses) -> None:
    labels, train = row_labels(responses), np.repeat(item_split(ITEMS, seed=0), 2)
    fitter = ProbeFitter(outputs, train)
    together, alone = (fitter.fit(some, train, weights=True) for some in (labels, labels[2:3]))
    assert np.array_equal(together.validation_accuracy[2], alone.validation_accuracy[0])
    assert np.allclose(together.weights[2], alone.weights[0], atol=1e-4)


def test_compiled_probes_are_the_same_probes(outputs, responses, monkeypatch) -> None:
    labels, train = row_labels(responses), np.repeat(item_split(ITEMS, seed=0), 2)
    fitter = ProbeFitter(outputs, train)
    plain = fitter.fit(labels, train, weights=True)
    monkeypatch.setattr(probes, "WORTH_COMPILING", 0)
    compiled = fitter.fit(labels, train, weights=True)
    assert np.array_equal(plain.validation_accuracy, compiled.validation_accuracy)
    assert not np.array_equal(plain.weights, compiled.weights)  # not the same code
    assert np.allclose(plain.weights, compiled.weights, atol=1e-4)
    judged = fitter.fit(labels, train)
    assert np.array_equal(plain.validation_accuracy, judged.validation_accuracy)
    monkeypatch.setattr(probes, "has_numba", lambda: False)
    assert np.array_equal(fitter.fit(labels, train, weights=True).weights, plain.weights)


def test_large_outputs_agree_too(outputs, responses) -> None:
    labels, train = row_labels(responses[:1]), np.repeat(item_split(ITEMS, seed=0), 2)
    found = ProbeFitter(outputs * 30, train).fit(labels, train)
    _, expected, _ = one_at_a_time(outputs * 30, labels[0], train)
    assert np.allclose(found.validation_accuracy[0].reshape(-1), expected, atol=1e-6)


def test_neutral_and_missing_answers_label_nothing() -> None:
    labels = row_labels(np.array([[0, 1, 2, 3, 4, 5]]))[0].reshape(6, 2)
    assert labels.tolist() == [[0, 0], [-1, 1], [-1, 1], [0, 0], [1, -1], [1, -1]]


def test_someone_neutral_on_everything_has_no_accuracy(outputs) -> None:
    labels = row_labels(np.full((1, ITEMS), 3))
    train = np.repeat(item_split(ITEMS, seed=0), 2)
    found = ProbeFitter(outputs).fit(labels, train, weights=True)
    assert np.isnan(found.validation_accuracy).all() and not found.weights.any()


def test_the_item_split_keeps_pairs_together_and_the_row_split_does_not() -> None:
    pairs = np.repeat(item_split(ITEMS, seed=7), 2).reshape(ITEMS, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all() and pairs[:, 0].sum() == 72
    assert np.array_equal(item_split(ITEMS, seed=7), item_split(ITEMS, seed=7))
    assert not np.array_equal(item_split(ITEMS, seed=7), item_split(ITEMS, seed=8))
    kept = row_labels(np.full((2, ITEMS), 5)) != 0
    kept[1, :100] = False
    rows = row_split(kept, seed=7)
    assert rows.sum(axis=1).tolist() == [144, 84] and not rows[~kept].any()
    assert (rows[0, 0::2] != rows[0, 1::2]).any()
