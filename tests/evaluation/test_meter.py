"""Tokens are counted as they are computed, and memory as it is held; no test asserts a time."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from personalign.evaluation import meter
from personalign.evaluation.meter import NOTHING, Spent, counted, metered, peak_memory
from personalign.inventory.items import ipip_neo_300
from personalign.methods.twin import twin
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from personalign.model.fake import FAMILIES, fake_decoder
from personalign.model.persona import PLAIN, Persona
from tests.model.conftest import some_shift

IDS = torch.ones(2, 7, dtype=torch.long)
MIB = 2**20


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder("llama")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pass_counts_rows_times_time_in_every_family(family: str) -> None:
    decoder = fake_decoder(family)
    with counted(decoder) as tokens, torch.no_grad():
        decoder.model(input_ids=IDS)
        decoder.model(input_ids=IDS[:1, :3])
    assert (tokens.forward, tokens.backward) == (17, 0)


def test_backward_passes_count_on_the_decoder_and_on_its_twin(decoder: Decoder) -> None:
    with counted(decoder) as tokens:
        for made in (decoder, None):
            with twin(decoder) as other:
                model = other.model if made is None else decoder.model
                start = model.get_input_embeddings()(IDS).detach().requires_grad_()
                model(inputs_embeds=start).logits.sum().backward()
    assert (tokens.forward, tokens.backward) == (28, 28)


def test_no_gradient_no_backward_tokens_and_no_hook_stays(decoder: Decoder) -> None:
    with pytest.raises(KeyboardInterrupt), counted(decoder):
        raise KeyboardInterrupt
    with counted(decoder) as tokens, torch.inference_mode():
        decoder.model(input_ids=IDS)
    decoder.model(input_ids=IDS)
    assert (tokens.forward, tokens.backward) == (14, 0)
    assert not any(block._forward_hooks for block in decoder.heads.blocks)


def test_rows_that_branch_late_cost_less_than_rows_of_their_own() -> None:
    """Two personas steered in the last layer share the layers before it."""
    decoder = fake_decoder("llama", layers=4)
    items = ipip_neo_300().held_out[:3]
    late = some_shift(decoder, k=2)  # the first head and the last
    alone = Persona(shift=late, alpha=1.0)
    answer_items(decoder, [PLAIN], items)  # the trial of sharing is over
    counts = []
    for personas in ([PLAIN], [alone], [alone, alone.with_alpha(2.0)]):
        with counted(decoder) as tokens:
            answer_items(decoder, personas, items)
        counts.append(tokens.forward)
    plain, one, two = counts
    assert plain <= one < two <= 2 * one


@pytest.mark.parametrize("way", ["mark", "samples"])
def test_a_peak_that_is_over_is_seen(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    if way == "samples":
        monkeypatch.setattr(meter, "_reset_mark", lambda: False)
    elif not meter._reset_mark():
        pytest.skip("this system does not forget a process's high-water mark")
    if meter._resident() is None:
        pytest.skip("this system does not tell how much memory a process holds")
    with peak_memory() as peak:
        block = torch.ones(64 * MIB // 4)
        time.sleep(0.1)
        del block
        first = peak()
    with peak_memory() as peak:
        second = peak()
    assert first is not None and second is not None
    assert first > 50 * MIB > second


def test_what_cannot_be_told_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "_reset_mark", lambda: False)
    monkeypatch.setattr(meter, "_resident", lambda: None)
    with peak_memory() as peak:
        pass
    assert peak() is None


def test_work_is_told_once_and_only_when_done(decoder: Decoder) -> None:
    told: list[Spent] = []
    with pytest.raises(ZeroDivisionError), metered(decoder, told.append):
        _ = 1 / 0
    assert told == []
    with metered(decoder, told.append), torch.no_grad():
        decoder.model(input_ids=IDS)
    (spent,) = told
    assert spent.forward_tokens == 14 and spent.seconds > 0

    class Remote:
        """A model that is elsewhere."""

    with metered(Remote(), told.append):
        pass
    assert (told[1].forward_tokens, told[1].backward_tokens) == (0, 0)


def test_spent_adds_up_and_the_higher_peak_stays() -> None:
    one: Any = Spent(1.0, 10, 0, 5)
    assert one + Spent(2.0, 1, 2, 9) == Spent(3.0, 11, 2, 9)
    assert NOTHING + one == one
    assert (NOTHING + NOTHING).peak_bytes is None
