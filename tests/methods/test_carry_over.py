"""Personas carried over to quantised weights: what stays, what sigma becomes, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import PersonaError, SteeringError
from personalign.methods.activations import contrast_outputs
from personalign.methods.carry_over import CARRIED_KEY, Carried, Way, carry_over, read_heads
from personalign.methods.pas import Pas
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import ANSWERS_KEY, PLAIN, Persona
from personalign.model.prompts import PAPI
from personalign.model.residual import ResidualShift
from tests.model.conftest import some_shift

WIDE = {"hidden_size": 64, "intermediate_size": 64, "head_dim": 16}
"""Blocks of 64 values share a scale in 4-bit weights."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    decoder = fake_decoder("llama", **WIDE)
    folder = tmp_path_factory.mktemp("wide")
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def full(folder: Path) -> Decoder:
    return Decoder.load(folder, device="cpu")


@pytest.fixture(scope="module", params=["4bit", "8bit"])
def quantised(folder: Path, request: pytest.FixtureRequest) -> Decoder:
    pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    return Decoder.load(folder, device="cpu", quantize=request.param)


@pytest.fixture(scope="module")
def people() -> Respondents:
    """The first takes a side on every tuning item, the second on half of them."""
    drawn = simulate(2, seed=5)
    responses = np.where(drawn.responses == 3, 4, drawn.responses)
    columns = drawn.inventory.columns(drawn.inventory.tuning)
    responses[1, columns[::2]] = 3
    return replace(drawn, responses=responses).only(drawn.inventory.tuning)


@pytest.fixture(scope="module")
def personas(full: Decoder, people: Respondents) -> list[Persona]:
    made = Pas(full, heads=4).personas(people)
    return [persona.with_alpha(persona.alpha or 2.0) for persona in made]


def carried_over(persona: Persona, full: Decoder, other: Decoder) -> Carried:
    before, after = (read_heads(decoder, [persona]) for decoder in (full, other))
    return carry_over(persona, other, before=before, after=after)


def spreads(decoder: Decoder, persona: Persona, people: Respondents) -> list[float]:
    """Head by head, over all chats of the tuning items."""
    outputs = contrast_outputs(decoder, people.inventory.tuning, PAPI).double()
    assert persona.shift is not None
    found = []
    for (layer, head), theta in zip(persona.shift.pairs, persona.shift.directions, strict=True):
        along = [float(row @ theta.astype(float)) for row in outputs[:, layer, head].numpy()]
        found.append(float(np.std(along)))
    return found


def test_on_the_same_model_nothing_changes(full: Decoder, personas: list[Persona]) -> None:
    for persona in personas:
        carried = carried_over(persona, full, full)
        assert (carried.ratios == 1).all() and carried.persona.key == persona.key
        np.testing.assert_allclose(carried.agreement, 1)


def test_whoever_took_a_side_on_everything_gets_the_sigmas_of_the_method(
    full: Decoder, quantised: Decoder, personas: list[Persona], people: Respondents
) -> None:
    persona = personas[0]
    assert persona.shift is not None
    np.testing.assert_allclose(spreads(full, persona, people), persona.shift.sigmas, rtol=1e-5)
    shift = carried_over(persona, full, quantised).persona.shift
    assert shift is not None
    np.testing.assert_allclose(spreads(quantised, persona, people), shift.sigmas, rtol=1e-5)
    assert np.abs(shift.sigmas / persona.shift.sigmas - 1).max() > 1e-4, "nothing was estimated"


def test_which_items_somebody_took_a_side_on_stays_in_sigma(
    full: Decoder, quantised: Decoder, personas: list[Persona], people: Respondents
) -> None:
    persona = personas[1]
    assert persona.shift is not None
    over_all = np.array(spreads(full, persona, people))
    assert np.abs(over_all / persona.shift.sigmas - 1).max() > 1e-3
    carried = carried_over(persona, full, quantised)
    assert carried.persona.shift is not None
    anew = np.array(spreads(quantised, persona, people))
    np.testing.assert_allclose(carried.ratios, anew / over_all, rtol=1e-6)
    np.testing.assert_allclose(
        carried.persona.shift.sigmas, persona.shift.sigmas * carried.ratios, rtol=1e-6
    )


def test_the_carried_persona_is_one_of_the_quantised_model(
    full: Decoder, quantised: Decoder, personas: list[Persona], people: Respondents, tmp_path: Path
) -> None:
    told = {**personas[0].provenance, "side_effects": {"kl": 0.1}, ANSWERS_KEY: [1, 2, 3]}
    persona = replace(
        personas[0], system_prompt="You are bold.", scope="generated", provenance=told
    )
    kept = persona.save(tmp_path / "before", keep_answers=True)
    with pytest.raises(PersonaError, match=r"made for the model .* `personalign carry`"):
        Persona.load(kept, quantised)
    new = carried_over(Persona.load(kept, full), full, quantised).persona
    loaded = Persona.load(new.save(tmp_path / "after"), quantised)
    assert loaded.key == new.key
    assert (new.system_prompt, new.scope, new.alpha) == (
        "You are bold.",
        "generated",
        persona.alpha,
    )
    assert new.shift is not None and persona.shift is not None
    assert new.shift.pairs == persona.shift.pairs
    np.testing.assert_array_equal(new.shift.directions, persona.shift.directions)
    items = people.inventory.tuning[:4]
    plain, moved = answer_items(quantised, [PLAIN, loaded], items).log_probs
    assert np.abs(moved - plain).max() > 1e-3

    says = loaded.provenance
    assert {name: says[name] for name in quantised.provenance} == quantised.provenance
    assert (says["method"], says["settings"]["heads"]) == ("pas", 4)
    assert "side_effects" not in says and "alpha_curve" not in says, "measured on another model"
    origin = says[CARRIED_KEY]["from"]
    assert (origin["key"], origin["fingerprint"]) == (persona.key, full.fingerprint)
    assert origin["side_effects"] == {"kl": 0.1} and origin["alpha_curve"] == told["alpha_curve"]
    np.testing.assert_allclose(says[CARRIED_KEY]["sigmas"]["before"], persona.shift.sigmas, 1e-3)
    np.testing.assert_allclose(says[CARRIED_KEY]["sigmas"]["estimated"], new.shift.sigmas, 1e-3)
    assert says[CARRIED_KEY]["sigmas"]["kept"] is False
    assert ANSWERS_KEY not in says and ANSWERS_KEY not in json.dumps(says)
    assert new.provenance[ANSWERS_KEY] == [1, 2, 3], "kept until it is saved without"


def test_sigmas_can_be_kept(full: Decoder, quantised: Decoder, personas: list[Persona]) -> None:
    persona = personas[0]
    before, after = (read_heads(decoder, [persona]) for decoder in (full, quantised))
    kept = carry_over(persona, quantised, before=before, after=after, keep_sigmas=True)
    assert kept.persona.key == persona.key and (kept.ratios != 1).all()
    told = kept.persona.provenance
    assert told["fingerprint"] == quantised.fingerprint
    assert persona.shift is not None and told[CARRIED_KEY]["sigmas"]["kept"] is True
    estimated = persona.shift.sigmas * kept.ratios
    np.testing.assert_allclose(told[CARRIED_KEY]["sigmas"]["estimated"], estimated, atol=1e-6)


def test_what_is_no_head_stays_as_it_is(full: Decoder, quantised: Decoder) -> None:
    stream = ResidualShift([1], np.ones((1, full.heads.hidden)))
    for persona in (
        Persona("You are bold.", provenance=full.provenance),
        Persona(residual=stream, alpha=2.0, provenance=full.provenance),
    ):
        assert read_heads(full, [persona]) == {}, "there is nothing to read"
        carried = carried_over(persona, full, quantised)
        assert carried.persona.key == persona.key and not len(carried.ratios)
        assert carried.persona.provenance["fingerprint"] == quantised.fingerprint
        assert "sigmas" not in carried.persona.provenance[CARRIED_KEY]


def test_a_head_that_says_the_same_to_everything_keeps_its_sigma(full: Decoder) -> None:
    persona = Persona(shift=some_shift(full, k=2), alpha=1.0, provenance=full.provenance)
    way = Way.of(persona)
    outputs = read_heads(full, [persona])[way].clone()
    assert persona.shift is not None
    layer, head = persona.shift.pairs[0]
    outputs[:, layer, head] = 1.0
    carried = carry_over(persona, full, before={way: outputs}, after={way: outputs * 2})
    np.testing.assert_allclose(carried.ratios, [1, 2])
    assert np.isnan(carried.agreement[0])
    assert carried.persona.provenance[CARRIED_KEY]["agreement"] == [None, 1.0]


def test_heads_are_read_once_for_everybody_read_alike(full: Decoder) -> None:
    shift = some_shift(full)
    usual = [Persona(shift=shift, alpha=alpha, provenance=full.provenance) for alpha in (1, 2, 3)]
    told = {"protocol": "paper", "settings": {"wording": "reworded"}}
    other = Persona(shift=shift, alpha=1.0, provenance=told)
    read = read_heads(full, [*usual, other])
    assert list(read) == [
        Way("IPIP-NEO-300", "papi", False),
        Way("IPIP-NEO-300", "reworded", True),
    ]
    one, two = read.values()
    assert one.shape == two.shape == (240, 2, 4, 16) and not (one == two).all()


def test_what_cannot_be_carried_over(full: Decoder, personas: list[Persona]) -> None:
    with pytest.raises(PersonaError, match=r"adapter.*align --quantise"):
        carried_over(replace(personas[0], adapter="somewhere"), full, full)
    stranger = fake_decoder("llama", seed=1, **WIDE)
    with pytest.raises(PersonaError, match=r"does not seem to be .* in another precision"):
        carried_over(personas[0], full, stranger)
    with pytest.raises(SteeringError, match="made for another model"):
        carried_over(personas[0], full, fake_decoder("llama"))
