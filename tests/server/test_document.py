"""The OpenAPI document is true: schemathesis sends what it allows and what it forbids.

Of schemathesis' checks one is left out: that whatever the document allows is accepted. A document
cannot say that a prompt is short enough, or that a persona has a push for alpha to scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from personalign.model.decoder import Decoder
from personalign.server.app import create_api
from personalign.server.entrance import Bounds
from personalign.server.keys import KeyRing, create_key
from personalign.server.service import Service, open_service
from tests.server.conftest import BASE, make_store
from tests.server.fake_engine import FakeEngine
from tests.server.live import call, listening, until

schemathesis = pytest.importorskip("schemathesis")

CASES = 40
"""Requests an operation, half of them allowed; every run sends the same ones."""


@pytest.fixture(scope="module")
def live(
    decoder: Decoder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Service, str]]:
    folder = tmp_path_factory.mktemp("server")
    key = create_key(folder / "keys.json", "everything", scopes=["admin"])
    store = make_store(decoder, folder / "personas")
    service = open_service(
        decoder,
        store,
        FakeEngine,
        keys=KeyRing(folder / "keys.json"),
        bounds=Bounds(reply_tokens=8),
    )
    with listening(service) as url:
        yield url, service, key


def operations() -> list[tuple[str, str]]:
    """Every (method, path), so that each is a test of its own."""
    paths = create_api(None).openapi()["paths"]  # type: ignore[arg-type]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), operations())
def test_every_answer_is_one_that_the_document_knows(
    live: tuple[str, Service, str], method: str, path: str
) -> None:
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    url, service, key = live
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[path][method]
    answered: list[int] = []

    @settings(
        max_examples=CASES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(GenerationMode.POSITIVE)
        | operation.as_strategy(GenerationMode.NEGATIVE)
    )
    def send(case: Any) -> None:
        if isinstance(case.body, dict) and "model" in case.body:  # else nearly all are 404
            case.body["model"] = BASE
        answer = case.call_and_validate(
            headers={"Authorization": f"Bearer {key}"},
            excluded_checks=[positive_data_acceptance],
            timeout=60,
        )
        answered.append(answer.status_code)

    send()
    assert answered
    until(lambda: service.entrance.under_way == 0, "the end of all requests")


def test_the_document_says_what_a_request_may_hold(live: tuple[str, Service, str]) -> None:
    document = call(f"{live[0]}/openapi.json").json
    assert document["openapi"].startswith("3.")
    chat = document["components"]["schemas"]["ChatBody"]
    assert chat["additionalProperties"] is False
    assert set(chat["required"]) == {"model", "messages"}
    assert chat["properties"]["tools"]["enum"] == [None, []]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert "422" not in operation["responses"]
            assert operation["summary"] or operation["description"]
            if path.startswith("/v1"):
                assert {"401", "403", "429", "500", "503"} <= set(operation["responses"])
                assert operation["security"]
