"""What the server's tests share: a loud decoder, a few personas, a server with the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from personalign.model.decoder import Decoder
from personalign.model.persona import Persona
from personalign.server.engine import Engine
from personalign.server.service import Service, open_service
from personalign.server.store import PersonaStore
from tests.model.conftest import some_shift
from tests.model.loud import make_loud
from tests.server.live import listening

BASE = "fake llama"


@dataclass(frozen=True)
class Live:
    """A running server."""

    url: str
    service: Service
    personas: dict[str, Persona]


def make_personas(decoder: Decoder) -> dict[str, Persona]:
    """Pushed, pushed under a prompt at generated positions only, and one that is only a prompt."""
    own = decoder.provenance | {"method": "test"}
    one, other = some_shift(decoder, seed=1), some_shift(decoder, k=2, seed=2)
    return {
        "ann": Persona(shift=one, alpha=1.0, provenance=own),
        "ben": Persona(
            "You love parties.", shift=other, alpha=-2.0, scope="generated", provenance=own
        ),
        "cat": Persona("You are a cat.", provenance=own),
    }


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """Of its own, since an engine runs it."""
    return make_loud()


@pytest.fixture(scope="module")
def live(decoder: Decoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server without keys, on the real engine."""
    store = make_store(decoder, tmp_path_factory.mktemp("personas"))
    service = open_service(decoder, store, lambda one: Engine(one, max_batch=4))
    with listening(service) as url:
        yield Live(url, service, make_personas(decoder))


def make_store(decoder: Decoder, folder: Path) -> PersonaStore:
    """The personas on disk, read."""
    store = PersonaStore(folder, decoder)
    for name, persona in make_personas(decoder).items():
        store.put(name, persona)
    assert store.wait(60)
    return store
