"""The laws of pushing the residual stream, for every architecture family, on two random layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from personalign.errors import PersonaError, SteeringError
from personalign.model import answer as answer_module
from personalign.model.answer import answer_items
from personalign.model.capture import stream_outputs
from personalign.model.decoder import Decoder
from personalign.model.fake import FAMILIES, fake_decoder
from personalign.model.generate import generate, stream
from personalign.model.persona import PLAIN, Persona
from personalign.model.residual import ResidualShift, Stream, depth
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import last_logits, sequences_of, some_shift
from tests.model.loud import ITEMS, loud, plainly

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
UNSHARED = {"falcon", "bloom"}


def some_residual(decoder: Decoder, layers: Any = (1,), seed: int = 0) -> ResidualShift:
    random = np.random.default_rng(seed)
    return ResidualShift(layers, random.normal(size=(len(layers), decoder.heads.hidden)))


def steered(decoder: Decoder, personas: list[Persona], sequences: Any, side: Any = "right") -> Any:
    with steer_heads(decoder, row_displacements(decoder, personas)):
        return last_logits(decoder, sequences, side)


def three(decoder: Decoder) -> list[Persona]:
    """The stream alone, nobody, and the stream together with heads."""
    both = Persona(
        residual=some_residual(decoder, (0, 1), seed=1), shift=some_shift(decoder), alpha=-1.0
    )
    return [Persona(residual=some_residual(decoder), alpha=2.0), PLAIN, both]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_laws_of_steering_hold_for_the_stream(family: str) -> None:
    """Alpha 0, a change otherwise, rows on their own, padding, nothing left behind."""
    decoder = fake_decoder(family)
    sequences, personas = sequences_of(decoder), three(decoder)
    plain = last_logits(decoder, sequences)
    still = [persona.with_alpha(0.0) for persona in personas]
    assert torch.equal(steered(decoder, still, sequences), plain)
    together = steered(decoder, personas, sequences)
    assert (together - plain)[[0, 2]].abs().amax(1).min() > 1e-3
    torch.testing.assert_close(together[1], plain[1], **CLOSE)
    for side in ("right", "left"):
        for row, persona in enumerate(personas):
            alone = steered(decoder, [persona], [sequences[row]], side)
            torch.testing.assert_close(alone[0], together[row], **CLOSE)
    torch.testing.assert_close(steered(decoder, personas, sequences, "left"), together, **CLOSE)
    assert torch.equal(last_logits(decoder, sequences), plain), "a hook was left behind"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_push_equals_a_bias_added_by_hand(family: str) -> None:
    """What layer 0 puts out, plus the vector, is what layer 1 is pushed to receive."""
    decoder = fake_decoder(family)
    sequences, persona = sequences_of(decoder), three(decoder)[0]
    pushed = steered(decoder, [persona] * 3, sequences)
    assert persona.residual is not None
    bias = torch.from_numpy(2.0 * persona.residual.vectors[0])

    def add(_module: Any, _args: Any, out: Any) -> Any:
        return out + bias if isinstance(out, torch.Tensor) else (out[0] + bias, *out[1:])

    hook = decoder.heads.blocks[0].register_forward_hook(add)
    try:
        biased = last_logits(decoder, sequences)
    finally:
        hook.remove()
    torch.testing.assert_close(pushed, biased, **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_shared_prefix_equals_full_forward(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = loud(family)
    personas = [*three(decoder), three(decoder)[0].with_alpha(-1.0)]
    shared = answer_items(decoder, personas, ITEMS)
    assert shared.shared_prefix == (family not in UNSHARED)
    monkeypatch.setattr(answer_module, "can_share", lambda *_: False)
    full = answer_items(decoder, personas, ITEMS)
    np.testing.assert_allclose(shared.log_probs, full.log_probs, atol=1e-4)


@pytest.mark.parametrize("scope", ["all", "generated"])
def test_answers_equal_the_plain_way_with_heads_and_others_in_the_batch(scope: Any) -> None:
    decoder = loud()
    personas = [replace(persona, scope=scope) for persona in three(decoder)]
    answers = answer_items(decoder, personas, ITEMS)
    for row, persona in enumerate(personas):
        expected = plainly(decoder, persona, ITEMS, answers.wording).log_softmax(-1)
        np.testing.assert_allclose(answers.log_probs[row], expected.flip(-1), atol=1e-4)
    assert np.abs(answers.log_probs[0] - answers.log_probs[1]).max() > 0.05


def test_text_is_written_as_in_a_batch_of_one() -> None:
    decoder = loud()
    personas = three(decoder)
    together = generate(decoder, personas, "Who are you?", max_new_tokens=6)
    alone = [
        generate(decoder, persona, "Who are you?", max_new_tokens=6)[0] for persona in personas
    ]
    streamed = ["".join(stream(decoder, p, "Who are you?", max_new_tokens=6)) for p in personas]
    assert together == alone == streamed
    assert len(set(together)) == 3


def test_captured_streams_are_the_layers_inputs() -> None:
    decoder = fake_decoder("llama")
    sequences = sequences_of(decoder)
    read = stream_outputs(decoder, sequences, batch_rows=2)
    assert read.shape == (3, 2, 32)
    torch.testing.assert_close(read, stream_outputs(decoder, sequences, padding="left"), **CLOSE)
    embedded = decoder.model.get_input_embeddings()(torch.tensor([ids[-1] for ids in sequences]))
    torch.testing.assert_close(read[:, 0], embedded.detach(), **CLOSE)


def test_a_persona_comes_back_from_its_folder(tmp_path: Path) -> None:
    decoder = fake_decoder("llama")
    for place, persona in enumerate(three(decoder)):
        again = Persona.load(persona.save(tmp_path / str(place)), decoder)
        assert again == persona and again.key == persona.key
    names = sorted(path.name for path in (tmp_path / "0").iterdir())
    assert names == ["persona.json", "residual.safetensors"]
    PLAIN.save(tmp_path / "0")
    assert [path.name for path in (tmp_path / "0").iterdir()] == ["persona.json"]


def test_keys_follow_the_vectors() -> None:
    """Prefix caches are kept by this key, so two pushes must never have one."""
    decoder = fake_decoder("llama")
    persona = three(decoder)[0]
    others = [
        PLAIN,
        persona.with_alpha(3.0),
        replace(persona, residual=some_residual(decoder, (0,))),
        replace(persona, residual=some_residual(decoder, seed=9)),
        replace(persona, shift=some_shift(decoder)),
        replace(persona, residual=None, shift=some_shift(decoder)),
    ]
    assert len({p.steering_key for p in [persona, *others]}) == 7
    nothing = replace(persona, residual=ResidualShift([1], np.zeros((1, 32))))
    assert not nothing.steers and nothing.steering_key == "" and nothing.pushes


def test_a_damaged_or_foreign_persona_is_refused(tmp_path: Path) -> None:
    decoder = fake_decoder("llama")
    folder = three(decoder)[0].save(tmp_path / "one")
    path = folder / "residual.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with pytest.raises(PersonaError, match="corrupt or truncated"):
        Persona.load(folder)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(PersonaError, match="its digest is"):
        Persona.load(folder)
    path.unlink()
    with pytest.raises(PersonaError, match="is missing"):
        Persona.load(folder)
    path.write_bytes(whole)
    with pytest.raises(PersonaError, match="32 wide, the model's residual stream 64"):
        Persona.load(folder, fake_decoder("llama", hidden_size=64))
    with pytest.raises(SteeringError, match="pushes layer 2, but fake llama has 2 layers"):
        row_displacements(decoder, [Persona(residual=some_residual(decoder, (2,)), alpha=1.0)])


def test_shifts_add_and_scale() -> None:
    a = ResidualShift([0, 2], [[1.0, 2.0], [3.0, 4.0]])
    b = ResidualShift([2, 1], [[1.0, 1.0], [0.5, 0.0]])
    total = a + b
    assert total == ResidualShift([1, 0, 2], [[0.5, 0.0], [1.0, 2.0], [4.0, 5.0]])
    assert a.scaled(2.0).displacements(1.0, 2)[2].tolist() == [6.0, 8.0]
    assert hash(total) == hash(b + a) and total != a


@pytest.mark.parametrize(
    ("layers", "vectors", "reason"),
    [
        ([0, 0], [[1.0], [2.0]], "in the residual shift twice"),
        ([-1], [[1.0]], "counted from 0"),
        ([0], [[float("nan")]], "not finite"),
        ([0, 1], [[1.0]], "1 vectors for 2 layers"),
        ([0], [1.0], "1 dimensions; 2 are needed"),
    ],
)
def test_what_is_no_shift_is_refused(layers: Any, vectors: Any, reason: str) -> None:
    with pytest.raises(SteeringError, match=reason):
        ResidualShift(layers, vectors)


def test_sites_come_in_the_order_of_a_pass() -> None:
    decoder = fake_decoder("llama")
    assert list(row_displacements(decoder, [three(decoder)[2]])) == [Stream(0), 0, Stream(1), 1]
    assert sorted([1, Stream(1), 0], key=depth) == [0, Stream(1), 1]


@pytest.mark.parametrize(
    ("site", "width", "reason"),
    [(Stream(2), 32, "Layer 2 cannot be steered"), (Stream(0), 31, r"its hidden width")],
)
def test_a_site_that_does_not_fit_is_refused(site: Stream, width: int, reason: str) -> None:
    decoder = fake_decoder("llama")
    refused = pytest.raises(SteeringError, match=reason)
    with refused, steer_heads(decoder, {site: torch.ones(1, width)}):
        raise AssertionError("the block must not begin")
