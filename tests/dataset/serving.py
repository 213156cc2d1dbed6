"""A web server on this machine for tests of downloads, and its bad days."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server has, how it behaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    """Path -> content."""
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    """Path -> further headers of its answers."""
    ranges: bool = True
    """Whether it answers Range requests in part."""
    etag: str | None = '"one"'
    """Its mark of the version; None gives none."""
    cut: int | None = None
    """Bytes after which every answer breaks off; None never."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """(path, Range) of each GET, in order."""
    url: str = ""


@contextmanager
def serving(**settings: object) -> Iterator[Site]:
    """A site on a free port of this machine, while the block runs."""
    site = Site(**settings)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers.get("Range")))
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            path = self.path.split("?")[0]
            if path not in site.files:
                self.send_error(404)
                return
            body, start = site.files[path], 0
            wanted = self.headers.get("Range")
            condition = self.headers.get("If-Range")
            if wanted and site.ranges and condition in (None, site.etag):
                start = int(wanted.removeprefix("bytes=").split("-")[0])
                if start >= len(body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body) - start))
            marked = {"ETag": site.etag} if site.etag else {}
            for name, value in (marked | site.headers.get(path, {})).items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body[start:][: site.cut])
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
