"""The library's PAS and the slow, plain one give the same persona and the same answers."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.simulate import simulate
from personalign.methods.pas import Pas
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.prompts import PAPI
from tests.reference.pas_plain import align_plainly, answer_plainly


def compare(
    decoder: Decoder, tmp_path: Path, *, heads: int, items: int = 120, **settings: str
) -> None:
    """Align one simulated person both ways; only the first `items` tuning items are answered."""
    people = simulate(1, seed=3)
    tuning = list(people.inventory.tuning)
    people = people.only(tuning[:items])
    responses = people.responses[0, people.inventory.columns(tuning)].tolist()

    (ours,) = Pas(decoder, heads=heads, cache=tmp_path, **settings).personas(people)
    plain = align_plainly(decoder, tuning, responses, heads=heads, **settings)

    assert list(ours.shift.pairs) == plain.heads
    accuracy = np.array(ours.provenance["head_accuracy"])
    assert np.allclose(accuracy, plain.accuracy, atol=1e-6)
    assert np.allclose(ours.shift.directions, np.array(plain.directions), atol=1e-4)
    assert np.allclose(ours.shift.sigmas, plain.sigmas, rtol=1e-4)
    curve = ours.provenance["alpha_curve"]
    assert curve["alphas"] == sorted(plain.errors)
    assert np.allclose(curve["errors"], [plain.errors[a] for a in curve["alphas"]], atol=1e-6)
    assert ours.alpha == plain.alpha
    held_out = list(people.inventory.held_out)[:20]
    answers = answer_items(decoder, [ours], held_out).responses()[0]
    assert answers.tolist() == answer_plainly(decoder, plain, plain.alpha, held_out, PAPI)


@pytest.mark.parametrize(
    ("family", "prompt", "scope"),
    [("llama", "none", "all"), ("gpt2", "few-shot", "all"), ("llama", "none", "generated")],
)
def test_both_ways_find_the_same_persona(
    family: str, prompt: str, scope: str, tmp_path: Path
) -> None:
    compare(fake_decoder(family), tmp_path, heads=3, items=24, prompt=prompt, scope=scope)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["all", "generated"])
def test_both_ways_find_the_same_persona_on_the_pocket_model(scope: str, tmp_path: Path) -> None:
    weights = importlib.resources.files("personalign") / "model" / "pocket" / "weights"
    if not weights.is_dir():
        pytest.skip("the pocket model has not been made yet: make pocket")
    compare(Decoder.load("pocket", device="cpu"), tmp_path, heads=8, scope=scope)
