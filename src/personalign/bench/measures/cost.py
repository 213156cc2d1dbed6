"""`[evaluations.cost]`: what one more person costs (Figures 5 and 17).

Its rows are times, and so differ from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import Field

from personalign.bench.export_table import Table
from personalign.bench.measures.base import (
    Asked,
    Figure,
    Gathered,
    Measure,
    MeasureSettings,
    Section,
)
from personalign.bench.store import RawBlock
from personalign.bench.table import AGAINST

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.evaluation.cost import MethodCost


class CostSettings(MeasureSettings):
    """What may be set."""

    people: int = Field(default=2, ge=1)
    """How many are made, one at a time; few, for nothing that was made before is used."""


class Cost(Measure):
    """Seconds, tokens, memory and bytes of one more person."""

    name = "cost"
    description = "What one more person costs: time, tokens, memory, bytes (Figures 5 and 17)."
    Settings = CostSettings
    needs_personas = False
    settings: CostSettings

    def people(self, people: Respondents) -> Respondents:
        """The first few."""
        return people.select(slice(0, self.settings.people))

    def ask(self, asked: Asked) -> RawBlock:
        from personalign.evaluation.cost import measure_costs

        with TemporaryDirectory(prefix="personalign-cost-") as folder:
            (found,) = measure_costs(
                asked.decoder,
                [asked.fresh(Path(folder))],
                asked.people,
                progress=lambda _name, done, all_: asked.progress(done / max(all_, 1)),
            )
        rows = ({"shared": asdict(found.shared)}, *map(asdict, found.people))
        return RawBlock({}, (0.0, 0.0), rows)

    def report(self, gathered: Gathered) -> Sequence[Section]:
        from personalign.bench.cost_figure import cost_figure
        from personalign.bench.cost_table import cost_json, cost_notes, cost_table
        from personalign.bench.svg import inline_svg

        costs = _costs(gathered)
        against = AGAINST if any(cost.name == AGAINST for cost in costs) else costs[0].name
        figure = cost_figure(costs, model=gathered.model, against=against)
        return [
            Section(
                "What one more person costs",
                ("Measured one person at a time, with nothing kept from before.",),
                (Table.of_rich(cost_table(costs, against), cost_notes(costs), gathered.command),),
                (
                    Figure(
                        inline_svg(figure, "cost", "What one more person costs, by method"),
                        f"{len(costs[0].people)} people, made one at a time.",
                        wide=True,
                    ),
                ),
                numbers=cost_json(costs, against),
            )
        ]


def _costs(gathered: Gathered) -> list[MethodCost]:
    from personalign.evaluation.cost import MethodCost, PersonCost
    from personalign.evaluation.meter import Spent

    def person(row: dict[str, Any]) -> PersonCost:
        return PersonCost(Spent(**row["making"]), Spent(**row["answering"]), row["stored_bytes"])

    found = []
    for method in gathered.measured:
        rows = gathered.rows(method.name, gathered.spec.seeds[0])
        # Each block of people did the shared work anew; it is told once.
        shared = next(row["shared"] for row in rows if "shared" in row)
        found.append(
            MethodCost(
                method.name,
                method.settings,
                Spent(**shared),
                tuple(person(row) for row in rows if "shared" not in row),
            )
        )
    return found
