"""Forgetting in memory: open personas, device slots, kept keys and values, replies under way."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from personalign.errors import PersonaError, SiteError
from personalign.model.persona import Persona
from personalign.web.database.base import unseal

if TYPE_CHECKING:
    from personalign.web.personas.tables import StoredPersona
    from personalign.web.site import Site

log = logging.getLogger("personalign.web")


def forget_personas(site: Site, rows: Sequence[StoredPersona]) -> None:
    """Leave nothing of personas that were deleted, after the transaction that deleted them.

    rows: as they were. Replies they are giving end; the engines overwrite what they keep.
    """
    for row in rows:
        site.shelf.forget(row.id)
    personas = _open(site, rows)
    for service in site.services.values():
        service.engine.forget(personas)


def silence_personas(site: Site, rows: Sequence[StoredPersona]) -> None:
    """End the replies these personas are giving; they stay, and may speak again."""
    personas = _open(site, rows)
    for service in site.services.values():
        service.engine.cancel(personas)


def _open(site: Site, rows: Sequence[StoredPersona]) -> list[Persona]:
    personas = []
    for row in rows:
        service = site.services.get(row.model)
        if service is None:
            continue
        try:
            personas.append(Persona.unpack(unseal(site.vault, row, "data"), service.decoder))
        except (PersonaError, SiteError) as error:  # it cannot have spoken, either
            log.error("A deleted persona could not be read: %s", type(error).__name__)
    return personas
