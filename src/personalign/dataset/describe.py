"""Who the people are: the paper's Appendix G for any file of people, and what it leaves out.

Age bands, sex, countries; the distribution, mean and standard deviation of every trait and facet;
Cronbach's alpha; correlations between traits; missing answers; signs of careless answering
(`careless.py`). Everything is computed from responses; scores are keyed means, 1-5, over the items
a person answered. `compare.py` sets two groups side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from personalign.dataset.careless import Carelessness, carelessness
from personalign.dataset.people import Respondents
from personalign.errors import PeopleError
from personalign.inventory.items import Inventory
from personalign.inventory.keys import FACETS, TRAITS
from personalign.inventory.scoring import facet_means, reliability, trait_means

DOUBLE_REVERSED = (
    "PAPI's files hold keyed values, in which every minus-keyed item is reverse-scored already; "
    "the trait means printed in the paper come out only if those items are reversed a second time, "
    "which leaves half of the items counting against their own trait."
)
"""Why the paper's means are not ours, in one sentence."""

_CHUNK = 20_000  # people scored at once; bounds memory


@dataclass(frozen=True)
class Scale:
    """How one trait or facet is distributed."""

    code: str
    """Such as "N" or "N1"."""
    name: str
    """Such as "Neuroticism"."""
    mean: float
    """Of the people's keyed means, 1-5."""
    sd: float
    """Standard deviation over people, n - 1."""
    quartiles: tuple[float, float, float]
    """A quarter, half and three quarters of the people score below these."""
    alpha: float
    """Cronbach's alpha, over people who answered all of its items."""
    people: int
    """How many have a score."""


@dataclass(frozen=True, eq=False)
class Description:
    """Everything known about a group of people, and their scores for figures."""

    people: int
    """How many."""
    source: str
    """The file or simulation they came from."""
    inventory: str
    """The form they filled in."""
    items: int
    """How many items it has."""
    ages: dict[str, float] | None
    """mean, sd, median, youngest, oldest, known; None where no age is."""
    age_bands: dict[str, int]
    """"10-19" and so on, from the first band with people to the last; "unknown" last."""
    sexes: dict[str, int]
    """female, male, and unknown where there are such people."""
    countries: dict[str, int]
    """People by country, the most first, "unknown" last."""
    traits: tuple[Scale, ...]
    """In the order of `TRAITS`."""
    facets: tuple[Scale, ...]
    """In the order of `FACETS`; none for a form without them."""
    correlations: NDArray[np.float64]
    """(5, 5) between trait scores, over people who have all five."""
    missing: dict[str, float]
    """answers: how many are missing; share: of all; people: who left out at least one; most: the
    most one person left out; item, item_missing: the item left out most, and how often."""
    careless: Carelessness
    """The indices of every person."""
    double_reversed: dict[str, float] | None
    """Trait means with minus-keyed items reversed twice, as in the paper; None for other files."""
    scores: NDArray[np.float64]
    """(people, 5) trait scores, NaN where nothing is answered."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file; no one person's."""
        return {
            "people": self.people,
            "source": self.source,
            "inventory": self.inventory,
            "items": self.items,
            "age": self.ages,
            "age_bands": self.age_bands,
            "sex": self.sexes,
            "country": self.countries,
            "traits": {scale.code: _scale_dict(scale) for scale in self.traits},
            "facets": {scale.code: _scale_dict(scale) for scale in self.facets},
            "trait_correlations": {
                code: {other: plain(value, 4) for other, value in zip(TRAITS, row, strict=True)}
                for code, row in zip(TRAITS, self.correlations, strict=True)
            },
            "missing": self.missing,
            "careless": self.careless.as_dict(),
            "paper_double_reversed_means": self.double_reversed,
        }


def describe(people: Respondents) -> Description:
    """Describe people; PeopleError where there are none.

    >>> from personalign.dataset.simulate import simulate
    >>> described = describe(simulate(200, seed=1))
    >>> described.people, [scale.code for scale in described.traits]
    (200, ['O', 'C', 'E', 'A', 'N'])
    """
    if not len(people):
        raise PeopleError("There are no people to describe; give at least one.")
    form, responses = people.inventory, people.responses
    scores = _chunked(trait_means, responses, form)
    alphas = reliability(responses, form)
    present = [code for code in FACETS if (form.facets == code).any()]
    facets: tuple[Scale, ...] = ()
    if present:
        facet_scores = _chunked(facet_means, responses, form)
        facets = _scales(FACETS, facet_scores, alphas.facets, present)
    return Description(
        people=len(people),
        source=people.source,
        inventory=form.name,
        items=len(form),
        ages=_ages(people),
        age_bands=_age_bands(people),
        sexes=_counts(people, "sex", ("female", "male")),
        countries=_counts(people, "country", ()),
        traits=_scales(TRAITS, scores, alphas.traits, list(TRAITS)),
        facets=facets,
        correlations=correlations(scores),
        missing=_missing(people),
        careless=carelessness(people),
        double_reversed=_double_reversed(people) if "keyed values" in people.source else None,
        scores=scores,
    )


def trait_scores(people: Respondents) -> NDArray[np.float64]:
    """(people, 5) keyed trait means, a few people at a time."""
    return _chunked(trait_means, people.responses, people.inventory)


def correlations(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(scales, scales) correlations over people who have every score; NaN below 3 of them."""
    complete = scores[~np.isnan(scores).any(axis=1)]
    if len(complete) < 3:
        return np.full((scores.shape[1], scores.shape[1]), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.atleast_2d(np.corrcoef(complete, rowvar=False))


def column(people: Respondents, name: str) -> pl.Series:
    """A demographic column, all null where it is not known."""
    table = people.demographics
    if table is None or name not in table.columns:
        return pl.Series(name, [None] * len(people), dtype=pl.String)
    return table[name]


def plain(value: float | None, digits: int) -> float | None:
    """Rounded, for JSON; None for NaN."""
    return None if value is None or np.isnan(value) else round(float(value), digits)


def _chunked(score: Any, responses: NDArray[np.int8], form: Inventory) -> NDArray[np.float64]:
    starts = range(0, len(responses), _CHUNK)
    return np.concatenate([score(responses[start : start + _CHUNK], form) for start in starts])


def _scales(
    names: dict[str, str],
    scores: NDArray[np.float64],
    alphas: dict[str, float],
    present: list[str],
) -> tuple[Scale, ...]:
    scales = []
    for code, values in zip(names, scores.T, strict=True):
        if code not in present:
            continue
        known = values[~np.isnan(values)]
        quartiles = np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else np.full(3, np.nan)
        scales.append(
            Scale(
                code=code,
                name=names[code],
                mean=float(known.mean()) if len(known) else float("nan"),
                sd=float(known.std(ddof=1)) if len(known) > 1 else float("nan"),
                quartiles=(float(quartiles[0]), float(quartiles[1]), float(quartiles[2])),
                alpha=alphas[code],
                people=len(known),
            )
        )
    return tuple(scales)


def _scale_dict(scale: Scale) -> dict[str, Any]:
    return {
        "name": scale.name,
        "mean": plain(scale.mean, 4),
        "sd": plain(scale.sd, 4),
        "quartiles": [plain(value, 4) for value in scale.quartiles],
        "alpha": plain(scale.alpha, 4),
        "people": scale.people,
    }


def _ages(people: Respondents) -> dict[str, float] | None:
    known = column(people, "age").drop_nulls().cast(pl.Float64).to_numpy()
    if not len(known):
        return None
    return {
        "mean": round(float(known.mean()), 2),
        "sd": round(float(known.std(ddof=1)), 2) if len(known) > 1 else 0.0,
        "median": float(np.median(known)),
        "youngest": float(known.min()),
        "oldest": float(known.max()),
        "known": len(known),
    }


def _age_bands(people: Respondents) -> dict[str, int]:
    """Bands of ten years, as in the paper's Figure 18."""
    ages = column(people, "age")
    known = ages.drop_nulls().cast(pl.Int64).to_numpy()
    bands = {}
    if len(known):
        counts = np.bincount(known // 10)
        first = int(np.flatnonzero(counts)[0])
        bands = {f"{10 * d}-{10 * d + 9}": int(counts[d]) for d in range(first, len(counts))}
    return _with_unknown(bands, ages.null_count())


def _counts(people: Respondents, name: str, first: tuple[str, ...]) -> dict[str, int]:
    """People by value, `first` in that order, then by falling count and by name."""
    values = column(people, name)
    table = values.drop_nulls().value_counts()
    counts = dict(zip(table[name].to_list(), table["count"].to_list(), strict=True))
    ordered = {value: counts.pop(value) for value in first if value in counts}
    ordered |= dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    return _with_unknown(ordered, values.null_count())


def _with_unknown(counts: dict[str, int], unknown: int) -> dict[str, int]:
    return {**counts, "unknown": unknown} if unknown else counts


def _missing(people: Respondents) -> dict[str, float]:
    blank = people.responses == 0
    by_item, by_person = blank.sum(axis=0), blank.sum(axis=1)
    worst = int(by_item.argmax())
    return {
        "answers": int(by_item.sum()),
        "share": float(by_item.sum() / max(blank.size, 1)),
        "people": int((by_person > 0).sum()),
        "most": int(by_person.max()),
        "item": int(people.inventory.numbers[worst]),
        "item_missing": int(by_item[worst]),
    }


def _double_reversed(people: Respondents) -> dict[str, float]:
    """A keyed value reversed again is the response: so these are means of plain responses."""
    means = {}
    for code in TRAITS:
        answers = people.responses[:, people.inventory.traits == code]
        given = (answers > 0).sum(axis=1)
        own = answers.sum(axis=1)[given > 0] / given[given > 0]
        means[code] = round(float(own.mean()), 4) if len(own) else float("nan")
    return means
