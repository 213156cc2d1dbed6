"""Signs of careless answering: long strings, even-odd consistency, person-total correlation.

Each is computed for every person from the answers alone. They flag, they do not convict: cut-offs
are the field's habit, an honest person may cross one, and nobody is left out anywhere because of
them.

    longest string      the most equal responses in a row, in the form's order. Cut-offs a response
                        of the NEO PI-R (Costa and McCrae 2008), a form of the same kind: more than
                        6, 9, 10, 14, 9 of the responses 1 to 5. Johnson (2005) brought the index to
                        the IPIP-NEO's web data.
    even-odd            over the facets, the correlation of the keyed mean of a facet's 1st, 3rd
                        ... item with that of its 2nd, 4th ..., stepped up to full length by
                        Spearman-Brown; below 0.30 is inconsistent (Jackson 1976; Johnson 2005).
    person-total        the correlation of a person's responses with everybody else's mean
                        responses; below 0 is against the current (Donlon and Fischer 1968; Curran
                        2016).

Sources: Costa & McCrae (2008), in The SAGE Handbook of Personality Theory and Assessment 2,
179-198. Curran (2016), J. of Experimental Social Psychology 66, 4-19. Donlon & Fischer (1968),
Educational and Psychological Measurement 28, 105-113. Jackson (1976), The appraisal of personal
reliability, meeting of the Society of Multivariate Experimental Psychology. Johnson (2005), J. of
Research in Personality 39, 103-129.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personalign.dataset.people import Respondents
from personalign.inventory.keys import to_keyed

LONGEST_STRINGS = (6, 9, 10, 14, 9)
"""The longest string of the responses 1 to 5 that is not flagged (Costa and McCrae 2008)."""

EVEN_ODD = 0.30
"""Lowest even-odd consistency that is not flagged (Jackson 1976)."""

PERSON_TOTAL = 0.0
"""Lowest person-total correlation that is not flagged (Curran 2016)."""

_CHUNK = 4_000  # people at once; what they need stays in the processor's cache


@dataclass(frozen=True)
class Carelessness:
    """The three indices of every person."""

    strings: NDArray[np.int16]
    """(people, 5) the longest string of each response 1-5; a missing answer ends a string."""
    even_odd: NDArray[np.float64]
    """(people,) stepped-up correlation, at least -1; NaN below 3 facets with both halves, or where
    one half does not vary."""
    person_total: NDArray[np.float64]
    """(people,) correlation; NaN where the person's answers do not vary, or nobody else's do."""

    @cached_property
    def flags(self) -> dict[str, NDArray[np.bool_]]:
        """(people,) who crosses each cut-off; "any" crosses one or more. NaN crosses none."""
        each = {
            "longest_string": (self.strings > np.array(LONGEST_STRINGS)).any(axis=1),
            "even_odd": self.even_odd < EVEN_ODD,
            "person_total": self.person_total < PERSON_TOTAL,
        }
        return {**each, "any": np.any(list(each.values()), axis=0)}

    def as_dict(self) -> dict[str, Any]:
        """Cut-offs, counts and medians."""
        longest = self.strings.max(axis=1)
        cutoffs = {
            "longest_string": dict(zip("12345", LONGEST_STRINGS, strict=True)),
            "even_odd": EVEN_ODD,
            "person_total": PERSON_TOTAL,
        }
        values = {
            "longest_string": longest.astype(float),
            "even_odd": self.even_odd,
            "person_total": self.person_total,
        }
        report: dict[str, Any] = {}
        for name, cutoff in cutoffs.items():
            known = values[name][~np.isnan(values[name])]
            report[name] = {
                "cutoff": cutoff,
                "flagged": int(self.flags[name].sum()),
                "unknown": len(longest) - len(known),
                "median": round(float(np.median(known)), 3) if len(known) else None,
            }
        return {**report, "any": {"flagged": int(self.flags["any"].sum())}}


def carelessness(people: Respondents) -> Carelessness:
    """The indices of everybody, the answers taken in the form's order.

    Even-odd consistency needs facets of two items or more; for a questionnaire without them it is
    NaN throughout.
    """
    responses, form = people.responses, people.inventory
    strings = np.empty((len(people), 5), dtype=np.int16)
    even_odd = np.empty(len(people))
    person_total = np.empty(len(people))
    halves = _halves(form.facets)
    sums = responses.sum(axis=0, dtype=np.int64)
    given = (responses > 0).sum(axis=0)
    for start in range(0, len(people), _CHUNK):
        rows = slice(start, start + _CHUNK)
        chunk = responses[rows]
        strings[rows] = longest_strings(chunk)
        even_odd[rows] = _even_odd(to_keyed(chunk, form.signs), halves)
        person_total[rows] = _person_total(chunk, sums, given)
    return Carelessness(strings, even_odd, person_total)


def longest_strings(responses: NDArray[np.int8]) -> NDArray[np.int16]:
    """(people, 5) the longest run of each response, 1-5, along the items.

    >>> longest_strings(np.array([[3, 3, 3, 0, 3, 5, 5]], dtype=np.int8))
    array([[0, 0, 3, 0, 2]], dtype=int16)
    """
    by_item = np.ascontiguousarray(responses.T)
    longest = np.zeros((5, responses.shape[0]), dtype=np.int16)
    for answer in range(1, 6):
        run = np.zeros(responses.shape[0], dtype=np.int16)
        for given in by_item == answer:
            run += 1
            run *= given
            np.maximum(longest[answer - 1], run, out=longest[answer - 1])
    return longest.T


def _halves(facets: NDArray[np.str_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two (items, facets) 0/1 matrices: the 1st, 3rd, ... and the 2nd, 4th, ... item of each."""
    codes = list(dict.fromkeys(facets.tolist()))
    odd = np.zeros((len(facets), len(codes)), dtype=np.float32)
    even = np.zeros_like(odd)
    for place, code in enumerate(codes):
        members = np.flatnonzero(facets == code)
        odd[members[::2], place] = 1
        even[members[1::2], place] = 1
    return odd, even


def _even_odd(
    keyed: NDArray[np.int8], halves: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> NDArray[np.float64]:
    values = keyed.astype(np.float32)
    given = (keyed > 0).astype(np.float32)
    with np.errstate(invalid="ignore"):
        odd, even = ((values @ half) / (given @ half) for half in halves)
    both = ~np.isnan(odd) & ~np.isnan(even)
    r = _correlate(odd.astype(np.float64), even.astype(np.float64), both)
    r[both.sum(axis=1) < 3] = np.nan
    with np.errstate(divide="ignore"):
        return np.maximum(2 * r / (1 + r), -1.0)  # Spearman-Brown; runs away below r = -1/3


def _person_total(
    responses: NDArray[np.int8], sums: NDArray[np.int64], given: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Correlations of own answers x with the others' means y = (sum - x) / (given - 1).

    y is a line in x, item by item, so all sums over items are products with a few columns.
    """
    shared = given > 1  # items that somebody else answered too
    x = responses[:, shared].astype(np.float64)
    squares = x * x
    answered = (x > 0).astype(np.float64)
    b = 1.0 / (given[shared] - 1)
    a = sums[shared] * b  # y = a - b x
    n = np.maximum(answered.sum(axis=1), 1)
    of_answered = answered @ np.stack([a, a * a], axis=1)
    of_x = x @ np.stack([np.ones_like(a), a, b, a * b], axis=1)
    of_squares = squares @ np.stack([np.ones_like(a), b, b * b], axis=1)
    sum_y = of_answered[:, 0] - of_x[:, 2]
    sum_yy = of_answered[:, 1] - 2 * of_x[:, 3] + of_squares[:, 2]
    sum_xy = of_x[:, 1] - of_squares[:, 1]
    var_x = of_squares[:, 0] / n - (of_x[:, 0] / n) ** 2
    var_y = sum_yy / n - (sum_y / n) ** 2
    spread = np.sqrt(np.maximum(var_x, 0) * np.maximum(var_y, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (sum_xy / n - of_x[:, 0] * sum_y / n**2) / spread
    return np.where(spread > 1e-9, np.clip(r, -1, 1), np.nan)


def _correlate(
    x: NDArray[np.float64], y: NDArray[np.float64], both: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(rows,) the correlation of x and y along each row, where `both`; NaN if one is constant."""
    count = np.maximum(both.sum(axis=1), 1)
    centred = []
    for values in (x, y):
        kept = np.where(both, values, 0.0)
        centred.append(np.where(both, kept - (kept.sum(axis=1) / count)[:, None], 0.0))
    a, b = centred
    spread = np.sqrt(np.einsum("pi,pi->p", a, a) * np.einsum("pi,pi->p", b, b))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.einsum("pi,pi->p", a, b) / spread
    return np.where(spread > 1e-6, np.clip(r, -1, 1), np.nan)
