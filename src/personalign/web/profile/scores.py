"""What a profile shows: five traits and thirty facets, each with its error, on one of three bases.

    norms   an ordinary form and an age: T scores among people of that age (and sex), by Johnson's
            tables, as `inventory.profile` computes them
    means   an ordinary form without an age: the means of the answers, 1 to 5, and nothing more
    model   the adaptive form: where the response model puts the person among the simulated people
            it is fitted on; facets have too few answers for norm tables

Errors are one standard error: of measurement (dataset/measurement.py) for norms and means, of the
posterior for the model. They are rounded here, once, so that page, picture, PDF and JSON say the
same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from personalign.dataset.adaptive import Standing
from personalign.dataset.adaptive_person import standing_of
from personalign.dataset.answers import AnswerSheet
from personalign.dataset.careless import (
    EVEN_ODD,
    LONGEST_STRINGS,
    carelessness,
    longest_strings,
)
from personalign.dataset.measurement import MeanErrors, mean_errors
from personalign.dataset.responses_model import load_responses_model
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS
from personalign.inventory.norms import NormScores, percentiles
from personalign.inventory.profile import profile_of
from personalign.web.questionnaire.about import About

Basis = Literal["norms", "means", "model"]

HIGH, LOW = 70, 30
"""Percentiles from which Johnson's IPIP-NEO report calls a score high, and up to which low."""

FOR, AGAINST = 3.5, 2.5
"""Means from which answers mostly spoke for a scale, and up to which against it: halfway from the
middle answer to the next one."""


@dataclass(frozen=True)
class Scale:
    """One trait or facet of one person."""

    code: str
    """O, C, E, A, N, or a facet's code."""
    mean: float | None
    """Keyed mean of the answered items, 1 to 5; None where none is answered."""
    mean_error: float | None
    """Its standard error; None for the adaptive form, which is not scored by means."""
    t: float | None
    """T score, 50 in the middle and 10 a standard deviation; None without norms."""
    t_error: float | None

    @property
    def percentile(self) -> int | None:
        """How many of 100 people score lower, 1 to 99."""
        return _percentile(self.t)

    @property
    def range(self) -> tuple[int, int] | None:
        """The percentiles one standard error below and above."""
        if self.t is None or self.t_error is None:
            return None
        ends = _percentile(self.t - self.t_error), _percentile(self.t + self.t_error)
        assert ends[0] is not None and ends[1] is not None
        return ends[0], ends[1]

    @property
    def level(self) -> str | None:
        """high, middle or low among the people compared with; None without a comparison."""
        if self.percentile is None:
            return None
        return "high" if self.percentile >= HIGH else "low" if self.percentile <= LOW else "middle"

    @property
    def leaning(self) -> str | None:
        """What the answers themselves spoke for: for, against or between; of nobody else."""
        if self.mean is None:
            return None
        return "for" if self.mean >= FOR else "against" if self.mean <= AGAINST else "between"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "code": self.code,
            "name": (TRAITS | FACETS)[self.code],
            "mean": self.mean,
            "mean_standard_error": self.mean_error,
            "t_score": self.t,
            "t_standard_error": self.t_error,
            "percentile": self.percentile,
            "percentile_range": None if self.range is None else list(self.range),
        }


@dataclass(frozen=True)
class Scores:
    """One person's profile."""

    basis: Basis
    about: About
    norm_items: int | None
    """Length of the form the norm tables are of; None where none are used."""
    norm_ages: tuple[int, int] | None
    """Youngest and oldest of the people in the norm table."""
    form: int
    """Length of the form that was filled in."""
    adaptive: bool
    answered: int
    missing: int
    """Items that were put and have no answer."""
    scales: dict[str, Scale]
    """By code: each trait, followed by its six facets."""
    careless: tuple[str, ...]
    """Signs of careless answering: longest_string, even_odd."""

    @property
    def traits(self) -> list[Scale]:
        """The five."""
        return [self.scales[code] for code in TRAITS]

    def facets(self, trait: str) -> list[Scale]:
        """The six of a trait."""
        return [self.scales[code] for code in FACETS if code[0] == trait]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the JSON file."""
        sources = {
            "norms": "Johnson's norm tables, by age and sex",
            "means": None,
            "model": f"response model; {load_responses_model().source}",
        }
        return {
            "questionnaire": f"IPIP-NEO-{self.form}" + (" (adaptive)" if self.adaptive else ""),
            "answered": self.answered,
            "without_answer": self.missing,
            "basis": self.basis,
            "compared_with": sources[self.basis],
            "age": self.about.age,
            "sex": self.about.sex,
            "norm_items": self.norm_items,
            "norm_ages": None if self.norm_ages is None else list(self.norm_ages),
            "errors": "one standard error, of the posterior"
            if self.basis == "model"
            else "one standard error of measurement, by the response model",
            "response_model": load_responses_model().source,
            "signs_of_careless_answering": list(self.careless),
            "scales": [scale.as_dict() for scale in self.scales.values()],
        }


def scores_of(sheet: AnswerSheet, about: About) -> Scores:
    """The profile of a sheet; age and sex as far as they were told."""
    responses = sheet.respondents().responses[0]
    known = About() if sheet.adaptive else about
    profile = profile_of(responses, sex=known.sex, age=known.age)
    means = dict(zip([*TRAITS, *FACETS], [*profile.traits, *profile.facets], strict=True))
    t: dict[str, tuple[float, float]] = {}
    errors: dict[str, float] = {}
    basis: Basis = "means"
    if sheet.adaptive:
        basis, t = "model", _by_model(standing_of(sheet))
    else:
        found = mean_errors(responses)
        errors = dict(zip([*TRAITS, *FACETS], [*found.traits, *found.facets], strict=True))
        if profile.standing is not None:
            basis, t = "norms", _by_norms(responses, profile.standing, found)
    order = [code for trait in TRAITS for code in (trait, *(f for f in FACETS if f[0] == trait))]
    return Scores(
        basis=basis,
        about=about,
        norm_items=profile.standing.norms.items if profile.standing else None,
        norm_ages=profile.standing.norms.ages if profile.standing else None,
        form=len(sheet.inventory),
        adaptive=sheet.adaptive,
        answered=profile.answered,
        missing=sum(1 for answer in sheet.answers if not answer)
        if sheet.asked is None
        else sum(1 for place in sheet.asked if not sheet.answers[place]),
        scales={
            code: Scale(
                code,
                _rounded(means[code], 2),
                _rounded(errors.get(code, np.nan), 2),
                *(_rounded(value, 1) for value in t.get(code, (np.nan, np.nan))),
            )
            for code in order
        },
        careless=() if sheet.adaptive else _careless(sheet),
    )


def _by_norms(
    responses: NDArray[np.int8], standing: NormScores, errors: MeanErrors
) -> dict[str, tuple[float, float]]:
    """T scores, and the errors of the sums behind them on the same scale.

    errors: of the means over all answers; others are computed where the norms are of fewer items.
    """
    group, items = standing.norms, standing.norms.items
    form = ipip_neo_300() if items == 300 else ipip_neo_120()
    own = responses[ipip_neo_300().columns(form)]
    if (own > 0).sum() < (responses > 0).sum():
        errors = mean_errors(own, form)
    sums = errors.facets * (items // len(FACETS))  # of prorated facet sums
    owners = np.array([code[0] for code in FACETS])
    trait_sums = np.sqrt([(sums[owners == trait] ** 2).sum() for trait in TRAITS])
    facets = zip(FACETS, standing.facet_t, 10 * sums / group.facet_sds, strict=True)
    traits = zip(TRAITS, standing.trait_t, 10 * trait_sums / group.trait_sds, strict=True)
    return {code: (float(place), float(error)) for code, place, error in (*traits, *facets)}


def _by_model(standing: Standing) -> dict[str, tuple[float, float]]:
    """Places among the people of the response model, as T scores."""
    facets = zip(standing.model.scales, standing.theta[0], standing.errors[0], strict=True)
    traits = zip(TRAITS, standing.traits[0], standing.trait_errors[0], strict=True)
    return {
        code: (50 + 10 * float(place), 10 * float(error))
        for code, place, error in (*traits, *facets)
    }


def _careless(sheet: AnswerSheet) -> tuple[str, ...]:
    """The signs that do not need other people; strings in the order in which items were put."""
    put = np.array([[answer or 0 for answer in sheet.answers]], dtype=np.int8)
    signs = []
    if (longest_strings(put) > np.array(LONGEST_STRINGS)).any():
        signs.append("longest_string")
    if carelessness(sheet.respondents()).even_odd[0] < EVEN_ODD:
        signs.append("even_odd")
    return tuple(signs)


def _percentile(t: float | None) -> int | None:
    return None if t is None else round(float(percentiles(t)))


def _rounded(value: float, digits: int) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)
