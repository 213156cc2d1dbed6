"""Personas in and out of the database: sealed there, a bounded number of them open in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from personalign.errors import UnknownPersonaError
from personalign.model.persona import Persona
from personalign.web.database.base import new_id, now, seal, unseal
from personalign.web.personas.tables import StoredPersona

if TYPE_CHECKING:
    from personalign.server.service import Service
    from personalign.web.database.open import Database
    from personalign.web.vault import Vault

OPEN_AT_ONCE = 512
"""Personas kept open in memory, some kilobytes each; the ones longest unused are closed."""


class PersonaShelf:
    """The personas of a site."""

    def __init__(self, database: Database, vault: Vault, services: Mapping[str, Service]) -> None:
        self._database, self._vault, self._services = database, vault, services
        self._open: OrderedDict[str, Persona] = OrderedDict()
        self._forgotten = 0  # counts what was deleted, so that what was being read then is not kept
        self._lock = threading.Lock()

    def keep(
        self,
        session: Session,
        persona: Persona,
        *,
        account_id: str,
        sitting_id: str | None,
        kind: str,
        model: str,
    ) -> StoredPersona:
        """Put a persona into the database, sealed, in the caller's transaction.

        kind: of KINDS. model: what this site calls the model.
        """
        row = StoredPersona(
            id=new_id(),
            account_id=account_id,
            sitting_id=sitting_id,
            kind=kind,
            model=model,
            method=str(persona.provenance.get("method", "")),
            alpha=persona.alpha,
            created_at=now(),
        )
        seal(self._vault, row, "data", persona.pack())
        session.add(row)
        return row

    def load(self, persona_id: str) -> Persona:
        """A persona by its id, whoever asks: that they may is the caller's to check.

        Raises UnknownPersonaError where there is none, PersonaError where its model is not served
        here any more.
        """
        with self._lock:
            if persona_id in self._open:
                self._open.move_to_end(persona_id)
                return self._open[persona_id]
            forgotten = self._forgotten
        with self._database.reading() as session:
            row = session.get(StoredPersona, persona_id)
            if row is None:
                raise UnknownPersonaError("There is no such persona here.")
            service = self._services.get(row.model)
            data = unseal(self._vault, row, "data")
        if service is None:
            raise UnknownPersonaError(
                f"This persona was made for {row.model}, which is not served here; align again."
            )
        persona = Persona.unpack(data, service.decoder)
        with self._lock:
            if forgotten != self._forgotten:
                return persona
            self._open[persona_id] = persona
            while len(self._open) > OPEN_AT_ONCE:
                self._open.popitem(last=False)
        return persona

    def forget(self, persona_id: str) -> Persona | None:
        """Close a persona that was deleted; gives it where it was open."""
        with self._lock:
            self._forgotten += 1
            return self._open.pop(persona_id, None)
