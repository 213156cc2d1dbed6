"""dials: learnt once a model, set by a person's answers at no cost, pushing replies only."""

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
from personalign.evaluation.meter import counted
from personalign.evaluation.swap import swap_control
from personalign.inventory.big_five_50 import big_five_50
from personalign.methods import dials
from personalign.methods.dials import Dials
from personalign.methods.none import NoPersona
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import Persona


@pytest.fixture(autouse=True)
def _little_work(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "slow" not in request.keywords:
        monkeypatch.setattr("personalign.methods.dials_fit.PEOPLE", 6)
        monkeypatch.setattr("personalign.methods.dials_fit.GROUPS", 2)
        monkeypatch.setattr("personalign.methods.dials.PEOPLE", 300)


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


def make(decoder: Decoder, cache: Path, **settings: Any) -> Dials:
    return Dials(decoder, cache=cache, **{"steps": 3, "dials": 4, **settings})


def test_a_push_is_the_offset_and_what_every_dial_adds(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    """Added up by hand, head by head and dial by dial."""
    method = make(decoder, cache)
    (persona, *_) = method.personas(people)
    ready = method.calibrated(people.inventory)
    answers = people.responses[:1, people.inventory.columns(people.inventory.tuning)]
    stand = ready.factors.scores(answers)[0]
    laid = persona.shift.displacements(1.0, decoder.heads.heads, decoder.heads.head_dim)
    for flat, (layer, head) in enumerate(ready.places.tolist()):
        expected = ready.learnt.offset[flat].copy()
        for dial, setting in enumerate(stand):
            expected += setting * ready.learnt.directions[dial, flat]
        start = head * decoder.heads.head_dim
        assert np.allclose(laid[layer][start : start + len(expected)], expected, atol=1e-5)
    assert persona.scope == "generated" and persona.alpha == 1.0


def test_who_answered_nothing_is_not_pushed(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    nobody = make(decoder, cache).personas(people)[2]
    assert nobody.shift is None and nobody.alpha == 0.0 and not nobody.steers


def test_a_person_costs_no_pass_and_company_changes_nothing(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    method = make(decoder, cache)
    method.prepare()
    with counted(decoder) as tokens:
        together = method.personas(people)
    assert tokens.forward == tokens.backward == 0
    alone = [method.personas(people.select([who]))[0] for who in range(3)]
    for one, other in zip(alone, together, strict=True):
        assert (one.shift is None) == (other.shift is None)
        if one.shift is not None:
            assert np.allclose(one.shift.sigmas, other.shift.sigmas, rtol=1e-4)


def test_no_answer_is_predicted_from_itself(
    decoder: Decoder, people: Respondents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each step, the items that are asked are missing from what the scores are made of."""
    asked: list[int] = []
    blanks: list[int] = []
    scores, ask = dials.Factors.scores, dials.dials_fit.shared_scores

    def watch(self: Any, responses: np.ndarray) -> np.ndarray:
        blanks.append(int((responses == 0).all(axis=0).sum()))
        return scores(self, responses)

    def note(decoder: Decoder, questions: Any, *rest: Any, **named: Any) -> torch.Tensor:
        asked.append(len(questions.suffixes))
        return ask(decoder, questions, *rest, **named)

    monkeypatch.setattr(dials.Factors, "scores", watch)
    monkeypatch.setattr(dials.dials_fit, "shared_scores", note)
    make(decoder, tmp_path, seed=3).prepare()
    assert blanks == asked == [10] * 6


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

    monkeypatch.setattr("personalign.methods.dials.fit_dials", refuse)
    kept = make(decoder, tmp_path / "one").personas(people)
    assert [p.shift for p in kept] == [p.shift for p in first]
    with pytest.raises(AssertionError, match="second time"):
        make(decoder, tmp_path / "one", seed=1).personas(people)


def test_a_calibration_that_cannot_be_read_is_learnt_anew(
    decoder: Decoder, people: Respondents, tmp_path: Path
) -> None:
    first = make(decoder, tmp_path).personas(people)
    (path,) = tmp_path.rglob(dials.NAME)
    path.write_bytes(path.read_bytes()[:40])
    assert [p.shift for p in make(decoder, tmp_path).personas(people)] == [p.shift for p in first]
    assert path.stat().st_size > 40


@pytest.mark.parametrize("heads", [8, 3])
def test_an_interrupted_calibration_goes_on_and_ends_the_same(
    decoder: Decoder,
    people: Respondents,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    heads: int,
) -> None:
    monkeypatch.setattr("personalign.methods.dials_fit.KEPT_EVERY", 2)
    monkeypatch.setattr("personalign.methods.dials.FIRST_STEPS", 3)
    settings = {"steps": 9, "heads": heads}
    expected = make(decoder, tmp_path / "one", **settings).personas(people)
    whole = 9 + (3 if heads < decoder.heads.total else 0)
    reached: list[int] = []

    def stop_at(last: int) -> Any:
        def progress(done: int, _all: int) -> None:
            reached.append(done)
            if done == last:
                raise KeyboardInterrupt

        return progress

    for last in (3, whole - 2):
        with pytest.raises(KeyboardInterrupt):
            make(decoder, tmp_path / "two", **settings).prepare(progress=stop_at(last))
    found = make(decoder, tmp_path / "two", **settings).personas(people, progress=stop_at(99))
    assert [p.shift for p in found] == [p.shift for p in expected]
    assert len(reached) < 3 + 2 * whole - 4  # steps that were kept were not done again
    (folder,) = (tmp_path / "two" / "dials").iterdir()
    assert [path.name for path in folder.iterdir()] == [dials.NAME]


def test_what_was_kept_and_cannot_be_read_is_begun_anew(
    decoder: Decoder, people: Respondents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = make(decoder, tmp_path / "one").personas(people)
    (folder,) = (tmp_path / "one" / "dials").iterdir()
    spoilt = tmp_path / "two" / "dials" / folder.name
    spoilt.mkdir(parents=True)
    (spoilt / dials.UNFINISHED[1]).write_bytes(b"half a file")
    found = make(decoder, tmp_path / "two").personas(people)
    assert [p.shift for p in found] == [p.shift for p in expected]


def test_the_heads_that_are_pushed_farthest_are_kept(
    decoder: Decoder, people: Respondents, cache: Path
) -> None:
    (persona, *_) = make(decoder, cache, heads=3).personas(people)
    assert len(persona.shift) == 3


@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral"])
def test_the_loss_falls(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personalign.methods.dials_fit.PEOPLE", 64)
    method = make(fake_decoder(family), tmp_path, steps=30)
    method.prepare()
    first, last = method.calibrated(simulate(1).inventory).losses
    assert last < first


@pytest.mark.parametrize("prompt", ["none", "few-shot"])
def test_sharing_questions_or_not_the_same_is_learnt(
    decoder: Decoder,
    people: Respondents,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prompt: Any,
) -> None:
    monkeypatch.setattr("personalign.methods.dials_fit.PROMPTED_PEOPLE", 2)
    shared = make(decoder, tmp_path / "shared", prompt=prompt).personas(people)[0]
    monkeypatch.setattr("personalign.methods.dials_fit.can_share", lambda *_: False)
    alone = make(decoder, tmp_path / "alone", prompt=prompt).personas(people)[0]
    assert shared.system_prompt == alone.system_prompt
    assert (shared.system_prompt is None) == (prompt == "none")
    assert np.allclose(shared.shift.sigmas, alone.shift.sigmas, rtol=2e-3)
    assert np.allclose(shared.shift.directions, alone.shift.directions, atol=5e-3)


def test_another_questionnaire_needs_its_own_people(decoder: Decoder, cache: Path) -> None:
    form = big_five_50()
    responses = np.random.default_rng(0).integers(1, 6, (62, 50)).astype(np.int8)
    people = Respondents(responses, tuple(map(str, range(62))), inventory=form)
    known = people.only(form.tuning)
    with pytest.raises(MethodError, match="nobody can be simulated"):
        make(decoder, cache).personas(known)
    with pytest.raises(MethodError, match="given answered IPIP-Big5-50"):
        make(decoder, cache, population=people).personas(simulate(1, seed=1))
    assert all(p.steers for p in make(decoder, cache, population=people).personas(known))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"heads": 99}, "asked for 99 heads"),
        ({"steps": 0}, "asked for 0 steps"),
        ({"dials": 0}, "asked for 0 dials"),
        ({"prompt": "long"}, "prompt"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    decoder: Decoder, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(MethodError, match=reason):
        Dials(decoder, **settings)


def test_a_persona_is_saved_and_read_again(
    decoder: Decoder, people: Respondents, cache: Path, tmp_path: Path
) -> None:
    persona = make(decoder, cache).personas(people)[0]
    assert Persona.load(persona.save(tmp_path / "me"), decoder).key == persona.key


@pytest.mark.slow
def test_it_moves_the_pocket_model_towards_the_person(tmp_path: Path) -> None:
    pocket = Decoder.load("pocket")
    people = simulate(16, seed=2024)
    items = people.inventory.held_out
    known = people.only(people.inventory.tuning)
    answers = Dials(pocket, steps=30, cache=tmp_path).predict(known, items)
    plain = NoPersona(pocket).predict(known, items)
    assert aligned_score(answers, people, items).composite < (
        0.95 * aligned_score(plain, people, items).composite
    )
    assert swap_control(answers, people, items).difference.interval.low > 0
