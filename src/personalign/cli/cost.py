"""`personalign cost`: what each method costs for one more person, beside each other."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from personalign.cli.console import console, errors, write_json
from personalign.cli.evaluate import RowProgress, row_progress, say
from personalign.cli.options import (
    Coordinate,
    Device,
    Dtype,
    JsonFile,
    ModelName,
    PeopleFile,
    Quantise,
    Seed,
)
from personalign.cli.settings import Settings, method_names, method_settings

if TYPE_CHECKING:
    from personalign.methods.trained import TrainingStep

WIDTH = 104
"""Characters the table needs; a file or a pipe gets them."""


def cost(
    people: PeopleFile,
    methods: Annotated[
        str, typer.Option(help="Methods, separated by commas; `personalign methods` lists them.")
    ] = "none,few-shot,pas,iti,caa",
    limit: Annotated[int, typer.Option(min=1, help="Only the first so many people.")] = 3,
    against: Annotated[
        str | None,
        typer.Option(help="The method the others are compared with. Default: pas, or the first."),
    ] = None,
    model: ModelName = "pocket",
    dtype: Dtype = None,
    device: Device = None,
    quantise: Quantise = None,
    coordinate: Coordinate = "auto",
    settings: Settings = None,
    seed: Seed = 0,
    json: JsonFile = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the table into this .svg or .png file.")
    ] = None,
) -> None:
    """Measure what each method costs for one more person: time, tokens, memory, bytes kept.

    Every method makes the same people, one at a time, and answers the held-out items as them.
    Nothing that was made before is used. What is done once for everybody is told apart.

      personalign cost --people people.json
      personalign cost --people people.json --methods pas,dpo,ppo --limit 1 --figure cost.svg
    """
    from personalign.bench.cost_figure import cost_figure
    from personalign.bench.cost_table import cost_json, cost_notes, cost_table
    from personalign.bench.table import AGAINST
    from personalign.dataset.papi import read_people
    from personalign.dataset.plots.style import known_figure_ending, write_figure
    from personalign.errors import EvaluationError
    from personalign.evaluation.cost import measure_costs
    from personalign.methods.settings import build_method, settings_taken
    from personalign.methods.trained import TrainedMethod
    from personalign.model.decoder import Decoder

    names = method_names(methods)
    base = against or (AGAINST if AGAINST in names else names[0])
    if base not in names:
        raise EvaluationError(
            f"--against {base} is not measured; the methods are {', '.join(names)}."
        )
    if figure is not None:
        known_figure_ending(figure)
    own = method_settings(settings, names)
    chosen = read_people(people, coordinate=coordinate).select(slice(0, limit))
    with errors.status(f"Loading {model}"):
        decoder = Decoder.load(model, dtype=dtype, device=device, quantize=quantise)  # type: ignore[arg-type]
    with TemporaryDirectory(prefix="personalign-cost-") as folder:
        made = []
        for name in names:
            places = {"cache": Path(folder) / "cache" / name, "work": Path(folder) / "work" / name}
            taken = settings_taken(name)
            fresh = {kind: place for kind, place in places.items() if kind in taken}
            given = {**fresh, **own.get(name, {})}
            made.append(build_method(name, decoder, common={"seed": seed}, own=given))
        with row_progress() as progress:
            for method in made:
                if isinstance(method, TrainedMethod):
                    method.watch = partial(_watched, progress, method.name)
            costs = measure_costs(decoder, made, chosen, progress=progress)
    wide = console if console.is_terminal else type(console)(width=WIDTH)
    wide.print(cost_table(costs, base))
    for line in cost_notes(costs):
        console.print(line, style="dim", markup=False, highlight=False)
    if json is not None:
        found = {
            "model": decoder.name,
            "fingerprint": decoder.fingerprint,
            "device": str(decoder.device),
            "source": chosen.source,
            **cost_json(costs, base),
        }
        say(f"Wrote {write_json(json, found)}")
    if figure is not None:
        write_figure(cost_figure(costs, model=decoder.name, against=base), figure)
        say(f"Wrote {figure}")


def _watched(
    progress: RowProgress, name: str, _person: int, line: TrainingStep, total: int
) -> None:
    progress.watch(name, line, total)
