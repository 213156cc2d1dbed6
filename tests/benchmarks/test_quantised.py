"""The benchmark of quantised personas on a tiny model: its rows, and what it says of sigma."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.quantised import compare, distance_line, row_line, sigma_line
from personalign.dataset.simulate import simulate
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder


@pytest.mark.slow
def test_every_way_is_scored_against_the_persona_in_full_precision(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    decoder = fake_decoder("llama", hidden_size=64, intermediate_size=64, head_dim=16)
    decoder.model.save_pretrained(tmp_path)
    decoder.tokenizer.save_pretrained(tmp_path)
    full = Decoder.load(tmp_path, device="cpu")
    rounded = Decoder.load(tmp_path, device="cpu", quantize="4bit")
    told = []
    rows, (distances,), (sigmas,) = compare(
        "pas", full, [rounded], simulate(2, seed=3), told=told.append
    )
    assert told == rows
    assert [(row.weights, row.who) for row in rows] == [
        *(("full", who) for who in ("nobody", "persona")),
        *(("4bit", who) for who in ("nobody", "old sigmas", "new sigmas", "afresh")),
    ]
    assert rows[1].difference == 0
    for row in rows:
        assert row.difference == pytest.approx(row.composite - rows[1].composite)
        assert f"{row.composite:.3f}" in row_line(row)
    gap = distances.new_sigmas - distances.old_sigmas
    assert distances.difference == pytest.approx(gap) and distances.by_persona > 0
    assert f"{distances.new_sigmas:.4f} with new ones" in distance_line(distances)
    assert sigmas.heads == 16, "eight heads a person"
    assert sigmas.ratio[1] < sigmas.ratio[0] < sigmas.ratio[2]
    assert sigmas.off[1] < 0.5 and 0 < sigmas.cosine[1] <= sigmas.cosine[0] <= 1
    assert "of 16 heads" in sigma_line(sigmas)
