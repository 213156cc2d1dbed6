"""Splitting people in two: some to develop a method on, the others to report on.

Whoever tries ten settings on some people and reports the best of them on the same people reports
luck. `split_people` puts everybody into one part once, "tuning" or "reported", with the same share
of each sex and age band; the part stays with the people through files (`Respondents.split`), and
evaluation refuses to report on tuning people unless told to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from personalign.errors import EvaluationError, PeopleError

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents

TUNING, REPORTED = "tuning", "reported"
"""The parts: people methods are developed on, and people scores are reported on."""

AGE_BANDS: dict[str, tuple[int, int]] = {
    "under 18": (0, 17),
    "18-24": (18, 24),
    "25-34": (25, 34),
    "35-44": (35, 44),
    "45-54": (45, 54),
    "55 and over": (55, 200),
}
"""Band -> first and last year of age in it."""

UNKNOWN = "unknown"
"""The stratum of people whose sex, or age, is not known."""


def split_people(
    people: Respondents, *, tuning_share: float = 0.5, seed: int = 0
) -> dict[str, Respondents]:
    """Put everybody into one of two parts, drawn within each stratum of sex and age band.

    Of n people, round(n * tuning_share) are for tuning (a half rounds up), and of each stratum its
    share to less than one person. People keep the order they had. The same people, share and seed
    give the same parts.

    Arguments:
        tuning_share: share of the tuning part, above 0 and below 1.
        seed: of the draw.

    Returns {"tuning": ..., "reported": ...}, each with its `split`.

    Raises PeopleError for a share outside 0-1, a share that leaves a part empty, and people who are
    already a part: a tuning person must not become a reported one.

    >>> from personalign.dataset.simulate import simulate
    >>> parts = split_people(simulate(9), seed=1)
    >>> [(name, len(part), part.split) for name, part in parts.items()]
    [('tuning', 5, 'tuning'), ('reported', 4, 'reported')]
    """
    from dataclasses import replace

    if not 0 < tuning_share < 1:
        raise PeopleError(
            f"The tuning share is {tuning_share}; it needs to be above 0 and below 1, so that both "
            "parts have people."
        )
    if people.split is not None:
        raise PeopleError(
            f"These people are already the {people.split} part of a split, and a second one would "
            "mix the parts. Split the file of all people instead."
        )
    for_tuning = _drawn(strata(people), tuning_share, seed)
    if for_tuning.all() or not for_tuning.any():
        raise PeopleError(
            f"A tuning share of {tuning_share} of {len(people)} people leaves one part empty; give "
            "more people, or a share nearer to 0.5."
        )
    return {
        TUNING: replace(people.select(for_tuning), split=TUNING),
        REPORTED: replace(people.select(~for_tuning), split=REPORTED),
    }


def strata(people: Respondents) -> list[tuple[str, str]]:
    """(people,) each person's sex and age band; what is not known is "unknown"."""
    table = people.demographics
    nothing: list[None] = [None] * len(people)
    known = [] if table is None else table.columns
    sexes = table["sex"].to_list() if table is not None and "sex" in known else nothing
    ages = table["age"].to_list() if table is not None and "age" in known else nothing
    return [(sex or UNKNOWN, age_band(age)) for sex, age in zip(sexes, ages, strict=True)]


def age_band(age: float | None) -> str:
    """The band an age in years falls into; "unknown" where there is none.

    >>> age_band(17), age_band(18), age_band(None)
    ('under 18', '18-24', 'unknown')
    """
    if age is None or age < 0:
        return UNKNOWN
    return next((name for name, (_, last) in AGE_BANDS.items() if age < last + 1), UNKNOWN)


def is_tuning_part(people: Respondents) -> bool:
    """Whether these are people methods are developed on, or some of them are."""
    return TUNING in (people.split or "").split("+")


def refuse_tuning_people(people: Respondents) -> None:
    """Raise EvaluationError where a score would be reported on people a method was developed on."""
    if is_tuning_part(people):
        raise EvaluationError(
            f"These people are the {people.split} part of a split: methods are developed on them, "
            "so their scores are no evidence. Report on the reported part, or say "
            "--on-tuning-people (on_tuning_people=True), and the result will say so too."
        )


def _drawn(groups: list[tuple[str, str]], share: float, seed: int) -> NDArray[np.bool_]:
    """(people,) true where drawn: systematically from a row in which strata stand together.

    Strata stand in a random order, and people in a random order within theirs. Of the row, the
    person at place p is drawn where floor(share * p + 1/2) rises: every stretch of m neighbours
    holds share * m of them to less than one.
    """
    rng = np.random.default_rng(seed)
    _, codes = np.unique(np.array(groups, dtype=np.str_), axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    place = rng.permutation(int(codes.max(initial=-1)) + 1)[codes]
    row = np.lexsort((rng.permutation(len(codes)), place))
    rises = np.diff(np.floor(share * np.arange(len(codes) + 1) + 0.5)) > 0
    drawn = np.zeros(len(codes), dtype=bool)
    drawn[row[rises]] = True
    return drawn
