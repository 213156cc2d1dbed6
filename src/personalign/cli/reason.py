"""`personalign reason`: what a persona does to a model's reasoning."""

from __future__ import annotations

import json as json_text
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from personalign.cli.console import console, errors, progress, write_json
from personalign.cli.evaluate import say
from personalign.cli.options import Coordinate, Device, Dtype, JsonFile, ModelName, Quantise, Seed
from personalign.cli.settings import Settings, method_names, method_settings, numbers

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.evaluation.reasoning import Row
    from personalign.methods.base import PersonaMethod
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona


def reason(
    data: Annotated[
        Path | None, typer.Option(help="Folder of the data sets, as zero_shot_cot has them.")
    ] = None,
    hub: Annotated[
        bool, typer.Option("--hub", help="Load them from the Hugging Face hub instead.")
    ] = False,
    tasks: Annotated[
        str | None,
        typer.Option(
            help="Of gsm8k, addsub, multiarith, svamp, commonsenseqa, date, strategyqa and coin, "
            "separated by commas. Default: all."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many questions of each.")
    ] = None,
    prompting: Annotated[
        Literal["zero-shot", "few-shot"],
        typer.Option(help="'Let's think step by step.', or worked examples before the question."),
    ] = "zero-shot",
    traits: Annotated[
        str | None,
        typer.Option(
            help="Made-up people at the ends of these traits, such as C or O,C,E,A,N. Default: C, "
            "where no --people are given."
        ),
    ] = None,
    way: Annotated[
        Literal["alpha", "answers"],
        typer.Option(
            help="Ends of a trait: one persona pushed by --alphas, as the paper does, or two "
            "personas from opposite answers."
        ),
    ] = "alpha",
    alphas: Annotated[
        str | None,
        typer.Option(help="By alpha: how far a trait's persona is pushed. Default: 1,-1."),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(help="A .json, .csv or .parquet file of people whose personas reason too."),
    ] = None,
    people_limit: Annotated[int, typer.Option(min=1, help="Only the first so many people.")] = 5,
    methods: Annotated[
        str, typer.Option(help="Methods that make the personas, separated by commas.")
    ] = "pas",
    settings: Settings = None,
    model: ModelName = "pocket",
    dtype: Dtype = None,
    device: Device = None,
    quantise: Quantise = None,
    coordinate: Coordinate = "auto",
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest reasoning, in tokens.")] = 256,
    batch_rows: Annotated[int, typer.Option(min=1, help="Questions at once.")] = 32,
    mixed: Annotated[
        bool,
        typer.Option(
            "--mixed", help="Personas share batches: quicker on few questions, seconds unmeasured."
        ),
    ] = False,
    seed: Seed = 0,
    json: JsonFile = None,
    rows: Annotated[
        Path | None, typer.Option(help="Write every reply to this file, one JSON line each.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw accuracy by task into this .svg or .png file.")
    ] = None,
) -> None:
    """Ask reasoning questions as personas, beside the plain model on the same questions.

    The eight data sets of the paper's section 5.3, by chain of thought, through lm-evaluation-
    harness (pip install "personalign[eval]"). Accuracy with its standard error, the exact McNemar
    test against the plain model, replies nobody can read an answer in, and seconds a question.

      personalign reason --data reasoning --tasks gsm8k,coin --limit 20
      personalign reason --data reasoning --traits O,C,E,A,N --way answers --methods pas,few-shot
      personalign reason --hub --tasks gsm8k --model Qwen/Qwen3-8B --figure reasoning.svg
    """
    from rich.console import Console

    from personalign.bench.reasoning import (
        accuracy_table,
        notes,
        people_table,
        reasoning_figure,
        reasoning_json,
        replies_table,
    )
    from personalign.dataset.papi import read_people
    from personalign.dataset.plots.style import known_figure_ending, write_figure
    from personalign.errors import EvaluationError
    from personalign.evaluation.reasoning import (
        BASE,
        measure_reasoning,
        read_questions,
        summarise_people,
        summarise_reasoning,
    )
    from personalign.model.decoder import Decoder
    from personalign.model.persona import PLAIN

    names = method_names(methods)
    own = method_settings(settings, names)
    if figure is not None:
        known_figure_ending(figure)
    letters = _letters(traits, people)
    if alphas is not None and (way == "answers" or not letters):
        raise EvaluationError(
            "--alphas push the persona of one end of a trait; they need --traits and --way alpha."
        )
    pushed = numbers(alphas or "1,-1", "alphas", float)
    wanted = None if tasks is None else [name.strip() for name in tasks.split(",")]
    questions = read_questions(wanted, data, hub=hub, limit=limit, seed=seed)
    chosen = None
    if people is not None:
        chosen = read_people(people, coordinate=coordinate).select(slice(0, people_limit))
    with errors.status(f"Loading {model}"):
        decoder = Decoder.load(model, dtype=dtype, device=device, quantize=quantise)  # type: ignore[arg-type]
    makers = _makers(decoder, names, own, seed)
    personas: dict[str, Persona] = {BASE: PLAIN}
    groups: dict[str, list[str]] = {}
    for maker in makers:
        before = f"{maker.name} " if len(makers) > 1 else ""
        made = _made(maker, letters, way, pushed, chosen)
        personas |= {before + name: persona for name, persona in made.items()}
        if chosen is not None:
            groups[maker.name] = [before + name for name in made if name in set(chosen.ids)]
    with progress("Reasoning") as advance:
        found_rows = measure_reasoning(
            decoder,
            personas,
            questions,
            prompting=prompting,
            max_new_tokens=max_tokens,
            batch_rows=batch_rows,
            mixed=mixed,
            progress=advance,
        )
    found = summarise_reasoning(found_rows, seed=seed)
    scores = summarise_people(found, groups, seed=seed) if groups else []
    wide = console if console.is_terminal else Console(width=32 + 24 * len(personas))
    wide.print(accuracy_table(found))
    console.print()
    wide.print(replies_table(found))
    if scores:
        console.print()
        wide.print(people_table(scores))
    for line in notes(found):
        console.print(line, style="dim", markup=False, highlight=False)
    if rows is not None:
        _write_rows(rows, found_rows)
        say(f"Wrote {rows}")
    if json is not None:
        facts: dict[str, Any] = {
            **decoder.provenance,
            "methods": names,
            "way": way if letters else None,
            "sources": {one.task.name: one.source for one in questions},
            "people": None if chosen is None else chosen.source,
            "seed": seed,
            "reasoning": reasoning_json(found, scores),
        }
        say(f"Wrote {write_json(json, facts)}")
    if figure is not None:
        write_figure(reasoning_figure(found, model=decoder.name), figure)
        say(f"Wrote {figure}")


def _makers(
    decoder: Decoder, names: Sequence[str], own: dict[str, dict[str, Any]], seed: int
) -> list[PersonaMethod]:
    from personalign.errors import EvaluationError
    from personalign.methods.base import PersonaMethod
    from personalign.methods.settings import build_method

    makers = []
    for name in names:
        maker = build_method(name, decoder, common={"seed": seed}, own=own.get(name, {}))
        if not isinstance(maker, PersonaMethod):
            raise EvaluationError(
                f"{name} makes another prompt for every question and no persona, so nobody can "
                "reason as it; leave it out."
            )
        makers.append(maker)
    return makers


def _made(
    maker: PersonaMethod,
    traits: Sequence[str],
    way: Literal["alpha", "answers"],
    alphas: Sequence[float],
    people: Respondents | None,
) -> dict[str, Persona]:
    """One method's personas by name: of the traits, then of the people."""
    from personalign.errors import EvaluationError
    from personalign.evaluation.reasoning import trait_personas

    made: dict[str, Persona] = {}
    with progress(f"Making personas with {maker.name}") as advance:
        if traits:
            made |= trait_personas(maker, traits, way=way, alphas=alphas, progress=advance)
        if people is not None:
            known = people.only(people.inventory.tuning)
            personas = maker.personas(known, progress=advance)
            if len({*people.ids, *made}) < len(people) + len(made):
                raise EvaluationError(
                    "Two of these people have one id, or a trait's; every persona needs a name of "
                    "its own. Give them others."
                )
            made |= dict(zip(people.ids, personas, strict=True))
    return made


def _letters(traits: str | None, people: Path | None) -> list[str]:
    """The traits asked for; conscientiousness, the paper's, where nobody is."""
    from personalign.errors import EvaluationError
    from personalign.inventory.keys import TRAITS

    if traits is None:
        return [] if people is not None else ["C"]
    letters = [part.strip().upper() for part in traits.split(",") if part.strip()]
    if not letters or set(letters) - set(TRAITS) or len(set(letters)) < len(letters):
        raise EvaluationError(
            f"--traits {traits} is no list of traits; write letters of {', '.join(TRAITS)}, each "
            "once, separated by commas."
        )
    return letters


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    from personalign.dataset.files import replacing

    lines = [json_text.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    with replacing(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")
