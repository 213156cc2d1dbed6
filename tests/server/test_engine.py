"""The laws of serving: every reply is what its persona gives alone, whoever runs beside it."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from personalign.errors import (
    EngineClosed,
    EngineFull,
    MethodError,
    ModelError,
    PersonaError,
    SteeringError,
)
from personalign.model.adapters import apply_adapter, load_adapter
from personalign.model.decoder import Decoder
from personalign.model.fake import FAMILIES, fake_decoder
from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from personalign.model.shift import Shift
from personalign.model.steer import row_displacements
from personalign.server import engine as engine_module
from personalign.server import loop
from personalign.server.engine import Engine, Piece, Request, Ticket
from personalign.server.loop import StepLoop
from personalign.server.reply_text import ReplyText
from tests.model.conftest import CHATS, some_shift
from tests.model.loud import loud, make_loud, one_pass, people
from tests.model.test_adapters import make_adapter

SERVED = ("llama", "gpt2", "gemma3", "qwen3", "mistral", "gemma2", "bloom")
"""One pass for all rows, but for the last: its attention adds biases of its own."""


def decoder_of(family: str) -> Decoder:
    if family.startswith("gemma"):  # louder weights would drown the personas
        decoder = fake_decoder(family, 2, sliding_window=16)
    else:
        decoder = make_loud(family, **({"sliding_window": 16} if family == "mistral" else {}))
    decoder.end_ids = frozenset()  # type: ignore[misc]  # else some would end at once
    return decoder


def empty(engine: Engine) -> None:
    """Nothing waits, runs or is held."""
    stats = engine.stats()
    assert (stats.queued, stats.running, stats.slots_held) == (0, 0, 0)
    assert not engine._loop._reading
    assert not engine._loop.slots._pushed
    kept = engine._loop.prefixes
    held = sum(k.nbytes + v.nbytes for block in kept._kept.values() for k, v in block)
    assert stats.cache_bytes == held <= kept.budget


@pytest.mark.parametrize("family", SERVED)
def test_replies_equal_those_alone_while_others_join_and_leave(family: str) -> None:
    decoder = decoder_of(family)
    everyone = people(decoder) * 2
    chats = [CHATS[row % 3] for row in range(len(everyone))]
    lengths = [5 + 3 * (row % 4) for row in range(len(everyone))]
    alone = [
        generate(decoder, persona, chat, max_new_tokens=length)[0]
        for persona, chat, length in zip(everyone, chats, lengths, strict=True)
    ]
    assert len(set(alone)) > 4
    with Engine(decoder, max_batch=3) as engine:
        assert engine.ragged == (family != "bloom")
        tickets = []
        for persona, chat, length in zip(everyone, chats, lengths, strict=True):
            tickets.append(engine.submit(engine.request(persona, chat, max_new_tokens=length)))
            if len(tickets) == 6:
                next(iter(tickets[0]))  # the others come while these run
        first = [piece.text for piece in tickets[0]]
        assert alone[0].endswith("".join(first))
        assert [ticket.text() for ticket in tickets[1:]] == alone[1:]
        empty(engine)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_served(family: str) -> None:
    """In one pass or in passes of their own, but right."""
    decoder = loud(family)
    three = people(decoder)[1:4]
    with Engine(decoder) as engine:
        tickets = [
            engine.submit(engine.request(persona, chat, max_new_tokens=5))
            for persona, chat in zip(three, CHATS, strict=True)
        ]
        replies = [ticket.text() for ticket in tickets]
    assert replies == [
        generate(decoder, persona, chat, max_new_tokens=5)[0]
        for persona, chat in zip(three, CHATS, strict=True)
    ]


def test_one_pass_serves_all_rows() -> None:
    decoder = loud()
    with Engine(decoder, max_batch=8) as engine:
        passes = count_passes(engine)
        with engine.alone():
            tickets = [
                engine.submit(engine.request(persona, CHATS[0], max_new_tokens=9))
                for persona in people(decoder)
            ]
        for ticket in tickets:
            ticket.text()
    writing = [rows for rows, width in passes if width == 1]
    assert max(writing) == len(tickets)
    assert len(writing) <= 9 + 3  # prompts of unlike lengths join one after another


def count_passes(engine: Engine) -> list[tuple[int, int]]:
    """(rows, tokens) of every pass to come."""
    passes: list[tuple[int, int]] = []
    body = engine.decoder.body
    forward = body.forward

    def counted(*args: Any, **named: Any) -> Any:
        passes.append(tuple(named["input_ids"].shape))
        return forward(*args, **named)

    body.forward = counted
    close = engine.close

    def undo(*, drain: bool) -> None:
        close(drain=drain)
        del body.forward

    engine.close = undo  # type: ignore[method-assign]
    return passes


def test_a_slot_taken_over_carries_nothing_of_its_last_persona() -> None:
    """Two slots for twelve personas, taken over while other rows run."""
    decoder = loud()
    crowd = [
        Persona(shift=some_shift(decoder, k=2 + seed % 3, seed=seed), alpha=2.0)
        for seed in range(12)
    ]
    alone = generate(decoder, crowd, CHATS[1], max_new_tokens=10)
    with Engine(decoder, max_batch=2, slots=2) as engine:
        tickets = [
            engine.submit(engine.request(persona, CHATS[1], max_new_tokens=10)) for persona in crowd
        ]
        assert [ticket.text() for ticket in tickets] == alone
        plain = engine.submit(engine.request(PLAIN, CHATS[1], max_new_tokens=10))
        assert plain.text() == generate(decoder, PLAIN, CHATS[1], max_new_tokens=10)[0]
        stats = engine.stats()
        assert (stats.slots_used, stats.slots_held, stats.personas_laid) == (2, 0, 12)


def test_random_cancels_leave_nothing_behind_and_disturb_nobody() -> None:
    decoder = loud()
    dice = random.Random(0)
    everyone = people(decoder)
    whole = {
        row: generate(decoder, persona, CHATS[row % 3], max_new_tokens=12)[0]
        for row, persona in enumerate(everyone)
    }
    with Engine(decoder, max_batch=4, prefix_budget=40_000) as engine:
        running: list[tuple[int, Ticket, int]] = []
        for _ in range(60):
            row = dice.randrange(len(everyone))
            ask = engine.request(everyone[row], CHATS[row % 3], max_new_tokens=12)
            running.append((row, engine.submit(ask), dice.choice([0, 1, 5, 99])))
        for row, ticket, patience in running:
            said = []
            for number, piece in enumerate(ticket):
                if number == patience:
                    ticket.cancel()
                said.append(piece.text)
                last = piece
            text = "".join(said)
            assert whole[row].startswith(text)
            assert text == whole[row] or last.finish == "cancelled"
        empty(engine)


def test_leaving_the_tickets_block_cancels() -> None:
    with Engine(loud()) as engine:
        with engine.submit(engine.request(PLAIN, "Hm?", max_new_tokens=2000)) as ticket:
            next(iter(ticket))
        *_, last = ticket
        assert last == Piece(-1, "", finish="cancelled")
        assert list(ticket) == []
        empty(engine)


def test_sampled_replies_depend_on_their_own_seed_only() -> None:
    decoder = loud()
    everyone = people(decoder)
    rules: dict[str, Any] = {"temperature": 1.2, "top_p": 0.9, "max_new_tokens": 10}
    alone = [
        generate(decoder, persona, CHATS[0], seed=seed, **rules)[0]
        for seed, persona in enumerate(everyone)
    ]
    with Engine(decoder, max_batch=3) as engine:
        for order in (range(len(everyone)), reversed(range(len(everyone)))):
            tickets = {
                row: engine.submit(engine.request(everyone[row], CHATS[0], seed=row, **rules))
                for row in order
            }
            assert [tickets[row].text() for row in range(len(everyone))] == alone
        again = [
            engine.submit(engine.request(PLAIN, CHATS[0], seed=seed, **rules)).text()
            for seed in (5, 5, 6)
        ]
    assert again[0] == again[1] != again[2]


def test_rows_keep_their_own_rules() -> None:
    """Greedy, cool, hot, top_k 1 and top_p ~ 0 side by side."""
    decoder = loud()
    rules: list[dict[str, Any]] = [
        {},
        {"temperature": 2.0, "top_k": 1},
        {"temperature": 2.0, "top_p": 1e-6},
        {"temperature": 2.0, "seed": 4},
    ]
    with Engine(decoder) as engine:
        with engine.alone():  # so that they run beside each other
            tickets = [
                engine.submit(engine.request(PLAIN, CHATS[0], max_new_tokens=12, **rule))
                for rule in rules
            ]
        greedy, first, narrow, hot = (ticket.text() for ticket in tickets)
    assert greedy == first == narrow != hot


def test_what_one_request_asks_for_is_nothing_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Values that float32 or int64 cannot hold, no token to be drawn, no text of a token."""
    decoder = loud()
    hot = {"temperature": 1.5, "seed": 4, "max_new_tokens": 12}
    greedy = generate(decoder, PLAIN, CHATS[0], max_new_tokens=12)[0]
    assert generate(decoder, PLAIN, CHATS[0], temperature=1e-45, max_new_tokens=12)[0] == greedy
    assert generate(decoder, PLAIN, CHATS[0], **(hot | {"top_p": 1e-46}))[0] == greedy
    push = ReplyText.push

    def fail(text: ReplyText, token: int) -> str:
        if "unspeakable" in text.stop:
            raise KeyError(token)
        return push(text, token)

    monkeypatch.setattr(ReplyText, "push", fail)
    extremes: list[dict[str, Any]] = [
        {"temperature": 1e-40},
        {"temperature": 1e-300},
        {"top_p": 1e-46},
        {"top_k": 2**70},
        {"temperature": 10**400},  # no float at all
        {"stop": ("unspeakable",)},
    ]
    with Engine(decoder) as engine:
        alone = engine.submit(engine.request(PLAIN, CHATS[0], **hot)).text()
        with engine.alone():  # so that they run beside each other
            bad = [engine.submit(engine.request(PLAIN, CHATS[0], **(hot | x))) for x in extremes]
            good = [engine.submit(engine.request(PLAIN, CHATS[0], **hot)) for _ in range(2)]
        assert [ticket.text() for ticket in good] == [alone] * 2
        assert [ticket.text() for ticket in bad[:4]] == [greedy] * 3 + [alone]
        with pytest.raises(MethodError, match="No token could be drawn with temperature 1000"):
            bad[4].text()
        with pytest.raises(KeyError):
            bad[5].text()
        empty(engine)


def test_stop_strings_are_never_said() -> None:
    decoder = loud()
    everyone = people(decoder)
    whole = generate(decoder, everyone, CHATS[0], max_new_tokens=24)
    stop = (whole[0][4:7], whole[1][9:11], "never said at all")
    expected = generate(decoder, everyone, CHATS[0], max_new_tokens=24, until=stop)
    with Engine(decoder) as engine:
        tickets = [
            engine.submit(engine.request(persona, CHATS[0], max_new_tokens=24, stop=stop))
            for persona in everyone
        ]
        for ticket, text, full in zip(tickets, expected, whole, strict=True):
            pieces = list(ticket)
            said = ""
            for piece in pieces:
                said += piece.text
                assert not any(end in said for end in stop)
            assert said == text
            assert pieces[-1].finish == ("length" if text == full else "stop")
    assert sum(len(text) < len(full) for text, full in zip(expected, whole, strict=True)) >= 2


def test_an_end_of_turn_ends_the_reply_and_is_no_part_of_it() -> None:
    decoder = make_loud()
    endless = generate(decoder, PLAIN, CHATS[0], max_new_tokens=16)[0]
    tokens = []
    with Engine(decoder) as engine:
        for piece in engine.submit(engine.request(PLAIN, CHATS[0], max_new_tokens=16)):
            tokens.append(piece.token)
        assert piece.finish == "length"
    decoder.end_ids = frozenset({tokens[7]})  # type: ignore[misc]
    first = tokens.index(tokens[7])
    with Engine(decoder) as engine:
        ticket = engine.submit(engine.request(PLAIN, CHATS[0], max_new_tokens=16))
        pieces = list(ticket)
    assert [piece.token for piece in pieces] == tokens[: first + 1]
    assert pieces[-1].finish == "stop"
    assert endless.startswith("".join(piece.text for piece in pieces))
    assert ticket.usage.completion_tokens == first
    assert ticket.usage.prompt_tokens == len(ticket.request.prompt)


@pytest.mark.parametrize("family", ["llama", "gemma3", "bloom"])
def test_logprobs_are_those_of_a_plain_pass(family: str) -> None:
    decoder = loud(family)
    everyone = people(decoder)
    with Engine(decoder) as engine:
        tickets = [
            engine.submit(engine.request(persona, CHATS[0], max_new_tokens=6, logprobs=3))
            for persona in everyone
        ]
        plain = engine.submit(engine.request(PLAIN, CHATS[0], max_new_tokens=2))
        replies = [list(ticket) for ticket in tickets]
        assert all(piece.logprob is None and piece.top == () for piece in plain)
    for persona, ticket, pieces in zip(everyone, tickets, replies, strict=True):
        tokens = [piece.token for piece in pieces]
        prompt = list(ticket.request.prompt)
        first = len(prompt) - 1 if persona.scope == "generated" else 0
        whole = one_pass(decoder, row_displacements(decoder, [persona]), prompt + tokens, first)
        for place, piece in enumerate(pieces):
            expected = whole[len(prompt) - 1 + place]
            assert piece.logprob == pytest.approx(float(expected[piece.token]), abs=1e-3)
            values, ids = expected.topk(3)
            assert [token for token, _ in piece.top] == ids.tolist()
            assert [value for _, value in piece.top] == pytest.approx(values.tolist(), abs=1e-3)


@pytest.mark.parametrize("scope", ["all", "generated"])
def test_a_begun_reply_is_gone_on_with(scope: Any) -> None:
    decoder = loud()
    persona = Persona(shift=some_shift(decoder), alpha=3.0, scope=scope)
    with Engine(decoder) as engine:
        for begun in ("", "Well, I think"):
            ticket = engine.submit(engine.request(persona, CHATS[0], begun=begun, max_new_tokens=8))
            reply = ticket.text()
            expected = generate(decoder, persona, CHATS[0], begun=begun, max_new_tokens=8)
            assert reply == expected[0]


def test_long_prompts_are_read_part_by_part_while_others_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "READ_TOKENS", 16)
    decoder = loud()
    everyone = [
        Persona("You are a bold person who loves parties. " * 5, some_shift(decoder), 2.0, scope)  # type: ignore[arg-type]
        for scope in ("all", "generated")
    ] * 2
    alone = generate(decoder, everyone, CHATS[0], max_new_tokens=20)
    with Engine(decoder) as engine:
        passes = count_passes(engine)
        short = engine.submit(engine.request(PLAIN, "Hm?", max_new_tokens=60))
        next(iter(short))
        tickets = [
            engine.submit(engine.request(persona, CHATS[0], max_new_tokens=20))
            for persona in everyone
        ]
        assert [ticket.text() for ticket in tickets] == alone
        short.text()
        empty(engine)
    assert max(rows * width for rows, width in passes) <= 32
    kinds = [width == 1 for _, width in passes]
    assert any(kinds[i : i + 3] == [False, True, False] for i in range(len(kinds)))


def test_prompts_read_part_by_part_end_one_by_one_while_others_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rows still being read then lie anywhere in the batch."""
    monkeypatch.setattr(loop, "READ_TOKENS", 12)
    monkeypatch.setattr(loop, "UNLIKE", 99)
    monkeypatch.setattr(StepLoop, "_goes_along", lambda *_: True)
    decoder = make_loud()
    decoder.end_ids = frozenset()  # type: ignore[misc]
    everyone = [
        Persona("You are a bold person. " * (1 + 3 * (row % 4)), some_shift(decoder, seed=row), 2.0)
        for row in range(6)
    ]
    lengths = [3, 25, 4, 25, 6, 9]
    expected = [
        generate(decoder, persona, CHATS[0], max_new_tokens=length)[0]
        for persona, length in zip(everyone, lengths, strict=True)
    ]
    with Engine(decoder, max_batch=8) as engine:
        early = [
            engine.submit(engine.request(PLAIN, "Hm?", max_new_tokens=5 + 4 * row))
            for row in range(3)
        ]
        next(iter(early[0]))
        tickets = [
            engine.submit(engine.request(persona, CHATS[0], max_new_tokens=length))
            for persona, length in zip(everyone, lengths, strict=True)
        ]
        assert [ticket.text() for ticket in tickets] == expected
        assert early[2].text().startswith(early[1].text())
        empty(engine)


def test_a_prompt_that_is_all_begun_reply_shares_nothing_of_its_push() -> None:
    decoder = loud()
    prompt = tuple(decoder.chat.encode("I love large parties and trust others. " * 4))
    pushed = Persona(shift=some_shift(decoder), alpha=3.0, scope="generated")
    with Engine(decoder) as engine:
        ask = Request(prompt, pushed, begun=len(prompt), max_new_tokens=40)
        engine.submit(ask).text()
        ticket = engine.submit(Request(prompt, PLAIN, max_new_tokens=6))
        tokens = [piece.token for piece in ticket]
        assert ticket.usage.cached_tokens == 0
    whole = one_pass(decoder, {}, [*prompt, *tokens], 0)
    assert whole[len(prompt) - 1 : -1].argmax(-1).tolist() == tokens


def test_without_room_for_beginnings_nobody_waits_for_them() -> None:
    decoder = loud()
    for budget, passes_wanted in ((0, 1), (2**28, 2)):
        with Engine(decoder, prefix_budget=budget) as engine:
            passes = count_passes(engine)
            with engine.alone():
                tickets = [
                    engine.submit(engine.request(PLAIN, "I love parties. " * 9, max_new_tokens=1))
                    for _ in range(3)
                ]
            for ticket in tickets:
                ticket.text()
        assert len(passes) == passes_wanted


def test_what_a_personas_chats_begin_with_is_read_once() -> None:
    decoder = loud()
    long = "You are a bold person who loves parties. " * 6
    one = Persona(long, some_shift(decoder, seed=1), 2.0)
    other = Persona(long, some_shift(decoder, seed=2), 2.0)
    questions = ["Do you trust others?", "Do you worry about things?", "Do you like art?"]

    def cached(engine: Engine, persona: Persona, question: str) -> int:
        ticket = engine.submit(engine.request(persona, question, max_new_tokens=8))
        assert ticket.text() == generate(decoder, persona, question, max_new_tokens=8)[0]
        return ticket.usage.cached_tokens

    with Engine(decoder) as engine:
        assert cached(engine, one, questions[0]) == 0
        assert cached(engine, one, questions[1]) >= 64
        assert cached(engine, other, questions[1]) == 0  # the same words, another push
        assert cached(engine, one.with_alpha(2.5), questions[1]) == 0
        assert cached(engine, other, questions[2]) >= 64
        hits = engine.stats().cache_hits
        with engine.alone():
            new = one.with_alpha(-1.0)
            tickets = [
                engine.submit(engine.request(new, question, max_new_tokens=8))
                for question in questions
            ]
        found = sorted(ticket.usage.cached_tokens for ticket in tickets if ticket.text() or True)
        assert found[0] == 0 and found[1] >= 64  # one reads it, the others wait for that
        assert engine.stats().cache_hits > hits
    with Engine(decoder) as engine:  # before the reply nobody is pushed, so the words are shared
        assert cached(engine, Persona(long, one.shift, 2.0, "generated"), questions[0]) == 0
        assert cached(engine, Persona(long, other.shift, 2.0, "generated"), questions[1]) >= 64
        assert cached(engine, Persona(long), questions[2]) >= 64
    with Engine(decoder, prefix_budget=0) as engine:
        assert cached(engine, one, questions[0]) == cached(engine, one, questions[1]) == 0


def test_the_next_turn_of_a_chat_reads_what_is_new() -> None:
    decoder = loud()
    persona = Persona(shift=some_shift(decoder), alpha=2.0)
    with Engine(decoder) as engine:
        first = engine.request(persona, CHATS[2], max_new_tokens=40)
        ticket = engine.submit(first)
        written = [piece.token for piece in ticket]
        more = (*first.prompt, *written, *decoder.chat.encode(" Why?"))
        ticket = engine.submit(Request(more, persona, max_new_tokens=6))
        tokens = [piece.token for piece in ticket]
        assert ticket.usage.cached_tokens >= len(first.prompt)
        whole = one_pass(decoder, row_displacements(decoder, [persona]), [*more, *tokens], 0)
        assert whole[len(more) - 1 : -1].argmax(-1).tolist() == tokens


def test_a_full_queue_raises_and_says_so() -> None:
    decoder = loud()
    with Engine(decoder, max_batch=1, queue=2) as engine:
        with engine.alone():
            waiting = [engine.submit(engine.request(PLAIN, "Hm?", max_new_tokens=3))]
            waiting.append(engine.submit(engine.request(PLAIN, "Hm?", max_new_tokens=3)))
            with pytest.raises(EngineFull, match="2 requests wait already"):
                engine.submit(engine.request(PLAIN, "Hm?"))
            assert engine.stats().queued == 2
        assert len({ticket.text() for ticket in waiting}) == 1
        engine.submit(engine.request(PLAIN, "Hm?", max_new_tokens=1)).text()


def test_closing_finishes_or_cancels() -> None:
    decoder = loud()
    expected = generate(decoder, PLAIN, CHATS[0], max_new_tokens=30)[0]
    for drain in (True, False):
        engine = Engine(decoder, max_batch=2)
        tickets = [
            engine.submit(engine.request(PLAIN, CHATS[0], max_new_tokens=30 if drain else 3000))
            for _ in range(5)
        ]
        next(iter(tickets[0]))
        engine.close(drain=drain)
        assert not engine._thread.is_alive()
        empty(engine)
        rest = [list(ticket) for ticket in tickets]
        if drain:
            assert ["".join(p.text for p in pieces) for pieces in rest[1:]] == [expected] * 4
        else:
            assert all(pieces[-1].finish == "cancelled" for pieces in rest)
        with pytest.raises(EngineClosed, match="shutting down"):
            engine.submit(engine.request(PLAIN, "Hm?"))
        engine.close(drain=drain)  # twice is once


def test_a_persona_whose_logits_are_not_finite_fails_alone() -> None:
    decoder = loud()
    far = Persona(shift=some_shift(decoder, sigma=1e14), alpha=5.0)
    broken = make_loud(dtype=torch.float16)
    far16 = Persona(shift=some_shift(broken, sigma=1e5), alpha=5.0)
    near = Persona(shift=some_shift(broken), alpha=1.0)
    expected = generate(broken, near, CHATS[0], max_new_tokens=12)[0]
    with Engine(broken, max_batch=2) as engine:
        good = engine.submit(engine.request(near, CHATS[0], max_new_tokens=12))
        bad = engine.submit(engine.request(far16, CHATS[0], max_new_tokens=12))
        with pytest.raises(SteeringError, match="With alpha 5 "):
            bad.text()
        assert good.text() == expected
        again = [engine.submit(engine.request(near, CHATS[0], max_new_tokens=12)) for _ in range(4)]
        assert [ticket.text() for ticket in again] == [expected] * 4
        empty(engine)
    with Engine(decoder) as engine, pytest.raises(SteeringError, match="too large"):
        engine.submit(engine.request(far.with_alpha(50.0), "Hm?"))


def test_what_nobody_foresaw_ends_its_rows_and_not_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = make_loud()
    expected = generate(decoder, PLAIN, CHATS[0], max_new_tokens=5)[0]
    with Engine(decoder) as engine:
        forward = decoder.body.forward

        def fail(**_: Any) -> None:
            raise RuntimeError("out of memory")

        decoder.body.forward = fail
        with pytest.raises(RuntimeError, match="out of memory"):
            engine.submit(engine.request(PLAIN, CHATS[0])).text()
        decoder.body.forward = forward
        empty(engine)
        ticket = engine.submit(engine.request(PLAIN, CHATS[0], max_new_tokens=5))
        assert ticket.text() == expected


def test_a_turn_that_fails_outside_a_pass_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = loud()
    steered = Persona(shift=some_shift(decoder), alpha=2.0)
    expected = generate(decoder, steered, CHATS[0], max_new_tokens=5)[0]
    with Engine(decoder, max_batch=2) as engine:
        rows = type(engine._loop._new_rows())
        join, joined = rows.join, []

        def fail(self: Any, row: Any, known: Any) -> None:
            if joined:
                raise MemoryError("no room for another row")
            joined.append(row)
            join(self, row, known)

        monkeypatch.setattr(rows, "join", fail)
        with engine.alone():
            tickets = [
                engine.submit(engine.request(steered, CHATS[0], max_new_tokens=5)) for _ in range(3)
            ]
        for ticket in tickets:
            with pytest.raises(MemoryError, match="no room"):
                ticket.text()
        empty(engine)
        monkeypatch.setattr(rows, "join", join)
        ticket = engine.submit(engine.request(steered, CHATS[0], max_new_tokens=5))
        assert ticket.text() == expected


def test_what_does_not_fit_is_refused_and_what_fits_waits() -> None:
    decoder = loud()
    token = 2 * 2 * 2 * 8 * 4  # layers, keys and values, their heads, head_dim, bytes
    with Engine(decoder, kv_budget=65 * token * 2) as engine:
        ask = engine.request(PLAIN, "Hm?", max_new_tokens=500)
        with pytest.raises(MethodError, match="larger kv_budget"):
            engine.submit(ask)
        tickets = [
            engine.submit(engine.request(persona, "Hm?", max_new_tokens=9))
            for persona in people(decoder)
        ]
        most = 0
        while engine.stats().running or engine.stats().queued:
            most = max(most, engine.stats().running)
            assert engine.stats().kv_bytes <= engine._loop.kv_budget
        assert 1 <= most <= 2
        assert [ticket.text() for ticket in tickets] == generate(
            decoder, people(decoder), "Hm?", max_new_tokens=9
        )


def test_the_context_ends_the_reply() -> None:
    decoder = make_loud(max_position_embeddings=96)
    decoder.end_ids = frozenset()  # type: ignore[misc]
    with Engine(decoder) as engine:
        ticket = engine.submit(engine.request(PLAIN, "Hm?", max_new_tokens=500))
        pieces = list(ticket)
        assert pieces[-1].finish == "length"
        assert len(ticket.request.prompt) + len(pieces) == 96
        with pytest.raises(ModelError, match="reads at most 96"):
            engine.submit(engine.request(PLAIN, "Why? " * 100))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"prompt": ()}, "is empty"),
        ({"begun": 9}, "9 tokens"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"temperature": -1.0}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"seed": -1}, "seed"),
        ({"stop": ("",)}, "stop string"),
        ({"logprobs": 21}, "logprobs"),
    ],
)
def test_what_cannot_be_asked(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(MethodError, match=match):
        Request(**({"prompt": (5, 6), "persona": PLAIN} | wrong))


@pytest.mark.parametrize("name", ["max_batch", "queue", "kv_budget", "prefix_budget", "slots"])
def test_what_an_engine_cannot_be(name: str) -> None:
    with pytest.raises(MethodError, match=name):
        Engine(loud(), **{name: -1})


def test_a_shift_of_another_model_is_refused_at_once() -> None:
    foreign = Persona(shift=Shift([7], [0], torch.eye(8)[:1].numpy(), [1.0]), alpha=1.0)
    with Engine(loud()) as engine, pytest.raises(SteeringError, match="layer 7"):
        engine.submit(engine.request(foreign, "Hm?"))


def test_pieces_reach_an_event_loop() -> None:
    decoder = loud()
    everyone = people(decoder)

    async def listen(engine: Engine, persona: Persona) -> str:
        ticket = engine.submit(engine.request(persona, CHATS[0], max_new_tokens=10))
        return "".join([piece.text async for piece in ticket])

    async def all_of_them(engine: Engine) -> list[str]:
        return await asyncio.gather(*(listen(engine, persona) for persona in everyone))

    with Engine(decoder) as engine:
        replies = asyncio.run(all_of_them(engine))
    assert replies == generate(decoder, everyone, CHATS[0], max_new_tokens=10)


def test_many_threads_may_ask_at_once() -> None:
    decoder = loud()
    everyone = people(decoder) * 3
    replies: dict[int, str] = {}
    with Engine(decoder, max_batch=4) as engine:

        def ask(row: int) -> None:
            rules = engine.request(everyone[row], CHATS[row % 3], max_new_tokens=6)
            replies[row] = engine.submit(rules).text()

        threads = [threading.Thread(target=ask, args=(row,)) for row in range(len(everyone))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        empty(engine)
    for row, persona in enumerate(everyone):
        assert replies[row] == generate(decoder, persona, CHATS[row % 3], max_new_tokens=6)[0]


def test_the_decoder_is_itself_for_whoever_is_alone_with_it() -> None:
    decoder = loud()
    steered = Persona(shift=some_shift(decoder), alpha=3.0)
    expected = generate(decoder, [PLAIN, steered], CHATS[0], max_new_tokens=20)
    with Engine(decoder) as engine:
        ticket = engine.submit(engine.request(steered, CHATS[0], max_new_tokens=20))
        with engine.alone() as mine, engine.alone():
            before = engine.stats().tokens_generated
            assert mine is decoder
            assert not any(p._forward_pre_hooks for p in decoder.heads.projections)
            assert generate(decoder, PLAIN, CHATS[0], max_new_tokens=20)[0] == expected[0]
            time.sleep(0.05)
            assert engine.stats().tokens_generated == before
        assert ticket.text() == expected[1]


@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom"])
def test_personas_with_adapters_run_beside_the_others(family: str, tmp_path: Path) -> None:
    decoder = make_loud(family)
    lora = str(make_adapter(decoder, "lora", tmp_path / "lora"))
    tuned = str(make_adapter(decoder, "prompt", tmp_path / "prompt"))
    shift = some_shift(decoder)
    everyone = [
        PLAIN,
        Persona(adapter=lora),
        Persona("Be bold.", shift, 2.0, adapter=lora),
        Persona(shift=shift, alpha=2.0),
        Persona(adapter=tuned),
        Persona(shift=shift, alpha=2.0, scope="generated", adapter=tuned),
    ]
    alone = generate(decoder, everyone, CHATS[0], max_new_tokens=10)
    assert len(set(alone)) >= 5
    with Engine(decoder, max_batch=4) as engine:
        for _ in range(2):
            tickets = [
                engine.submit(engine.request(persona, CHATS[0], max_new_tokens=10))
                for persona in everyone
            ]
            assert [ticket.text() for ticket in tickets] == alone
        empty(engine)
        with apply_adapter(decoder, tuned):  # rendered with the adapter on, or without
            prompt = tuple(decoder.render(tickets_chat()))
        ticket = engine.submit(Request(prompt, everyone[4], max_new_tokens=10))
        assert ticket.text() == alone[4]
        with pytest.raises(PersonaError, match="does not exist"):
            engine.submit(engine.request(Persona(adapter=str(tmp_path / "none")), "Hm?"))
    assert decoder.adapter is None


def test_adapters_in_memory_are_bounded_whoever_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "KEPT_ADAPTERS", 2)
    decoder = make_loud()
    decoder.end_ids = frozenset()  # type: ignore[misc]
    one, two, three = (
        Persona(adapter=str(make_adapter(decoder, "lora", tmp_path / str(seed), seed=seed)))
        for seed in range(3)
    )
    wanted = [two, one, two, PLAIN]
    expected = generate(decoder, wanted, "Hm?", max_new_tokens=2)
    with Engine(decoder, max_batch=1) as engine:
        loads = count_loads(monkeypatch)

        def ask(persona: Persona, tokens: int = 2) -> Ticket:
            return engine.submit(engine.request(persona, "Hm?", max_new_tokens=tokens))

        running = ask(one, 10_000)
        next(iter(running))
        waiting = [ask(persona) for persona in wanted]
        engine.forget([Persona("Somebody else.")])  # what others need stays
        with pytest.raises(EngineFull, match="2 different adapters"):
            ask(three)
        assert len(loads) == 2
        running.cancel()
        assert [ticket.text() for ticket in waiting] == expected
        ask(three).text()
        assert len(engine._adapters) == 2 and len(loads) == 3
        engine.forget([three])
        assert not engine._adapters


def count_loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders of adapters that the engine reads from now on."""
    loads: list[str] = []

    def load(decoder: Decoder, folder: str) -> Any:
        loads.append(folder)
        return load_adapter(decoder, folder)

    monkeypatch.setattr(engine_module, "load_adapter", load)
    return loads


def tickets_chat() -> list[dict[str, str]]:
    from personalign.model.generate import persona_chat

    return persona_chat(PLAIN, CHATS[0])
