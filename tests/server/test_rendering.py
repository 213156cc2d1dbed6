"""Prompts wait for one thread: what cannot fit is refused unread, and no more waits than may."""

from __future__ import annotations

import asyncio
import threading

import pytest

from personalign.errors import EngineFull
from personalign.model.persona import PLAIN
from personalign.server import rendering
from personalign.server.refusals import Refusal
from personalign.server.rendering import Renderer
from tests.model.loud import loud


def chat(text: str, times: int = 1) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n in range(times)]


def test_nobody_waits_for_what_cannot_fit_nor_short_texts_for_long_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renderer = Renderer(loud())
    assert renderer.context == 4096
    longest = max(loud().tokenizer.get_vocab(), key=len)
    held = threading.Event()
    monkeypatch.setattr(rendering, "MOST_WAITING", 4000)
    monkeypatch.setattr(rendering, "LONG", 1000)

    async def run() -> None:
        renderer._long.thread.submit(held.wait, 60)  # long ones wait
        far = "x" * (4096 * len(longest) + 1)
        for asked in (
            renderer.chat(PLAIN, chat(far)),
            renderer.chat(PLAIN, chat("x", 4097)),
            renderer.text(PLAIN, far),
        ):
            with pytest.raises(Refusal, match="reads at most 4096 tokens") as refused:
                await asyncio.wait_for(asked, 10)
            assert refused.value.code == "context_length_exceeded"
        waiting = [asyncio.create_task(renderer.text(PLAIN, "party " * 300)) for _ in range(2)]
        await asyncio.sleep(0)
        for asked in (renderer.text(PLAIN, "party " * 300), renderer.chat(PLAIN, chat("x", 40))):
            with pytest.raises(EngineFull, match="wait to be read already"):
                await asyncio.wait_for(asked, 10)
        assert await asyncio.wait_for(renderer.chat(PLAIN, chat("A short one.")), 10)
        waiting[1].cancel()  # its client has left
        await asyncio.sleep(0)
        again = asyncio.create_task(renderer.text(PLAIN, "party " * 300))
        await asyncio.sleep(0)
        held.set()
        assert await again == await waiting[0]
        assert len(await renderer.text(PLAIN, "party " * 1000)) > 1000, "alone, as long as may be"

    try:
        asyncio.run(run())
    finally:
        held.set()
        renderer.close()
