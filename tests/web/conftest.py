"""A site on a real port: a loud made-up model, the real engine, SQLite or a real PostgreSQL.

Tests that take `site` run on both databases; `sqlite_site` is for what does not touch the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy import create_engine, text

from personalign.model.decoder import Decoder
from personalign.server.engine import Engine
from personalign.server.service import Service, open_service
from personalign.server.store import PersonaStore
from personalign.web.accounts.sessions import member_of
from personalign.web.accounts.tables import Account, AccountRole
from personalign.web.app import create_site
from personalign.web.audit.attempts import Attempts
from personalign.web.pace import SignInPace
from personalign.web.settings import SiteSettings
from personalign.web.site import Site, open_site
from personalign.web.vault import new_key, write_keys
from tests.model.loud import make_loud
from tests.server.live import listening
from tests.web.postgres import running, server_programs, watch_turns
from tests.web.visiting import Person

Kind = str


@dataclass(frozen=True)
class LiveSite:
    """A running site."""

    url: str
    site: Site

    def person(self, **settings: Any) -> Person:
        """Somebody with a browser, who has not signed up yet."""
        return Person(self.url, **settings)

    def member(self, *roles: str) -> Person:
        """Somebody signed up, with these roles."""
        person = self.person().sign_up()
        if roles:
            self.give(person, *roles)
        return person

    def give(self, person: Person, *roles: str) -> None:
        """Give somebody roles."""
        self.give_account(self.account_of(person), *roles)

    def give_account(self, account: Account, *roles: str) -> None:
        """Give an account roles."""
        with self.site.database.writing() as session:
            for role in roles:
                session.add(AccountRole(account_id=account.id, role=role))

    def account_of(self, person: Person) -> Account:
        """The account somebody is signed in to."""
        return self.account_behind(person.cookie or "")

    def account_behind(self, cookie: str) -> Account:
        """The account of a session's cookie."""
        member = member_of(self.site, cookie)
        assert member is not None, "nobody is signed in"
        with self.site.database.reading() as session:
            return session.get_one(Account, member.id)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Makes databases on a real PostgreSQL, started with the first test that needs it."""
    if server_programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with running() as url:
        admin = create_engine(
            url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
        )

        def fresh() -> str:
            name = f"site_{uuid4().hex}"
            with admin.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
            return url.rpartition("/")[0] + f"/{name}"

        yield fresh
        admin.dispose()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> Kind:
    """Which database a test runs on."""
    return str(request.param)


@pytest.fixture(scope="module")
def database_url(
    database_kind: Kind, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The address of an empty database."""
    if database_kind == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database') / 'site.db'}"
    fresh: Callable[[], str] = request.getfixturevalue("postgresql")
    return fresh()


@contextmanager
def live_site(
    folder: Path,
    database_url: str | None = None,
    *,
    decoder: Decoder | None = None,
    **settings: Any,
) -> Iterator[LiveSite]:
    """A site on a free port, with the made-up model where no other is given."""
    decoder = decoder or make_loud()
    store = PersonaStore(folder / "personas", decoder)
    service: Service = open_service(
        decoder, store, lambda one: Engine(one, max_batch=8), name="loud"
    )
    given = {"folder": folder, "public_url": "http://127.0.0.1", "database_url": database_url}
    site = open_site(SiteSettings(**(given | settings)), {service.base: service})
    if not site.database.sqlite:
        watch_turns(site.database.engine)
    site.pace = SignInPace(per_minute=10_000, all_per_minute=10_000)
    site.attempts = Attempts(site.database, site.vault, per_minute=10_000)
    try:
        with listening(service, create_site(site)) as url:
            yield LiveSite(url, site)
    finally:
        site.close()


@pytest.fixture(scope="module")
def live(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """One site a module and database; tests in it are different people."""
    folder = tmp_path_factory.mktemp("site")
    write_keys(folder / "site.key", [new_key()])
    with live_site(folder, database_url) as one:
        yield one
