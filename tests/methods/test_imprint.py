"""imprint is a weighted sum of traces; its weights are learnt once, and a person costs no pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.evaluation.aligned import aligned_score
from personalign.evaluation.swap import swap_control
from personalign.inventory.big_five_50 import big_five_50
from personalign.methods import imprint
from personalign.methods.activations import contrast_outputs
from personalign.methods.imprint import Imprint
from personalign.methods.imprint_fit import weighted_sums
from personalign.methods.none import NoPersona
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.prompts import PAPI


@pytest.fixture(autouse=True)
def _few_answers_a_step(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "slow" not in request.keywords:
        monkeypatch.setattr("personalign.methods.imprint_fit.ROWS", 24)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder()


@pytest.fixture(scope="module")
def people() -> Respondents:
    """Two people and one who answered nothing, tuning answers only."""
    simulated = simulate(3, seed=5)
    responses = simulated.responses.copy()
    responses[2] = 0
    return Respondents(responses, simulated.ids).only(simulated.inventory.tuning)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def make(decoder: Decoder, cache: Path, **settings: Any) -> Imprint:
    return Imprint(decoder, cache=cache, **{"steps": 4, **settings})


def test_a_push_is_the_weighted_sum_of_what_answers_leave(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    """Added up by hand, item by item and head by head."""
    method = make(decoder, cache)
    (persona, *_) = method.personas(people)
    known = method._imprints(people.inventory, None).calibration
    items = people.inventory.tuning
    outputs = contrast_outputs(decoder, items, PAPI).numpy().astype(np.float64)
    answers = people.responses[0, people.inventory.columns(items)]
    laid = persona.shift.displacements(1.0, decoder.heads.heads, decoder.heads.head_dim)
    flat = 0
    for layer in range(decoder.heads.layers):
        for head in range(decoder.heads.heads):
            traces = outputs[0::2, layer, head] - outputs[1::2, layer, head]
            traces /= np.sqrt((traces**2).sum(axis=1).mean())
            total = sum(
                known.weights[i] * (answer - known.centres[i]) * traces[i]
                for i, answer in enumerate(answers.tolist())
                if answer
            )
            expected = known.gains[flat] * total / np.sqrt(len(items))
            start = head * decoder.heads.head_dim
            got = laid[layer][start : start + decoder.heads.head_dim]
            assert np.allclose(got, expected, atol=1e-4)
            flat += 1


def test_who_answered_nothing_is_not_pushed(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    nobody = make(decoder, cache).personas(people)[2]
    assert nobody.shift is None and nobody.alpha == 0.0 and not nobody.steers


def test_answers_mirrored_about_the_centres_push_the_other_way() -> None:
    random = torch.Generator().manual_seed(0)
    traces = torch.randn(6, 2, 3, generator=random)
    centres, weights, gains = torch.full((6,), 3.0), torch.rand(6), torch.rand(2)
    answers = torch.tensor([[1.0, 2.0, 0.0, 4.0, 5.0, 3.0]])
    mirrored = torch.where(answers > 0, 6 - answers, 0.0)
    pushed = weighted_sums(answers, centres, weights, gains, traces)
    assert torch.allclose(weighted_sums(mirrored, centres, weights, gains, traces), -pushed)


def test_a_calibration_is_learnt_once_and_leaves_no_trace(
    decoder: Decoder, people: Respondents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same seed, same numbers; what was kept is taken up; the decoder is as it was."""
    before = {key: tensor.clone() for key, tensor in decoder.model.state_dict().items()}
    first = make(decoder, tmp_path / "one").personas(people)
    again = make(decoder, tmp_path / "two").personas(people)
    assert [p.shift for p in first] == [p.shift for p in again]
    assert all(torch.equal(t, before[k]) for k, t in decoder.model.state_dict().items())
    assert all(p.grad is None for p in decoder.model.parameters())

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("it was learnt a second time")

    monkeypatch.setattr("personalign.methods.imprint_fit.twin", refuse)
    kept = make(decoder, tmp_path / "one").personas(people)
    assert [p.shift for p in kept] == [p.shift for p in first]


def test_a_calibration_that_cannot_be_read_is_learnt_anew(
    decoder: Decoder, people: Respondents, tmp_path: Path
) -> None:
    first = make(decoder, tmp_path).personas(people)
    (path,) = tmp_path.rglob(imprint.NAME)
    path.write_bytes(path.read_bytes()[:40])
    assert [p.shift for p in make(decoder, tmp_path).personas(people)] == [p.shift for p in first]
    assert path.stat().st_size > 40


def test_as_many_heads_are_pushed_as_asked_for(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    (persona, *_) = make(decoder, cache, heads=3).personas(people)
    assert len(persona.shift) == 3


def test_another_questionnaire_needs_its_own_people(decoder: Decoder, cache: Path) -> None:
    form = big_five_50()
    responses = np.random.default_rng(0).integers(1, 6, (12, 50)).astype(np.int8)
    people = Respondents(responses, tuple(map(str, range(12))), inventory=form)
    known = people.only(form.tuning)
    with pytest.raises(MethodError, match="nobody can be simulated"):
        make(decoder, cache).personas(known)
    with pytest.raises(MethodError, match="given answered IPIP-Big5-50"):
        make(decoder, cache, population=people).personas(simulate(1, seed=1))
    assert all(p.steers for p in make(decoder, cache, population=people).personas(known))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"heads": 99}, "asked for 99 heads"), ({"steps": 0}, "asked for 0 steps")],
)
def test_settings_that_do_not_fit_are_refused(
    decoder: Decoder, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(MethodError, match=reason):
        Imprint(decoder, **settings)


@pytest.mark.slow
def test_it_moves_the_pocket_model_towards_the_person(tmp_path: Path) -> None:
    pocket = Decoder.load("pocket")
    people = simulate(16, seed=2024)
    items = people.inventory.held_out
    known = people.only(people.inventory.tuning)
    answers = Imprint(pocket, steps=40, cache=tmp_path).predict(known, items)
    plain = NoPersona(pocket).predict(known, items)
    assert aligned_score(answers, people, items).composite < (
        0.95 * aligned_score(plain, people, items).composite
    )
    assert swap_control(answers, people, items).difference.interval.low > 0
