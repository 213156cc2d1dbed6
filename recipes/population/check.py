"""How well the population file predicts people it was made from, and people it was not.

    python -m recipes.population.check PEOPLE.json

Predicts each person's 180 held-out answers from their 120 by the best linear rule under the
simulator, rounds, and scores the composite for the half of the people whose aggregates made the
file and for the clean half. The gap is what aggregates alone leak: 75 people's factors know those
75 people. It is why only the clean half tests a model that was trained on the simulator.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from personalign.dataset.papi import read_people
from personalign.dataset.people import Respondents
from personalign.dataset.simulate import load_population, simulate
from personalign.evaluation.aligned import aligned_score
from recipes.population.build import clean_half, used_half


def linear_prediction(people: Respondents) -> np.ndarray:
    """(people, 180) the best linear prediction of held-out answers from the 120, rounded."""
    population, inventory = load_population(), people.inventory
    known = inventory.columns(inventory.tuning)
    wanted = inventory.columns(inventory.held_out)
    loadings = population.loadings
    covariance = loadings @ loadings.T + np.diag(population.uniquenesses)
    rounding = np.diag(1 / 12 / population.sds[known] ** 2)
    weights = np.linalg.solve(
        covariance[np.ix_(known, known)] + rounding, covariance[np.ix_(known, wanted)]
    )
    answers = people.responses[:, known].astype(float)
    scores = np.where(answers == 0, 0, (answers - population.means[known]) / population.sds[known])
    latent = population.means[wanted] + population.sds[wanted] * (scores @ weights)
    return np.clip(np.rint(latent), 1, 5).astype(np.int8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    people = read_people(parser.parse_args().people)
    for name, some in (
        ("all", people),
        ("used half", used_half(people)),
        ("clean half", clean_half(people)),
        ("simulated", simulate(500, seed=5)),
    ):
        score = aligned_score(linear_prediction(some), some, some.inventory.held_out)
        low, high = score.ci95
        interval = f"{score.composite:.3f} ({low:.3f}-{high:.3f})"
        print(f"{name:>10}  {len(some):4d} people  composite {interval}")


if __name__ == "__main__":
    main()
