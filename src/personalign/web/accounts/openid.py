"""Signing in through OpenID Connect: the code flow with state, nonce and PKCE.

Authlib makes the requests, joserfc checks the ID token. What has to be known when the visitor comes
back lies in a cookie of theirs, sealed, for ten minutes. Of the token nothing is kept: an account
is found by a MAC over issuer and subject, and the provider is asked for nothing but `openid`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from personalign.errors import SiteError
from personalign.web.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from personalign.web.settings import OpenIdProvider
    from personalign.web.vault import Vault

CALLBACK = "/sign-in/openid/callback"
FLOW_SECONDS, FRESH_SECONDS, KEPT_SECONDS = 600, 300, 3600
"""How long signing in may take; how old a sign-in may be that confirms a deletion; how long what
the provider says of itself is believed."""

CLOCKS = 60
"""Seconds that the provider's clock and ours may differ."""

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Signatures an ID token may have: by a public key, never none and never by a shared secret."""

_ABOUT = ("openid", "flow")
_TIMEOUT = 10.0


class OpenIdError(Exception):
    """Signing in did not work; `reason` is one word, for the audit log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Flow:
    """One way to the provider and back."""

    state: str
    nonce: str
    verifier: str
    """Of PKCE."""
    next: str
    """Where to go afterwards."""
    confirms: str
    """Id of the account whose deletion this sign-in confirms; "" for signing in."""
    until: float
    """Seconds since 1970."""


class OpenId:
    """One provider; used from any thread."""

    def __init__(self, provider: OpenIdProvider, public_url: str, vault: Vault) -> None:
        self.provider, self._vault = provider, vault
        self.redirect = public_url.rstrip("/") + CALLBACK
        """The exact address the provider sends people back to."""
        self._told: dict[str, Any] = {}
        self._keys: Any = {}  # a JSON Web Key Set
        self._read_at = 0.0
        self._lock = threading.Lock()

    def begin(self, next: str, confirms: str = "") -> tuple[str, str]:
        """Begin: the address at the provider, and what the visitor's cookie is to hold.

        confirms: id of an account whose deletion is to be confirmed by signing in anew.
        Raises OpenIdError where the provider cannot be reached.
        """
        flow = Flow(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            next=next,
            confirms=confirms,
            until=time.time() + FLOW_SECONDS,
        )
        anew = {"prompt": "login", "max_age": 0} if confirms else {}
        with self._client() as client:
            address, _ = client.create_authorization_url(
                self._provider()["authorization_endpoint"],
                state=flow.state,
                nonce=flow.nonce,
                code_verifier=flow.verifier,
                **anew,
            )
        sealed = self._vault.seal(json.dumps(asdict(flow)).encode(), *_ABOUT)
        return str(address), base64.urlsafe_b64encode(sealed).decode()

    def finish(self, cookie: str, query: Mapping[str, str]) -> tuple[Flow, str]:
        """Come back: the flow, and the subject the provider vouches for.

        cookie: what `begin` gave. query: of the address the provider sent the visitor to.
        Raises OpenIdError where anything about it is not as it must be.
        """
        flow = self._flow(cookie)
        if not hmac.compare_digest(flow.state, query.get("state", "")):
            raise OpenIdError("state")
        if query.get("iss", self.provider.issuer) != self.provider.issuer:
            raise OpenIdError("issuer")  # RFC 9207
        if "error" in query or not query.get("code"):
            raise OpenIdError("declined")
        token = self._exchange(query["code"], flow.verifier)
        return flow, self._subject(token, flow)

    def name_of(self, subject: str, key: bytes | None = None) -> bytes:
        """What finds the account of a subject (32 bytes); key: id of the master key."""
        named = json.dumps([self.provider.issuer, subject]).encode()
        return self._vault.sign("openid subject", named, key)

    def _flow(self, cookie: str) -> Flow:
        try:
            sealed = base64.urlsafe_b64decode(cookie.encode())
            flow = Flow(**json.loads(self._vault.open(sealed, *_ABOUT)))
        except (SiteError, ValueError, binascii.Error) as error:
            raise OpenIdError("state") from error
        if time.time() > flow.until:
            raise OpenIdError("late")
        return flow

    def _exchange(self, code: str, verifier: str) -> str:
        """The ID token for a code."""
        from authlib.common.errors import AuthlibBaseError

        try:
            with self._client() as client:
                answer = client.fetch_token(
                    self._provider()["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                )
        except (AuthlibBaseError, httpx.HTTPError, ValueError) as error:
            raise OpenIdError("code") from error
        return str(answer.get("id_token", ""))

    def _subject(self, token: str, flow: Flow) -> str:
        """The subject of an ID token, checked as OpenID Connect Core, 3.1.3.7 asks."""
        from joserfc import jwt
        from joserfc.errors import ClaimError, ExpiredTokenError, JoseError
        from joserfc.jwk import KeySet

        try:
            try:
                read = jwt.decode(token, KeySet.import_key_set(self._keys), ALGORITHMS)
            except (JoseError, ValueError):  # perhaps signed with a key it has had since
                self._provider(again=True)
                read = jwt.decode(token, KeySet.import_key_set(self._keys), ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise OpenIdError("signature") from error
        ours = self.provider.client_id
        rules = jwt.JWTClaimsRegistry(
            leeway=CLOCKS,
            iss={"essential": True, "value": self.provider.issuer},
            aud={"essential": True, "value": ours},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": flow.nonce},
        )
        try:
            rules.validate(read.claims)
        except ExpiredTokenError as error:
            raise OpenIdError("expired") from error
        except ClaimError as error:
            raise OpenIdError(error.claim) from error
        except JoseError as error:
            raise OpenIdError("claims") from error
        listed = isinstance(read.claims["aud"], list) and len(read.claims["aud"]) > 1
        if read.claims.get("azp", None if listed else ours) != ours:
            raise OpenIdError("azp")
        signed_in = read.claims.get("auth_time", 0)
        if flow.confirms and not time.time() - FRESH_SECONDS <= signed_in <= time.time() + CLOCKS:
            raise OpenIdError("auth_time")
        return str(read.claims["sub"])

    def _client(self) -> Any:
        from authlib.integrations.httpx_client import OAuth2Client

        return OAuth2Client(
            self.provider.client_id,
            self.provider.client_secret,
            scope="openid",
            redirect_uri=self.redirect,
            code_challenge_method="S256",
            timeout=_TIMEOUT,
        )

    def _provider(self, *, again: bool = False) -> dict[str, Any]:
        """What the provider says of itself, and its keys, read once an hour or when asked again."""
        with self._lock:
            if self._told and not again and time.monotonic() - self._read_at < KEPT_SECONDS:
                return self._told
            address = self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                told = httpx.get(address, timeout=_TIMEOUT).raise_for_status().json()
                if told["issuer"] != self.provider.issuer:
                    raise OpenIdError("issuer")
                names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
                if not all(_safe(told[name]) for name in names):
                    raise OpenIdError("provider")
                keys = httpx.get(told["jwks_uri"], timeout=_TIMEOUT).raise_for_status().json()
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                raise OpenIdError("provider") from error
            self._told, self._keys, self._read_at = told, keys, time.monotonic()
            return self._told


def _safe(address: str) -> bool:
    """Whether a secret may be sent there."""
    parts = urlsplit(address)
    return parts.scheme == "https" or parts.hostname in LOOPBACK
