"""`personalign alphas DIR --prompt "..."`: one question to one persona at several strengths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personalign.cli.console import console, progress, write_json
from personalign.cli.evaluate import say
from personalign.cli.options import Device, JsonFile, MaxTokens, MovedModel, Seed

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona


def alphas(
    persona_dirs: Annotated[
        list[Path],
        typer.Argument(help="Personas' folders, as personalign align wrote them; of one model."),
    ],
    prompt: Annotated[
        str | None, typer.Option(help="What to ask. Default: the paper's job interview.")
    ] = None,
    alphas: Annotated[
        str,
        typer.Option(help="Strengths, separated by commas; 'best' is the persona's own."),
    ] = "0,1,best,7",
    model: MovedModel = None,
    device: Device = None,
    max_tokens: MaxTokens = 256,
    temperature: Annotated[
        float, typer.Option(min=0, help="0 gives the most probable words, the same each time.")
    ] = 0.0,
    seed: Seed = 0,
    json: JsonFile = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the comparison as one HTML file.")
    ] = None,
) -> None:
    """Ask one question at several alphas, and say what each costs the rest of the model.

    Alpha is how strongly a persona's heads are pushed. Too little says nothing of the person, too
    much breaks the text; here is where.

      personalign alphas me --prompt "What would you do with a free weekend?"
      personalign alphas me-pas me-dials --alphas 0,1,best,8 --html alphas.html
    """
    from personalign.bench.alpha_case import alpha_notes, alpha_tables, write_alpha_html
    from personalign.evaluation.alpha_case import PAPER_PROMPT, alpha_case, read_strengths

    strengths = read_strengths(alphas)
    decoder, personas = _open(persona_dirs, model, device)
    with progress("Measuring what each alpha costs") as advance:
        rows = alpha_case(
            decoder,
            personas,
            PAPER_PROMPT if prompt is None else prompt,
            strengths=strengths,
            max_new_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            progress=advance,
        )
    for table in alpha_tables(rows, width=console.width):
        console.print(table, end="\n\n")
    for line in alpha_notes(rows):
        console.print(line, style="dim", markup=False, highlight=False)
    if json is not None:
        facts = {"model": decoder.name, "fingerprint": decoder.fingerprint, "rows": rows}
        say(f"Wrote {write_json(json, facts)}")
    if html is not None:
        say(f"Wrote {write_alpha_html(html, rows, model=decoder.name)}")


def _open(
    folders: list[Path], model: str | None, device: str | None
) -> tuple[Decoder, dict[str, Persona]]:
    """The model the first persona was made with, and all personas by name.

    A name is the method's, with the folder's in front where two came from one method.
    Raises PersonaError for a persona of another model, or one that pushes nothing.
    """
    from personalign.cli.ask import load_persona
    from personalign.errors import PersonaError
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

    for folder in folders:
        if not Persona.load(folder).pushes:
            raise PersonaError(
                f"The persona in {folder} shifts no heads, so it reads the same at every alpha; "
                "name one of pas, dials, iti or caa."
            )
    decoder, _ = load_persona(folders[0], model=model, alpha=None, device=device)
    assert isinstance(decoder, Decoder), "what pushes was made inside a model that is here"
    opened = {folder: Persona.load(folder, decoder) for folder in folders}
    methods = [str(persona.provenance.get("method", "persona")) for persona in opened.values()]
    named = {}
    for (folder, persona), method in zip(opened.items(), methods, strict=True):
        named[method if methods.count(method) == 1 else f"{folder}: {method}"] = persona
    return decoder, named
