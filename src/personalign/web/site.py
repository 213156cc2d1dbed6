"""A running site: everything its pages need, opened once and closed once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from personalign.web.accounts.api_keys import SiteKeys
from personalign.web.accounts.once import Once
from personalign.web.accounts.openid import OpenId
from personalign.web.audit.attempts import Attempts
from personalign.web.audit.scoring import Scoring
from personalign.web.balanced.views import Views
from personalign.web.chat.talks import Talks
from personalign.web.database.migrate import bring_up
from personalign.web.database.open import Database
from personalign.web.pace import SignInPace
from personalign.web.personas.aligning import Aligner
from personalign.web.personas.served import SitePersonas
from personalign.web.personas.shelf import PersonaShelf
from personalign.web.privacy.retention import Keeper
from personalign.web.settings import DATABASE_FILE, SiteSettings
from personalign.web.study.writing import PairWriter
from personalign.web.texts import Texts, load_texts
from personalign.web.vault import KEY_VARIABLE, Vault, new_key, vault_from, write_keys

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from personalign.server.service import Service


@dataclass
class Site:
    """One site; made by `open_site`."""

    settings: SiteSettings
    database: Database
    vault: Vault
    services: Mapping[str, Service]
    """Model's name -> what serves it; the first is chosen where nobody chooses."""
    texts: Texts = field(default_factory=load_texts)
    pace: SignInPace = field(default_factory=SignInPace)
    forget: list[Callable[[str], object]] = field(default_factory=list)
    """Called with an account's id when it is deleted: what rooms hold of it in memory goes."""

    def __post_init__(self) -> None:
        self.shelf = PersonaShelf(self.database, self.vault, self.services)
        provider = self.settings.openid
        self.openid = (
            None if provider is None else OpenId(provider, self.settings.public_url, self.vault)
        )
        for name, service in self.services.items():
            service.entrance.keys = SiteKeys(service.entrance.keys, self.database)
            service.personas = SitePersonas(service.personas, self.database, self.shelf, name)
        self.attempts = Attempts(self.database, self.vault)
        self.keeper: Keeper | None = None
        self.scoring = Scoring(self)
        self.pair_writer = PairWriter(self)
        self.forget.append(self.pair_writer.forget)
        self.aligner = Aligner(self)
        self.views = Views(self.aligner)
        self.talks = Talks(self.silence)
        self.once = Once()
        self.forget += [self.aligner.forget, self.talks.forget, self.once.forget]

    @property
    def service(self) -> Service:
        """The first model's."""
        return next(iter(self.services.values()))

    def silence(self, owners: Collection[str]) -> None:
        """End the replies that are being written for these, of all models: keys' ids, talks' ids,
        or accounts' ids for what studies write."""
        for service in self.services.values():
            service.engine.cancel(owners=owners)

    def close(self) -> bool:
        """End what runs beside the pages, close the database; the services are their owner's.

        False where an alignment did not come to its next step within some seconds, and goes on.
        """
        if self.keeper is not None:
            self.keeper.close()
        self.scoring.close()
        self.pair_writer.close()
        ended = self.aligner.close()
        self.attempts.close()
        self.database.close()
        return ended


def open_site(settings: SiteSettings, services: Mapping[str, Service]) -> Site:
    """Open the database, bring its tables up to date, and check that the key is its key.

    Where nothing is there yet (no key file, no key in the environment, no database address), the
    folder, its key and its SQLite file are made. From now on the services' API asks for a key, and
    what is past its days is deleted every hour.
    Raises SiteError for a database that cannot be reached, and for a key that is not this
    database's.
    """
    vault = _vault(settings)
    database = Database(settings.database)
    try:
        database.check()
        bring_up(database, vault)
    except BaseException:
        database.close()
        raise
    site = Site(settings, database, vault, services)
    site.keeper = Keeper(site)
    return site


def site_of(request: HTTPConnection) -> Site:
    """The site a request came to."""
    return cast("Site", request.app.state.site)


def _vault(settings: SiteSettings) -> Vault:
    nothing_yet = settings.database_url is None and not (settings.folder / DATABASE_FILE).exists()
    if nothing_yet and KEY_VARIABLE not in os.environ and not settings.keys.exists():
        settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_keys(settings.keys, [new_key()])
    return vault_from(settings.keys)
