"""`personalign serve --web`: its options, and the site they open around a running service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from personalign.cli.site_place import address, needed, secret
from personalign.errors import SiteError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from personalign.server.service import Service
    from personalign.server.settings import ServerSettings
    from personalign.web.settings import OpenIdProvider, Retention, SiteSettings
    from personalign.web.site import Site

PANEL = "With --web"
OPENID_SECRET = "PERSONALIGN_OPENID_SECRET"


def _option(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=PANEL, **more)


Also = Annotated[
    list[str] | None,
    _option(
        "A further model people may choose on the site, loaded beside --model; may be given again."
    ),
]
Method = Annotated[
    str,
    _option("How personas are made of answers: pas, dials, few-shot, or another that trains none."),
]
PublicUrl = Annotated[
    str | None,
    _option(
        "The address people type, https://NAME. Default, on this machine alone: where it listens."
    ),
]
BehindProxy = Annotated[
    bool,
    _option(
        "A proxy in front says who asks (X-Forwarded-For); nobody else must reach the port.",
        "--behind-proxy",
    ),
]
Operator = Annotated[
    str, _option("Who runs the site and how to reach them; people read it before they consent.")
]
NoSignUp = Annotated[bool, _option("Make no new accounts.", "--no-sign-up")]
Days = "Days that {} kept after the last change. Default: {}."
KeepUnfinished = Annotated[
    int | None, _option(Days.format("an unfinished questionnaire is", 90), min=1)
]
KeepConversations = Annotated[
    int | None, _option(Days.format("a saved conversation is", 180), min=1)
]
KeepReports = Annotated[int | None, _option(Days.format("a closed report is", 365), min=1)]
KeepAccounts = Annotated[
    int | None, _option(Days.format("an account nobody comes to is", 730), min=1)
]
OpenIdIssuer = Annotated[
    str | None, _option("OpenID Connect: the provider's address, to sign in there, too.")
]
OpenIdClient = Annotated[
    str | None,
    _option(
        f"OpenID Connect: this site's client id; its secret is in {OPENID_SECRET}, or in a file "
        f"that {OPENID_SECRET}_FILE names."
    ),
]


@dataclass(frozen=True)
class WebOptions:
    """What was said on the command line about the site."""

    folder: Path
    database: str | None
    key_file: Path | None
    public_url: str | None
    behind_proxy: bool
    operator: str
    sign_up: bool
    method: str
    unfinished: int | None
    conversations: int | None
    reports: int | None
    accounts: int | None
    openid_issuer: str | None
    openid_client: str | None

    def settings(self, host: str, port: int) -> SiteSettings:
        """The site's settings; host and port: where the server is to listen.

        Raises SiteError for what no site may be, MissingPackageError where packages are missing.
        """
        needed()
        from personalign.web.settings import SiteSettings

        shown = f"[{host}]" if ":" in host else host
        return SiteSettings(
            self.folder,
            self.public_url or f"http://{shown}" + (f":{port}" if port else ""),
            database_url=address(self.database),
            key_file=self.key_file,
            behind_proxy=self.behind_proxy,
            operator=self.operator,
            sign_up=self.sign_up,
            method=self.method,
            retention=retention_of(
                self.unfinished, self.conversations, self.reports, self.accounts
            ),
            openid=self._openid(),
        )

    def _openid(self) -> OpenIdProvider | None:
        from personalign.web.settings import OpenIdProvider

        if self.openid_issuer is None and self.openid_client is None:
            return None
        if self.openid_issuer is None or self.openid_client is None:
            raise SiteError("--openid-issuer and --openid-client belong together; give both.")
        hidden = secret(OPENID_SECRET)
        if not hidden:
            raise SiteError(
                f"The client's secret of OpenID Connect is missing; put it into {OPENID_SECRET}, "
                f"or into a file that {OPENID_SECRET}_FILE names."
            )
        return OpenIdProvider(self.openid_issuer, self.openid_client, hidden)


def retention_of(
    unfinished: int | None, conversations: int | None, reports: int | None, accounts: int | None
) -> Retention:
    """How long what is kept: what was said, and the usual days where nothing was."""
    from personalign.web.settings import Retention

    said = {
        "unfinished": unfinished,
        "conversations": conversations,
        "reports": reports,
        "accounts": accounts,
    }
    return Retention(**{what: days for what, days in said.items() if days is not None})


@dataclass(frozen=True)
class OpenedWeb:
    """A site that is about to be served."""

    site: Site
    app: ASGIApp

    def close(self) -> bool:
        """End the site, and the models beside the first, which is its server's to end.

        False where a persona that was being made did not stop.
        """
        ended = self.site.close()
        for service in self.site.services.values():
            if service is not self.site.service:
                ended = service.close(drain=False) and ended
        return ended

    def tell(self, listening: str) -> None:
        """Say where to open it; listening: the server's address."""
        from personalign.cli.console import console, errors

        public = self.site.settings.public_url
        here = listening if not self.site.settings.secure else public
        console.print(f"Open {here}", highlight=False, soft_wrap=True, markup=False)
        keys = self.site.settings.keys
        if keys.exists():
            errors.print(
                f"Everything personal is sealed with {keys}: keep a copy where no backup is.",
                highlight=False,
                soft_wrap=True,
                markup=False,
            )


def open_web(
    settings: SiteSettings, service: Service, server: ServerSettings, also: Sequence[str] = ()
) -> OpenedWeb:
    """The site around a service, ready to be served; whoever opens it closes it.

    also: further models, opened as `server` says; the API speaks with the first alone.
    Raises SiteError where the database or the key cannot be used, or two models have one name,
    ModelError where one cannot be loaded; the services are closed then.
    """
    from personalign.server.settings import open_server
    from personalign.web.app import create_site
    from personalign.web.site import open_site

    services = {service.base: service}
    try:
        for model in also:
            folder = settings.folder / "no-personas"  # those of a folder are the first model's
            more = open_server(replace(server, model=model, name=None, personas=folder))
            if more.base in services:
                more.close(drain=False)
                raise SiteError(
                    f"Two models are called {more.base}; rename a folder, or give --name."
                )
            services[more.base] = more
        site = open_site(settings, services)
    except BaseException:
        for one in services.values():
            one.close(drain=False)
        raise
    return OpenedWeb(site, create_site(site))
