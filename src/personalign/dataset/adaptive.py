"""Adaptive testing: where a person stands after some answers, and which item to ask next.

    standing = locate(model, responses)      every scale and trait, with its standard error
    next_items(model, responses, asked)      the item that will tell most

**Standing.** The thetas of all scales together have a normal prior, the model's correlations. Given
the answers so far, their posterior is taken as normal around its mode (MAP), with the covariance
(R^-1 + diag(information))^-1: an answer about one facet moves, and sharpens, all facets that go
with it.

**Next item.** The one expected to take most from the summed posterior variance of all scales. An
item of scale s with information i takes i |V_s|^2 / (1 + i V_ss), with V the posterior covariance
and i averaged over the posterior of theta_s. Only traits asked least so far are eligible, so that
the five stay within one item of each other. Of equals the earlier item in the form is asked.

Answers are responses at the door and keyed values inside. People are rows everywhere, so that a
thousand can be tested at once. After van der Linden (1999) and Segall (1996) on multidimensional
adaptive testing; docs/design/adaptive.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personalign.dataset.responses_model import ResponsesModel, score_answers
from personalign.errors import PeopleError
from personalign.inventory.keys import TRAITS, to_keyed

STEPS = 60
"""Scoring steps to the mode at most; a handful is enough."""

NEAR = 1e-6
"""The mode is found when no theta moves by more, in standard deviations."""

_PLACES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
# Where a normal posterior is looked at, in its standard deviations, and how much each place counts.


@dataclass(frozen=True)
class Standing:
    """Where people stand on every scale, in standard deviations of the population."""

    model: ResponsesModel
    """The model that says so."""
    theta: NDArray[np.float64]
    """(people, scales) the most probable place on each scale, in the order of `model.scales`."""
    covariance: NDArray[np.float64]
    """(people, scales, scales) how uncertain they are, and together with what."""

    @property
    def errors(self) -> NDArray[np.float64]:
        """(people, scales) standard errors; 1 is knowing nothing."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    @property
    def traits(self) -> NDArray[np.float64]:
        """(people, 5) places on the traits, O C E A N: each the mean of its facets, rescaled."""
        return self.theta @ _trait_weights(self.model).T

    @property
    def trait_errors(self) -> NDArray[np.float64]:
        """(people, 5) standard errors of `traits`; 1 is knowing nothing."""
        weights = _trait_weights(self.model)
        return np.sqrt(np.einsum("ts,psu,tu->pt", weights, self.covariance, weights, optimize=True))


def locate(
    model: ResponsesModel,
    responses: NDArray[np.integer],
    *,
    start: NDArray[np.float64] | None = None,
) -> Standing:
    """Where people stand, given their answers so far.

    responses: (people, items) 1-5, 0 where not answered (yet), columns as `model.inventory`.
    start: (people, scales) thetas to begin the search at; the middle when left out.

    >>> from personalign.dataset.responses_model import load_responses_model
    >>> nothing = locate(load_responses_model(), np.zeros((1, 300), dtype=int))
    >>> bool(np.allclose(nothing.errors, 1)), bool(np.allclose(nothing.theta, 0))
    (True, True)
    """
    responses = _checked(model, responses)
    people, scales = len(responses), len(model.scales)
    most = int((responses > 0).sum(axis=1).max(initial=0))
    columns = np.argsort(responses == 0, axis=1, kind="stable")[:, :most]  # the answered ones first
    keyed = np.take_along_axis(to_keyed(responses, model.inventory.signs), columns, axis=1)
    slopes, intercepts = model.slopes[columns], model.intercepts[columns]
    scale = model.scale_of[columns]
    member = np.eye(scales)[scale]  # (people, answers, scales)
    theta = np.zeros((people, scales)) if start is None else start.copy()
    covariance = np.tile(model.correlations, (people, 1, 1))
    active = np.arange(people if most else 0)
    for _ in range(STEPS):
        if not len(active):
            break
        now = theta[active]
        own = np.take_along_axis(now, scale[active], axis=1)
        slope, information = score_answers(slopes[active], intercepts[active], own, keyed[active])
        sums = np.stack([slope, information], axis=1) @ member[active]  # (active, 2, scales)
        pulls, gained = sums[:, 0], sums[:, 1]
        covariance[active] = _posterior(model.correlations, gained)
        aim = (covariance[active] @ (gained * now + pulls)[..., None])[..., 0]
        step = np.clip(aim - now, -1.0, 1.0)
        theta[active] = now + step
        active = active[np.abs(step).max(axis=1) > NEAR]
    return Standing(model, theta, covariance)


def next_items(
    model: ResponsesModel,
    responses: NDArray[np.integer],
    asked: NDArray[np.bool_],
    *,
    standing: Standing | None = None,
) -> NDArray[np.int64]:
    """(people,) the column of the item to ask each person next; -1 where all were asked.

    responses: (people, items) the answers so far. asked: (people, items) true where an item was
    put to them, answered or skipped, or shall never be. standing: of these answers, if known.
    """
    responses = _checked(model, responses)
    standing = standing or locate(model, responses)
    gains = np.round(_gains(model, standing), 9)  # beyond nine places it is the machine's noise
    gains[asked | ~_least_asked(model, asked)] = -1.0
    return np.where(asked.all(axis=1), -1, gains.argmax(axis=1))


def adaptive_order(
    model: ResponsesModel,
    responses: NDArray[np.integer],
    count: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.int64]:
    """(people, count) the columns people would have been asked, in order, had they been tested.

    responses: (people, items) all answers they would have given; 0 is a skipped item.
    count: how many items are asked, at most all. progress: called with (items asked, count).
    """
    responses = _checked(model, responses)
    if not 0 <= count <= responses.shape[1]:
        raise PeopleError(
            f"{count} items cannot be asked of {responses.shape[1]}; ask for 0 to "
            f"{responses.shape[1]}."
        )
    rows = np.arange(len(responses))
    order = np.empty((len(responses), count), dtype=np.int64)
    asked = np.zeros(responses.shape, dtype=bool)
    known = np.zeros_like(responses)
    theta = None
    for place in range(count):
        standing = locate(model, known, start=theta)
        theta = standing.theta
        order[:, place] = chosen = next_items(model, known, asked, standing=standing)
        asked[rows, chosen] = True
        known[rows, chosen] = responses[rows, chosen]
        if progress is not None:
            progress(place + 1, count)
    return order


def _gains(model: ResponsesModel, standing: Standing) -> NDArray[np.float64]:
    """(people, items) how much each answer is expected to take from the summed variance."""
    scale = model.scale_of
    errors = standing.errors
    information = np.zeros((len(errors), len(scale)))
    for place, weight in zip(_PLACES, _WEIGHTS / _WEIGHTS.sum(), strict=True):
        information += weight * model.information((standing.theta + place * errors)[:, scale])
    length = (standing.covariance**2).sum(axis=1)[:, scale]
    return np.asarray(information * length / (1 + information * (errors**2)[:, scale]))


def _least_asked(model: ResponsesModel, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(people, items) whether an item's trait is asked least, of those with items left."""
    traits = model.inventory.traits
    names = sorted(set(traits.tolist()))
    member = traits[:, None] == np.array(names)  # (items, traits)
    counts = asked.astype(np.int64) @ member
    left = ((~asked).astype(np.int64) @ member) > 0
    fewest = np.where(left, counts, counts.max() + 1).min(axis=1, keepdims=True)
    return np.asarray((counts == fewest) @ member.T)


def _posterior(
    correlations: NDArray[np.float64], gained: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(people, scales, scales) (R^-1 + diag(gained))^-1, without inverting R."""
    inner = np.eye(len(correlations)) + correlations * gained[:, None, :]
    found = np.linalg.solve(inner, np.broadcast_to(correlations, inner.shape))
    return np.asarray((found + found.transpose(0, 2, 1)) / 2)


def _trait_weights(model: ResponsesModel) -> NDArray[np.float64]:
    """(5, scales) each trait as the sum of its scales, with variance 1 in the population."""
    weights = np.array([[code[0] == trait for code in model.scales] for trait in TRAITS], float)
    spread = np.sqrt(np.einsum("ts,su,tu->t", weights, model.correlations, weights))
    return np.asarray(weights / spread[:, None])


def _checked(model: ResponsesModel, responses: NDArray[np.integer]) -> NDArray[np.integer]:
    array = np.asarray(responses)
    if array.ndim != 2 or array.shape[1] != len(model.inventory):
        raise PeopleError(
            f"Answers have the shape {array.shape}; the model takes (people, "
            f"{len(model.inventory)}), one column an item of {model.inventory.name}."
        )
    return array
