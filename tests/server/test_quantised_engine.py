"""Quantised decoders: replies alone and in company are the same.

8-bit weights get passes of their own: bitsandbytes decides over the whole batch which columns it
multiplies in 16 bits, so rows of one pass are not independent of each other, with any engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.generate import generate
from personalign.server.engine import Engine
from tests.model.conftest import CHATS
from tests.model.loud import people


@pytest.mark.parametrize("quantize", ["4bit", "8bit"])
def test_a_quantised_decoder_serves_many_personas(quantize: Any, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    full = fake_decoder("llama", hidden_size=64, intermediate_size=64, head_dim=16)
    full.model.save_pretrained(tmp_path)
    full.tokenizer.save_pretrained(tmp_path)
    decoder = Decoder.load(tmp_path, device="cpu", quantize=quantize)
    everyone = people(decoder)
    alone = [generate(decoder, persona, CHATS[0], max_new_tokens=8)[0] for persona in everyone]
    assert len(set(alone)) > 3
    with Engine(decoder, max_batch=4) as engine:
        assert engine.ragged == (quantize == "4bit")
        tickets = [
            engine.submit(engine.request(persona, CHATS[0], max_new_tokens=8))
            for persona in everyone
        ]
        assert [ticket.text() for ticket in tickets] == alone
