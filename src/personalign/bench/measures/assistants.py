"""`[evaluations.assistants]`: assistants with a person's values, and against them (Figure 8)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from personalign.bench.export_table import Table
from personalign.bench.measures.base import (
    Asked,
    Example,
    Figure,
    Gathered,
    Measure,
    MeasureSettings,
    Section,
)
from personalign.bench.store import RawBlock

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents


class AssistantsSettings(MeasureSettings):
    """What may be set."""

    prompts: str
    """A .jsonl or .txt file of general prompts; $VARIABLES are filled."""
    number: int = Field(default=20, ge=1)
    """How many of them, spread over the file."""
    people: int = Field(default=4, ge=1)
    """For the first so many people."""
    max_new_tokens: int = Field(default=256, ge=1)
    """Longest reply."""
    examples: int = Field(default=3, ge=0)
    """Prompts whose replies stand in the report."""
    key: str | None = None
    """The key of the pairs that raters saw (`personalign study pack`), once they have voted."""
    votes: tuple[str, ...] = ()
    """Files of their votes."""

    @model_validator(mode="after")
    def _both(self) -> AssistantsSettings:
        if (self.key is None) != (not self.votes):
            raise ValueError("give both key and votes, or neither")
        return self


class Assistants(Measure):
    """Replies of value-aligned and value-misaligned assistants, and what raters preferred."""

    name = "assistants"
    description = "Replies with a person's values and with the opposite ones (Figure 8)."
    Settings = AssistantsSettings
    settings: AssistantsSettings

    def people(self, people: Respondents) -> Respondents:
        """The first few."""
        return people.select(slice(0, self.settings.people))

    def ask(self, asked: Asked) -> RawBlock:
        from personalign.bench.run.spec import expanded
        from personalign.evaluation.assistants import assistant_replies, value_personas
        from personalign.evaluation.general_prompts import read_prompts, spread
        from personalign.methods.base import PersonaMethod

        method = asked.method
        assert isinstance(method, PersonaMethod), "only methods that make personas are asked"
        path = expanded(self.settings.prompts, Path(), "evaluations.assistants.prompts")
        prompts = spread(read_prompts(path), self.settings.number)
        personas = value_personas(
            method,
            asked.people,
            progress=lambda done, all_: asked.progress(done / max(all_, 1) / 2),
        )
        rows = assistant_replies(
            method.decoder,
            personas,
            asked.people.ids,
            prompts,
            max_new_tokens=self.settings.max_new_tokens,
            progress=lambda done, all_: asked.progress(0.5 + done / max(all_, 1) / 2),
        )
        return RawBlock({}, (0.0, 0.0), tuple(dict(row) for row in rows))

    def report(self, gathered: Gathered) -> Sequence[Section]:
        seed = gathered.spec.seeds[0]
        people = len(gathered.people)
        said = [
            f"Replies to {self.settings.number} general prompts by assistants of {people} people's "
            "values, of the mirrored ones, and by the model as it is. Which of them is better is "
            "for human raters to say, blind: `personalign study pack` makes the pairs, "
            "`personalign study votes` counts the votes, and with `key` and `votes` in the TOML "
            "they stand here.",
        ]
        tables, figures = [self._differing(gathered)], []
        if self.settings.key is not None:
            from personalign.bench.run.spec import expanded
            from personalign.bench.study import notes, votes_svg, votes_table
            from personalign.evaluation.blind import read_key
            from personalign.evaluation.human import count_votes, read_votes

            where = "evaluations.assistants"
            key = read_key(expanded(self.settings.key, Path(), f"{where}.key"))
            files = [expanded(one, Path(), f"{where}.votes") for one in self.settings.votes]
            found = count_votes(read_votes(*files), key, seed=seed)
            tables.insert(0, Table.of_rich(votes_table(found), notes(found), gathered.command))
            figures.append(
                Figure(votes_svg(found, "assistants-votes"), "Votes of raters, 95% intervals.")
            )
        return [
            Section(
                "Assistants with and against a person's values",
                tuple(said),
                tuple(tables),
                tuple(figures),
                tuple(self._examples(gathered)),
            )
        ]

    def _differing(self, gathered: Gathered) -> Table:
        """How often two assistants did not say word for word the same."""
        seed = gathered.spec.seeds[0]
        rows = []
        for method in gathered.measured:
            texts: dict[tuple[str, str], dict[str, str]] = {}
            for row in gathered.rows(method.name, seed):
                texts.setdefault((row["person"], row["prompt"]), {})[row["condition"]] = row["text"]

            def differ(a: str, b: str, texts: dict = texts) -> str:
                return f"{sum(one[a] != one[b] for one in texts.values())} of {len(texts)}"

            rows.append(
                (
                    method.name,
                    differ("aligned", "misaligned"),
                    differ("aligned", "original"),
                    differ("misaligned", "original"),
                )
            )
        return Table(
            "Replies that differ",
            ("", "aligned and misaligned", "aligned and the model's", "misaligned and the model's"),
            tuple(rows),
            ("Where two replies are the same, no rater can prefer one.",),
            gathered.command,
        )

    def _examples(self, gathered: Gathered) -> list[Example]:
        found = []
        for method in gathered.measured:
            if method.name == "none":
                continue
            texts: dict[tuple[str, str], dict[str, str]] = {}
            for row in gathered.rows(method.name, gathered.spec.seeds[0]):
                texts.setdefault((row["person"], row["asked"]), {})[row["condition"]] = row["text"]
            places = list(texts)
            taken = min(self.settings.examples, len(places))
            for place in (places[k * len(places) // taken] for k in range(taken)):
                person, asked = place
                found.append(
                    Example(f"{method.name}, {person}: {asked}", tuple(texts[place].items()))
                )
        return found
