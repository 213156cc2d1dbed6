"""An OpenAI-compatible chat endpoint on a real port of this machine, which misbehaves as told.

`Endpoint.script` holds what the next requests meet, one act each, in the order they come in;
when it is empty, every request is answered by `say`. Whoever comes in is counted and kept.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODELS = ("parrot-small", "parrot-large")


def very_accurate(_messages: list[dict[str, str]]) -> str:
    return "(A). Very Accurate"


class Endpoint:
    """What the server does next, and what it has seen."""

    def __init__(self) -> None:
        self.script: list[Callable[[Handler], None]] = []
        self.say: Callable[[list[dict[str, str]]], str] = very_accurate
        self.models: tuple[str, ...] = MODELS
        self.key: str | None = None  # the key it wants
        self.refused: dict[str, str] = {}  # parameter it does not take -> what it says about it
        self.pause = 0.0  # seconds every answer takes
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.headers: dict[str, str] = {}  # on every good answer
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    endpoint: Endpoint

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in MODELS]
        self.answer(200, {"object": "list", "data": data})

    def do_POST(self) -> None:
        server = self.endpoint
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with server.lock:
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
            server.requests.append(body)
            server.times.append(time.monotonic())
            act = server.script.pop(0) if server.script else None
        self.body = body
        try:
            time.sleep(server.pause)
            given = self.headers.get("authorization", "").removeprefix("Bearer ")
            refused = [said for name, said in server.refused.items() if name in body]
            if act is not None:
                act(self)
            elif refused:
                self.answer(400, {"error": {"message": refused[0], "code": "unsupported"}})
            elif server.key is not None and given != server.key:
                said = f"Incorrect API key provided: {given}. You can find yours elsewhere."
                self.answer(401, {"error": {"message": said, "code": "invalid_api_key"}})
            elif body["model"] not in server.models:
                said = f"The model `{body['model']}` does not exist"
                self.answer(404, {"error": {"message": said, "code": "model_not_found"}})
            elif body.get("stream"):
                self.stream(server.say(body["messages"]))
            else:
                self.answer(200, completion(server.say(body["messages"])), **server.headers)
        except OSError:
            self.close_connection = True
        finally:
            with server.lock:
                server.at_once -= 1

    def answer(self, status: int, data: Any, **headers: str) -> None:
        text = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def stream(self, text: str, *, whole: bool = True) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for word in text.split(" "):
            self.event({"index": 0, "delta": {"content": word + " "}, "finish_reason": None})
        if whole:
            self.event({"index": 0, "delta": {}, "finish_reason": "stop"})
            self.event(None, usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def event(self, choice: dict[str, Any] | None, **more: Any) -> None:
        choices = [] if choice is None else [choice]
        chunk = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "parrot-small-2026",
            "choices": choices,
            **more,
        }
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.flush()


def completion(text: str | None, **usage: Any) -> dict[str, Any]:
    """A whole chat completion."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "parrot-small-2026",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10} | usage,
    }


def status(code: int, message: str = "no", **headers: str) -> Callable[[Handler], None]:
    """An act: a refusal."""
    return lambda handler: handler.answer(code, {"error": {"message": message}}, **headers)


def body(data: bytes) -> Callable[[Handler], None]:
    """An act: status 200 and these bytes."""
    return lambda handler: handler.answer(200, data)


def slow(seconds: float) -> Callable[[Handler], None]:
    """An act: the right answer, too late."""

    def act(handler: Handler) -> None:
        time.sleep(seconds)
        handler.answer(200, completion("(A)."))

    return act


def cut(handler: Handler) -> None:
    """An act: the body ends before it is whole."""
    text = json.dumps(completion("(A). Very Accurate")).encode()
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(text)))
    handler.end_headers()
    handler.wfile.write(text[: len(text) // 2])
    handler.close_connection = True


def hang_up(handler: Handler) -> None:
    """An act: no word, the connection is closed."""
    handler.close_connection = True


def cut_stream(handler: Handler) -> None:
    """An act: a stream that ends in the middle."""
    handler.stream("one two three", whole=False)


@contextmanager
def serving() -> Iterator[Endpoint]:
    """The endpoint, listening on a free port as long as the block runs."""
    endpoint = Endpoint()
    handler = type("Bound", (Handler,), {"endpoint": endpoint})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
