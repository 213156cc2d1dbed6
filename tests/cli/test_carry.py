"""`personalign carry`: personas in, personas of the quantised model out, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from personalign.cli.carry import carry
from personalign.errors import PersonaError
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import Persona
from tests.model.conftest import some_shift

APP = typer.Typer()
APP.command()(carry)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blocks of 64 values share a scale in 4-bit weights."""
    decoder = fake_decoder("llama", hidden_size=64, intermediate_size=64, head_dim=16)
    folder = tmp_path_factory.mktemp("wide")
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def full(wide: Path) -> Decoder:
    return Decoder.load(wide, device="cpu")


@pytest.fixture
def personas(full: Decoder, tmp_path: Path) -> Path:
    """ann and ben are pushed, cat is a prompt."""
    own = full.provenance | {"method": "test"}
    shift = some_shift(full, sigma=0.3)
    for name, persona in {
        "ann": Persona(shift=shift, alpha=1.0, provenance=own),
        "ben": Persona("You love parties.", shift=shift, alpha=-2.0, provenance=own),
        "cat": Persona("You are a cat.", provenance=own),
    }.items():
        persona.save(tmp_path / "personas" / name)
    return tmp_path / "personas"


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_a_folder_of_personas_becomes_one_for_the_quantised_model(
    personas: Path, wide: Path, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    out, facts = tmp_path / "4bit", tmp_path / "facts.json"
    asked = ("--quantise", "4bit", "--device", "cpu", "--compare", 2, "--json", facts)
    result = run(personas, "-o", out, *asked)
    assert result.exit_code == 0, result.output
    decoder = Decoder.load(wide, device="cpu", quantize="4bit")
    carried = {path.name: Persona.load(path, decoder) for path in sorted(out.iterdir())}
    assert list(carried) == ["ann", "ben", "cat"]
    assert carried["cat"].key == Persona.load(personas / "cat").key
    found = json.loads(facts.read_text())
    assert found["model"] == decoder.provenance
    assert found["from"]["fingerprint"] != decoder.fingerprint
    for name, one in found["personas"].items():
        assert (one["key"], one["key_before"]) == (
            carried[name].key,
            Persona.load(personas / name).key,
        )
    compared = {name: one["answers"] for name, one in found["personas"].items()}
    assert compared["cat"] is None, "only two are compared"
    assert compared["ann"]["by_persona"] > 0 and compared["ann"]["old_sigmas"] > 0
    said = " ".join(result.stdout.split())
    assert "2 of 3 personas" in said and f"{compared['ben']['new_sigmas']:.3f}" in said
    ratios = found["personas"]["ann"]["sigma_ratios"] + found["personas"]["ben"]["sigma_ratios"]
    assert f"median of 6 pushed heads; {min(ratios):.3f} to {max(ratios):.3f}" in said
    assert f"personalign serve --personas {out} --model {wide} --quantise 4bit" in said


def test_sigmas_are_kept_when_told(personas: Path, tmp_path: Path) -> None:
    asked = ("--dtype", "bfloat16", "--compare", 1)
    said = []
    for out, options in ((tmp_path / "new", ()), (tmp_path / "old", ("--keep-sigmas",))):
        result = run(personas / "ann", "-o", out, *asked, *options)
        assert result.exit_code == 0, result.output
        said.append(result.stdout.split("Next:")[0])
    assert said[0] == said[1], "both are compared, whichever is kept"
    ann = Persona.load(personas / "ann")
    assert Persona.load(tmp_path / "old" / "ann").key == ann.key
    assert Persona.load(tmp_path / "new" / "ann").key != ann.key


def test_another_dtype_is_another_model_too(personas: Path, wide: Path, tmp_path: Path) -> None:
    out = tmp_path / "half"
    result = run(personas / "ann", "-o", out, "--dtype", "bfloat16", "--compare", 0)
    assert result.exit_code == 0, result.output
    persona = Persona.load(out / "ann", Decoder.load(wide, dtype="bfloat16"))
    assert persona.provenance["carried_over"]["from"]["dtype"] == "float32"
    assert "of 1 personas" not in result.stdout and "Answers to" not in result.stdout


def test_a_persona_with_an_adapter_is_left_out_and_named(personas: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    told = Persona.load(personas / "cat").provenance
    Persona(adapter=str(adapter), provenance=told).save(personas / "dan")
    out = tmp_path / "half"
    result = run(personas, "-o", out, "--dtype", "bfloat16", "--compare", 0)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["ann", "ben", "cat"]
    assert f"{personas / 'dan'} is left out." in result.output.replace("\n", "")
    alone = run(personas / "dan", "-o", tmp_path / "other", "--dtype", "bfloat16")
    assert isinstance(alone.exception, PersonaError) and "adapter" in str(alone.exception)


def test_what_is_refused_leaves_nothing(personas: Path, full: Decoder, tmp_path: Path) -> None:
    empty, out = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    api = Persona("You are a cat.", provenance={"model": "api:some-model"})
    api.save(tmp_path / "api")
    nowhere = Persona("You are a cat.").save(tmp_path / "nowhere")
    stranger = Persona("You are a cat.", provenance=full.provenance | {"fingerprint": "0" * 64})
    stranger.save(tmp_path / "stranger")
    for sources, sentence in (
        ([personas], "nothing to carry over"),
        ([empty], "neither a persona nor a folder"),
        ([personas, personas / "ann"], "would both become ann"),
        ([tmp_path / "api"], "behind an API"),
        ([nowhere], "--original"),
        ([personas, tmp_path / "stranger"], "was made for the model"),
    ):
        result = run(*sources, "-o", out)
        assert isinstance(result.exception, PersonaError), result.output
        assert sentence in str(result.exception)
        assert not out.exists()


def test_names_that_are_taken_are_replaced_only_when_told(personas: Path, tmp_path: Path) -> None:
    out = tmp_path / "half"
    asked = ("-o", out, "--dtype", "bfloat16", "--compare", 0)
    assert run(personas / "ann", *asked).exit_code == 0
    before = (out / "ann" / "persona.json").stat().st_mtime_ns
    refused = run(personas, *asked)
    assert isinstance(refused.exception, PersonaError) and "--force" in str(refused.exception)
    assert [path.name for path in out.iterdir()] == ["ann"]
    assert run(personas, *asked, "--force").exit_code == 0
    assert (out / "ann" / "persona.json").stat().st_mtime_ns > before
