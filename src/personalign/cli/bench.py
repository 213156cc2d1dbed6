"""`personalign bench`: a run from one TOML, taken up where it stopped; its status and report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from personalign.cli.console import console
from personalign.cli.evaluate import RESULTS, row_progress, say, tell_stopped

if TYPE_CHECKING:
    from personalign.bench.export_table import Table as Exported
    from personalign.bench.run.folder import RunFolder


class _RunIsDefault(TyperGroup):
    """`personalign bench RUN.toml` is `personalign bench run RUN.toml`."""

    default = "run"
    """The command where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((arg for arg in args if not arg.startswith("-")), None)
        if first is not None and first not in self.commands:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


bench = typer.Typer(
    name="bench",
    cls=_RunIsDefault,
    no_args_is_help=True,
    help="Run what a TOML asks for, take it up again, report it.",
)

Folder = Annotated[Path, typer.Argument(help="A run's folder.")]


@bench.command()
def run(
    toml: Annotated[Path, typer.Argument(help="The run, as those in runs/.")],
    out: Annotated[
        Path | None,
        typer.Option(help=f"The run's folder. Default: {RESULTS}/NAME-DIGEST, by the TOML."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes, each with the model loaded once.")
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(help="Do it on a Ray cluster: its address, auto, or local to start one here."),
    ] = None,
) -> None:
    """Measure what a TOML asks for. Also: personalign bench RUN.toml

    Raw rows are kept block by block; Ctrl-C, or a machine that goes down, loses only what is under
    way, and the same command goes on from there. Numbers do not depend on where the work is done.

      personalign bench runs/pocket/table1.toml
      personalign bench runs/pocket/table1.toml --workers 2
      personalign bench runs/pocket/table1.toml --ray auto --workers 8
    """
    from personalign.bench.run.run import run_bench
    from personalign.bench.run.spec import read_spec

    spec = read_spec(toml)
    where = out if out is not None else RESULTS / f"{toml.stem}-{spec.digest[:8]}"
    try:
        with row_progress() as progress:
            folder = run_bench(toml, where, workers=workers, ray=ray, progress=progress)
    except KeyboardInterrupt:
        tell_stopped(where)
        raise typer.Exit(130) from None
    _report(folder, None)


@bench.command()
def status(folder: Folder) -> None:
    """How far a run is: people done, by evaluation, method and seed."""
    from personalign.bench.run.folder import RunFolder
    from personalign.bench.run.gather import standing
    from personalign.bench.table import plain_table

    place = RunFolder(folder)
    spec = place.spec()
    found = standing(place)
    shown = plain_table(spec.title)
    shown.add_column("evaluation")
    shown.add_column("method")
    shown.add_column("seed", justify="right")
    shown.add_column("people", justify="right")
    for one in found:
        done = f"{one.people} of {one.whole}"
        shown.add_row(
            one.part.evaluation,
            one.part.method,
            str(one.part.seed),
            done,
            style="" if one.people < one.whole else "dim",
        )
    console.print(shown)
    say("Finished." if place.finished else "Not finished; the same command goes on from here.")


@bench.command()
def report(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option(help="Where to. Default: the folder's own report/.")
    ] = None,
) -> None:
    """Write a run's page, and its tables as Markdown, LaTeX and CSV. No model is needed."""
    from personalign.bench.run.folder import RunFolder

    _report(RunFolder(folder), out)


@bench.command()
def compare(
    a: Annotated[Path, typer.Argument(help="One run's folder.")],
    b: Annotated[Path, typer.Argument(help="Another run's folder.")],
) -> None:
    """Two runs beside each other: what differs, and the scores, person by person where they can."""
    from personalign.bench.run.compare import compare_runs
    from personalign.bench.run.folder import RunFolder

    found = compare_runs(RunFolder(a), RunFolder(b))
    for name, (one, other) in found.differs.items():
        say(f"{name}: {one} | {other}")
    _print_table(found.table)


@bench.command()
def rows(
    folder: Folder,
    evaluation: Annotated[str, typer.Argument(help="The evaluation, as its TOML calls it.")],
    kind: Annotated[
        str | None, typer.Option(help="Only rows of this kind, such as texts of open-ended.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A .jsonl file; the terminal if left out.")
    ] = None,
) -> None:
    """Print the raw rows of one evaluation, a JSON line each, with their method and seed.

    personalign bench rows FOLDER open-ended --kind texts -o texts.jsonl
    personalign study pack-texts texts.jsonl --contrast pas:few-shot -o packs --key key.json
    """
    import json

    from personalign.bench.run.folder import RunFolder
    from personalign.bench.run.gather import gathered
    from personalign.dataset.files import replacing
    from personalign.errors import EvaluationError

    found = gathered(RunFolder(folder))
    if evaluation not in found:
        raise EvaluationError(
            f"{folder} has no complete rows of {evaluation!r}; it has those of {', '.join(found)}."
        )
    lines = [
        json.dumps({"method": method, "seed": seed, **row}, ensure_ascii=False)
        for method, seed in found[evaluation].blocks
        for row in found[evaluation].rows(method, seed)
        if kind is None or row.get("kind") == kind
    ]
    if not lines:
        raise EvaluationError(f"{evaluation} has no rows of the kind {kind!r}.")
    text = "\n".join(lines) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    say(f"Wrote {len(lines):,} rows to {out}")


@bench.command()
def evaluations() -> None:
    """What a TOML can ask for under [evaluations.NAME], and what may be set of each."""
    from personalign.bench.measures import MEASURES
    from personalign.bench.table import plain_table

    shown = plain_table("Evaluations")
    for heading in ("name", "measures", "settings and their defaults"):
        shown.add_column(heading, overflow="fold")
    for name, measure in MEASURES.items():
        defaults = {
            key: field.get_default(call_default_factory=True)
            for key, field in measure.Settings.model_fields.items()
        }
        told = "\n".join(f"{key} = {value!r}" for key, value in defaults.items())
        shown.add_row(name, measure.description, told)
    console.print(shown)


def _report(folder: RunFolder, out: Path | None) -> None:
    from personalign.bench.run.gather import sections
    from personalign.bench.run.report import write_run_report

    parts = sections(folder)
    for part in parts:
        for table in part.tables:
            _print_table(table)
    say(f"Wrote {write_run_report(folder, parts, out)}")


def _print_table(table: Exported) -> None:
    """A table on the terminal, its notes below."""
    from rich.console import Console

    wide = console if console.is_terminal else Console(width=240)
    wide.print(table.to_terminal(width=wide.width))
    for note in table.notes:
        console.print(note, style="dim", markup=False, highlight=False)
