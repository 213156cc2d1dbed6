"""The engine forgets: replies of those personas end, others' go on, and nothing of them is left."""

from __future__ import annotations

import torch

from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from personalign.server.engine import Engine
from tests.model.conftest import some_shift
from tests.model.loud import loud, make_loud
from tests.server.live import until

LONG = "What would you do with a free Saturday? " * 6


def test_their_replies_end_at_any_strength_and_others_go_on() -> None:
    decoder = make_loud()
    ann = Persona(shift=some_shift(decoder, seed=1), alpha=1.0)
    ben = Persona(shift=some_shift(decoder, seed=2), alpha=1.0)
    with Engine(decoder, max_batch=4) as engine:
        plain = engine.submit(engine.request(PLAIN, LONG, max_new_tokens=40))
        bens = engine.submit(engine.request(ben, LONG, max_new_tokens=40))
        anns = [
            engine.submit(engine.request(ann.with_alpha(alpha), LONG, max_new_tokens=10_000))
            for alpha in (1.0, -2.0, 0.5)  # the last one waits, and so does
        ]
        bobs = engine.submit(engine.request(PLAIN, LONG, max_new_tokens=10_000, owner="bob"))
        until(lambda: engine.stats().running == 4, "running")
        assert engine.cancel([ann, PLAIN]) == 3, "the model as it is belongs to nobody"
        assert engine.cancel(owners=["bob", ""]) == 1, "nor is it anybody's who is not named"
        for ticket in (*anns, bobs):
            assert list(ticket)[-1].finish == "cancelled"
        for ticket, persona in ((plain, PLAIN), (bens, ben)):
            assert ticket.text() == generate(loud(), persona, LONG, max_new_tokens=40)[0]


def test_nothing_is_left_on_the_device() -> None:
    decoder = make_loud()
    ann = Persona("You are Ann.", shift=some_shift(decoder, seed=1), alpha=1.0)
    with Engine(decoder, max_batch=4) as engine:
        for alpha in (1.0, 2.0):
            engine.submit(engine.request(ann.with_alpha(alpha), LONG, max_new_tokens=4)).text()
        stats, loop = engine.stats(), engine._loop
        kept = [states for one in loop.prefixes._kept.values() for pair in one for states in pair]
        assert stats.slots_used == 2 and any(states.any() for states in kept)
        assert _pool(engine).any()
        assert engine.forget([ann]) == 0
        stats = engine.stats()
        assert stats.slots_used == stats.cache_bytes == len(loop.prefixes) == 0
        assert not any(table.any() for table in loop.slots.tables.values())
        assert not any(states.any() for states in kept), "overwritten, not only let go"
        assert not _pool(engine).any()
        again = engine.submit(engine.request(ann, LONG, max_new_tokens=8)).text()
    assert again == generate(loud(), ann, LONG, max_new_tokens=8)[0]


def test_who_is_running_meanwhile_is_not_disturbed() -> None:
    decoder = make_loud()
    ann = Persona(shift=some_shift(decoder, seed=1), alpha=1.0)
    ben = Persona("You are Ben.", shift=some_shift(decoder, seed=2), alpha=1.5, scope="generated")
    with Engine(decoder, max_batch=4) as engine:
        bens = [engine.submit(engine.request(ben, LONG, max_new_tokens=60)) for _ in range(2)]
        until(lambda: engine.stats().running == 2, "running")
        for _ in range(5):
            engine.submit(engine.request(ann, LONG, max_new_tokens=3)).text()
            engine.forget([ann])
        expected = generate(loud(), ben, LONG, max_new_tokens=60)[0]
        assert [ticket.text() for ticket in bens] == [expected] * 2


def _pool(engine: Engine) -> torch.Tensor:
    """Everything in the pools of keys and values."""
    stores = [
        store.flatten()
        for batch in engine._loop._batches.values()
        for layer in batch.rows.pool.kept  # type: ignore[attr-defined]
        for store in (layer.keys, layer.values)
        if store is not None
    ]
    return torch.cat(stores) if stores else torch.zeros(0)
