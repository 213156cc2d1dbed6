"""Fit the graded response model to a file of people, all items at once.

Two steps, each the plain textbook one:

1. **Items**, scale by scale, by marginal maximum likelihood (Bock and Aitkin 1981, Psychometrika
   46, 443-459): an EM whose E-step spreads each person over 31 nodes of a standard normal theta,
   and whose M-step is one Fisher-scoring step of a_j, c_j2 ... c_j5, for all items together.
2. **Correlations of the scales**, from each person's expected theta (EAP) on every scale alone. An
   EAP is drawn towards 0 by its reliability r = var(EAP), so cov(EAP_s, EAP_t) = r_s r_t rho_st,
   which is solved for rho; the nearest positive definite matrix is taken.

Missing answers are left out of both. 10,000 people take seconds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from personalign.dataset.people import Respondents
from personalign.dataset.responses_model import (
    OPTIONS,
    ResponsesModel,
    option_probabilities,
    scale_places,
)
from personalign.errors import PeopleError

FEWEST_PEOPLE = 100
"""Below this five options an item cannot be told apart."""

NODES = np.linspace(-4.5, 4.5, 31)
"""Places on a scale, in standard deviations, that the normal is summed at."""

CYCLES = 150
"""EM cycles at most."""

TOLERANCE = 2e-3
"""The EM stops when no slope or intercept (logits) moves by more than this in a cycle."""

PRIOR_ANSWERS = 0.5
"""Answers to each option, spread like the population, that every item is given for a start, so
that an option nobody took has a finite intercept."""

LEAST_EIGENVALUE = 0.01
"""Of the scales' correlations; below it two scales would be one."""

STEEPEST = 6.0
"""Slopes are kept within this, either way."""

Progress = Callable[[int, int], None]
"""Called as progress(cycles done, most cycles)."""


def fit_responses_model(people: Respondents, *, progress: Progress | None = None) -> ResponsesModel:
    """Fit the model to people's answers.

    people: at least 100 of them; responses, of which the keyed values are modelled.
    Returns the model of all items of their questionnaire. The same people give the same model.
    Raises PeopleError for too few people, or an item that fewer than 10 of them answered.
    """
    inventory = people.inventory
    if len(people) < FEWEST_PEOPLE:
        raise PeopleError(
            f"{len(people)} people are too few to fit {5 * len(inventory)} figures of "
            f"{inventory.name}; give at least {FEWEST_PEOPLE}, better some thousands."
        )
    keyed = people.keyed
    answered = (keyed > 0).sum(axis=0)
    if answered.min() < 10:
        raise PeopleError(
            f"Item {inventory.numbers[answered.argmin()]} was answered by {answered.min()} of "
            f"these {len(people)} people, too few to say anything of it. Give people who answered "
            f"{inventory.name} whole."
        )
    places = scale_places(inventory)
    slopes, intercepts, expected = fit_items(keyed, places, progress=progress)
    return ResponsesModel(
        inventory,
        slopes,
        intercepts,
        _correlations(expected),
        f"{len(people)} people: {people.source}",
    )


def fit_items(
    keyed: NDArray[np.integer], scales: NDArray[np.integer], *, progress: Progress | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Slopes (items,), intercepts (items, 4), expected thetas (people, scales).

    keyed: (people, items) 1-5, 0 missing. scales: (items,) the place of each item's scale.
    """
    weights = np.exp(-(NODES**2) / 2)
    weights /= weights.sum()
    slopes, intercepts = _start(keyed)
    columns = [np.flatnonzero(scales == scale) for scale in range(scales.max() + 1)]
    chosen = [_chosen(keyed[:, items]) for items in columns]
    expected = np.zeros((len(keyed), len(columns)))
    counts = np.empty((keyed.shape[1], OPTIONS, len(NODES)))
    for cycle in range(CYCLES):
        logs = np.log(
            np.maximum(option_probabilities(slopes, intercepts, NODES[:, None]), 1e-30)
        )  # (nodes, items, 5)
        for scale, items in enumerate(columns):
            table = logs[:, items].reshape(len(NODES), -1).T.astype(np.float32)
            posterior = chosen[scale] @ table + np.log(weights).astype(np.float32)
            posterior -= posterior.max(axis=1, keepdims=True)
            np.exp(posterior, out=posterior)
            posterior /= posterior.sum(axis=1, keepdims=True)
            expected[:, scale] = posterior @ NODES
            counts[items] = (chosen[scale].T @ posterior).reshape(len(items), OPTIONS, -1)
        # Every item's start: PRIOR_ANSWERS people an option, of all thetas, which moves nothing
        # where an option has people of its own.
        step = _improve(slopes, intercepts, counts + PRIOR_ANSWERS * weights)
        moved = max(np.abs(step[0] - slopes).max(), np.abs(step[1] - intercepts).max())
        slopes, intercepts = step
        if progress is not None:
            progress(cycle + 1, CYCLES)
        if moved < TOLERANCE:
            break
    for scale, items in enumerate(columns):  # a scale's direction is its items' keyed one
        if slopes[items].sum() < 0:
            slopes[items] *= -1
            expected[:, scale] *= -1
    if progress is not None:
        progress(CYCLES, CYCLES)
    return slopes, intercepts, expected


def _start(keyed: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slopes of one, and intercepts that give each item's counts about the middle person."""
    counts = np.array([(keyed == option).sum(axis=0) for option in range(1, OPTIONS + 1)]) + 0.5
    share = np.cumsum(counts[::-1], axis=0)[::-1][1:] / counts.sum(axis=0)  # (4, items)
    return np.ones(keyed.shape[1]), 1.2 * np.log(share / (1 - share)).T


def _chosen(keyed: NDArray[np.integer]) -> NDArray[np.float32]:
    """(people, items * 5) one where that option was taken; a missing answer has no one."""
    options = np.arange(1, OPTIONS + 1)
    return (keyed[:, :, None] == options).reshape(len(keyed), -1).astype(np.float32)


def _improve(
    slopes: NDArray[np.float64], intercepts: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One Fisher-scoring step of every item, halved until the item's likelihood does not fall.

    counts: (items, 5, nodes) expected answers.
    """
    items = len(slopes)
    chances = option_probabilities(slopes, intercepts, NODES[:, None]).transpose(1, 2, 0)
    chances = np.maximum(chances, 1e-12)
    above = np.cumsum(chances[:, ::-1], axis=1)[:, ::-1][:, 1:]  # (items, 4, nodes)
    steep = above * (1 - above)
    change = np.zeros((items, OPTIONS, OPTIONS, len(NODES)))  # of option, by a and c2 ... c5
    for k in range(OPTIONS - 1):
        change[:, k + 1, k + 1] = steep[:, k]
        change[:, k, k + 1] = -steep[:, k]
    change[:, :, 0] = change[:, :, 1:].sum(axis=2) * NODES
    gradient = np.einsum("jkq,jkpq->jp", counts / chances, change)
    people = counts.sum(axis=1, keepdims=True) / chances
    information = np.einsum("jkq,jkpq,jkrq->jpr", people, change, change, optimize=True)
    information += 1e-6 * np.eye(OPTIONS)
    step = np.linalg.solve(information, gradient[..., None])[..., 0]
    before = (counts * np.log(chances)).sum(axis=(1, 2))
    size = np.ones(items)
    for _ in range(12):
        new = np.clip(slopes + size * step[:, 0], -STEEPEST, STEEPEST)
        cut = intercepts + size[:, None] * step[:, 1:]
        ordered = (np.diff(cut, axis=1) < -1e-4).all(axis=1)
        tried = option_probabilities(new, cut, NODES[:, None]).transpose(1, 2, 0)
        after = (counts * np.log(np.maximum(tried, 1e-12))).sum(axis=(1, 2))
        worse = ~ordered | (after < before - 1e-9 * np.abs(before))
        if not worse.any():
            break
        size[worse] /= 2
    keep = ~worse
    return np.where(keep, new, slopes), np.where(keep[:, None], cut, intercepts)


def _correlations(expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """(scales, scales) correlations of the thetas behind these EAPs, positive definite."""
    covariance = np.cov(expected.T).reshape(expected.shape[1], -1)
    reliability = np.maximum(np.diag(covariance), 0.05)
    rho = np.clip(covariance / np.outer(reliability, reliability), -0.98, 0.98)
    np.fill_diagonal(rho, 1.0)
    values, vectors = np.linalg.eigh(rho)
    rho = (vectors * np.maximum(values, LEAST_EIGENVALUE)) @ vectors.T
    spread = np.sqrt(np.diag(rho))
    return np.asarray(rho / np.outer(spread, spread))
