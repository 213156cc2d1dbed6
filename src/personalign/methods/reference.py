"""Predictors that ask no model: the rows no table of scores goes without.

A score means little by itself; a constant "3" beats every method in the paper's main table. So
each score stands beside what a constant, the population's item medians, the person's own trait or
facet means over the tuning items, and a ridge regression from those items would have scored. The
last two kinds of knowledge, a population's and a person's, are what a method has to beat.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from personalign.errors import MethodError
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import to_responses
from personalign.methods.base import Method

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Inventory, Item

SIMULATED_PEOPLE = 2000
"""How many simulated people the population rows are fitted on when no file is given."""

RIDGE_PENALTIES = tuple(float(p) for p in np.logspace(1, 4, 7))
"""Penalties tried, in squared response units; the best by leave-one-out inside the population."""


class Constant(Method):
    """The same response to everything."""

    name = "constant"
    description = "The same answer to every item."

    def __init__(self, response: int = 3) -> None:
        if response not in (1, 2, 3, 4, 5):
            raise MethodError(f"The constant {response} is no response; responses are 1-5.")
        self.response = response
        self.name = f"constant {response}"
        self.description = f"Always {response}, whoever is asked whatever."

    @property
    def settings(self) -> dict[str, Any]:
        return {"response": self.response}

    def predict(self, respondents: Respondents, items: Sequence[Item]) -> NDArray[np.int8]:
        return np.full((len(respondents), len(items)), self.response, dtype=np.int8)


class _OwnMean(Method):
    """The person's own keyed mean over visible items of the same scale, rounded."""

    @abstractmethod
    def _scale(self, item: Item) -> str:
        """The scale the item belongs to."""

    def predict(self, respondents: Respondents, items: Sequence[Item]) -> NDArray[np.int8]:
        inventory = respondents.inventory
        keyed = respondents.keyed.astype(float)
        keyed[keyed == 0] = np.nan
        scales = np.array([self._scale(item) for item in inventory])
        predicted = np.empty((len(respondents), len(items)), dtype=np.int8)
        for place, item in enumerate(items):
            scores = keyed[:, scales == self._scale(item)]
            given = ~np.isnan(scores).all(axis=1)
            means = np.full(len(respondents), 3.0)  # nothing answered on this scale: the middle
            means[given] = np.nanmean(scores[given], axis=1)
            rounded = np.rint(means)[:, None]  # halves to the even answer, favouring no side
            predicted[:, place] = to_responses(rounded, np.array([item.sign]))[:, 0]
        return predicted


class TraitMean(_OwnMean):
    """The person's own trait mean, rounded, for every item of the trait."""

    name = "trait mean"
    description = "The person's own mean over the tuning items of the trait, rounded."

    def _scale(self, item: Item) -> str:
        return item.trait


class FacetMean(_OwnMean):
    """The person's own facet mean, rounded, for every item of the facet."""

    name = "facet mean"
    description = "The person's own mean over the tuning items of the facet, rounded."

    def _scale(self, item: Item) -> str:
        assert item.facet is not None, "the row is left out where the inventory has no facets"
        return item.facet


class _FromPopulation(Method):
    """A predictor that knows a population's answers."""

    def __init__(self, population: Respondents) -> None:
        self.people = population
        self.population = population.source
        """What population it was fitted on."""

    @property
    def settings(self) -> dict[str, Any]:
        return {"population": self.population}

    def _answered(self, inventory: Inventory) -> NDArray[np.int8]:
        """(people, items) the population's answers; MethodError if to another questionnaire."""
        if self.people.inventory.name != inventory.name:
            raise MethodError(
                f"The population ({self.population}) answered {self.people.inventory.name}, the "
                f"people asked about {inventory.name}. Give a population of the same questionnaire."
            )
        return self.people.responses


class ItemMedian(_FromPopulation):
    """The population's median answer to each item."""

    name = "item median"
    description = "What the middle person of a population answers to the item."

    def predict(self, respondents: Respondents, items: Sequence[Item]) -> NDArray[np.int8]:
        answers = self._answered(respondents.inventory)[:, respondents.inventory.columns(items)]
        answers = answers.astype(float)
        answers[answers == 0] = np.nan
        medians = np.floor(np.nanmedian(answers, axis=0) + 0.5)
        return np.tile(medians.astype(np.int8), (len(respondents), 1))


class Ridge(_FromPopulation):
    """Linear regression from the tuning answers, fitted on a population, rounded, kept in 1-5.

    Whoever left answers out is predicted by the regression from the answers they gave.
    """

    name = "ridge"
    description = "Ridge regression from the tuning answers, fitted on a population, rounded."

    def __init__(self, population: Respondents) -> None:
        if len(population) < 10:
            raise MethodError(
                f"Ridge was given {len(population)} people to fit on; it needs at least 10. "
                "Give a larger population file, or none for simulated people."
            )
        super().__init__(population)

    def predict(self, respondents: Respondents, items: Sequence[Item]) -> NDArray[np.int8]:
        from sklearn.linear_model import RidgeCV

        inventory = respondents.inventory
        inputs = inventory.columns(inventory.tuning)
        self._answered(inventory)
        everything, means = self._population
        outputs = inventory.columns(items)
        penalty = RidgeCV(alphas=RIDGE_PENALTIES)
        penalty.fit(everything[:, inputs], everything[:, outputs])
        known, wanted = ((everything - means)[:, columns] for columns in (inputs, outputs))
        products, across = known.T @ known, known.T @ wanted
        answers = respondents.responses[:, inputs].astype(float)
        predicted = np.tile(means[outputs], (len(answers), 1))
        patterns, pattern_of = np.unique(answers > 0, axis=0, return_inverse=True)
        for number, given in enumerate(patterns):  # the same items answered: the same regression
            who = pattern_of.reshape(-1) == number
            penalised = products[np.ix_(given, given)] + penalty.alpha_ * np.eye(given.sum())
            weights = np.linalg.solve(penalised, across[given])
            predicted[who] += (answers[who][:, given] - means[inputs][given]) @ weights
        return np.clip(np.rint(predicted), 1, 5).astype(np.int8)

    @cached_property
    def _population(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(people, items) answers, missing ones at the item's mean, and (items,) those means."""
        answers = self.people.responses.astype(float)
        answers[answers == 0] = np.nan
        means = np.nanmean(answers, axis=0)
        return np.where(np.isnan(answers), means, answers), means


REFERENCES: dict[str, type[Method]] = {
    method.name: method for method in (Constant, ItemMedian, TraitMean, FacetMean, Ridge)
}
"""The reference rows by name; `description` says what each predicts."""


def reference_methods(
    population: Respondents | None = None, inventory: Inventory | None = None
) -> list[Method]:
    """The reference rows there are for a questionnaire, the 300-item form unless said otherwise.

    Item median and ridge are fitted on `population`, of which nobody may be among the people
    scored. Without one they are fitted on simulated people, and their `population` says so; where
    nobody can be simulated they are left out (`left_out` says it). Facet mean needs facets.
    """
    form = inventory or ipip_neo_300()
    if population is None and form.name == ipip_neo_300().name:
        from personalign.dataset.simulate import simulate

        population = simulate(SIMULATED_PEOPLE, seed=1_000_003)
    own: list[Method] = [TraitMean(), FacetMean()] if form.has_facets else [TraitMean()]
    if population is None:
        return [Constant(3), *own]
    return [Constant(3), ItemMedian(population), *own, Ridge(population)]


def left_out(rows: Sequence[str], inventory: Inventory) -> list[str]:
    """Sentences on the reference rows that are not among `rows`, and why; none where all are."""
    sentences = []
    if ItemMedian.name not in rows:
        sentences.append(
            f"{ItemMedian.name}, {Ridge.name}: left out, because they need other people's answers "
            f"and nobody is simulated for {inventory.name}. Give a file of other people who "
            "answered it as the population."
        )
    if not inventory.has_facets:
        sentences.append(f"{FacetMean.name}: left out, because {inventory.name} has no facets.")
    return sentences
