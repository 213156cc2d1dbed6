"""`personalign carry DIRS -o OUT`: personas of a model, for the same model quantised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personalign.cli.console import console, errors, progress, write_json
from personalign.cli.options import Device, JsonFile, Quantise

if TYPE_CHECKING:
    import torch

    from personalign.evaluation.carried import Answered, Moved
    from personalign.methods.carry_over import Carried, Way
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona


def carry(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...", help="Personas' folders, or folders of personas, all of one model."
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder they are put into, one folder each.")
    ],
    quantise: Quantise = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="As for personalign serve, which has to be given the same."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Where the model to carry over to is. Default: where the personas' own model is."
        ),
    ] = None,
    original: Annotated[
        str | None,
        typer.Option(help="Where the personas' own model is, if it has moved."),
    ] = None,
    device: Device = None,
    compare: Annotated[
        int,
        typer.Option(
            min=0,
            help="How many personas' answers to the tuning items are compared, before and after.",
        ),
    ] = 20,
    keep_sigmas: Annotated[
        bool,
        typer.Option(
            "--keep-sigmas", help="Keep the old sigmas; those estimated anew are only told."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace personas of the same names that are there.")
    ] = False,
    json: JsonFile = None,
) -> None:
    """Carry personas over to the same model quantised, and show the difference it makes.

    Prompt, heads, directions and alpha stay; sigma, how far one step of alpha is, is estimated anew
    on the quantised weights. Nobody's answers are needed, and the heads are read once for all. Both
    models are loaded, one after the other.

      personalign carry personas --quantise 4bit -o personas-4bit
      personalign serve --personas personas-4bit --quantise 4bit

    Personas with an adapter are left out, and named.
    """
    from personalign.bench.carried import carried_json
    from personalign.errors import PersonaError
    from personalign.evaluation.carried import answer_as, moved
    from personalign.methods.carry_over import carry_over, read_heads

    folders = _able(_found(sources))
    _check_free(out, list(folders), force)
    own = _own_model(folders, original, device, compare)
    decoder = _open(model or own.home, dtype, quantise, device)
    if decoder.fingerprint == own.provenance["fingerprint"]:
        raise PersonaError(
            f"The personas are those of {decoder.name} as it was loaded now, so there is nothing "
            "to carry over; say what is to be different, e.g. --quantise 4bit."
        )
    with progress("Reading the model they are carried over to") as advance:
        after = read_heads(decoder, list(own.personas.values()), progress=advance)
    over = partial(carry_over, decoder=decoder, before=own.heads, after=after)
    carried = {name: over(one) for name, one in own.personas.items()}
    old = list(own.personas.values())[:compare]
    new = [one.persona for one in carried.values()][:compare]
    with progress("Asking it as the personas, old sigmas") as advance:
        with_old = answer_as(decoder, old, progress=advance)
    with progress("Asking it as the personas, new sigmas") as advance:
        differences = moved(own.answered, with_old, answer_as(decoder, new, progress=advance))
    compared = dict(zip(carried, differences, strict=False))
    if keep_sigmas:
        carried = {name: over(one, keep_sigmas=True) for name, one in own.personas.items()}
    for name, one in carried.items():
        one.persona.save(out / name)
    _report(carried, compared)
    if json is not None:
        facts = {
            "model": decoder.provenance,
            "from": own.provenance,
            "personas": carried_json(carried, compared),
        }
        console.print(f"Written to {write_json(json, facts)}.", highlight=False, soft_wrap=True)
    options = {"model": decoder.name, "quantise": quantise, "dtype": dtype}
    given = "".join(f" --{name} {value}" for name, value in options.items() if value is not None)
    line = f"Next: personalign serve --personas {out}{given}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class _Own:
    """What has to be known of the personas' own model; the model itself is gone by then."""

    home: str
    """Where it was loaded from."""
    provenance: dict[str, str | None]
    personas: dict[str, Persona]
    """By name."""
    heads: dict[Way, torch.Tensor]
    answered: Answered
    """As the first personas, those that are compared."""


def _own_model(
    folders: dict[str, Path], original: str | None, device: str | None, compare: int
) -> _Own:
    """Load the personas' own model, and read all that is needed of it."""
    from personalign.errors import PersonaError
    from personalign.evaluation.carried import answer_as
    from personalign.methods.carry_over import read_heads
    from personalign.model.persona import Persona

    first = next(iter(folders.values()))
    made_with = Persona.load(first).provenance
    home = original or made_with.get("model")
    if home is None:
        raise PersonaError(
            f"The persona in {first} does not say which model it was made with; name it with "
            "--original."
        )
    decoder = _open(str(home), made_with.get("dtype"), made_with.get("quantize"), device)
    personas = {name: Persona.load(folder, decoder) for name, folder in folders.items()}
    everybody = list(personas.values())
    with progress("Reading the personas' own model") as advance:
        heads = read_heads(decoder, everybody, progress=advance)
    with progress("Asking it as the personas") as advance:
        answered = answer_as(decoder, everybody[:compare], progress=advance)
    return _Own(str(home), decoder.provenance, personas, heads, answered)


def _found(sources: list[Path]) -> dict[str, Path]:
    """Every persona's folder by its name; PersonaError where there is none, or a name twice."""
    from personalign.errors import PersonaError
    from personalign.model.persona import PERSONA_FILE

    found: dict[str, Path] = {}
    for source in sources:
        inside = sorted(source.iterdir()) if source.is_dir() else []
        alone = (source / PERSONA_FILE).exists()
        folders = [source] if alone else [one for one in inside if (one / PERSONA_FILE).exists()]
        if not folders:
            raise PersonaError(
                f"{source} is neither a persona nor a folder of personas; name what `personalign "
                "align` wrote, or the folder that `personalign serve` serves."
            )
        for folder in folders:
            name = folder.resolve().name
            if name in found:
                raise PersonaError(
                    f"{found[name]} and {folder} would both become {name}; rename one of them."
                )
            found[name] = folder
    return found


def _able(folders: dict[str, Path]) -> dict[str, Path]:
    """Those that can be carried over; the others are told of. PersonaError where none can."""
    from personalign.errors import PersonaError
    from personalign.methods.carry_over import refuse_adapter
    from personalign.model.persona import Persona

    able, reason = {}, ""
    for name, folder in folders.items():
        persona = Persona.load(folder)
        try:
            refuse_adapter(persona)
        except PersonaError as error:
            reason = str(error)
            errors.print(f"{folder} is left out.", style="yellow", markup=False, soft_wrap=True)
            continue
        able[name] = folder
    if not able:
        raise PersonaError(reason)
    if reason:
        errors.print(reason, style="yellow", markup=False, soft_wrap=True)
    return able


def _check_free(out: Path, names: list[str], force: bool) -> None:
    """Refuse names that are taken before any work is done."""
    from personalign.errors import PersonaError

    taken = [name for name in names if (out / name).exists()]
    if taken and not force:
        raise PersonaError(
            f"{out / taken[0]} exists already ({len(taken)} of {len(names)} names do); name "
            "another folder with -o, or replace them with --force."
        )


def _open(name: str, dtype: str | None, quantise: str | None, device: str | None) -> Decoder:
    """A model that is here; PersonaError for one behind an API, where there is no precision."""
    from personalign.cli.models import open_model
    from personalign.errors import PersonaError
    from personalign.model.api import PREFIX
    from personalign.model.decoder import Decoder

    if name.startswith(PREFIX):
        raise PersonaError(
            f"{name} is behind an API, and its weights are not here to be quantised; the system "
            "prompt is all there is to its personas, and works with any model as it is."
        )
    decoder = open_model(name, dtype=dtype, device=device, quantise=quantise)
    assert isinstance(decoder, Decoder), "what is behind an API was refused"
    return decoder


def _report(carried: dict[str, Carried], compared: dict[str, Moved]) -> None:
    from rich.console import Console

    from personalign.bench.carried import carried_lines, carried_table

    if compared:
        wide = console if console.is_terminal else Console(width=104)
        wide.print(carried_table(carried, compared))
    for line in carried_lines(carried, compared):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
