"""A small OpenID provider on a port of this machine: discovery, keys, sign-in, tokens. For tests.

`now_is(NAME)` says who is at its sign-in page. `wrong` replaces claims of the next tokens; what is
None there is left out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "site", "the site's secret"


@dataclass
class Provider:
    """What it knows."""

    redirect: str
    """The one address it sends people back to."""
    issuer: str = ""
    person: str = "ann"
    wrong: dict[str, Any] = field(default_factory=dict)
    wrong_key: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    scopes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.new_key()

    def new_key(self) -> None:
        """Sign with another key from now on."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})

    def authorise(self, query: dict[str, str]) -> str:
        """Where the person is sent back to, signed in."""
        assert query["client_id"] == CLIENT and query["response_type"] == "code"
        assert query["redirect_uri"] == self.redirect, "exactly"
        assert query["code_challenge_method"] == "S256"
        self.scopes.add(query["scope"])
        code = secrets.token_urlsafe()
        self.codes[code] = query
        return f"{self.redirect}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """A token for a code, once, to who knows the secret and the verifier."""
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            authorization != f"Basic {known}"
            or asked is None
            or asked["code_challenge"] != challenge
            or form["redirect_uri"] != self.redirect
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": self.person,
            "email": f"{self.person}@example.org",
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": asked["nonce"],
        } | self.wrong
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "RS256", "kid": self.key.kid}
        key = RSAKey.generate_key(2048) if self.wrong_key else self.key
        token = jwt.encode(header, claims, key)
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": token}

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorise",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }


@contextmanager
def providing(redirect: str) -> Iterator[Provider]:
    """A provider as long as the block runs."""
    provider = Provider(redirect)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorise":
                self.send_response(302)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_header("location", provider.authorise(query))
                self.send_header("content-length", "0")
                self.end_headers()
            elif parts.path == "/keys":
                self._tell(200, {"keys": [provider.key.as_dict(private=False)]})
            else:
                self._tell(200, provider.discovery())

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(text).items()}
            self._tell(*provider.token(form, self.headers.get("authorization", "")))

        def _tell(self, status: int, told: dict[str, Any]) -> None:
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
