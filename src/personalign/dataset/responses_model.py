"""How probable each answer to each item is, given where a person stands on its scale.

The graded response model (Samejima 1969, Psychometrika Monograph 17): an item j of the scale s is
answered, in its keyed direction, with k or more with the probability

    P(x_j >= k) = 1 / (1 + exp(-(a_j theta_s + c_jk))),   k = 2 ... 5,   c_j2 > ... > c_j5

Each item belongs to one scale: its facet, or its trait in a questionnaire without facets. The
scales' thetas are standard normal in the population and correlated, so that an answer about one
informs the others. `load_responses_model()` is fitted on simulated people; `responses_fit.py` fits
one to a file of people; `adaptive.py` uses it. docs/design/adaptive.md says why this model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from personalign.dataset.files import replacing
from personalign.errors import InventoryError, PeopleError
from personalign.inventory.forms import get_inventory
from personalign.inventory.items import Inventory

OPTIONS = 5
"""Answers run from 1 to 5."""


@dataclass(frozen=True)
class ResponsesModel:
    """A fitted graded response model of one questionnaire's items."""

    inventory: Inventory
    """The questionnaire; arrays have one row an item, in its order."""
    slopes: NDArray[np.float64]
    """(items,) a: logits a standard deviation of the scale; 0 for an item that says nothing."""
    intercepts: NDArray[np.float64]
    """(items, 4) c: logit of a keyed 2, 3, 4, 5 or more at the scale's middle; falling."""
    correlations: NDArray[np.float64]
    """(scales, scales) correlations of the scales, in the order of `scales`; positive definite."""
    source: str
    """What people it was fitted on."""

    def __post_init__(self) -> None:
        items, scales = len(self.inventory), len(self.scales)
        shapes = (self.slopes.shape, self.intercepts.shape, self.correlations.shape)
        if shapes != ((items,), (items, OPTIONS - 1), (scales, scales)):
            raise PeopleError(
                f"A model of {self.inventory.name} needs slopes ({items},), intercepts "
                f"({items}, 4) and correlations ({scales}, {scales}); it was given "
                f"{', '.join(map(str, shapes))}. Fit it again on people who answered that form."
            )
        if not (np.diff(self.intercepts, axis=1) < 0).all():
            raise PeopleError(
                "The intercepts of an item do not fall from 2 to 5, so some answer would have a "
                "negative probability. Fit the model again."
            )

    @property
    def scales(self) -> tuple[str, ...]:
        """The scales' codes: facets where the questionnaire has them, else traits."""
        return scales_of(self.inventory)

    @property
    def scale_of(self) -> NDArray[np.int64]:
        """(items,) the place of each item's scale in `scales`."""
        return scale_places(self.inventory)

    def information(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """(people, items) Fisher information of each answer about its scale.

        theta: (people, items) where each person stands on each item's scale.
        """
        above = _above(self.slopes, self.intercepts, theta)
        return _information(self.slopes, above)

    def write(self, path: str | Path) -> None:
        """Write the model as JSON; the file appears whole or not at all."""
        lower = np.tril_indices(len(self.scales), -1)
        content = {
            "about": self.source,
            "inventory": self.inventory.name,
            "items": [item.number for item in self.inventory],
            "slopes": np.round(self.slopes, 4).tolist(),
            "intercepts": np.round(self.intercepts, 4).tolist(),
            "scales": list(self.scales),
            "correlations_below_diagonal": np.round(self.correlations[lower], 4).tolist(),
        }
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, separators=(",", ":")) + "\n", "utf-8")

    def only(self, inventory: Inventory) -> ResponsesModel:
        """The same model for another form of the questionnaire, all of whose items are here."""
        columns = self.inventory.columns(inventory)
        if scales_of(inventory) != self.scales:
            raise InventoryError(
                f"{inventory.name} has other scales than {self.inventory.name}, which the model "
                "was fitted for. Fit one to people who answered it."
            )
        return ResponsesModel(
            inventory,
            self.slopes[columns],
            self.intercepts[columns],
            self.correlations,
            self.source,
        )


def scales_of(inventory: Inventory) -> tuple[str, ...]:
    """The scales that items are modelled on: facets where there are any, else traits."""
    codes = inventory.facets if inventory.has_facets else inventory.traits
    return tuple(dict.fromkeys(sorted(codes.tolist(), key=lambda c: ("OCEAN".index(c[0]), c))))


def scale_places(inventory: Inventory) -> NDArray[np.int64]:
    """(items,) the place of each item's scale in `scales_of`."""
    codes = inventory.facets if inventory.has_facets else inventory.traits
    scales = scales_of(inventory)
    return np.array([scales.index(code) for code in codes.tolist()], dtype=np.int64)


def option_probabilities(
    slopes: NDArray[np.float64], intercepts: NDArray[np.float64], theta: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(..., items, 5) probabilities of 1-5; slopes (items,), intercepts (items, 4), theta
    (..., items) or (..., 1).

    >>> option_probabilities(np.ones(1), np.array([[2.0, 1.0, -1.0, -2.0]]), np.zeros(1)).round(2)
    array([[0.12, 0.15, 0.46, 0.15, 0.12]])
    """
    chances: NDArray[np.float64] = -np.diff(_above(slopes, intercepts, theta), axis=-1)
    return chances


def score_answers(
    slopes: NDArray[np.float64],
    intercepts: NDArray[np.float64],
    theta: NDArray[np.float64],
    keyed: NDArray[np.integer],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The slope of each answer's log likelihood in theta, and its Fisher information.

    slopes, theta, keyed: (..., answers) of one shape; intercepts: (..., answers, 4). keyed: 1-5, 0
    where there is no answer. Both results (..., answers), 0 where there is no answer.
    """
    above = _above(slopes, intercepts, theta)
    place = np.maximum(keyed, 1).astype(np.int64)[..., None] - 1
    # d log P / d theta = a (1 - P(>= k) - P(>= k + 1)), exact also where P itself underflows.
    both = np.take_along_axis(above[..., :-1] + above[..., 1:], place, axis=-1)[..., 0]
    given = keyed > 0
    return given * slopes * (1 - both), given * _information(slopes, above)


def read_responses_model(path: str | Path) -> ResponsesModel:
    """Read a model that `ResponsesModel.write` wrote; PeopleError where the file is none."""
    source = Path(path)
    try:
        return _parsed(json.loads(source.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PeopleError(
            f"{source} holds no model of answers ({error!r}). Make one with "
            "personalign.dataset.responses_fit.fit_responses_model(people).write(path)."
        ) from error


@lru_cache(maxsize=1)
def load_responses_model() -> ResponsesModel:
    """The model that ships with the package: the 300 items, fitted on simulated people."""
    file = resources.files("personalign.dataset").joinpath("data/responses_model.json")
    return _parsed(json.loads(file.read_text(encoding="utf-8")))


def _parsed(raw: Mapping) -> ResponsesModel:
    inventory = get_inventory(raw["inventory"])
    if raw["items"] != inventory.numbers.tolist() or raw["scales"] != list(scales_of(inventory)):
        raise ValueError(f"its items or scales are not those of {inventory.name}")
    correlations = np.eye(len(raw["scales"]))
    correlations[np.tril_indices(len(correlations), -1)] = raw["correlations_below_diagonal"]
    return ResponsesModel(
        inventory,
        np.array(raw["slopes"]),
        np.array(raw["intercepts"]),
        correlations + np.tril(correlations, -1).T,
        raw["about"],
    )


def _information(slopes: NDArray[np.float64], above: NDArray[np.float64]) -> NDArray[np.float64]:
    steep = above * (1 - above)
    chance = np.maximum(-np.diff(above, axis=-1), 1e-12)
    return np.asarray(slopes**2 * (np.diff(steep, axis=-1) ** 2 / chance).sum(axis=-1))


def _above(
    slopes: NDArray[np.float64], intercepts: NDArray[np.float64], theta: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(..., items, 6) probability of 1 or more, 2 or more, ... 6 or more; the ends are 1 and 0."""
    logits = (slopes * theta)[..., None] + intercepts
    middle = 0.5 * (1 + np.tanh(logits / 2))  # the logistic, without overflow
    ends = (*middle.shape[:-1], 1)
    return np.concatenate([np.ones(ends), middle, np.zeros(ends)], axis=-1)
