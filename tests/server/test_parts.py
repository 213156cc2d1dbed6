"""The engine's parts by themselves: sampling, slots, kept beginnings, the pool, the gate."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import torch

from personalign.model import decoding
from personalign.model.decoding import Sampling
from personalign.model.persona import PLAIN, Persona
from personalign.model.residual import ResidualShift, Stream
from personalign.model.steer import row_displacements, steer_heads
from personalign.server import sampling
from personalign.server.gate import Gate
from personalign.server.prefixes import BLOCK, PrefixCache, block_keys, first_key
from personalign.server.ragged import RaggedPool
from personalign.server.requests import Request
from personalign.server.slots import NOBODY, SlotTable
from personalign.server.trial import bytes_a_token, runs_ragged
from tests.model.conftest import sequences_of, some_shift
from tests.model.loud import loud

# sampling


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def asking(count: int, **rules: Any) -> list[Request]:
    return [Request((1,), PLAIN, **rules) for _ in range(count)]


@pytest.mark.parametrize("look", [4, 16, 512])
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"temperature": 1.0},
        {"temperature": 0.7, "top_p": 0.8},
        {"temperature": 3.0, "top_p": 0.99},
    ],
)
def test_tokens_are_drawn_as_in_generate(
    rules: dict[str, float], look: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few of the most probable tokens are looked at first."""
    monkeypatch.setattr(sampling, "FIRST_LOOK", look)
    logits = torch.randn(300, 200, generator=torch.Generator().manual_seed(1)) * 2
    ours, finite = sampling.choose(logits, asking(300, **rules), generators(300))
    theirs = decoding._choose(logits, Sampling(**rules), generators(300))
    assert ours == theirs.tolist() and all(finite)
    if rules:
        assert ours != logits.argmax(-1).tolist()


@pytest.mark.parametrize("look", [2, 512])
def test_top_k_leaves_the_most_probable(look: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "FIRST_LOOK", look)
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()[None].expand(4000, -1)
    rules = {"temperature": 1.0, "top_k": 3}
    drawn, _ = sampling.choose(logits, asking(4000, **rules), generators(4000))
    shares = torch.bincount(torch.tensor(drawn), minlength=4) / 4000
    torch.testing.assert_close(shares, torch.tensor([4, 3, 2, 0]) / 9, atol=0.03, rtol=0)
    # of what top_k leaves, 0.4 / 0.9 and 0.3 / 0.9 reach three quarters
    drawn, _ = sampling.choose(logits, asking(4000, **rules, top_p=0.75), generators(4000))
    assert set(drawn) == {0, 1}


def test_rows_that_are_not_finite_are_told_apart() -> None:
    logits = torch.zeros(4, 5)
    logits[1, 2], logits[2] = float("nan"), float("-inf")
    logits[3, 0] = float("-inf")  # a token that is ruled out is no damage
    hot = asking(4, temperature=1.0)
    assert sampling.choose(logits, hot, generators(4))[1] == [True, False, False, True]
    logits[0, 4] = float("inf")
    assert sampling.choose(logits, hot, generators(4))[1] == [False, False, False, True]


def test_nothing_probable_is_no_token_and_no_place_outside_the_row() -> None:
    nothing, some = torch.full((2, 3), float("nan")), torch.tensor([[0.0], [0.5]])
    rules = (some, some, torch.tensor([[3], [1]]), torch.tensor([[True], [False]]))
    for row in (nothing, torch.zeros(2, 3)):
        tokens, _ = sampling._look_up(row, torch.arange(3).expand(2, 3), *rules, whole=True)
        assert tokens.tolist() == [-1, -1]


def test_logprobs_are_sorted_and_normal() -> None:
    logits = torch.tensor([1.0, 3.0, 2.0])
    own, top = sampling.logprobs_of(logits, 0, 2)
    assert own == pytest.approx(float(logits.log_softmax(-1)[0]))
    assert [token for token, _ in top] == [1, 2]
    assert sampling.logprobs_of(logits, 0, 9)[1][2] == (0, pytest.approx(own))
    assert sampling.logprobs_of(logits, 0, 0)[1] == ()


# slots


def test_a_gathered_row_is_pushed_as_steer_heads_would() -> None:
    decoder = loud()
    stream = ResidualShift([1], torch.randn(1, decoder.heads.hidden).numpy())
    crowd = [
        PLAIN,
        Persona(shift=some_shift(decoder, seed=1), alpha=2.0),
        Persona(shift=some_shift(decoder, k=2, seed=2), residual=stream, alpha=-1.0),
    ]
    ids = torch.tensor([sequences_of(decoder)[0]] * 3)
    where = torch.rand(ids.shape) > 0.4
    slots = SlotTable(decoder, 2)
    index = torch.tensor(
        [
            slots.hold(who.steering_key, row_displacements(decoder, [who]))
            if who.steers
            else NOBODY
            for who in crowd
        ]
    )
    assert set(slots.tables) == {0, 1, Stream(1)}
    for mask in (None, where):
        with torch.inference_mode():
            with slots.laid_on(index, mask):
                ours = decoder.model(ids).logits
            with steer_heads(decoder, row_displacements(decoder, crowd), positions=mask):
                theirs = decoder.model(ids).logits
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours[0], ours[1])
    assert not any(p._forward_pre_hooks for p in decoder.heads.projections)


def test_the_slot_unused_for_longest_goes_first_and_held_ones_stay() -> None:
    decoder = loud()
    steps = {0: torch.ones(1, 32)}
    slots = SlotTable(decoder, 3)
    a = slots.hold("a", steps)
    for key in ("b", "c", "b", "d"):
        slots.place(key, steps)
    assert ["a" in slots, "b" in slots, "c" in slots, "d" in slots] == [True, True, False, True]
    slots.hold("a", steps)
    slots.release(a)
    slots.place("e", steps)
    slots.place("f", steps)
    assert "a" in slots and slots.held == 1 and slots.used == 3 and slots.laid == 6
    slots.release(a)
    slots.release(NOBODY)
    assert slots.held == 0
    with pytest.raises(AssertionError, match="more often than held"):
        slots.release(a)
    for key in ("x", "y", "z"):
        slots.place(key, {1: torch.ones(1, 32)})
    assert not slots.tables[0].any()  # nothing of those that went
    assert torch.equal(slots.tables[1].sum(1), torch.tensor([0.0, 32, 32, 32]))


# kept beginnings


def test_keys_depend_on_every_token_before_and_on_who_may_share_them() -> None:
    tokens, nobody = list(range(100)), first_key("", None, "")
    keys = block_keys(tokens, nobody, 99)
    assert len(keys) == 99 // BLOCK == len(set(keys))
    other = [1, *tokens[1:]]
    assert not set(keys) & set(block_keys(other, nobody, 99))
    for whose in (("ann", None, ""), ("", "Be bold.", ""), ("", "", ""), ("", None, "push")):
        assert not set(keys) & set(block_keys(tokens, first_key(*whose), 99))
    late = [*tokens[: 2 * BLOCK], 0, *tokens[2 * BLOCK + 1 :]]
    changed = block_keys(late, nobody, 99)
    assert changed[:2] == keys[:2] and changed[2] != keys[2]
    assert block_keys([1, 23], nobody, 2) == block_keys([], nobody, -1) == []
    assert block_keys([1, 23] * BLOCK, nobody, 64)[0] != block_keys([12, 3] * BLOCK, nobody, 64)[0]


def test_kept_blocks_stay_within_their_budget() -> None:
    block = [(torch.zeros(1, BLOCK, 4), torch.zeros(1, BLOCK, 4))]
    size = 2 * BLOCK * 4 * 4
    cache = PrefixCache(3 * size + 1)
    for name in (b"a", b"b", b"c"):
        cache.keep(name, block)
    assert len(cache.find([b"a", b"b", b"x", b"c"])) == 2  # up to the first that is missing
    cache.keep(b"d", block)
    assert cache.held == 3 * size and b"c" not in cache
    cache.keep(b"e", block)  # of a beginning its end goes first
    assert b"b" not in cache and b"a" in cache
    cache.keep(b"huge", block * 4)
    assert b"huge" not in cache and cache.held == 3 * size
    PrefixCache(0).keep(b"a", block)
    cache.clear()
    assert cache.held == len(cache) == 0


# the pool


def test_rows_keep_what_they_read_when_the_pool_changes_its_shape() -> None:
    decoder = loud()
    texts = sequences_of(decoder)
    alone = [decoder.model(torch.tensor([text])).logits[0, -1] for text in texts]
    pool = RaggedPool(decoder)
    pool.resize(2, 40)
    with torch.inference_mode():
        for row, text in enumerate(texts[:2]):
            pool.read([row], torch.tensor([text[:-1]]), [0], [len(text) - 1])
        pool.resize(4, 70)
        pool.move(1, 3, len(texts[1]) - 1)
        pool.clear(1)
        kept = pool.copy_out(0, 0, len(texts[0]) - 1)
        pool.copy_in(1, 0, kept)
        pool.resize(4, 50)
        for row, text in ((0, 0), (1, 0), (3, 1)):
            last = torch.tensor([texts[text][-1:]])
            logits = pool.read([row], last, [len(texts[text]) - 1], [1])
            torch.testing.assert_close(logits[0], alone[text], rtol=1e-4, atol=1e-4)


def test_rows_may_lie_anywhere_and_in_any_order() -> None:
    decoder = loud()
    texts = sequences_of(decoder)
    pool = RaggedPool(decoder)
    pool.resize(5, 64)
    with torch.inference_mode():
        for row, text in zip((4, 0, 2), texts, strict=True):
            pool.read([row], torch.tensor([text[:-1]]), [0], [len(text) - 1])
        last = torch.tensor([text[-1:] for text in texts])
        logits = pool.read([4, 0, 2], last, [len(text) - 1 for text in texts], [1, 1, 1])
        for row, text in enumerate(texts):
            alone = decoder.model(torch.tensor([text])).logits[0, -1]
            torch.testing.assert_close(logits[row], alone, rtol=1e-4, atol=1e-4)


def test_a_damaged_row_is_clean_for_the_next_one() -> None:
    decoder = loud()
    text = sequences_of(decoder)[0]
    pool = RaggedPool(decoder)
    pool.resize(1, 64)
    with torch.inference_mode():
        expected = pool.read([0], torch.tensor([text]), [0], [len(text)])
        for layer in pool.kept:
            assert layer.keys is not None and layer.values is not None
            layer.keys.fill_(float("nan"))
            layer.values.fill_(float("inf"))
        pool.clear(0)
        again = pool.read([0], torch.tensor([text[:5]]), [0], [5])
        assert torch.isfinite(again).all()
        again = pool.read([0], torch.tensor([text[5:]]), [5], [len(text) - 5])
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-4)


def test_a_tokens_bytes_are_those_of_its_keys_and_values() -> None:
    assert bytes_a_token(loud()) == 2 * 2 * 2 * 8 * 4  # layers, keys and values, heads, dim, bytes
    assert bytes_a_token(loud("gemma3")) == 2 * 2 * 2 * 8 * 4


def test_most_families_run_in_one_pass() -> None:
    """So that none falls back to passes of its own unnoticed."""
    assert all(runs_ragged(loud(family)) for family in ("llama", "gpt2", "gemma3", "qwen3", "phi3"))
    assert not any(runs_ragged(loud(family)) for family in ("bloom", "llama4_text"))


# the gate


def test_a_visitor_comes_before_the_engine() -> None:
    gate = Gate()
    order: list[str] = []
    stop = threading.Event()

    def engine() -> None:
        while not stop.is_set():
            with gate.pass_through():
                order.append("pass")
                time.sleep(0.002)

    thread = threading.Thread(target=engine)
    thread.start()
    time.sleep(0.02)
    waits = []
    for _ in range(5):
        begun = time.monotonic()
        with gate.visit(), gate.visit():
            waits.append(time.monotonic() - begun)
            before = len(order)
            time.sleep(0.01)
            assert len(order) == before
    stop.set()
    thread.join()
    assert max(waits) < 1


def test_the_gate_opens_again_after_an_error() -> None:
    gate = Gate()
    with pytest.raises(ZeroDivisionError), gate.visit():
        _ = 1 / 0
    with gate.pass_through(), gate.pass_through():
        pass
