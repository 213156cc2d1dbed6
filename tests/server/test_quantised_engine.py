"""Quantised decoders: replies alone and in company are the same; personas are made elsewhere.

8-bit weights get passes of their own: bitsandbytes decides over the whole batch which columns it
multiplies in 16 bits, so rows of one pass are not independent of each other, with any engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from personalign.errors import PersonaError
from personalign.methods.carry_over import carry_over, read_heads
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.generate import generate
from personalign.model.persona import Persona
from personalign.server.engine import Engine
from personalign.server.service import open_service
from personalign.server.store import PersonaStore
from tests.model.conftest import CHATS, some_shift
from tests.model.loud import people
from tests.server.live import call, listening


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("bitsandbytes", reason="the extra 'quantise' is not installed")
    full = fake_decoder("llama", hidden_size=64, intermediate_size=64, head_dim=16)
    folder = tmp_path_factory.mktemp("wide")
    full.model.save_pretrained(folder)
    full.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("quantize", ["4bit", "8bit"])
def test_a_quantised_decoder_serves_many_personas(quantize: Any, folder: Path) -> None:
    decoder = Decoder.load(folder, device="cpu", quantize=quantize)
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


def test_personas_are_carried_over_and_not_made_beside_replies(
    folder: Path, tmp_path: Path
) -> None:
    full = Decoder.load(folder, device="cpu")
    decoder = Decoder.load(folder, device="cpu", quantize="4bit")
    old = Persona(shift=some_shift(full), alpha=2.0, provenance=full.provenance)
    before, after = (read_heads(one, [old]) for one in (full, decoder))
    new = carry_over(old, decoder, before=before, after=after).persona
    alone = generate(decoder, new, CHATS[1], max_new_tokens=8)[0]
    assert alone != generate(decoder, Persona(), CHATS[1], max_new_tokens=8)[0]
    store = PersonaStore(tmp_path / "personas", decoder)
    with pytest.raises(PersonaError, match="was made for the model"):
        store.put("old", old)
    store.delete("old")
    store.put("ann", new)
    assert store.wait(60)
    with listening(open_service(decoder, store, Engine, name="small")) as url:
        body = {"name": "ben", "answers": [4] * 120}
        refused = call(f"{url}/v1/personas", body)
        assert refused.status == 501 and refused.error["code"] == "not_supported"
        assert "personalign carry --quantise 4bit" in refused.error["message"]
        asked = {"model": "small:ann", "messages": CHATS[1], "temperature": 0, "max_tokens": 8}
        answer = call(f"{url}/v1/chat/completions", asked)
        assert answer.status == 200, answer.data
        assert answer.json["choices"][0]["message"]["content"] == alone
