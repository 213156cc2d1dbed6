"""`personalign stress`: methods asked in other ways, and what they cost the rest of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from personalign.cli.console import console, errors, write_json
from personalign.cli.evaluate import row_progress, say
from personalign.cli.options import (
    Coordinate,
    Device,
    Dtype,
    JsonFile,
    MaxKl,
    ModelName,
    PeopleFile,
    Quantise,
    Seed,
)
from personalign.cli.settings import Settings, method_names, method_settings


def stress(
    people: PeopleFile,
    methods: Annotated[
        str, typer.Option(help="Methods, separated by commas; `personalign methods` lists them.")
    ] = "none,few-shot,pas,dials",
    limit: Annotated[int, typer.Option(min=2, help="Only the first so many people.")] = 10,
    max_kl: MaxKl = None,
    model: ModelName = "pocket",
    dtype: Dtype = None,
    device: Device = None,
    quantise: Quantise = None,
    coordinate: Coordinate = "auto",
    settings: Settings = None,
    seed: Seed = 0,
    json: JsonFile = None,
    figure: Annotated[
        Path | None,
        typer.Option(help="Draw closeness against cost over alpha into this .svg or .png file."),
    ] = None,
) -> None:
    """Ask the same personas in other ways, and measure what they cost the rest of the model.

    Options in other orders and under other labels, statements in the first person, the question
    in other words, answers by text: how far does the score move? And how far do plain questions
    with plain answers move, when nobody asks about anybody?

      personalign stress --people people.json
      personalign stress --people people.json --methods pas,dials --max-kl 0.1 --figure cost.svg
    """
    from rich.console import Console

    from personalign.bench.stress import (
        asking_table,
        effects_table,
        notes,
        stress_json,
        trade_off_figure,
    )
    from personalign.bench.stress import stress as measure
    from personalign.dataset.papi import read_people
    from personalign.dataset.plots.style import known_figure_ending, write_figure
    from personalign.errors import EvaluationError
    from personalign.methods.base import PersonaMethod
    from personalign.methods.settings import build_method
    from personalign.model.decoder import Decoder

    names = method_names(methods)
    if figure is not None:
        known_figure_ending(figure)
    own = method_settings(settings, names)
    chosen = read_people(people, coordinate=coordinate).select(slice(0, limit))
    with errors.status(f"Loading {model}"):
        decoder = Decoder.load(model, dtype=dtype, device=device, quantize=quantise)  # type: ignore[arg-type]
    made = []
    for name in names:
        method = build_method(name, decoder, common={"seed": seed}, own=own.get(name, {}))
        if not isinstance(method, PersonaMethod):
            raise EvaluationError(
                f"{name} makes another prompt for every question and no persona, so there is "
                "nothing to ask in other ways; leave it out."
            )
        made.append(method)
    with row_progress() as progress:
        found = measure(decoder, made, chosen, max_kl=max_kl, seed=seed, progress=progress)
    wide = console if console.is_terminal else Console(width=max(96, 32 + 28 * len(found)))
    wide.print(asking_table(found), end="\n\n")
    wide.print(effects_table(found))
    for line in notes():
        console.print(line, style="dim", markup=False, highlight=False)
    if json is not None:
        facts = {
            "model": decoder.name,
            "fingerprint": decoder.fingerprint,
            "people": len(chosen),
            "source": chosen.source,
            "max_kl": max_kl,
            "methods": stress_json(found),
        }
        say(f"Wrote {write_json(json, facts)}")
    if figure is not None:
        drawn = trade_off_figure(found, model=decoder.name, people=len(chosen))
        write_figure(drawn, figure)
        say(f"Wrote {figure}")
