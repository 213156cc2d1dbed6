"""The API's personas on a site: those of the operator's folder, and beside them the stored ones.

A stored persona is called `site-ID`. Who may know of it is asked of the database by the key's id:
the keys of accounts are there, and see their account's own and shared personas; a key of the
operator's file is not, and sees none, whatever its patterns say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, select

from personalign.errors import PersonaError, UnknownPersonaError
from personalign.web.accounts.tables import ApiKey
from personalign.web.database.base import ID_LENGTH
from personalign.web.personas.access import spoken_by
from personalign.web.personas.tables import StoredPersona

if TYPE_CHECKING:
    from personalign.model.persona import Persona
    from personalign.server.keys import Key
    from personalign.server.store import Personas
    from personalign.web.database.open import Database
    from personalign.web.personas.shelf import PersonaShelf

_NAME = re.compile(rf"site-([A-Za-z0-9_-]{{{ID_LENGTH}}})")


def api_name(persona_id: str) -> str:
    """What the API calls a stored persona.

    >>> api_name("T2VyLXF1aWV0LWhlcm9uLQ")
    'site-T2VyLXF1aWV0LWhlcm9uLQ'
    """
    return f"site-{persona_id}"


class SitePersonas:
    """The folder's and the database's personas, for one model."""

    def __init__(
        self, folder: Personas, database: Database, shelf: PersonaShelf, model: str
    ) -> None:
        """model: what the site calls the model these are for."""
        self._folder, self._database, self._shelf, self._model = folder, database, shelf, model

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the folder was read once; False if it takes longer."""
        return self._folder.wait(seconds)

    def __contains__(self, name: str) -> bool:
        return _id_of(name) is not None or name in self._folder

    def visible(self, key: Key) -> list[str]:
        """Names of the personas a key may know of."""
        with self._database.reading() as session:
            stored = session.scalars(
                select(StoredPersona.id)
                .where(self._seen(key))
                .order_by(StoredPersona.created_at, StoredPersona.id)
            ).all()
        return [*self._folder.visible(key), *map(api_name, stored)]

    def seen_by(self, key: Key, name: str) -> bool:
        """Whether a key may know of a persona of this name."""
        stored = _id_of(name)
        if stored is None:
            return self._folder.seen_by(key, name)
        with self._database.reading() as session:
            found = session.scalar(
                select(StoredPersona.id).where(StoredPersona.id == stored, self._seen(key))
            )
        return found is not None

    def get(self, name: str) -> Persona:
        """A persona, whoever asks; UnknownPersonaError where there is none."""
        stored = _id_of(name)
        return self._folder.get(name) if stored is None else self._shelf.load(stored)

    def written(self, name: str) -> int:
        """When a persona was made, in seconds since 1970."""
        stored = _id_of(name)
        if stored is None:
            return self._folder.written(name)
        with self._database.reading() as session:
            row = session.get(StoredPersona, stored)
        if row is None:
            raise UnknownPersonaError("There is no such persona here.")
        return int(row.created_at.timestamp())

    def put(self, name: str, persona: Persona) -> Persona:
        """Put a persona into the folder; PersonaError for a name that stored ones have."""
        if _id_of(name) is not None:
            raise PersonaError(
                f"A persona cannot be called {name!r}: names like this one are those of the "
                "site's people; choose another."
            )
        return self._folder.put(name, persona)

    def delete(self, name: str) -> None:
        """Delete a persona of the folder; those of people are theirs to delete, on their page."""
        if _id_of(name) is not None:
            raise UnknownPersonaError(f"There is no persona {name!r} here to delete.")
        self._folder.delete(name)

    def close(self) -> None:
        """End looking at the folder."""
        self._folder.close()

    def _seen(self, key: Key) -> ColumnElement[bool]:
        owner = select(ApiKey.account_id).where(ApiKey.id == key.id)
        return spoken_by(owner) & (StoredPersona.model == self._model)


def _id_of(name: str) -> str | None:
    """The id in a stored persona's name; None for any other name."""
    found = _NAME.fullmatch(name)
    return None if found is None else found[1]
