"""The whole recipe, four steps of it on a tiny model: both parts run, and what is written loads."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from personalign.inventory.items import ipip_neo_300
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.persona import PLAIN
from recipes.pocket import train as recipe_module
from recipes.pocket import trainee
from recipes.pocket.recipe import Recipe
from recipes.pocket.train import train

TINY = Recipe(
    steps=2,
    pushed_steps=2,
    hidden=40,
    mlp=48,
    short_rows=4,
    long_rows=2,
    pushed_people=4,
    pushed_asked=4,
    spoken_from=1,
)


@pytest.mark.slow
def test_both_parts_run_and_the_last_one_can_be_taken_up_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainee.shutil, "which", lambda _: None)  # compiling takes minutes
    train(TINY, tmp_path / "first", None, log_every=1)
    told = capsys.readouterr().out
    assert "spoken" in told and "kl/pushed" in told and "step     3" in told
    assert json.loads((tmp_path / "first" / "recipe.json").read_text()) == asdict(TINY)
    first = Decoder.load(tmp_path / "first")
    items = ipip_neo_300().items[:3]
    assert answer_items(first, [PLAIN], items).log_probs.shape == (1, len(items), 5)

    train(TINY, tmp_path / "second", None, start=tmp_path / "first", log_every=1)
    told = capsys.readouterr().out
    assert "step     1 " not in told and "step     2 " in told
    second = Decoder.load(tmp_path / "second")
    same = [
        torch.equal(a, b)
        for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True)
    ]
    assert not any(same)  # taken up, and trained further


@pytest.mark.slow
def test_an_interrupted_run_goes_on_and_ends_in_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across the border of the two parts: the checkpoint lies before it, the rest after."""
    monkeypatch.setattr(trainee.shutil, "which", lambda _: None)
    monkeypatch.setattr(recipe_module, "CHECKPOINT_EVERY", 1)
    recipe = replace(TINY, pushed_steps=1)
    train(recipe, tmp_path / "whole", None)
    checkpoint = tmp_path / "checkpoint.pt"
    save = recipe_module._save_checkpoint

    def stop(*arguments) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe_module, "_save_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "parts", checkpoint)
    monkeypatch.setattr(recipe_module, "_save_checkpoint", save)
    train(recipe, tmp_path / "parts", checkpoint)
    whole, parts = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts")
    )
    assert whole == parts
    assert not checkpoint.exists()
