"""Who the people are, as one HTML file: every table of a description and every figure.

Like the report of an evaluation, the page asks for nothing outside itself. Figures are SVG pictures
inside it, with n in their captions; nothing is told by colour alone.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from personalign.dataset.compare import compare
from personalign.dataset.describe import (
    DOUBLE_REVERSED,
    Description,
    column,
    describe,
    trait_scores,
)
from personalign.dataset.files import replacing
from personalign.dataset.people import Respondents
from personalign.dataset.select import Features, K, Selection, select_representatives
from personalign.inventory.keys import TRAITS
from personalign.inventory.scoring import facet_means

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHEETS = 5
"""Radar sheets shown at most: the paper's Figures 26 to 30."""

CLUSTERED = 10_000
"""People clustered for the picture where no selection is given; a random part of more."""

COUNTRIES = 15
"""Countries in the table; the others stand together."""


def write_people_report(
    path: str | Path,
    people: Respondents,
    *,
    chosen: Respondents | None = None,
    selection: Selection | None = None,
    described: Description | None = None,
    chosen_described: Description | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `people_html` to a file, whole or not at all, and return its path."""
    text = people_html(
        people,
        chosen=chosen,
        selection=selection,
        described=described,
        chosen_described=chosen_described,
        progress=progress,
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def people_html(
    people: Respondents,
    *,
    chosen: Respondents | None = None,
    selection: Selection | None = None,
    described: Description | None = None,
    chosen_described: Description | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """The page as HTML text.

    Arguments:
        people: everybody.
        chosen: some people to set beside them; with a selection and none given, its first part.
        selection: k-means of everybody for the picture; made of a random part if left out.
        described: of everybody, where that is known already.
        chosen_described: of the chosen, likewise.
        progress: called with (figures drawn, figures in all).
    """
    from jinja2 import Environment

    whole = described or describe(people)
    if chosen is None and selection is not None:
        chosen = people.select(selection.parts[0])
    part = chosen_described or (describe(chosen) if chosen is not None else None)
    drawn = _figures(people, whole, chosen, part, selection, progress)
    folder = files("personalign.bench") / "templates"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["count"] = lambda value: f"{value:,.0f}"
    environment.filters["two"] = _two
    environment.filters["signed"] = _signed
    template = environment.from_string((folder / "people.html").read_text(encoding="utf-8"))
    style = [(folder / name).read_text(encoding="utf-8") for name in ("report.css", "people.css")]
    return template.render(
        style="\n".join(style),
        people=whole,
        chosen=part,
        comparison=compare(whole, part) if part is not None else None,
        bands=_rows(whole.age_bands, part.age_bands if part else None),
        sexes=_rows(whole.sexes, part.sexes if part else None),
        countries=_rows(whole.countries, part.countries if part else None, most=COUNTRIES),
        careless=whole.careless.as_dict(),
        careless_rows=_careless_rows(whole),
        double_reversed_sentence=DOUBLE_REVERSED,
        traits=TRAITS,
        figures=drawn,
    )


def pictured(
    people: Respondents, *, k: int | None = None, seed: int = 0
) -> tuple[Respondents, Selection]:
    """People to draw k-means of, and the k-means: a random part of them where there are many.

    Without `k`, 300 clusters where there are ten people for each, else a tenth of the people.
    """
    shown, most = people, max(CLUSTERED, 4 * (k or 0))
    if len(people) > most:
        rng = np.random.default_rng(seed)
        shown = people.select(np.sort(rng.choice(len(people), most, replace=False)))
    clusters = min(K, max(len(shown) // 10, 1)) if k is None else k
    features: Features = "tuning" if shown.inventory.tuning else "all"
    return shown, select_representatives(shown, clusters, features=features, seed=seed)


def _figures(
    people: Respondents,
    whole: Description,
    chosen: Respondents | None,
    part: Description | None,
    selection: Selection | None,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Any]:
    """Name -> picture, or pictures, ready for an <img>; those the data is short of are left out."""
    from personalign.dataset.plots import (
        PER_SHEET,
        age_pyramid,
        cluster_map,
        correlation_heat_map,
        country_bars,
        person_among_people,
        person_radar,
        radar_sheet,
        trait_histograms,
    )

    if selection is None:
        clustered, selection = pictured(people)
    else:
        clustered = people
    typical = clustered.select([int(selection.parts[0][0])])
    name = typical.ids[0]
    on_sheets = chosen if chosen is not None else people
    sheets = min(SHEETS if chosen is not None else 1, -(-len(on_sheets) // PER_SHEET))
    paired = (column(people, "sex").is_not_null() & column(people, "age").is_not_null()).any()
    makers: list[tuple[str, Callable[[], Figure]]] = [
        ("traits", lambda: trait_histograms(whole, part)),
        ("correlations", lambda: correlation_heat_map(whole)),
        ("clusters", lambda: cluster_map(clustered, selection, among=len(people))),
        (
            "standing",
            lambda: person_among_people(trait_scores(typical)[0], whole, name=f"Person {name}"),
        ),
    ]
    if paired:
        makers.append(("pyramid", lambda: age_pyramid(people)))
    if set(whole.countries) - {"unknown"}:
        makers.append(("countries", lambda: country_bars(whole)))
    if whole.facets:
        profile = facet_means(typical.responses[0], typical.inventory)
        makers.append(("person", lambda: person_radar(profile, whole, name=f"Person {name}")))
    total = len(makers) + sheets
    drawn: dict[str, Any] = {"sheets": []}
    for place, (key, make) in enumerate(makers, 1):
        drawn[key] = _picture(make())
        if progress is not None:
            progress(place, total)
    for sheet in range(1, sheets + 1):
        drawn["sheets"].append(_picture(radar_sheet(on_sheets, sheet=sheet)))
        if progress is not None:
            progress(len(makers) + sheet, total)
    return drawn


def _picture(figure: Figure) -> str:
    """A figure as the source of an <img>, so that the ids inside never meet another figure's."""
    from personalign.dataset.plots import figure_svg

    encoded = base64.b64encode(figure_svg(figure).encode()).decode()
    return f"data:image/svg+xml;base64,{encoded}"


def _rows(
    counts: dict[str, int], chosen: dict[str, int] | None, *, most: int | None = None
) -> list[dict[str, Any]]:
    """One row a value: its count and share among all, and among the chosen."""
    names = list(counts)
    if chosen is not None:
        names += [name for name in chosen if name not in counts]
    shown = names if most is None else names[:most]
    groups = [(name, [name]) for name in shown]
    if len(names) > len(shown):
        groups.append((f"{len(names) - len(shown)} more", names[len(shown) :]))
    total, part = sum(counts.values()), sum((chosen or {}).values())
    rows = []
    for label, members in groups:
        count = sum(counts.get(name, 0) for name in members)
        own = sum((chosen or {}).get(name, 0) for name in members)
        rows.append(
            {
                "name": label,
                "count": count,
                "share": 100 * count / max(total, 1),
                "chosen": own,
                "chosen_share": 100 * own / max(part, 1),
            }
        )
    return rows


def _careless_rows(whole: Description) -> list[dict[str, Any]]:
    """Index, cut-off in words and counts, in the order of the text."""
    report = whole.careless.as_dict()
    strings = ", ".join(f"{n}" for n in report["longest_string"]["cutoff"].values())
    named = (
        ("Longest string of equal answers", f"more than {strings} of 1 to 5", "longest_string"),
        ("Even-odd consistency", f"below {report['even_odd']['cutoff']:.2f}", "even_odd"),
        ("Person-total correlation", f"below {report['person_total']['cutoff']:.0f}",
         "person_total"),
    )  # fmt: skip
    return [{**report[key], "name": name, "cutoff": cutoff} for name, cutoff, key in named]


def _two(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:+.2f}".replace("-", "−")
