"""`[evaluations.causal]`: does a persona follow the person? (Appendix D, Figure 14)"""

from __future__ import annotations

from collections.abc import Sequence

from personalign.bench.measures.base import (
    Asked,
    Figure,
    Gathered,
    Measure,
    Section,
)
from personalign.bench.store import RawBlock


class Causal(Measure):
    """Every person's answers raised by one, aligned again, and what that did to each trait."""

    name = "causal"
    description = "What raising a person's traits by one does to the persona's (Figure 14)."
    needs_personas = False

    @property
    def needs_decoder(self) -> bool:
        return False

    def ask(self, asked: Asked) -> RawBlock:
        from personalign.evaluation.causal import measure_effects

        rows = measure_effects(
            asked.method,
            asked.people,
            progress=lambda done, whole: asked.progress(done / max(whole, 1)),
        )
        return RawBlock({}, (0.0, 0.0), tuple(rows))

    def report(self, gathered: Gathered) -> Sequence[Section]:
        from personalign.bench.causal import (
            effects_json,
            effects_table,
            matrix_table,
            specificity_table,
        )
        from personalign.bench.causal_figures import effects_figure, matrix_figure
        from personalign.evaluation.causal import summarise_effects

        seed = gathered.spec.seeds[0]
        form = gathered.people.inventory
        found = {
            method.name: summarise_effects(gathered.rows(method.name, seed), form, seed=seed)
            for method in gathered.measured
        }
        moving = {name: effects for name, effects in found.items() if name != "none"}
        people = len(gathered.people)
        return [
            Section(
                title="Does the persona follow the person?",
                said=(
                    f"Each of {people} people's answers were raised by one in the direction of "
                    "every trait, and of each trait alone; each time they were aligned again, and "
                    "the persona's traits on the held-out items compared with those before. Seed "
                    f"{seed}.",
                ),
                numbers=effects_json(found, seed=seed),
                tables=(
                    effects_table(found, seed=seed, command=gathered.command),
                    specificity_table(found, command=gathered.command),
                    *(
                        matrix_table(effects, name, command=gathered.command)
                        for name, effects in moving.items()
                    ),
                ),
                figures=(
                    Figure(
                        effects_figure(found, "causal-effects"),
                        f"Average effect of raising every trait, {people} people, 95% intervals.",
                    ),
                    *(
                        Figure(
                            matrix_figure(effects, name, f"causal-matrix-{i}"),
                            f"{name}: the trait raised alone (rows) and what moved (columns), "
                            f"mean of {people} people.",
                        )
                        for i, (name, effects) in enumerate(moving.items())
                    ),
                ),
            )
        ]
