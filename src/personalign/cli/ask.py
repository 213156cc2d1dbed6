"""`personalign ask DIR "question"`: one question to one persona."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personalign.cli.console import console
from personalign.cli.options import (
    BaseUrl,
    Device,
    KeyVariable,
    MaxTokens,
    MovedModel,
    PersonaFolder,
)

if TYPE_CHECKING:
    from personalign.model.any_model import Model
    from personalign.model.persona import Persona


def ask(
    persona_dir: PersonaFolder,
    question: Annotated[str, typer.Argument(help="What to ask.")],
    model: MovedModel = None,
    device: Device = None,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="How strongly the heads are pushed; 0 leaves only the persona's prompt. "
            "Default: the persona's own strength."
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", "--base", help="Show the reply without the persona beside it."),
    ] = False,
    max_tokens: MaxTokens = 256,
    temperature: Annotated[
        float,
        typer.Option(
            min=0, help="0 gives the most probable words, the same each time; 1 gives variety."
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Which variety, where the temperature is not 0.")] = 0,
) -> None:
    """Ask one question and print the persona's reply.

    personalign ask me "What would you do with a free weekend?" --compare
    """
    from personalign.model.any_model import texts_of
    from personalign.model.persona import PLAIN

    decoder, persona = load_persona(
        persona_dir,
        model=model,
        alpha=alpha,
        device=device,
        base_url=base_url,
        key_variable=key_variable,
    )
    people = [persona, PLAIN] if compare else [persona]
    replies = texts_of(
        decoder,
        people,
        [question] * len(people),
        max_new_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
    )
    if not compare:
        say(replies[0])
        return
    for heading, reply in zip(("As the persona", "Without the persona"), replies, strict=True):
        console.print(heading, style="bold")
        say(reply)
        console.print()


def load_persona(
    folder: Path,
    *,
    model: str | None,
    alpha: float | None,
    device: str | None = None,
    base_url: str | None = None,
    key_variable: str | None = None,
) -> tuple[Model, Persona]:
    """The persona at the strength asked for, and the model it was made with.

    The persona's provenance names the model, its dtype and quantisation, or its API's address;
    `model` and `base_url` say where it is now if it has moved.
    Raises PersonaError when the two do not belong together, or alpha is given and there is no
    shift.
    """
    from personalign.cli.models import open_model
    from personalign.errors import PersonaError
    from personalign.model.persona import Persona

    persona = Persona.load(folder)
    if alpha is not None and not persona.pushes:
        raise PersonaError(
            f"The persona in {folder} shifts no heads, so alpha {alpha:g} would do nothing; leave "
            "--alpha out."
        )
    made_with = persona.provenance
    decoder = open_model(
        model or str(made_with.get("model", "pocket")),
        dtype=made_with.get("dtype"),
        quantise=made_with.get("quantize"),
        device=device,
        base_url=base_url or made_with.get("base_url"),
        key_variable=key_variable,
    )
    persona = Persona.load(folder, decoder)
    return decoder, persona if alpha is None else persona.with_alpha(alpha)


def say(text: str) -> None:
    """Print what a model said, as it is: it may contain what looks like markup."""
    console.print(text.strip(), markup=False, highlight=False, soft_wrap=True)
