"""`[evaluations.effects]`: what a persona costs the rest of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from personalign.bench.alpha_case import large_text
from personalign.bench.export_table import Table
from personalign.bench.measures.base import Asked, Gathered, Measure, Section
from personalign.bench.store import RawBlock
from personalign.bench.table import interval_text
from personalign.evaluation.statistics import bootstrap_mean

if TYPE_CHECKING:
    pass


class Effects(Measure):
    """Divergence and perplexity on plain text, unread answers, repetition, of every persona."""

    name = "effects"
    description = "What personas cost plain text: KL, perplexity, unread answers, repetition."

    def ask(self, asked: Asked) -> RawBlock:
        from personalign.evaluation.side_effects import side_effects

        personas = asked.personas
        found = side_effects(
            asked.decoder,
            personas,
            wording=asked.wording,
            progress=lambda done, all_: asked.progress(done / max(all_, 1)),
        )
        rows = [
            {"person": name, **asdict(one)}
            for name, one in zip(asked.people.ids, found, strict=True)
        ]
        return RawBlock({}, (0.0, 0.0), tuple(rows))

    def report(self, gathered: Gathered) -> Sequence[Section]:
        seed = gathered.spec.seeds[0]
        rows = []
        for method in gathered.measured:
            found = gathered.rows(method.name, seed)

            def mean(key: str, found: list[dict] = found) -> float:
                return float(np.mean([row[key] for row in found]))

            kl = bootstrap_mean([row["kl"] for row in found], seed=seed)
            rows.append(
                (
                    method.name,
                    f"{kl.mean:.3f} ({interval_text(kl)})",
                    large_text(mean("plain_perplexity")),
                    large_text(mean("perplexity")),
                    f"{mean('unparsed'):.1%}",
                    f"{mean('plain_repeats'):.1%}",
                    f"{mean('repeats'):.1%}",
                )
            )
        table = Table(
            "What a persona costs plain text",
            (
                "",
                "KL, nats a token (95%)",
                "perplexity before",
                "after",
                "unread answers",
                "repeated before",
                "after",
            ),
            tuple(rows),
            (
                "KL: of the persona from the plain model, at the tokens of plain answers to plain "
                "questions, with the persona's prompt if it has one. Unread: answers in text "
                "without an option. Repeated: runs of three tokens a free reply has had before.",
            ),
            gathered.command,
        )
        return [Section("What a persona costs the rest of the model", (), (table,))]
