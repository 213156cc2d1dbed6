"""`[evaluations.open-ended]`: statements lived out in text, and judged (Figure 6, Table 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
    from personalign.evaluation.judge import Judge

LIKELIHOOD = "likelihood"
"""The judge without a network."""

_KINDS = ("texts", "verdicts", "second", "compared")


class OpenEndedSettings(MeasureSettings):
    """What may be set."""

    statements: int = Field(default=10, ge=1)
    """Held-out statements a person, spread evenly over all of them."""
    max_new_tokens: int = Field(default=600, ge=1)
    """Longest text."""
    judge: str = LIKELIHOOD
    """"likelihood", of the person's answer under the model that reads the text, or api:NAME."""
    base_url: str | None = None
    """The judge's endpoint."""
    key_variable: str | None = None
    """The environment variable that holds its key."""
    second: str | None = None
    """Another api:NAME that judges the same texts, to see whether the two agree."""
    side_by_side: bool = False
    """Whether an API judge is also shown each text beside the plain model's, in both orders."""
    focus: str | None = None
    """The method whose wins are counted; pas if it runs, else the first that is not none."""
    examples: int = Field(default=3, ge=0)
    """Statements whose texts stand in the report."""

    @model_validator(mode="after")
    def _judges(self) -> OpenEndedSettings:
        from personalign.model.api import PREFIX

        for name, value in (("judge", self.judge), ("second", self.second)):
            if value not in (None, LIKELIHOOD) and not value.startswith(PREFIX):
                raise ValueError(
                    f"{name} is {value!r}; a judge is {LIKELIHOOD!r}, or {PREFIX}NAME for a model "
                    "behind an API"
                )
        if self.side_by_side and self.judge == LIKELIHOOD:
            raise ValueError(
                "side_by_side needs a judge that reads two texts: give judge as api:NAME"
            )
        return self


class OpenEnded(Measure):
    """What personas write about statements, and what a judge says of it."""

    name = "open-ended"
    description = "Statements lived out in text, judged in six levels (Figure 6, Tables 4 and 7)."
    Settings = OpenEndedSettings
    settings: OpenEndedSettings

    def __init__(self, settings: MeasureSettings) -> None:
        super().__init__(settings)
        self._judges: dict[str, Judge] = {}

    @property
    def needs_decoder(self) -> bool:
        return self.settings.judge == LIKELIHOOD

    def ask(self, asked: Asked) -> RawBlock:
        from personalign.evaluation.judge import ApiJudge
        from personalign.evaluation.open_ended import write_open_ended
        from personalign.evaluation.side_by_side import compare
        from personalign.model.persona import PLAIN

        wanted = self.settings
        personas = asked.personas
        model, people = asked.decoder, asked.people
        items = spread_items(people, wanted.statements)

        def write(personas: Sequence[Any], name: str, share: float) -> list[Any]:
            return write_open_ended(
                model,
                personas,
                people,
                items,
                method=name,
                max_new_tokens=wanted.max_new_tokens,
                progress=lambda done, all_: asked.progress(share * done / max(all_, 1)),
            )

        rows: dict[str, Sequence[Mapping[str, Any]]] = {}
        rows["texts"] = write(personas, asked.method.name, 0.6)
        judge = self._judge(wanted.judge, model, people)
        rows["verdicts"] = judge.score(rows["texts"])
        asked.progress(0.8)
        if wanted.second is not None:
            rows["second"] = self._judge(wanted.second, model, people).score(rows["texts"])
        if wanted.side_by_side and asked.method.name != "none":
            assert isinstance(judge, ApiJudge), "the settings see to that"
            plain = write([PLAIN] * len(people), "none", 0.8)
            rows["compared"] = compare(judge, [*rows["texts"], *plain], asked.method.name, "none")
        kept = [{"kind": kind, **row} for kind in _KINDS for row in rows.get(kind, ())]
        return RawBlock({}, (0.0, 0.0), tuple(kept))

    def _judge(self, name: str, model: Any, people: Respondents) -> Judge:
        """The judge, kept: what it has judged it does not judge again."""
        if name not in self._judges:
            from personalign.dataset.files import cache_folder
            from personalign.evaluation.judge import ApiJudge
            from personalign.evaluation.likelihood import LikelihoodJudge
            from personalign.model.api import ApiModel

            if name == LIKELIHOOD:
                self._judges[name] = LikelihoodJudge(model, inventory=people.inventory)
            else:
                key = self.settings.key_variable
                more: dict[str, Any] = {} if key is None else {"key_variable": key}
                self._judges[name] = ApiJudge(
                    ApiModel(name, self.settings.base_url, cache=cache_folder() / "api", **more)
                )
        return self._judges[name]

    def report(self, gathered: Gathered) -> Sequence[Section]:
        from personalign.bench.open_ended import (
            examples,
            levels_table,
            notes,
            open_ended_json,
            wins_svg,
            wins_table,
        )
        from personalign.evaluation.open_ended_summary import summarise_open_ended

        seed = gathered.spec.seeds[0]
        names = [method.name for method in gathered.measured]
        kinds: dict[str, list[dict]] = {kind: [] for kind in _KINDS}
        for name in names:
            for row in gathered.rows(name, seed):
                kinds[row["kind"]].append({key: row[key] for key in row if key != "kind"})
        found = summarise_open_ended(
            kinds["texts"],
            kinds["verdicts"],
            focus=self._focus(names),
            second=kinds["second"],
            compared=kinds["compared"],
            seed=seed,
        )
        told = notes(found)
        tables = [Table.of_rich(levels_table(found), told, gathered.command)]
        figures = []
        if found.contests:
            tables.insert(0, Table.of_rich(wins_table(found), (), gathered.command))
            figures.append(
                Figure(
                    wins_svg(found, "open-ended-wins"),
                    f"Statements on which the text of {found.focus} was given a higher, the same "
                    f"or a lower level than another method's, {found.people} people, 95% "
                    f"intervals; judge: {found.judge}.",
                )
            )
        shown = examples(kinds["texts"], kinds["verdicts"], number=self.settings.examples)
        return [
            Section(
                title="Statements lived out in text",
                said=(
                    f"Every persona wrote about {self.settings.statements} held-out statements in "
                    "four parts: scenario, actions, thoughts, emotions. The judge saw the text and "
                    "what the person had answered.",
                ),
                tables=tuple(tables),
                numbers=open_ended_json(found),
                figures=tuple(figures),
                examples=tuple(
                    Example(
                        f"{group[0].person}: “{group[0].statement}” {group[0].target}",
                        tuple((f"{one.method}: {one.verdict}", one.text) for one in group),
                    )
                    for group in shown
                ),
            )
        ]

    def _focus(self, names: Sequence[str]) -> str:
        from personalign.bench.table import AGAINST

        wanted = self.settings.focus
        if wanted in names:
            return str(wanted)
        return AGAINST if AGAINST in names else next((n for n in names if n != "none"), names[0])


def spread_items(people: Respondents, number: int) -> tuple[Any, ...]:
    """So many held-out items, evenly over all of them."""
    items = people.inventory.held_out
    taken = min(number, len(items))
    return tuple(items[place * len(items) // taken] for place in range(taken))
