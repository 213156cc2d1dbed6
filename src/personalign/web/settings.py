"""How a site is run: where its data lie, how it is reached, how long what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from personalign.errors import SiteError

DATABASE_FILE, KEY_FILE = "site.db", "site.key"
"""What the site's folder holds with no set-up."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Retention:
    """How long what is kept, in days after it was last touched."""

    unfinished: int = 90
    """A questionnaire that was not finished."""
    conversations: int = 180
    """A kept conversation."""
    reports: int = 365
    """A closed report."""
    accounts: int = 730
    """An account that nobody signed in to, with everything of it."""

    def __post_init__(self) -> None:
        for what in ("unfinished", "conversations", "reports", "accounts"):
            if getattr(self, what) < 1:
                raise SiteError(
                    f"Keeping {what} for {getattr(self, what)} days is not possible; give at least "
                    "1 day."
                )


@dataclass(frozen=True)
class OpenIdProvider:
    """Signing in through OpenID Connect."""

    issuer: str
    """Address of the provider, as in its tokens' `iss`."""
    client_id: str
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        address = urlsplit(self.issuer)
        near = address.scheme == "http" and address.hostname in LOOPBACK
        if not address.hostname or not (address.scheme == "https" or near):
            raise SiteError(
                f"The OpenID provider {self.issuer!r} cannot be trusted over the network; give its "
                "issuer as https://NAME."
            )

    @property
    def host(self) -> str:
        """What people know it by."""
        return urlsplit(self.issuer).hostname or self.issuer


@dataclass(frozen=True)
class SiteSettings:
    """All of it; checked once."""

    folder: Path
    """For SQLite's file and the key file, where nothing else is said."""
    public_url: str
    """The address people type, https://... unless it is this machine."""
    database_url: str | None = None
    """None: a SQLite file in the folder."""
    key_file: Path | None = None
    """None: a file in the folder, unless the environment has the keys."""
    behind_proxy: bool = False
    """Whether a proxy in front says who asks (X-Forwarded-For); believed only then."""
    operator: str = ""
    """Who runs the site and how to reach them, for the consent and the privacy page."""
    sign_up: bool = True
    """Whether anybody may make an account."""
    retention: Retention = Retention()
    openid: OpenIdProvider | None = None
    body_bytes: int = 2**20
    """Largest request."""
    upload_bytes: int = 8 * 2**20
    """Largest request where files of a study are handed in."""
    method: str = "pas"
    """How personas are made: one of aligning.METHODS."""
    reply_tokens: int = 320
    """Longest reply of a page, in tokens."""
    session_days: int = 30
    """How long a browser stays signed in."""

    def __post_init__(self) -> None:
        address = urlsplit(self.public_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise SiteError(
                f"{self.public_url!r} is no address people can open; give https://NAME."
            )
        if address.scheme == "http" and address.hostname not in LOOPBACK:
            raise SiteError(
                f"At {self.public_url} answers and sign-in phrases would cross the network in the "
                "clear; put the site behind a proxy with TLS and give --public-url https://NAME."
            )

    @property
    def secure(self) -> bool:
        """Whether cookies may be sent over https alone."""
        return self.public_url.startswith("https://")

    @property
    def database(self) -> str:
        """The database's address."""
        return self.database_url or f"sqlite:///{self.folder / DATABASE_FILE}"

    @property
    def keys(self) -> Path:
        """The key file."""
        return self.key_file or self.folder / KEY_FILE

    @property
    def session(self) -> timedelta:
        """How long a browser stays signed in."""
        return timedelta(days=self.session_days)
