"""`personalign heads`: how many heads a method needs, how far to push them, and whose they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from personalign.cli.console import console, errors, progress, write_json
from personalign.cli.evaluate import say
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
from personalign.cli.settings import Settings, method_settings, numbers


def heads(
    people: PeopleFile,
    method: Annotated[
        str, typer.Option(help="A method that pushes heads: pas, iti or dials.")
    ] = "pas",
    counts: Annotated[
        str | None,
        typer.Option(help="Numbers of heads, separated by commas. Default: 1, 2, 4 ... all."),
    ] = None,
    alphas: Annotated[
        str | None,
        typer.Option(help="Alphas everybody is pushed by. Default: 0 to 6; for dials 0 to 2."),
    ] = None,
    limit: Annotated[int, typer.Option(min=2, help="Only the first so many people.")] = 16,
    model: ModelName = "pocket",
    dtype: Dtype = None,
    device: Device = None,
    quantise: Quantise = None,
    coordinate: Coordinate = "auto",
    settings: Settings = None,
    seed: Seed = 0,
    json: JsonFile = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw all of it into this .svg or .png file.")
    ] = None,
) -> None:
    """Score a method with every number of heads and alpha, and compare people's heads.

    Held-out answers are looked at everywhere, so nothing may be chosen by this table on people who
    are to be scored.

      personalign heads --people people.json --figure heads.svg
      personalign heads --people people.json --method dials --counts 1,4,16
    """
    from rich.console import Console

    from personalign.bench.heads import agreement_lines, heads_figure, heads_json, heads_table
    from personalign.dataset.papi import read_people
    from personalign.dataset.plots.style import known_figure_ending, write_figure
    from personalign.errors import EvaluationError
    from personalign.evaluation.heads import by_heads, head_agreement
    from personalign.methods.base import PersonaMethod
    from personalign.methods.pas import Pas
    from personalign.methods.settings import build_method, settings_taken
    from personalign.model.decoder import Decoder

    if figure is not None:
        known_figure_ending(figure)
    if "heads" not in settings_taken(method):
        raise EvaluationError(f"{method} pushes no heads to be counted; choose pas, iti or dials.")
    usual = "0,0.25,0.5,0.75,1,1.25,1.5,2" if method.startswith("dials") else "0,1,2,3,4,6"
    tried = numbers(alphas or usual, "alphas", float)
    own = method_settings(settings, [method])
    chosen = read_people(people, coordinate=coordinate).select(slice(0, limit))
    with errors.status(f"Loading {model}"):
        decoder = Decoder.load(model, dtype=dtype, device=device, quantize=quantise)  # type: ignore[arg-type]
    total = decoder.heads.total
    doubled = [2**power for power in range(7) if 2**power < total]
    wanted = numbers(counts, "counts", int) if counts else [*doubled, min(total, 128)]

    def make(count: int) -> PersonaMethod:
        given = {**own.get(method, {}), "heads": count}
        made = build_method(method, decoder, common={"seed": seed}, own=given)
        assert isinstance(made, PersonaMethod), "every method that pushes heads makes personas"
        return made

    for count in wanted:
        make(count)  # refuses a number that cannot be, before any work
    finder = Pas(decoder, seed=seed).finder
    with progress("Finding whose heads are whose"):
        agreement = head_agreement(finder, chosen)
    with progress("Scoring every number of heads") as advance:
        found = by_heads(make, chosen, wanted, tried, seed=seed, progress=advance)
    wide = console if console.is_terminal else Console(width=44 + 10 * len(tried))
    wide.print(heads_table(found, method))
    for line in agreement_lines(agreement):
        console.print(line, markup=False, highlight=False)
    if json is not None:
        facts = {
            "model": decoder.name,
            "fingerprint": decoder.fingerprint,
            "method": method,
            "people": len(chosen),
            "source": chosen.source,
            **heads_json(found, agreement),
        }
        say(f"Wrote {write_json(json, facts)}")
    if figure is not None:
        drawn = heads_figure(found, agreement, model=decoder.name, method=method)
        write_figure(drawn, figure)
        say(f"Wrote {figure}")
