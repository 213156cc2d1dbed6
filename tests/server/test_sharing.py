"""Nobody learns from `cached_tokens` what another key asked, or what a persona's prompt says."""

from __future__ import annotations

from pathlib import Path

from personalign.model.decoder import Decoder
from personalign.model.persona import Persona
from personalign.server.engine import Engine
from personalign.server.keys import KeyRing, create_key
from personalign.server.prefixes import BLOCK
from personalign.server.service import open_service
from tests.server.conftest import BASE, make_store
from tests.server.live import call, listening

SECRET = "You are a person who loves parties and worries about everything. " * 3
"""A persona's prompt, which somebody guesses to the letter."""


def test_only_the_same_key_finds_what_it_asked_the_same_persona(
    decoder: Decoder, tmp_path: Path
) -> None:
    keys = [create_key(tmp_path / "keys.json", name) for name in ("ann", "mallory")]
    store = make_store(decoder, tmp_path / "personas")
    for name in ("victim", "guess"):
        store.put(name, Persona(SECRET, provenance=decoder.provenance | {"method": "test"}))
    service = open_service(decoder, store, Engine, keys=KeyRing(tmp_path / "keys.json"))
    user = {"role": "user", "content": "Do you trust others?"}
    asked = [
        ("chat/completions", f"{BASE}:victim", {"messages": [user]}),
        ("chat/completions", f"{BASE}:guess", {"messages": [user]}),
        ("chat/completions", BASE, {"messages": [{"role": "system", "content": SECRET}, user]}),
        ("completions", f"{BASE}:victim", {"prompt": "Well,"}),
        ("completions", BASE, {"prompt": f"{SECRET}\n\nWell,"}),
    ]
    lengths = set()
    with listening(service) as url:
        for key in keys:
            for route, model, body in asked:
                body = {**body, "model": model, "max_tokens": 1, "temperature": 0}
                first, again = (
                    call(f"{url}/v1/{route}", body, key=key).json["usage"] for _ in range(2)
                )
                assert first["prompt_tokens_details"] == {"cached_tokens": 0}, (route, model)
                assert again["prompt_tokens_details"]["cached_tokens"] >= BLOCK
                lengths.add((route, first["prompt_tokens"]))
    assert len(lengths) == 2, "the guesses are the same tokens"
