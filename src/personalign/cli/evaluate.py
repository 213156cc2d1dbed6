"""`personalign evaluate`: methods over a file of people, scored beside the reference rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from personalign.cli.console import console, errors, write_json
from personalign.cli.models import open_model, tell_usage
from personalign.cli.options import (
    BaseUrl,
    Concurrency,
    Coordinate,
    Device,
    Dtype,
    JsonFile,
    KeyVariable,
    MaxKl,
    ModelName,
    Prices,
    Quantise,
    Seed,
    Timeout,
)
from personalign.cli.settings import Settings, method_settings
from personalign.errors import EvaluationError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from personalign.bench.rows import Evaluation
    from personalign.dataset.people import Respondents
    from personalign.methods.trained import TrainingStep

RESULTS = Path("personalign-results")
"""Where raw answers go unless said otherwise."""


def evaluate(
    people: Annotated[
        Path,
        typer.Option(help="Who to score: a .json, .csv or .parquet file of people's answers."),
    ],
    methods: Annotated[
        str, typer.Option(help="Methods, separated by commas; `personalign methods` lists them.")
    ] = "none,few-shot,pas",
    model: ModelName = "pocket",
    dtype: Dtype = None,
    device: Device = None,
    quantise: Quantise = None,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = None,
    concurrency: Concurrency = None,
    timeout: Timeout = None,
    prices: Prices = None,
    coordinate: Coordinate = "auto",
    population: Annotated[
        Path | None,
        typer.Option(
            help="Other people to fit the reference rows on, in the same kind of file; simulated "
            "people without one, where the questionnaire has a simulator."
        ),
    ] = None,
    wording: Annotated[
        Literal["papi", "reworded", "shuffled"],
        typer.Option(help="The question: the paper's, in other words, or its options shuffled."),
    ] = "papi",
    decision: Annotated[
        Literal["mode", "median", "mean"],
        typer.Option(help="How the probabilities of the five options become one answer."),
    ] = "mode",
    protocol: Annotated[
        Literal["honest", "paper"],
        typer.Option(
            help="honest tunes on the tuning items only; paper repeats the released procedure, "
            "which also looks at the scored items, and marks its rows."
        ),
    ] = "honest",
    settings: Settings = None,
    max_kl: MaxKl = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many people of the file.")
    ] = None,
    on_tuning_people: Annotated[
        bool,
        typer.Option(
            "--on-tuning-people",
            help="Score people of the tuning part of `personalign people split` all the same; "
            "every output then says so.",
        ),
    ] = False,
    seed: Seed = 0,
    json: JsonFile = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a report with figures to this HTML file.")
    ] = None,
    out: Annotated[
        Path,
        typer.Option(help="Folder for raw answers; an interrupted run is taken up from there."),
    ] = RESULTS,
) -> None:
    """Score methods on people: how far are the model's answers from their own?

    Methods learn from each person's answers to the tuning items (of the IPIP-NEO, the 120 of the
    short form) and are scored on the held-out ones (the other 180). The open 50-item IPIP markers
    are a questionnaire of their own: 30 items to learn from, 20 held out.
    The table shows the composite (the mean distance of each trait, added up over the five; lower is
    better) with a 95% interval over people, and reference rows that use no model.

      personalign evaluate --people people.json --limit 20
      personalign evaluate --people people.json --methods none,pas --json scores.json
      personalign evaluate --people people.json --methods none,dpo@small --set dpo@small.steps=50

    Ctrl-C keeps what is done; the same command goes on from there.
    """
    from personalign.bench.evaluate import evaluate_methods
    from personalign.dataset.papi import read_people
    from personalign.dataset.split import refuse_tuning_people
    from personalign.model.prompts import get_wording

    names = [name.strip() for name in methods.split(",") if name.strip()]
    own = method_settings(settings, names)
    everybody = read_people(people, coordinate=coordinate)
    fitted = None if population is None else read_people(population, coordinate=coordinate)
    if fitted is not None and _answer_sheets(fitted) & _answer_sheets(everybody):
        raise EvaluationError(
            f"Some people of {people} are also in {population}; reference rows fitted on the "
            "people they are scored on would look better than they are. Give other people."
        )
    chosen = everybody if limit is None else everybody.select(slice(0, limit))
    if not on_tuning_people:
        refuse_tuning_people(chosen)
    decoder = open_model(
        model,
        dtype=dtype,
        device=device,
        quantise=quantise,
        base_url=base_url,
        key_variable=key_variable,
        concurrency=concurrency,
        timeout=timeout,
        prices=prices,
    )
    try:
        with row_progress() as progress:
            evaluation = evaluate_methods(
                decoder,
                chosen,
                names,
                population=fitted,
                wording=get_wording(wording),
                decision=decision,
                protocol=protocol,
                seed=seed,
                out=out,
                settings=own,
                max_kl=max_kl,
                on_tuning_people=on_tuning_people,
                progress=progress,
                watch=progress.watch,
            )
    except KeyboardInterrupt:
        tell_stopped(out)
        raise typer.Exit(130) from None
    show(evaluation)
    tell_usage(decoder)
    errors.print(f"Raw answers are in {out}.", style="dim", markup=False, soft_wrap=True)
    save(evaluation, json, report)


def _answer_sheets(people: Respondents) -> set[bytes]:
    """Everybody's answers, to find a person again by; one answer throughout tells nobody apart."""
    told = people.responses[(people.responses != people.responses[:, :1]).any(axis=1)]
    return set(map(bytes, told))


class RowProgress:
    """One bar a method, counting people; where an adapter is trained, the newest loss beside it."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, done: float, total: int) -> None:
        """So many people of the method are done, parts of a person included."""
        self.bars.update(self._task(name), completed=done, total=total, description=name)

    def watch(self, name: str, line: TrainingStep, total: int) -> None:
        """A line of a training curve."""
        text = f"{name}: step {line.step}/{total}, {line.told}"
        self.bars.update(self._task(name), description=text)

    def _task(self, name: str) -> TaskID:
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(name, total=None)
        return self.tasks[name]


@contextmanager
def row_progress() -> Iterator[RowProgress]:
    """One bar a method on stderr, gone with the block."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("people"),
        Elapsed(),
        Remaining(),
    )
    with Progress(*columns, console=errors, transient=True) as bars:
        yield RowProgress(bars)


def show(evaluation: Evaluation) -> None:
    """Print the table, what its columns mean and what follows from it."""
    from rich.console import Console

    from personalign.bench.summary import findings
    from personalign.bench.table import FULL, notes, tables, training_table

    # A file or a pipe has no width of its own: one whole table.
    wide = console if console.is_terminal else Console(width=max(FULL, console.width))
    for shown in tables(evaluation, width=wide.width):
        wide.print(shown)
    trained = training_table(evaluation)
    if trained is not None:
        console.print(trained)
    for line in notes(evaluation):
        console.print(line, style="dim", markup=False, highlight=False)
    console.print()
    for sentence in findings(evaluation):
        console.print(sentence, markup=False, highlight=False)


def save(evaluation: Evaluation, json: Path | None, report: Path | None) -> None:
    """Write the JSON and the report, whichever was asked for, and say where."""
    from personalign.bench.report import write_report
    from personalign.bench.summary import to_json

    if json is not None:
        say(f"Wrote {write_json(json, to_json(evaluation))}")
    if report is not None:
        say(f"Wrote {write_report(report, evaluation)}")


def tell_stopped(folder: Path) -> None:
    """Say on stderr that an interrupted run can go on."""
    errors.print(
        f"Stopped. What is done is kept in {folder}; run the same command again to go on.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def say(line: str) -> None:
    """Print one line as it is, paths and brackets included."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
