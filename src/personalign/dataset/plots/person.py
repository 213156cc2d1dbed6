"""One person against everybody: a radar of facets, and the traits on their distributions."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from personalign.dataset.describe import Description
from personalign.dataset.plots.radar import radar
from personalign.dataset.plots.style import (
    ALL,
    FAINT,
    INK,
    MUTED,
    TRAIT_COLOURS,
    bare,
    below,
    framed,
    people_count,
)
from personalign.dataset.plots.traits import histogram
from personalign.errors import PeopleError
from personalign.inventory.keys import FACETS, TRAITS

_BINS = np.linspace(1, 5, 41)


def person_radar(profile: ArrayLike, people: Description, *, name: str = "this person") -> Figure:
    """One person's facets (or traits) and everybody's means as one radar.

    Arguments:
        profile: (30,) facet means or (5,) trait means, as for `radar`.
        people: everybody; the means drawn are theirs.
        name: what the person is called.
    """
    values = np.asarray(profile, dtype=np.float64)
    scales = people.traits if values.shape == (len(TRAITS),) else people.facets
    means = {scale.code: scale.mean for scale in scales}
    codes = TRAITS if values.shape == (len(TRAITS),) else FACETS
    everybody = f"mean of {people_count(people.people)}"
    return radar({name: values, everybody: [means.get(code, np.nan) for code in codes]})


def person_among_people(
    person: ArrayLike, people: Description, *, name: str = "this person"
) -> Figure:
    """One person's traits on everybody's distributions.

    Arguments:
        person: (5,) keyed trait means in the order of `TRAITS`, NaN where unknown.
        people: everybody to stand among.
        name: what the person is called in the title.

    Raises PeopleError for another number of values.
    """
    values = np.asarray(person, dtype=np.float64)
    if values.shape != (len(TRAITS),):
        raise PeopleError(
            f"One person has {len(TRAITS)} trait means and these values have the shape "
            f"{values.shape}; give means in the order {', '.join(TRAITS)}."
        )
    caption = f"Grey: distribution of {people_count(people.people)}; dot and words: {name}"
    figure = framed(6.4, 4.8, f"{name} among all", caption)
    axes = figure.add_axes((0.25, 0.07, 0.49, below(figure) - 0.08))
    for place, (code, trait) in enumerate(TRAITS.items()):
        base = len(TRAITS) - 1 - place
        scores = people.scores[:, place]
        known = scores[~np.isnan(scores)]
        shares = histogram(scores, _BINS)
        heights = shares / max(float(shares.max()), 1e-12) * 0.72
        axes.stairs(base + heights, _BINS, baseline=base, fill=True, color=ALL)
        axes.plot([1, 5], [base, base], color=FAINT, lw=0.8)
        axes.text(0.9, base + 0.2, trait, ha="right", size=10, color=INK, weight="bold")
        if np.isnan(values[place]):
            axes.text(5.12, base + 0.2, "no answers", size=9, color=MUTED)
            continue
        below_own = (known < values[place]).mean() + (known == values[place]).mean() / 2
        percent = int(np.clip(round(100 * below_own), 1, 99)) if len(known) else 50
        axes.plot([values[place]] * 2, [base, base + 0.76], color=TRAIT_COLOURS[code], lw=1.6)
        axes.plot(values[place], base, "o", color=TRAIT_COLOURS[code], ms=8, mec="white", zorder=5)
        axes.text(
            5.12,
            base + 0.25,
            f"{values[place]:.2f}, higher than\n{percent} in 100",
            size=9,
            color=INK,
            va="center",
        )
    bare(axes)
    axes.set_yticks([])
    axes.set_xlim(1, 5)
    axes.set_ylim(-0.15, len(TRAITS) - 0.1)
    axes.set_xticks(range(1, 6))
    return figure
