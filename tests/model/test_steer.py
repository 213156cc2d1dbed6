"""Steering blocks: rows, positions, nesting, clean-up, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from personalign.errors import ModelError, SteeringError
from personalign.model.capture import capture_heads
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import PLAIN, Persona
from personalign.model.shift import Shift
from personalign.model.steer import check_finite, row_displacements, steer_heads
from tests.model.conftest import last_logits, sequences_of, some_shift


def hooks_of(decoder: Decoder) -> int:
    return sum(len(projection._forward_pre_hooks) for projection in decoder.heads.projections)


def test_rows_are_laid_out_per_persona(llama: Decoder) -> None:
    shift = Shift([1], [2], np.eye(8)[:1], [0.5])
    rows = row_displacements(
        llama, [PLAIN, Persona(shift=shift, alpha=4.0), Persona(shift=shift), Persona(alpha=9.0)]
    )
    assert set(rows) == {1}
    expected = torch.zeros(4, 32)
    expected[1, 16] = 2.0
    assert torch.equal(rows[1], expected)
    assert row_displacements(llama, [PLAIN, Persona(shift=shift)]) == {}
    assert row_displacements(llama, []) == {}


def test_a_single_row_is_added_to_every_row(llama: Decoder) -> None:
    sequences = sequences_of(llama)
    persona = Persona(shift=some_shift(llama), alpha=2.0)
    one, three = row_displacements(llama, [persona]), row_displacements(llama, [persona] * 3)
    with steer_heads(llama, one):
        broadcast = last_logits(llama, sequences)
    with steer_heads(llama, three):
        repeated = last_logits(llama, sequences)
    assert torch.equal(broadcast, repeated)


def test_nested_blocks_add_up(llama: Decoder) -> None:
    sequences = sequences_of(llama)
    a, b = some_shift(llama, seed=1), some_shift(llama, seed=2)
    with (
        steer_heads(llama, row_displacements(llama, [Persona(shift=a, alpha=2.0)])),
        steer_heads(llama, row_displacements(llama, [Persona(shift=b, alpha=2.0)])),
    ):
        nested = last_logits(llama, sequences)
    with steer_heads(llama, row_displacements(llama, [Persona(shift=a + b, alpha=2.0)])):
        joined = last_logits(llama, sequences)
    torch.testing.assert_close(nested, joined, rtol=1e-4, atol=1e-5)


def test_hooks_go_however_the_block_ends(llama: Decoder) -> None:
    displacements = {0: torch.ones(1, 32), 1: torch.ones(1, 32)}
    with pytest.raises(ZeroDivisionError), steer_heads(llama, displacements):
        assert hooks_of(llama) == 2
        _ = 1 / 0
    with pytest.raises(KeyboardInterrupt), capture_heads(llama):
        assert hooks_of(llama) == 2
        raise KeyboardInterrupt
    assert hooks_of(llama) == 0
    with steer_heads(llama, {}):
        assert hooks_of(llama) == 0


def test_only_masked_positions_are_pushed(llama: Decoder) -> None:
    """Pushing the last position alone: earlier logits stay bit-identical, the last ones move."""
    ids = torch.tensor([sequences_of(llama)[0], sequences_of(llama)[0]])
    persona = Persona(shift=some_shift(llama), alpha=3.0)
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    mask[0, -1] = True
    with torch.inference_mode():
        plain = llama.model(ids).logits
        with steer_heads(llama, row_displacements(llama, [persona]), positions=mask) as steering:
            pushed = llama.model(ids).logits
            steering.positions = None
            everywhere = llama.model(ids).logits
    assert torch.equal(pushed[0, :-1], plain[0, :-1])
    assert torch.equal(pushed[1], plain[1])
    assert (pushed[0, -1] - plain[0, -1]).abs().max() > 1e-3
    assert (everywhere[1, 0] - plain[1, 0]).abs().max() > 1e-3


def test_a_decoding_loop_may_set_the_positions_before_each_pass(llama: Decoder) -> None:
    """Prompt unsteered and cached, then a steered token: equal to one pass with a mask."""
    ids = torch.tensor([sequences_of(llama)[0]])
    displacements = row_displacements(llama, [Persona(shift=some_shift(llama), alpha=3.0)])
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    mask[:, -1] = True
    with torch.inference_mode(), steer_heads(llama, displacements) as steering:
        steering.positions = mask
        whole = llama.model(ids).logits[:, -1]
        steering.positions = mask[:, :-1]
        cache = llama.model(ids[:, :-1], use_cache=True).past_key_values
        steering.positions = None
        step = llama.model(ids[:, -1:], past_key_values=cache).logits[:, -1]
    torch.testing.assert_close(step, whole, rtol=1e-4, atol=1e-5)


def test_a_prefix_cached_without_the_shift_is_wrong_under_it(llama: Decoder) -> None:
    """Why every cache of keys and values is keyed by the shift."""
    ids = torch.tensor([sequences_of(llama)[0]])
    displacements = row_displacements(llama, [Persona(shift=some_shift(llama), alpha=3.0)])
    with torch.inference_mode():
        cache = llama.model(ids[:, :-1], use_cache=True).past_key_values
        with steer_heads(llama, displacements):
            mixed = llama.model(ids[:, -1:], past_key_values=cache).logits[:, -1]
            right = llama.model(ids).logits[:, -1]
    assert (mixed - right).abs().max() > 1e-3


def test_beams_take_repeated_rows(llama: Decoder) -> None:
    ids = torch.tensor(sequences_of(llama)[:1])
    displacements = row_displacements(llama, [Persona(shift=some_shift(llama), alpha=2.0)] * 1)
    repeated = {layer: rows.repeat_interleave(3, 0) for layer, rows in displacements.items()}
    with steer_heads(llama, repeated):
        beams = llama.model.generate(ids, num_beams=3, max_new_tokens=4, do_sample=False)
    with steer_heads(llama, displacements):
        same = llama.model.generate(ids, num_beams=3, max_new_tokens=4, do_sample=False)
    assert torch.equal(beams, same)


@pytest.mark.parametrize(
    ("displacements", "reason"),
    [
        ({2: torch.ones(1, 32)}, "Layer 2 cannot be steered: .* numbered 0 to 1"),
        ({-1: torch.ones(1, 32)}, "Layer -1"),
        ({0: torch.ones(1, 31)}, r"\(1, 31\); .* needs \(rows, 32\): 4 heads of 8"),
        ({0: torch.ones(32)}, "needs"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(
    llama: Decoder, displacements: dict[int, torch.Tensor], reason: str
) -> None:
    with pytest.raises(SteeringError, match=reason), steer_heads(llama, displacements):
        raise AssertionError("the block must not begin")
    assert hooks_of(llama) == 0


def test_a_batch_of_other_rows_or_positions_is_refused(llama: Decoder) -> None:
    sequences = sequences_of(llama)
    two = {0: torch.ones(2, 32)}
    refused = pytest.raises(SteeringError, match="3 rows, but 2 rows of displacements")
    with refused, steer_heads(llama, two):
        last_logits(llama, sequences)
    mask = torch.ones(3, 1, dtype=torch.bool)
    refused = pytest.raises(SteeringError, match=r"shape \(3, 1\)")
    with refused, steer_heads(llama, {0: torch.ones(1, 32)}, positions=mask):
        last_logits(llama, sequences)
    assert hooks_of(llama) == 0


def test_a_shift_of_another_model_is_refused(llama: Decoder) -> None:
    deep, wide = fake_decoder("llama", layers=3), fake_decoder("llama", head_dim=16)
    for other in (deep, wide):
        with pytest.raises(SteeringError):
            row_displacements(llama, [Persona(shift=some_shift(other), alpha=1.0)])
    everything = Shift(np.arange(9) // 4, np.arange(9) % 4, np.eye(8)[np.arange(9) % 8], np.ones(9))
    with pytest.raises(SteeringError, match="pushes 9 heads, but fake llama has 8"):
        llama.check_shift(everything)


def test_logits_that_are_not_finite_name_alpha() -> None:
    """In half precision numbers end at 65,504; only the row that goes past them breaks."""
    decoder = fake_decoder("llama", dtype=torch.float16)
    sequences = sequences_of(decoder)
    shift = some_shift(decoder)
    personas = [Persona(shift=shift, alpha=1.0), Persona(shift=shift, alpha=1e6), PLAIN]
    with steer_heads(decoder, row_displacements(decoder, personas)):
        logits = last_logits(decoder, sequences)
    assert torch.isfinite(logits[[0, 2]]).all()
    with pytest.raises(SteeringError, match=r"alpha 1e\+06 .* \(row 1\)"):
        check_finite(logits, personas)
    check_finite(logits[[0, 2]], [personas[0], PLAIN])
    with pytest.raises(ModelError, match="without any steering"):
        check_finite(torch.full((1, 5), torch.nan), [PLAIN])


@pytest.mark.parametrize("alpha", [1e16, -1e30, 3e38])
def test_an_alpha_that_a_norm_would_turn_into_zeros_is_refused(
    llama: Decoder, alpha: float
) -> None:
    persona = Persona(shift=some_shift(llama, sigma=100.0), alpha=alpha)
    with pytest.raises(SteeringError, match=f"alpha {alpha:g}".replace("+", r"\+")):
        row_displacements(llama, [PLAIN, persona])
