"""A server on a real port of this machine, in a thread, and requests to it without any client."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from personalign.server.run import Server
from personalign.server.service import Service

WAIT = 60
"""Seconds after which a test gives up."""


@contextmanager
def listening(service: Service, app: Any = None) -> Iterator[str]:
    """The service on a free port as long as the block runs; gives its address.

    app: what answers, where it is more than the service's API.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    started = threading.Event()
    server = Server(service, grace=WAIT, when_started=started.set, app=app)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    assert started.wait(WAIT), "the server did not start"
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        service.engine.close(drain=False)
        server.should_exit = True
        thread.join(WAIT)
        service.close(drain=False)
        assert not thread.is_alive(), "the server did not end"


class Answer:
    """Status, headers and JSON of an answer."""

    def __init__(self, status: int, headers: Any, data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def error(self) -> dict[str, Any]:
        """The error object, which has OpenAI's four fields and no others."""
        (error,) = self.json.values()
        assert set(self.json) == {"error"}
        assert set(error) == {"message", "type", "param", "code"}
        assert len(error["message"]) > 10
        return dict(error)


def call(
    url: str, body: Any = None, *, method: str | None = None, key: str | None = None, **headers: str
) -> Answer:
    """One request; bytes are sent as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {"content-type": "application/json"} if data is not None else {}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    try:
        with urlopen(Request(url, data, sent, method=method), timeout=WAIT) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def until(true: Callable[[], bool], what: str, seconds: float = WAIT) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.01)
