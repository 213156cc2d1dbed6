"""An evaluation as one HTML file: the table, the figures, and what each number means.

The file asks for nothing outside itself (figures are inline SVG, the style is inside), follows the
reader's light or dark setting, and reads on a phone. It is made from an `Evaluation` and, where
there are some, samples of text; nothing is computed here that the evaluation does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from personalign.bench.figures import (
    alpha_curve_figure,
    alpha_overview,
    composites,
    error_limits,
    head_map_figure,
    radar_figure,
)
from personalign.bench.summary import findings, setting
from personalign.bench.table import (
    AGAINST,
    best_first,
    difference_texts,
    interval_text,
    moved,
    notes,
    scaled_text,
    seconds_text,
    trainings,
)
from personalign.bench.traces import AlphaCurve, alpha_curve, head_map
from personalign.dataset.files import replacing
from personalign.inventory.items import Inventory
from personalign.inventory.keys import TRAITS
from personalign.inventory.scoring import trait_means

if TYPE_CHECKING:
    from personalign.bench.rows import Evaluation, Row

CARDS = 24
"""People shown one by one; a page of hundreds of radars is read by nobody."""


@dataclass(frozen=True)
class TextSample:
    """One question answered in text by the plain model and by a person's personas."""

    person: str
    """The person's id."""
    about: str
    """The person in a few words, from their own answers."""
    question: str
    """What was asked."""
    before: str
    """The plain model's answer."""
    after: dict[str, str]
    """The answer of each method's persona, by the method's name."""


def write_report(
    path: Path | str,
    evaluation: Evaluation,
    *,
    title: str = "How close the personas came",
    samples: Sequence[TextSample] = (),
    caveats: Sequence[str] = (),
) -> Path:
    """Write `report_html` to a file, whole or not at all, and return its path."""
    text = report_html(evaluation, title=title, samples=samples, caveats=caveats)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def report_html(
    evaluation: Evaluation,
    *,
    title: str = "How close the personas came",
    samples: Sequence[TextSample] = (),
    caveats: Sequence[str] = (),
) -> str:
    """The report as HTML text.

    Args:
        evaluation: what to show.
        title: the page's heading.
        samples: texts before and after, if any were written.
        caveats: sentences on what these numbers are no evidence of.
    """
    from jinja2 import Environment

    folder = files("personalign.bench") / "templates"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["seconds"] = seconds_text
    environment.filters["interval"] = interval_text
    environment.filters["mebibytes"] = lambda value: scaled_text(value, 2**20)
    environment.filters["difference"] = difference_texts
    template = environment.from_string((folder / "report.html").read_text(encoding="utf-8"))
    shown = foreground(evaluation)
    records = shown.records if shown is not None else ()
    curves = [curve for curve in map(alpha_curve, records) if curve is not None]
    heads = head_map(records)
    return template.render(
        title=title,
        style=(folder / "report.css").read_text(encoding="utf-8"),
        evaluation=evaluation,
        methods=best_first(evaluation.methods),
        references=best_first(evaluation.references),
        traits=TRAITS,
        findings=findings(evaluation),
        setting=setting(evaluation),
        notes=notes(evaluation),
        caveats=caveats,
        samples=samples,
        shown=shown,
        composites_figure=composites([*evaluation.methods, *evaluation.references]),
        alphas_figure=alpha_overview(curves) if curves else None,
        heads_figure=head_map_figure(heads) if heads else None,
        best_head=heads.best if heads else None,
        cards=_cards(evaluation, shown),
        against=AGAINST if any(row.name == AGAINST for row in evaluation.methods) else None,
        trained=_trained(evaluation),
    )


def foreground(evaluation: Evaluation) -> Row | None:
    """The method the figures are about: one with alpha curves, else the best one with personas."""
    with_curves = [
        row for row in evaluation.methods if any(alpha_curve(record) for record in row.records)
    ]
    with_personas = [row for row in evaluation.methods if row.swap is not None]
    ranked = best_first(with_curves) or best_first(with_personas)
    return ranked[0] if ranked else None


def _cards(evaluation: Evaluation, shown: Row | None) -> list[dict[str, Any]]:
    """One dictionary a person: scores of every method, radar, alpha curve."""
    held_out = Inventory("held-out items", evaluation.items)
    profiles = {"own answers": trait_means(evaluation.own, held_out)}
    if shown is not None:
        profiles[shown.name] = trait_means(shown.responses, held_out)
    plain = [row for row in evaluation.methods if row.name == "none" and row is not shown]
    profiles |= {row.name: trait_means(row.responses, held_out) for row in plain}
    people = range(min(CARDS, len(evaluation.people)))
    curves = [_curve(shown, i) for i in people]
    there = [curve for curve in curves if curve is not None]
    limits = error_limits(there) if there else (0.0, 1.0)
    last = max((float(curve.alphas[-1]) for curve in there), default=1.0)
    return [
        {
            "id": evaluation.people.ids[i],
            "who": _who(evaluation, i),
            "scores": [
                (row.name, float(row.score.per_person[i]), row is shown)
                for row in evaluation.methods
            ],
            "radar": radar_figure({n: means[i] for n, means in profiles.items()}, f"radar-{i}"),
            "lines": list(profiles),
            "alpha": curve.chosen if curve else None,
            "curve": alpha_curve_figure(curve, f"curve-{i}", limits, last) if curve else None,
        }
        for i, curve in zip(people, curves, strict=True)
    ]


def _trained(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One dictionary a method that trains: how its measure moved, and the answers with it."""
    found = []
    for row in best_first(evaluation.methods):
        told = trainings(row)
        if told:
            improved, closer = moved(row, evaluation)
            found.append(
                {
                    "row": row,
                    "measure": told[0].measure,
                    "start": float(np.mean([one.start for one in told])),
                    "end": float(np.mean([one.end for one in told])),
                    "people": len(told),
                    "improved": improved,
                    "closer": closer,
                }
            )
    return found


def _curve(shown: Row | None, person: int) -> AlphaCurve | None:
    if shown is None or not shown.records:
        return None
    return alpha_curve(shown.records[person])


def _who(evaluation: Evaluation, person: int) -> str:
    """Sex and age, as far as they are known."""
    table = evaluation.people.demographics
    if table is None:
        return ""
    row = table.row(person, named=True)
    parts = [row.get("sex"), None if row.get("age") is None else f"{row['age']} years"]
    return ", ".join(part for part in parts if part)


def describe_person(means: np.ndarray, norms: np.ndarray) -> str:
    """The two traits a person stands out by, in words.

    means: (5,) the person's keyed trait means. norms: (people, 5) those they are compared with.
    """
    spread = np.where(norms.std(axis=0) > 0, norms.std(axis=0), 1)
    far = (means - norms.mean(axis=0)) / spread
    order = np.argsort(-np.abs(far))[:2]
    names = list(TRAITS.values())
    return ", ".join(f"{'high' if far[i] > 0 else 'low'} {names[i].lower()}" for i in order)
