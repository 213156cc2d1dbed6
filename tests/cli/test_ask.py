"""`ask` and `chat` on a tiny model: what is printed, what is obeyed, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from personalign.cli.ask import ask
from personalign.cli.chat import Conversation, chat
from personalign.errors import PersonaError
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from personalign.model.shift import Shift

runner = CliRunner()
asking, chatting = typer.Typer(), typer.Typer()
asking.command()(ask)
chatting.command()(chat)

WORDS = ["--max-tokens", "8"]


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    """A tiny model that is 'loaded' by the name of fake llama, and by no other."""
    made = fake_decoder()

    def load(name: str, **_: Any) -> Decoder:
        return made if name == made.name else fake_decoder(seed=1)

    monkeypatch.setattr(Decoder, "load", load)
    return made


@pytest.fixture
def persona(decoder: Decoder) -> Persona:
    shift = Shift([0, 1], [0, 1], np.eye(8)[:2], [4.0, 4.0])
    return Persona("Be bold.", shift, alpha=9.0, provenance=decoder.provenance)


@pytest.fixture
def folder(persona: Persona, tmp_path: Path) -> str:
    return str(persona.save(tmp_path / "me"))


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_ask_prints_the_reply(decoder: Decoder, persona: Persona, folder: str) -> None:
    result = runner.invoke(asking, [folder, "Who are you?", *WORDS])
    assert result.exit_code == 0, result.output
    (expected,) = generate(decoder, persona, "Who are you?", max_new_tokens=8)
    assert one_line(result.stdout) == one_line(expected)


def test_ask_compares(decoder: Decoder, persona: Persona, folder: str) -> None:
    result = runner.invoke(asking, [folder, "Who are you?", "--compare", *WORDS])
    expected = generate(decoder, [persona, PLAIN], "Who are you?", max_new_tokens=8)
    assert one_line(result.stdout) == one_line(
        f"As the persona {expected[0]} Without the persona {expected[1]}"
    )


def test_ask_at_another_strength(decoder: Decoder, persona: Persona, folder: str) -> None:
    result = runner.invoke(asking, [folder, "Who are you?", "--alpha", "0", *WORDS])
    (expected,) = generate(decoder, persona.with_alpha(0), "Who are you?", max_new_tokens=8)
    assert one_line(result.stdout) == one_line(expected)


def test_another_model_is_refused(folder: str) -> None:
    result = runner.invoke(asking, [folder, "Who are you?", "--model", "another"])
    assert isinstance(result.exception, PersonaError)
    assert "fake llama" in str(result.exception)


def test_alpha_without_a_shift_is_refused(decoder: Decoder, tmp_path: Path) -> None:
    prompt = Persona("Be bold.", provenance=decoder.provenance).save(tmp_path / "prompt")
    result = runner.invoke(asking, [str(prompt), "Who are you?", "--alpha", "2"])
    assert isinstance(result.exception, PersonaError)
    assert "--alpha" in str(result.exception)


def test_chat_with_piped_lines(decoder: Decoder, persona: Persona, folder: str) -> None:
    lines = "Hello.\n\n/alpha\n/alpha 0.5\nWhy?\n/alpha x\n/nothing\n/reset\nHello.\n/quit\nNever\n"
    settings = ["--temperature", "0", *WORDS]
    result = runner.invoke(chatting, [folder, *settings], input=lines)
    assert result.exit_code == 0, result.output
    (first,) = generate(decoder, persona, "Hello.", max_new_tokens=8)
    turns = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": first.strip()},
        {"role": "user", "content": "Why?"},
    ]
    weaker = persona.with_alpha(0.5)
    (second,) = generate(decoder, weaker, turns, max_new_tokens=8)
    (third,) = generate(decoder, weaker, "Hello.", max_new_tokens=8)
    assert one_line(result.stdout) == one_line(f"{first}\n{second}\n{third}")
    for told in ("alpha is 9", "alpha is 0.5", "x is not a number", "no command /nothing"):
        assert told in result.stderr
    assert "forgotten" in result.stderr


def test_chat_forgets_the_oldest_turns_when_the_context_is_full() -> None:
    decoder = fake_decoder(max_position_embeddings=200)
    talk = Conversation(decoder, PLAIN, max_tokens=20, temperature=0.0, seed=0)
    for number in range(12):
        talk.turn(f"Question number {number}: do you trust others?")
    assert talk.said == 12
    assert len(talk.turns) < 24
    assert talk.turns[0]["role"] == "user"
    assert "number 11" in talk.turns[-2]["content"]
