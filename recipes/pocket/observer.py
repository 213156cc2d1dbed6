"""The ideal observer: what a respondent's earlier answers say about the next one.

Under the simulator (dataset/simulate.py) answers are jointly Gaussian before rounding, so the
best possible prediction of answer t from answers 1..t-1 has a closed form. With K the covariance
of the answered items and K = G G' its Cholesky factor, the innovations e = G^-1 z give

    mean of z_t given z_<t = z_t - G_tt e_t,     variance = G_tt^2

and, with loadings L, the posterior mean of the respondent's factors after t answers is the running
sum of (G^-1 L)_s e_s. The pocket model is trained towards these predictions instead of towards
sampled answers: that is what made it learn the person and not only the population (dev/log.md).

`answer_weights` is what a single answer says, in a form that adds up: the best linear guess of the
factors from how far the answers are from neutral, without a constant. Added up over the answers of
somebody typical it comes to nothing, so a sum of them shows how a person differs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from personalign.dataset.simulate import Population

_EDGES = np.array([1.5, 2.5, 3.5, 4.5])
_ROUNDING = 1.0 / 12.0  # variance of rounding to whole numbers
_MOST_COMMUNALITY = 0.92


@dataclass(frozen=True)
class Predictions:
    """What the ideal observer knows along one sequence of answers."""

    options: np.ndarray
    """(answers, 5) probability of each response 1-5 given all earlier answers."""
    known: np.ndarray
    """(answers + 1, factors) posterior mean of the factors after 0, 1, ... answers."""


def amplified(population: Population, factor: float) -> Population:
    """The population with every loading times `factor`, communalities kept below 0.92.

    Stronger signals early in training; the factor is annealed to 1.
    """
    loadings = population.loadings * factor
    communality = (loadings**2).sum(axis=1, keepdims=True)
    loadings = loadings * np.minimum(1.0, np.sqrt(_MOST_COMMUNALITY / communality))
    return Population(
        means=population.means,
        sds=population.sds,
        loadings=loadings if factor > 1 else population.loadings,
        demographics=population.demographics,
        about=population.about,
    )


def observe(population: Population, columns: np.ndarray, responses: np.ndarray) -> Predictions:
    """Predictions along a sequence: `columns` (answers,) items asked, `responses` (answers,) 1-5.

    An item may come twice; the observer then expects the same answer again.
    """
    means, sds = population.means[columns], population.sds[columns]
    loadings = population.loadings[columns]
    rounding = _ROUNDING / sds**2
    scores = (responses - means) / sds
    same_item = columns[:, None] == columns[None, :]
    covariance = loadings @ loadings.T + same_item * population.uniquenesses[columns]
    root = np.linalg.cholesky(covariance + np.diag(rounding))
    solved = np.linalg.solve(root, np.column_stack([scores, loadings]))
    innovations, gains = solved[:, 0], solved[:, 1:]
    diagonal = np.diag(root)
    mean = means + sds * (scores - diagonal * innovations)
    sd = sds * np.sqrt(np.maximum(diagonal**2 - rounding, 0.05 * rounding))
    steps = gains * innovations[:, None]
    return Predictions(
        options=_options(mean, sd),
        known=np.vstack([np.zeros((1, steps.shape[1])), np.cumsum(steps, axis=0)]),
    )


def after_all(population: Population, known: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """(people, items, 5) probability of each response to each item after all known answers.

    known: (known,) columns of different items. responses: (people, known) 1-5. A known item is
    predicted from the others' answers.
    """
    rounding = _ROUNDING / population.sds**2
    covariance = population.loadings @ population.loadings.T + np.diag(population.uniquenesses)
    precision = np.linalg.inv(covariance[np.ix_(known, known)] + np.diag(rounding[known]))
    scores = (responses - population.means[known]) / population.sds[known]
    gains = covariance[:, known] @ precision
    means = scores @ gains.T
    variances = np.diag(covariance) - (gains * covariance[:, known]).sum(axis=1)
    means[:, known] = scores - scores @ precision / np.diag(precision)
    variances[known] = 1 / np.diag(precision) - rounding[known]
    sds = population.sds * np.sqrt(np.maximum(variances, 0.05 * rounding))
    return _options(population.means + population.sds * means, sds)


def answer_weights(population: Population, share: float = 0.4) -> np.ndarray:
    """(items, factors) what one step from neutral on an item adds to the guess of the factors.

    The guess is the best one that is linear in (response - 3), has no constant, and knows `share`
    of all items, drawn by chance. Scaled so that a response's part is about as long as its loading.
    """
    sds, means = population.sds, population.means
    agreement = sds[:, None] * population.loadings
    moments = agreement @ agreement.T + np.diag(population.uniquenesses * sds**2 + _ROUNDING)
    moments += np.outer(means - 3.0, means - 3.0)
    known = share * moments + (1 - share) * np.diag(np.diag(moments))
    weights = np.linalg.solve(known, agreement)
    lengths = np.sqrt((weights**2).sum() * np.diag(moments).mean() / len(weights))
    return weights * np.sqrt((population.loadings**2).sum(axis=1).mean()) / lengths


def _options(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """(..., 5) probability that a Gaussian rounds to 1-5, at least about 1e-4 each."""
    cumulative = ndtr((_EDGES - mean[..., None]) / sd[..., None])
    options = np.maximum(np.diff(cumulative, axis=-1, prepend=0.0, append=1.0), 1e-4)
    return options / options.sum(axis=-1, keepdims=True)
