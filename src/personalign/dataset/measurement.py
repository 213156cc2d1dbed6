"""How sure a score is: the standard error of measurement of facet and trait means.

If the same person answered again, as the same person and without remembering, each answer would
fall out as the response model says for where the person stands. The mean over a scale's answered
items then varies with

    SEM = sqrt(sum_j Var(x_j | theta_s)) / n

the conditional standard error of the classical score under an item-response model. No reliability
of a whole population is needed, and a scale that somebody answered in part gets the wider error
it has. theta is the person's own, by `locate`; the shipped model is fitted on simulated people.

Source: Lord (1980), Applications of Item Response Theory to Practical Testing Problems, chapter 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from personalign.dataset.adaptive import locate
from personalign.dataset.responses_model import (
    OPTIONS,
    ResponsesModel,
    load_responses_model,
    option_probabilities,
)
from personalign.inventory.items import Inventory, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS


@dataclass(frozen=True)
class MeanErrors:
    """Standard errors of measurement of one person's means, in points of the answers, 1-5."""

    facets: NDArray[np.float64]
    """(30,) in the order of `FACETS`; NaN where nothing is answered."""
    traits: NDArray[np.float64]
    """(5,) in the order of `TRAITS`."""


def mean_errors(
    responses: ArrayLike, inventory: Inventory | None = None, *, model: ResponsesModel | None = None
) -> MeanErrors:
    """How much one person's facet and trait means would vary if they answered again.

    Arguments:
        responses: (items,) raw responses, 0 missing.
        inventory: whose items the columns are, a form of the IPIP-NEO; the 300 when left out.
        model: how probable each answer is; the shipped one when left out.

    >>> errors = mean_errors(np.full(300, 3))
    >>> bool((errors.traits < errors.facets.min()).all())
    True
    """
    form = inventory or ipip_neo_300()
    known = (model or load_responses_model()).only(form)
    values = np.asarray(responses).reshape(1, -1)
    theta = locate(known, values).theta[0, known.scale_of]
    chances = option_probabilities(known.slopes, known.intercepts, theta)
    answers = np.arange(1, OPTIONS + 1)
    spread = chances @ answers**2 - (chances @ answers) ** 2  # variance of each answer
    answered = values[0] > 0
    return MeanErrors(
        facets=np.array([_error(spread, answered & (form.facets == code)) for code in FACETS]),
        traits=np.array([_error(spread, answered & (form.traits == code)) for code in TRAITS]),
    )


def _error(spread: NDArray[np.float64], of: NDArray[np.bool_]) -> float:
    count = int(of.sum())
    return float(np.sqrt(spread[of].sum()) / count) if count else float("nan")
