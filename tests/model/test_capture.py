"""Reading heads: order, batches, sides, progress, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from personalign.errors import ModelError
from personalign.model.batch import model_inputs, pad
from personalign.model.capture import capture_heads, head_outputs
from personalign.model.decoder import Decoder
from tests.model.conftest import sequences_of


def many(decoder: Decoder, n: int = 11) -> list[list[int]]:
    """Sequences of many lengths, in no order."""
    whole = sequences_of(decoder)[0]
    return [whole[: 1 + (7 * index) % len(whole)] for index in range(n)]


@pytest.mark.parametrize("batch_rows", [1, 4, 100])
@pytest.mark.parametrize("padding", ["left", "right"])
def test_batches_and_sides_make_no_difference(
    llama: Decoder, batch_rows: int, padding: Any
) -> None:
    sequences = many(llama)
    found = head_outputs(llama, sequences, batch_rows=batch_rows, padding=padding)
    alone = torch.cat([head_outputs(llama, [sequence]) for sequence in sequences])
    assert found.shape == (11, 2, 4, 8)
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)


def test_only_the_last_token_and_what_is_before_it_counts(llama: Decoder) -> None:
    sequence = sequences_of(llama)[0]
    whole = head_outputs(llama, [sequence, sequence[:-1]])
    assert not torch.allclose(whole[0], whole[1])
    with (
        torch.inference_mode(),
        capture_heads(llama, positions=torch.tensor([len(sequence) - 2])) as recorder,
    ):
        llama.model(torch.tensor([sequence]))
    torch.testing.assert_close(recorder.last[:, 0], whole[1], rtol=1e-4, atol=1e-5)


def test_progress_counts_sequences(llama: Decoder) -> None:
    seen: list[tuple[int, int]] = []
    head_outputs(llama, many(llama), batch_rows=4, progress=lambda *counts: seen.append(counts))
    assert seen == [(4, 11), (8, 11), (11, 11)]


def test_nothing_asked_nothing_read(llama: Decoder) -> None:
    assert head_outputs(llama, []).shape == (0, 2, 4, 8)


def test_an_empty_sequence_is_refused(llama: Decoder) -> None:
    with pytest.raises(ModelError, match="Sequence 1 has no tokens"):
        head_outputs(llama, [[3], []])


def test_the_recorder_keeps_the_last_pass_only(llama: Decoder) -> None:
    first, second = sequences_of(llama)[:2]
    with torch.inference_mode(), capture_heads(llama) as recorder:
        llama.model(torch.tensor([first]))
        llama.model(torch.tensor([second, second]))
    assert recorder.last.shape == (2, 2, 4, 8)
    torch.testing.assert_close(recorder.last[:, 0], recorder.last[:, 1])
    alone = head_outputs(llama, [second])[0]
    torch.testing.assert_close(recorder.last[:, 1], alone, rtol=1e-4, atol=1e-5)


def test_padding_and_positions(llama: Decoder) -> None:
    ids, mask = pad([[5, 6], [7]], 0, side="left")
    assert (ids.tolist(), mask.tolist()) == ([[5, 6], [0, 7]], [[1, 1], [0, 1]])
    ids, mask = pad([[5, 6], [7]], 9, side="right")
    assert (ids.tolist(), mask.tolist()) == ([[5, 6], [7, 9]], [[1, 1], [1, 0]])
    inputs = model_inputs(llama, [[5, 6, 8], [7]], side="left")
    assert inputs["position_ids"].tolist() == [[0, 1, 2], [0, 0, 0]]
    assert pad([], 0, side="left")[0].shape == (0, 0)
