"""`personalign model`: what a model is made of, in a table and as JSON; bad models as errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from personalign.cli.model import BAKING, model, model_facts
from personalign.errors import ModelError
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder

APP = typer.Typer()
APP.command()(model)


def show(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def saved(folder: Path, family: str = "llama", **settings: Any) -> Decoder:
    decoder = fake_decoder(family, **settings)
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)
    return decoder


def test_the_table_and_the_json(tmp_path: Path) -> None:
    decoder = saved(tmp_path / "m", layers=3)
    result = show(tmp_path / "m", "--device", "cpu", "--json", tmp_path / "facts.json")
    assert result.exit_code == 0, result.output
    for text in ("3 layers x 4 heads of 8", "model.layers.0.self_attn.o_proj", "attention_bias"):
        assert text in " ".join(result.stdout.split())
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert (facts["layers"], facts["heads"], facts["head_dim"]) == (3, 4, 8)
    assert facts["projections"] == list(decoder.heads.paths)
    assert facts["fingerprint"] == decoder.fingerprint
    assert facts["parameters"] == sum(p.numel() for p in decoder.model.parameters())
    assert (facts["bake"], facts["bake_how"]) == (True, "attention_bias")
    assert (facts["chat_template"], facts["system_role"]) == ("own", True)
    assert (facts["dtype"], facts["quantised"]) == ("float32", False)
    assert facts["end_of_turn"] == ["</s>"]


def test_the_dtype_is_passed_on(tmp_path: Path) -> None:
    saved(tmp_path / "m")
    target = tmp_path / "facts.json"
    assert show(tmp_path / "m", "--dtype", "bfloat16", "--json", target).exit_code == 0
    assert json.loads(target.read_text())["dtype"] == "bfloat16"


@pytest.mark.parametrize("family", ["phi3", "gpt2", "qwen2", "gemma3"])
@pytest.mark.parametrize("chat", ["none", "no-system"])
def test_every_kind_has_its_words(family: str, chat: Any) -> None:
    facts = model_facts(fake_decoder(family, chat=chat))
    assert facts["bake_how"] in BAKING
    assert facts["system_role"] is (chat == "none")
    assert facts["chat_template"] == ("plain" if chat == "none" else "own")
    json.dumps(facts)


def test_a_model_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    target = tmp_path / "facts.json"
    result = show(tmp_path, "--json", target)
    assert result.exit_code == 1
    assert isinstance(result.exception, ModelError)
    assert not target.exists()
