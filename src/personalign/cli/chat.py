"""`personalign chat DIR`: a conversation with one persona, written out as it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from personalign.cli.ask import load_persona
from personalign.cli.console import console, errors
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

COMMANDS = """/alpha X  push the heads X steps from here on (/alpha alone shows the strength)
/reset    forget the conversation
/quit     leave (so does the end of the input)"""


def chat(
    persona_dir: PersonaFolder,
    model: MovedModel = None,
    device: Device = None,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = None,
    alpha: Annotated[
        float | None,
        typer.Option(help="How strongly the heads are pushed. Default: the persona's own."),
    ] = None,
    max_tokens: MaxTokens = 256,
    temperature: Annotated[
        float, typer.Option(min=0, help="0 always gives the most probable words; 1 gives variety.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(help="The same seed gives the same conversation.")] = 0,
) -> None:
    """Talk with a persona. Inside: /alpha X, /reset, /quit.

    Lines can be piped in, one turn a line; then only the replies are printed.

      echo "What makes you happy?" | personalign chat me
    """
    decoder, persona = load_persona(
        persona_dir,
        model=model,
        alpha=alpha,
        device=device,
        base_url=base_url,
        key_variable=key_variable,
    )
    talk = Conversation(decoder, persona, max_tokens=max_tokens, temperature=temperature, seed=seed)
    if sys.stdin.isatty():
        errors.print(f"{decoder.name}, as the persona in {persona_dir}.", highlight=False)
        errors.print(COMMANDS, markup=False, highlight=False)
    for line in _lines():
        text = line.strip()
        if text == "/quit":
            return
        if text.startswith("/"):
            talk.command(text)
        elif text:
            talk.turn(text)


class Conversation:
    """The turns so far, and the persona at its present strength."""

    def __init__(
        self,
        decoder: Model,
        persona: Persona,
        *,
        max_tokens: int,
        temperature: float,
        seed: int,
    ) -> None:
        self.decoder = decoder
        self.persona = persona
        self.turns: list[dict[str, str]] = []
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.seed = seed
        self.said = 0
        """Replies so far; each has its own random numbers."""

    def turn(self, text: str) -> None:
        """Print the reply to what the user says, as it comes; Ctrl-C ends the reply only."""
        from personalign.model.any_model import pieces_of

        self.turns.append({"role": "user", "content": text})
        self._forget_what_does_not_fit()
        pieces: list[str] = []
        try:
            for piece in pieces_of(
                self.decoder,
                self.persona,
                self.turns,
                max_new_tokens=self.max_tokens,
                temperature=self.temperature,
                seed=self.seed + self.said,
            ):
                fresh = piece if pieces else piece.lstrip()
                pieces += [fresh] if fresh else []
                console.print(fresh, end="", markup=False, highlight=False, soft_wrap=True)
        except KeyboardInterrupt:
            errors.print(" (stopped)", style="dim")
        except BaseException:
            self.turns.pop()
            raise
        console.print()
        self.turns.append({"role": "assistant", "content": "".join(pieces).strip()})
        self.said += 1

    def command(self, text: str) -> None:
        """Do what a line that begins with / says; what it changed is told on stderr."""
        name, _, value = text.partition(" ")
        if name == "/reset":
            self.turns = []
            errors.print("The conversation is forgotten.")
        elif name == "/alpha" and not value:
            errors.print(f"alpha is {self.persona.alpha:g}", highlight=False)
        elif name == "/alpha" and not self.persona.pushes:
            errors.print("This persona shifts no heads; alpha does nothing.")
        elif name == "/alpha":
            self._set_alpha(value)
        else:
            errors.print(f"There is no command {name}.", markup=False, highlight=False)
            errors.print(COMMANDS, markup=False, highlight=False)

    def _set_alpha(self, value: str) -> None:
        from personalign.errors import SteeringError

        try:
            self.persona = self.persona.with_alpha(float(value))
        except (ValueError, SteeringError):
            errors.print(f"{value} is not a number; say for example /alpha 2.5", markup=False)
            return
        errors.print(f"alpha is {self.persona.alpha:g}", highlight=False)

    def _forget_what_does_not_fit(self) -> None:
        """Drop the oldest turns until the chat and a reply fit the model's context."""
        from personalign.model.decoder import Decoder
        from personalign.model.generate import persona_chat
        from personalign.model.questions import context_length

        if not isinstance(self.decoder, Decoder):  # an API says itself when it is too much
            return
        context = context_length(self.decoder)
        if context is None:
            return
        room = max(context - self.max_tokens, context // 2)
        while len(self.turns) > 1:
            if len(self.decoder.render(persona_chat(self.persona, self.turns))) <= room:
                return
            del self.turns[:2]


def _lines() -> Iterator[str]:
    """The user's lines, with a prompt at a terminal; ends with the input, or Ctrl-C."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield input("> ")
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
