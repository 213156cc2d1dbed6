"""Build the simulator's population file from aggregates of real people.

    python -m recipes.population.build PEOPLE.json [-o src/personalign/dataset/data/population.json]

Takes PAPI people (any file `read_people` reads) and keeps only figures over all of them together:
each item's mean and standard deviation, one loading an item on its facet, the correlations of the
thirty facets, a few cross-cutting factors, and one acquiescence loading. No person can be read
back from the file.

**Half of the people are left out.** People are ordered by case number and every second one is
used; the other half stays clean, so that what is later measured on *them* owes nothing to this
file. `clean_half(people)` names them.

The model of standardised latent answers, in the keyed direction, is

    z_j = sqrt(w) * a_j * facet(j) + sqrt(1 - w) * sum_g b_jg * cross_g + c * sign_j * acq + e_j

with correlated facets and independent cross-cutting factors. w = 0.7, six cross-cutting factors
and loadings drawn 0.6 of the way to equality follow cross-validation inside the used half, one
setting at a time (dev/log.md); c^2 = 0.015 is how much same-key items correlate beyond opposite-key
ones.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from personalign.dataset.papi import read_people
from personalign.dataset.people import Respondents
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import FACETS

FACET_SHARE = 0.7
CROSS_FACTORS = 6
LOADING_SHRINKAGE = 0.6
ACQUIESCENCE_VARIANCE = 0.015
MOST_COMMUNALITY = 0.92
OUTPUT = Path("src/personalign/dataset/data/population.json")


def used_half(people: Respondents) -> Respondents:
    """The people whose aggregates make the file: every second one by case number."""
    return people.select(_by_case(people)[::2])


def clean_half(people: Respondents) -> Respondents:
    """The people the file knows nothing of."""
    return people.select(np.sort(_by_case(people)[1::2]))


def build_population(people: Respondents) -> dict:
    """The population file's content, from the aggregates of `people`."""
    inventory = ipip_neo_300()
    signs = inventory.signs.astype(float)
    responses = np.where(people.responses == 0, np.nan, people.responses).astype(float)
    means, sds = np.array([_fit_rounded_normal(column) for column in responses.T]).T

    keyed = np.where(signs > 0, responses, 6 - responses)
    centred = np.nan_to_num(keyed - np.nanmean(keyed, axis=0))
    standard = centred / centred.std(axis=0)
    correlation = standard.T @ standard / len(standard)

    facets = list(FACETS)
    facet_of = np.array([facets.index(code) for code in inventory.facets])
    between = _facet_correlation(correlation, facet_of)
    loadings = _facet_loadings(correlation, between, facet_of)
    values, vectors = np.linalg.eigh(correlation)
    cross = vectors[:, -CROSS_FACTORS:] * np.sqrt(values[-CROSS_FACTORS:])

    facet_part = np.sqrt(FACET_SHARE * np.diag(between)[facet_of]) * loadings
    cross_part = np.sqrt(1 - FACET_SHARE) * cross
    acquiescence = np.full(300, np.sqrt(ACQUIESCENCE_VARIANCE))
    communality = facet_part**2 + (cross_part**2).sum(axis=1) + acquiescence**2
    scale = np.minimum(1, np.sqrt(MOST_COMMUNALITY / communality))
    spread = np.sqrt(np.diag(between))
    return {
        "facets": facets,
        "facet_correlations": np.round(between / np.outer(spread, spread), 3).tolist(),
        "items": [
            {
                "number": item.number,
                "mean": round(float(means[j]), 3),
                "sd": round(float(sds[j]), 3),
                "facet_loading": round(float(facet_part[j] * scale[j]), 3),
                "cross_loadings": np.round(cross_part[j] * scale[j], 3).tolist(),
                "acquiescence_loading": round(float(acquiescence[j] * scale[j]), 3),
            }
            for j, item in enumerate(inventory)
        ],
    }


def _by_case(people: Respondents) -> np.ndarray:
    return np.argsort([int(case) for case in people.ids], kind="stable")


def _fit_rounded_normal(answers: np.ndarray) -> tuple[float, float]:
    """Mean and sd of the normal whose rounded, clipped draws fit the answers best."""
    counts = np.array([(answers == option).sum() for option in range(1, 6)]) + 0.2
    edges = np.array([-np.inf, 1.5, 2.5, 3.5, 4.5, np.inf])

    def loss(theta: np.ndarray) -> float:
        cumulative = norm.cdf((edges - theta[0]) / np.exp(theta[1]))
        return -float(counts @ np.log(np.diff(cumulative) + 1e-12))

    start = np.array([np.nanmean(answers), np.log(max(np.nanstd(answers), 0.5))])
    best = minimize(loss, start, method="Nelder-Mead").x
    return float(best[0]), float(np.exp(best[1]))


def _facet_correlation(correlation: np.ndarray, facet_of: np.ndarray) -> np.ndarray:
    """(30, 30) mean inter-item correlations: the variance a facet shares, positive definite."""
    member = np.eye(30)[facet_of]
    sums = member.T @ correlation @ member
    pairs = member.sum(0)[:, None] * member.sum(0)[None, :]
    same = np.diag(member.sum(0))
    between = (sums - same) / (pairs - same)
    values, vectors = np.linalg.eigh(between)
    return (vectors * np.clip(values, 1e-4, None)) @ vectors.T


def _facet_loadings(
    correlation: np.ndarray, between: np.ndarray, facet_of: np.ndarray
) -> np.ndarray:
    """(300,) relative loadings, mean square 1 in a facet, shrunk towards equality."""
    loadings = np.empty(300)
    for facet in range(30):
        members = np.flatnonzero(facet_of == facet)
        block = correlation[np.ix_(members, members)]
        rest = (block.sum(axis=1) - 1) / (len(members) - 1)
        raw = np.clip(rest / max(between[facet, facet], 0.02), 0.2, 2.0)
        drawn = LOADING_SHRINKAGE + (1 - LOADING_SHRINKAGE) * raw
        loadings[members] = drawn / np.sqrt(np.mean(drawn**2))
    return loadings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    people = used_half(read_people(arguments.people))
    content = {
        "about": (
            f"Aggregates of {len(people)} people: every second of the 150 people of PAPI's "
            "released Test-Set that the project measures on, by case number; the other half was "
            "not used. Demographic shares: the paper's counts for all 307,313 people. Made by "
            "recipes/population/build.py, which documents each figure."
        ),
        "people": len(people),
        "demographics": {
            "female": 185149,
            "male": 122164,
            "mean_age": 25.19,
            "countries": {"USA": 212625, "Canada": 21798, "UK": 16489, "Australia": 10400},
            "total": 307313,
        },
        **build_population(people),
    }
    arguments.output.write_text(json.dumps(content, indent=None, separators=(",", ":")) + "\n")
    print(f"Wrote {arguments.output} from {len(people)} people.")


if __name__ == "__main__":
    main()
