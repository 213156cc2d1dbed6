"""Plausible people: answers drawn from a latent-trait model of the 300 items.

`simulate(n, seed=0)` gives `Respondents` whose facets correlate as real people's do, whose items
have real difficulties, spreads and loadings, and who agree a little too readily, as people do. A
standardised latent answer, in the keyed direction of its item j, is

    z_j = a_j facet(j) + sum_g b_jg cross_g + c_j sign_j acquiescence + e_j,   var z_j = 1

and the response is mean_j + sd_j * sign_j * z_j, rounded and kept in 1-5. All figures are in
data/population.json, aggregates only; recipes/population/build.py says where each comes from. The
`time` a form was filled in is drawn evenly from the years of Johnson's data, and means nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources

import numpy as np
import polars as pl

from personalign.dataset.people import Respondents
from personalign.errors import PeopleError
from personalign.inventory.items import ipip_neo_300

_CHUNK = 20_000  # people drawn at once; bounds memory, and is part of what a seed means
_YOUNGEST, _OLDEST = 10, 99
_FIRST, _LAST = np.datetime64("2001-08-06T00:00:00"), np.datetime64("2011-12-31T23:59:59")


@dataclass(frozen=True)
class Population:
    """The figures people are drawn from; arrays are in inventory order."""

    means: np.ndarray
    """(300,) mean of the latent answer, as a response 1-5 before rounding."""
    sds: np.ndarray
    """(300,) standard deviation of the latent answer."""
    loadings: np.ndarray
    """(300, factors) standardised loadings on independent factors, in the response direction."""
    demographics: dict
    """Published counts: female, male, countries, total, and the mean age."""
    about: str
    """Where the figures come from."""

    @cached_property
    def uniquenesses(self) -> np.ndarray:
        """(300,) share of each latent answer's variance that no factor explains."""
        return 1.0 - (self.loadings**2).sum(axis=1)


@lru_cache(maxsize=1)
def load_population() -> Population:
    """The population that ships with the package."""
    text = resources.files("personalign.dataset").joinpath("data/population.json").read_text()
    raw = json.loads(text)
    inventory = ipip_neo_300()
    items = {entry["number"]: entry for entry in raw["items"]}
    ordered = [items[item.number] for item in inventory]
    signs = inventory.signs.astype(float)[:, None]

    values, vectors = np.linalg.eigh(np.array(raw["facet_correlations"]))
    root = vectors * np.sqrt(np.clip(values, 0, None))  # rounding left some just below 0
    facet_of = [raw["facets"].index(code) for code in inventory.facets]
    facet_part = np.array([e["facet_loading"] for e in ordered])[:, None] * root[facet_of]
    cross_part = np.array([e["cross_loadings"] for e in ordered])
    acquiescence = np.array([e["acquiescence_loading"] for e in ordered])[:, None]
    return Population(
        means=np.array([e["mean"] for e in ordered]),
        sds=np.array([e["sd"] for e in ordered]),
        loadings=np.hstack([signs * facet_part, signs * cross_part, acquiescence]),
        demographics=raw["demographics"],
        about=raw["about"],
    )


def simulate(
    n: int,
    *,
    seed: int = 0,
    population: Population | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Respondents:
    """Draw `n` simulated people, the same ones for the same seed.

    Args:
        n: how many people, at least 1.
        seed: any non-negative integer.
        population: the figures to draw from; the packaged ones by default.
        progress: called with (people drawn, n).

    Returns:
        Respondents with all 300 items answered, sex, age and country drawn independently of the
        answers from published shares, and the `time` each form was filled in.

    Raises:
        PeopleError: if `n` is below 1.

    >>> simulate(2, seed=7).responses.shape
    (2, 300)
    """
    if n < 1:
        raise PeopleError(f"Cannot simulate {n} people; ask for at least 1.")
    population = population or load_population()
    rng = np.random.default_rng(seed)
    responses = np.empty((n, len(population.means)), dtype=np.int8)
    for start in range(0, n, _CHUNK):
        rows = responses[start : start + _CHUNK]
        rows[:] = draw_responses(population, draw_factors(population, len(rows), rng), rng)
        if progress is not None:
            progress(min(start + _CHUNK, n), n)
    return Respondents(
        responses=responses,
        ids=tuple(f"sim{seed}-{i}" for i in range(n)),
        demographics=_draw_demographics(n, population, rng),
        source=f"simulated, seed {seed}",
    )


def draw_factors(population: Population, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, factors) independent standard normal factor scores, float32."""
    return rng.standard_normal((n, population.loadings.shape[1]), dtype=np.float32)


def draw_responses(
    population: Population, factors: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(people, 300) int8 responses of people with these factor scores."""
    latent = factors @ population.loadings.T.astype(np.float32)
    noise = rng.standard_normal(latent.shape, dtype=np.float32)
    latent += noise * np.sqrt(population.uniquenesses).astype(np.float32)
    latent *= population.sds.astype(np.float32)
    latent += population.means.astype(np.float32)
    return np.clip(np.rint(latent), 1, 5).astype(np.int8)


def _draw_demographics(n: int, population: Population, rng: np.random.Generator) -> pl.DataFrame:
    figures = population.demographics
    female = rng.random(n) < figures["female"] / (figures["female"] + figures["male"])
    # Ages are skewed: most people are young. A gamma above the youngest age has the right mean.
    ages = _YOUNGEST + rng.gamma(2.0, (figures["mean_age"] - _YOUNGEST) / 2.0, size=n)
    counts = dict(figures["countries"])
    counts["other"] = figures["total"] - sum(counts.values())
    shares = np.array(list(counts.values())) / figures["total"]
    country = rng.choice(list(counts), size=n, p=shares)
    times = _FIRST + rng.integers(0, int((_LAST - _FIRST).astype(int)) + 1, size=n)
    return pl.DataFrame(
        {
            "sex": np.where(female, "female", "male"),
            "age": np.minimum(ages, _OLDEST).astype(np.int64),
            "country": country,
            "time": times.astype("datetime64[us]"),
        },
        schema_overrides={"age": pl.Int16, "time": pl.Datetime("us")},
    )
