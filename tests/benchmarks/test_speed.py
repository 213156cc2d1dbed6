"""The speed benchmarks on tiny models: every row is there, and tokens and floors are what they say.

No time is asserted: only that what is divided by times is right.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import align, gpu
from personalign.dataset.simulate import simulate
from personalign.methods.pas import Pas
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder("llama", layers=3)


def test_stages_count_tokens_and_turn_them_into_the_floor(decoder: Decoder) -> None:
    people = simulate(1, seed=2)
    one = people.only(people.inventory.tuning)
    rows = {row["name"]: row for row in align.stages(decoder, one, 1e9, align.SCOPES)}
    assert set(rows) == {
        f"{way}: {part}"
        for way in ("pas", "pas-replies")
        for part in ("capture", "probes", "probes and search", "180 answers")
    }
    assert rows["pas: probes"]["tokens"] == rows["pas: probes"]["floor"] == 0
    body = sum(p.numel() for block in decoder.heads.blocks for p in block.parameters())
    read = rows["pas: capture"]
    assert read["floor"] == pytest.approx(2 * body * read["tokens"] / 1e9)
    answered = rows["pas: 180 answers"]
    head = decoder.model.get_output_embeddings().weight.numel()
    assert answered["floor"] == pytest.approx(2 * (body * answered["tokens"] + 180 * head) / 1e9)
    search = "probes and search"  # many alphas: questions are read once for all of them
    assert rows[f"pas-replies: {search}"]["tokens"] < rows[f"pas: {search}"]["tokens"]


def test_a_sampled_reference_is_multiplied_to_all_items_and_alphas(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = iter((2.0, 1.0))  # reading, then answering the sampled questions at one alpha
    monkeypatch.setattr(align, "timed", lambda work: (work(), next(spent)))
    assert align.sampled_plainly(decoder, "label") == (2.0 + 17 * 1.0) * 120 / align.SAMPLE


def test_the_same_persona_has_the_same_key(decoder: Decoder) -> None:
    people = simulate(1, seed=2)
    one = people.only(people.inventory.tuning)
    (found,) = Pas(decoder, heads=2).personas(one)
    plain = align.PlainPersona(
        list(found.shift.pairs), [], [], align.np.empty(0), found.alpha, {}, ""
    )
    assert align.key(found) == align.key(plain)
    plain.alpha += 0.5
    assert align.key(found) != align.key(plain)


def test_a_shape_becomes_a_random_model(tmp_path: Path, decoder: Decoder) -> None:
    decoder.model.config.save_pretrained(tmp_path)
    decoder.tokenizer.save_pretrained(tmp_path)
    made = align.random_decoder(tmp_path)
    assert made.heads.layers == 3
    again = align.random_decoder(tmp_path)
    assert made.fingerprint == again.fingerprint  # seeded
    assert align.matrix_rate(made) > 0


@pytest.mark.slow
def test_the_gpu_benchmark_runs_on_a_small_shape(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, value in (("ROWS", 4), ("TOKENS", 6), ("STEPS", 1)):
        monkeypatch.setattr(gpu, name, value)
    facts = tmp_path / "facts.json"
    arguments = ["gpu.py", "--shape", "small", "--people", "2", "--json", str(facts)]
    monkeypatch.setattr("sys.argv", arguments)
    gpu.main()
    rows = json.loads(facts.read_text())["rows"]
    assert len(rows) == 9 and "times as long" in capsys.readouterr().out
    assert all(row["tokens_per_second"] > 0 for row in rows if row["name"] != "dials, 1,000 people")
    plain, steered = rows[-2:]
    assert plain["name"].endswith("plain") and steered["name"].endswith("a persona each")


def test_a_large_shape_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    with pytest.raises(SystemExit, match="--shape small"):
        gpu.main()
