"""What the aligned score's rows say: the main table, the curves over alpha, the heads, radars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from personalign.bench.collect import joined
from personalign.bench.export_table import Table
from personalign.bench.figures import (
    alpha_overview,
    composites,
    head_map_figure,
    radar_figure,
)
from personalign.bench.measures.base import Figure, Gathered, Section
from personalign.bench.rows import (
    Evaluation,
    Row,
    beside_each_other,
    reference_rows,
    row_of,
)
from personalign.bench.summary import findings, setting, to_json
from personalign.bench.table import (
    AGAINST,
    best_first,
    difference_texts,
    interval_text,
    notes,
    seconds_text,
)
from personalign.bench.traces import alpha_curve, head_map
from personalign.dataset.plots.style import people_count
from personalign.evaluation.aligned import AlignedScore
from personalign.evaluation.statistics import bootstrap_mean
from personalign.inventory.items import Inventory
from personalign.inventory.keys import TRAITS
from personalign.inventory.scoring import trait_means

if TYPE_CHECKING:
    from personalign.bench.store import RawBlock

_LINES = ("Grey:", "solid:", "dashed:")
"""How a radar draws its profiles."""

RADARS = 3
"""People whose radars stand in the report: those nearest to the quartiles of the composite."""


def evaluations(gathered: Gathered, *, references: bool = True) -> list[Evaluation]:
    """One `Evaluation` a seed, of the methods in the run's order."""
    from personalign.model.prompts import get_wording

    spec, people = gathered.spec, gathered.people
    items = people.inventory.held_out
    beside = reference_rows(people, items, spec.seeds[0]) if references else []
    found = []
    for seed in spec.seeds:
        rows = []
        for method in gathered.measured:
            blocks: list[RawBlock] = gathered.blocks[method.name, seed]
            got = joined(blocks, spec.decision, get_wording(spec.wording))
            rows.append(row_of(method, got, people, items, seed))
        scored, compared = beside_each_other(rows, beside, seed)
        found.append(
            Evaluation(
                methods=scored,
                references=compared,
                people=people,
                items=tuple(items),
                model=gathered.model,
                fingerprint=gathered.fingerprint,
                wording=spec.wording,
                decision=spec.decision,
                protocol=spec.protocol,
                seed=seed,
            )
        )
    return found


def over_seeds(found: Sequence[Evaluation]) -> Evaluation:
    """One evaluation whose scores are every person's mean over the seeds.

    Answers, figures and seconds are those of the first seed; scores, intervals and differences
    are over people whose composites were averaged first.
    """
    first = found[0]
    if len(found) == 1:
        return first
    rows = [
        replace(
            row,
            score=_mean_score([one.row(row.name).score for one in found], first.seed),
            swap=None
            if row.swap is None
            else replace(
                row.swap,
                swapped=_mean_score(
                    [one.row(row.name).swap.swapped for one in found],  # type: ignore[union-attr]
                    first.seed,
                ),
            ),
        )
        for row in first.methods
    ]
    scored, compared = beside_each_other(rows, first.references, first.seed)
    return replace(first, methods=scored, references=compared)


def _mean_score(scores: Sequence[AlignedScore], seed: int) -> AlignedScore:
    per_person = np.mean([score.per_person for score in scores], axis=0)
    traits = np.mean([score.per_person_traits for score in scores], axis=0)
    return replace(
        scores[0],
        interval=bootstrap_mean(per_person, seed=seed),
        traits={
            trait: float(np.mean([score.traits[trait] for score in scores]))
            for trait in scores[0].traits
        },
        per_person=per_person,
        per_person_traits=traits,
        unparsed=sum(score.unparsed for score in scores),
        missing=scores[0].missing,
        compared=sum(score.compared for score in scores),
    )


def groups_section(gathered: Gathered, by: Sequence[str], smallest: int) -> Section:
    """The composite split by who people are; see `evaluation/fairness.py`."""
    from personalign.bench.fairness import (
        fairness_figure,
        fairness_json,
        gaps_table,
        groups_table,
    )
    from personalign.evaluation.fairness import fairness

    whole = over_seeds(evaluations(gathered, references=False))
    found = {
        row.name: fairness(
            row.score.per_person, whole.people, by=by, minimum=smallest, seed=whole.seed
        )
        for row in best_first(whole.methods)
    }
    best = next(iter(found))
    command = gathered.command
    return Section(
        title="Closer to some than to others?",
        said=("The same composites, by who the people are.",),
        tables=(groups_table(found, command=command), gaps_table(found, command=command)),
        numbers=fairness_json(found),
        figures=(
            Figure(
                fairness_figure(found[best], best, "aligned-groups"),
                f"{best}: mean composite of each group, 95% intervals over its people.",
            ),
        ),
    )


@dataclass(frozen=True)
class _Seeded:
    """The rows of a run: averaged over seeds, and seed by seed."""

    whole: Evaluation
    by_seed: Sequence[Evaluation]

    def spread(self, row: Row) -> str | None:
        """Lowest and highest composite of the seeds; None with one seed or for a reference."""
        if row.reference or len(self.by_seed) == 1:
            return None
        scores = [one.row(row.name).score.composite for one in self.by_seed]
        return f"{min(scores):.2f}-{max(scores):.2f}"


def aligned_section(gathered: Gathered, *, references: bool) -> Section:
    """The main table and its figures."""
    by_seed = evaluations(gathered, references=references)
    whole = over_seeds(by_seed)
    seeded = _Seeded(whole, by_seed)
    count = len(whole.people)
    figures = [
        Figure(
            composites([*whole.methods, *whole.references], "aligned-composites"),
            f"Composite of {count} people; filled dots are methods, open ones ask no model; lines "
            "are 95% intervals over people.",
        ),
        *_alphas(whole),
        *_radars(whole),
    ]
    return Section(
        title="How close the answers come",
        said=(
            *findings(whole),
            setting(by_seed[0])
            + (
                f" Scores are means over the seeds {', '.join(map(str, gathered.spec.seeds))}."
                if len(by_seed) > 1
                else ""
            ),
        ),
        tables=(main_table(seeded, gathered.command),),
        numbers=to_json(whole),
        figures=tuple(figures),
    )


def main_table(seeded: _Seeded, command: str) -> Table:
    """Composite, traits, control, differences; methods above, best first, references below."""
    whole = seeded.whole
    against = AGAINST if any(row.name == AGAINST for row in whole.methods) else None
    several = len(seeded.by_seed) > 1
    columns = ["", "composite (95%)", *TRAITS, "swapped"]
    if several:
        columns.append("seeds")
    if against is not None:
        columns.append(f"minus {against} (95%)")
    columns += ["own items", "s/person", "unparsed"]
    counts = {row.score.people for row in (*whole.methods, *whole.references)}
    if len(counts) > 1:
        columns.append("people")
    rows = []
    for row in (*best_first(whole.methods), *best_first(whole.references)):
        mark = " †" if row.protocol == "paper" else ""
        cells: list[str | float | int | None] = [
            row.name + mark,
            f"{row.score.composite:.2f} ({interval_text(row.score.interval)})",
            *(f"{row.score.traits[trait]:.2f}" for trait in TRAITS),
            None if row.swap is None else f"{row.swap.swapped.composite:.2f}",
        ]
        if several:
            cells.append(seeded.spread(row))
        if against is not None:
            gap = difference_texts(row, against)
            cells.append(None if row.name == against else f"{gap[0]} ({gap[1]})")
        cells += [
            None if row.tuning is None else f"{row.tuning.composite:.2f}",
            None if row.reference else seconds_text(row.seconds_per_person),
            row.score.unparsed,
            *([row.score.people] if len(counts) > 1 else []),
        ]
        rows.append(tuple(cells))
    told = tuple(line for line in notes(whole) if not line.startswith("peak:"))
    title = f"Aligned score, {people_count(min(counts))}" if len(counts) == 1 else "Aligned score"
    return Table(title, tuple(columns), tuple(rows), told, command)


def _alphas(whole: Evaluation) -> list[Figure]:
    """For every method that searched alpha: everybody's curve, and where its heads are."""
    figures = []
    for row in best_first(whole.methods):
        curves = [curve for curve in map(alpha_curve, row.records) if curve is not None]
        if curves:
            figures.append(
                Figure(
                    alpha_overview(curves, f"aligned-alphas-{_plain(row.name)}"),
                    f"{row.name}: error on the items learnt from over alpha, {len(curves)} people; "
                    "thin lines are people, dots the alpha each got, the thick line their mean.",
                )
            )
        heads = head_map(row.records)
        if heads is not None:
            figures.append(
                Figure(
                    head_map_figure(heads, f"aligned-heads-{_plain(row.name)}"),
                    f"{row.name}: how often each head's probe is right on items it has not seen, "
                    f"mean of {heads.people} people; the mark says for how many it was pushed.",
                )
            )
    return figures


def _radars(whole: Evaluation) -> list[Figure]:
    """Person, plain model and best persona, of people from close to far."""
    made = [row for row in best_first(whole.methods) if row.swap is not None]
    if not made:
        return []
    best = made[0]
    held_out = Inventory("held-out items", whole.items)
    profiles = {
        "own answers": trait_means(whole.own, held_out),
        best.name: trait_means(best.responses, held_out),
    }
    for row in whole.methods:
        if row.name == "none" and row is not best:
            profiles["none"] = trait_means(row.responses, held_out)
    order = np.argsort(best.score.per_person)
    shown = order[np.linspace(0, len(order) - 1, 2 * RADARS + 1).astype(int)[1::2]]
    return [
        Figure(
            radar_figure(
                {name: means[i] for name, means in profiles.items()}, f"aligned-radar-{i}"
            ),
            f"{whole.people.ids[i]}: trait means on the held-out items, centre 1, edge 5. "
            f"{'; '.join(map(' '.join, zip(_LINES, profiles, strict=False)))}. Composite "
            f"{best.score.per_person[i]:.2f} with {best.name}.",
        )
        for i in dict.fromkeys(shown.tolist())
    ]


def _plain(name: str) -> str:
    return name.replace("@", "-")
