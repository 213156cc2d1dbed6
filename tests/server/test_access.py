"""Keys, scopes, limits and who may see whom, over HTTP; and the file of keys itself."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from personalign.errors import ServingError
from personalign.model.decoder import Decoder
from personalign.server.entrance import Bounds
from personalign.server.keys import Key, KeyRing, create_key, read_keys, revoke_key
from personalign.server.limits import Limits
from personalign.server.refusals import Refusal
from personalign.server.rendering import MOST_WAITING
from personalign.server.service import Service, open_service
from tests.server.conftest import BASE, make_store
from tests.server.fake_engine import FakeEngine
from tests.server.live import call, listening, until

ASKED = {
    "model": BASE,
    "messages": [{"role": "user", "content": "Hello."}],
    "temperature": 0,
    "max_tokens": 3,
}


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def guarded(
    decoder: Decoder, keys_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Service]]:
    """A server with keys, on the plain engine that can be held."""
    create_key(keys_file, "first")
    store = make_store(decoder, tmp_path_factory.mktemp("personas"))
    service = open_service(
        decoder,
        store,
        lambda one: FakeEngine(one, max_batch=2, queue=2),
        keys=KeyRing(keys_file),
        bounds=Bounds(under_way=8),
    )
    with listening(service) as url:
        yield url, service


@pytest.fixture
def url(guarded: tuple[str, Service]) -> str:
    return guarded[0]


def test_without_a_key_nothing_but_health_is_told(url: str, keys_file: Path) -> None:
    for path in ("/v1/models", "/v1/personas", "/metrics", "/v1/nothing"):
        answer = call(url + path)
        assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"
    good = create_key(keys_file, "good")
    wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
    for bad in ("pa-", wrong, good.replace("pa-", "sk-"), good + "x", "é"):
        assert call(f"{url}/v1/models", key=bad).status == 401
    assert call(f"{url}/v1/models", authorization=f"Basic {good}").status == 401
    assert call(f"{url}/v1/models", key=good).status == 200
    assert call(f"{url}/healthz").json == {"status": "ok"}
    assert call(f"{url}/readyz").status == 200
    assert call(f"{url}/openapi.json").status == 200


def test_a_key_made_or_revoked_counts_at_once(url: str, keys_file: Path) -> None:
    key = create_key(keys_file, "short-lived")
    assert call(f"{url}/v1/models", key=key).status == 200
    revoke_key(keys_file, "short-lived")
    assert call(f"{url}/v1/models", key=key).status == 401


def test_a_spoilt_file_locks_nobody_out(url: str, keys_file: Path) -> None:
    key = create_key(keys_file, "steady")
    assert call(f"{url}/v1/models", key=key).status == 200
    text = keys_file.read_text()
    for spoilt in ("{", '{"format": 1, "keys": [{"id": 1}]}'):
        keys_file.write_text(spoilt)
        assert call(f"{url}/v1/models", key=key).status == 200
    keys_file.write_text(text)
    assert call(f"{url}/v1/models", key=key).status == 200


def test_scopes_bound_what_a_key_may_do(url: str, keys_file: Path) -> None:
    chat = create_key(keys_file, "chat only")
    reader = create_key(keys_file, "reader", scopes=["personas:read"])
    admin = create_key(keys_file, "admin", scopes=["admin"])
    made = {"name": "x", "answers": [3] * 120}
    for key, path, body, status in (
        (chat, "/v1/chat/completions", ASKED, 200),
        (chat, "/v1/personas", None, 403),
        (chat, "/v1/personas", made, 403),
        (chat, "/metrics", None, 403),
        (reader, "/v1/personas", None, 200),
        (reader, "/v1/chat/completions", ASKED, 403),
        (reader, "/v1/personas", made, 403),
        (admin, "/v1/personas", None, 200),
        (admin, "/metrics", None, 200),
        (admin, "/v1/chat/completions", ASKED, 200),
    ):
        answer = call(url + path, body, key=key)
        assert answer.status == status, (path, answer.data)
        if status == 403:
            assert answer.error["code"] == "insufficient_permissions"
    assert call(f"{url}/v1/personas/ann", method="DELETE", key=reader).status == 403


def test_personas_a_key_may_not_see_do_not_exist_for_it(url: str, keys_file: Path) -> None:
    key = create_key(
        keys_file,
        "some",
        scopes=["chat", "personas:read", "personas:write"],
        personas=["a*", "z-*"],
    )
    listed = [model["id"] for model in call(f"{url}/v1/models", key=key).json["data"]]
    assert listed == [BASE, f"{BASE}:ann"]
    assert [p["id"] for p in call(f"{url}/v1/personas", key=key).json["data"]] == ["ann"]
    hidden = call(f"{url}/v1/chat/completions", {**ASKED, "model": f"{BASE}:ben"}, key=key)
    absent = call(f"{url}/v1/chat/completions", {**ASKED, "model": f"{BASE}:zen"}, key=key)
    assert hidden.status == absent.status == 404
    assert hidden.error["message"].replace("ben", "zen") == absent.error["message"]
    spelt = {**ASKED, "personalign": {"persona": "ben"}}
    assert call(f"{url}/v1/chat/completions", spelt, key=key).status == 404
    assert call(f"{url}/v1/models/{BASE.replace(' ', '%20')}:ben", key=key).status == 404
    assert call(f"{url}/v1/personas/ben", key=key).status == 404
    assert call(f"{url}/v1/personas/ben", method="DELETE", key=key).status == 404
    made = call(f"{url}/v1/personas", {"name": "ben2", "answers": [3] * 120}, key=key)
    assert made.status == 403
    assert (
        call(f"{url}/v1/chat/completions", {**ASKED, "model": f"{BASE}:ann"}, key=key).status == 200
    )


def test_requests_a_minute(url: str, keys_file: Path) -> None:
    key = create_key(keys_file, "slow", requests_per_minute=3)
    answers = [call(f"{url}/v1/models", key=key) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [a.headers["x-ratelimit-remaining-requests"] for a in answers[:3]] == ["2", "1", "0"]
    assert answers[3].error["code"] == "rate_limit_exceeded"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20


def test_requests_at_once(guarded: tuple[str, Service], keys_file: Path) -> None:
    url, service = guarded
    key = create_key(keys_file, "one at a time", concurrency=1)
    other = create_key(keys_file, "another")
    engine = service.engine
    assert isinstance(engine, FakeEngine)
    with ThreadPoolExecutor(1) as pool:
        with engine.held():
            first = pool.submit(call, f"{url}/v1/chat/completions", ASKED, key=key)
            until(lambda: service.entrance.under_way == 1, "the first request")
            second = call(f"{url}/v1/chat/completions", ASKED, key=key)
            assert (second.status, second.error["code"]) == (429, "concurrency_limit_exceeded")
            assert int(second.headers["retry-after"]) >= 1
            assert call(f"{url}/v1/models", key=other).status == 200
        assert first.result().status == 200
    assert call(f"{url}/v1/chat/completions", ASKED, key=key).status == 200


def test_a_full_queue_refuses_and_serves_again(
    guarded: tuple[str, Service], keys_file: Path
) -> None:
    url, service = guarded
    key = create_key(keys_file, "many")
    engine = service.engine
    assert isinstance(engine, FakeEngine)

    def ask(_: int) -> int:
        return call(f"{url}/v1/chat/completions", ASKED, key=key).status

    with ThreadPoolExecutor(8) as pool:
        with engine.held():
            # the engine takes two, keeps two waiting; the first row may begin alone
            asked = [pool.submit(ask, 0)]
            until(lambda: len(engine.running) == 1, "a request that runs")
            asked += [pool.submit(ask, n) for n in range(2)]
            until(lambda: len(engine.running) + len(engine.waiting) == 3, "three requests")
            asked += [pool.submit(ask, n) for n in range(4)]
            until(lambda: sum(one.done() for one in asked) >= 1, "a refusal")
            refused = call(f"{url}/v1/chat/completions", ASKED, key=key)
            assert (refused.status, refused.error["code"]) == (429, "engine_full")
            assert refused.error["type"] == "rate_limit_error"
            assert int(refused.headers["retry-after"]) >= 1
        statuses = [one.result() for one in asked]
    assert set(statuses) == {200, 429}
    service.renderer._short.waiting += MOST_WAITING
    refused = call(f"{url}/v1/chat/completions", ASKED, key=key)
    assert (refused.status, refused.error["code"]) == (429, "engine_full")
    assert int(refused.headers["retry-after"]) >= 1
    service.renderer._short.waiting -= MOST_WAITING
    assert ask(0) == 200
    until(lambda: service.entrance.under_way == 0, "the end of all requests")


def test_more_requests_than_the_server_takes_are_refused_unread(
    guarded: tuple[str, Service], keys_file: Path
) -> None:
    url, service = guarded
    key = create_key(keys_file, "crowd")
    entrance = service.entrance
    most, entrance.bounds = entrance.bounds, Bounds(under_way=0)
    try:
        answer = call(f"{url}/v1/chat/completions", ASKED, key=key)
    finally:
        entrance.bounds = most
    assert (answer.status, answer.error["code"]) == (429, "server_full")


def test_the_bucket_fills_evenly() -> None:
    now = 0.0
    limits = Limits(lambda: now)
    key = Key("a", "a", "", requests_per_minute=6)

    def takes() -> int:
        taken = 0
        try:
            while True:
                with limits.admit(key):
                    taken += 1
        except Refusal:
            return taken

    assert takes() == 6
    now = 9.9
    assert takes() == 0
    now = 10.1
    assert takes() == 1
    now = 10_000.0
    assert takes() == 6, "a pause saves up a minute's worth, no more"


def test_an_error_gives_the_place_back() -> None:
    limits = Limits()
    key = Key("a", "a", "", concurrency=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limits.admit(key):
            _ = 1 / 0


def test_the_file_holds_no_secret_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    made = [create_key(path, name, scopes=["chat", "admin"]) for name in ("ann", "ben")]
    text = path.read_text()
    for key in made:
        _, number, secret = key.split("-", 2)
        assert secret not in text and number in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [key.name for key in read_keys(path)] == ["ann", "ben"]
    assert KeyRing(path).find(made[1]) == read_keys(path)[1]
    assert len(set(made)) == 2 and json.loads(text)["format"] == 1


def test_revoking_names_one(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    for name in ("ann", "ann", "ben"):
        create_key(path, name)
    with pytest.raises(ServingError, match="2 keys have the id or name 'ann'"):
        revoke_key(path, "ann")
    with pytest.raises(ServingError, match="No key has the id or name 'eve'"):
        revoke_key(path, "eve")
    first = read_keys(path)[0]
    assert revoke_key(path, first.id) == first
    assert [key.name for key in read_keys(path)] == ["ann", "ben"]
    with pytest.raises(ServingError, match="cannot be read"):
        revoke_key(tmp_path / "none.json", "ann")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "no keys file of format 1"),
        ('{"format": 2, "keys": []}', "no keys file of format 1"),
        ('{"format": 1}', "not understood"),
        ('{"format": 1, "keys": [{"id": "a"}]}', "not understood"),
        (
            '{"format": 1, "keys": [{"id": "a", "name": "n", "hash": "h", "scopes": ["fly"]}]}',
            "has the scopes fly",
        ),
        *(
            (
                json.dumps({"format": 1, "keys": [{"id": "a", "name": "n", "hash": "h", **field}]}),
                said,
            )
            for field, said in (
                ({"personas": "acme-*"}, "the personas 'acme-.'; write a list of texts"),
                ({"personas": [["*"]]}, "the personas .* write a list of texts"),
                ({"scopes": "admin"}, "the scopes 'admin'; write a list of texts"),
            )
        ),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ServingError, match=said):
        read_keys(path)
    with pytest.raises(ServingError):
        create_key(path, "x")
    assert path.read_text() == text
