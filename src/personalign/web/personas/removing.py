"""Deleting a persona: out of the database, and out of this server's memory once that is certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import event, or_, select

from personalign.web.personas.tables import Alignment, StoredPersona
from personalign.web.privacy.forgetting import forget_personas

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from personalign.web.site import Site


def remove(session: Session, site: Site, persona: StoredPersona) -> None:
    """Delete one persona in the caller's transaction; whoever may is the caller's to check.

    An alignment that has neither of its two personas any more goes, too.
    """
    number = persona.id
    made = session.scalar(
        select(Alignment).where(
            or_(Alignment.persona_id == number, Alignment.mirrored_id == number)
        )
    )
    if made is not None:
        left = {made.persona_id, made.mirrored_id} - {number, None}
        made.persona_id = None if made.persona_id == number else made.persona_id
        made.mirrored_id = None if made.mirrored_id == number else made.mirrored_id
        session.flush()
        if not left:
            session.delete(made)
    session.delete(persona)
    session.flush()
    event.listen(
        session, "after_commit", lambda _session: forget_personas(site, [persona]), once=True
    )
