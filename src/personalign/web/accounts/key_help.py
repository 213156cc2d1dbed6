"""What an account's key can ask the API for, and one command that does."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from personalign.web.personas.access import personas_for
from personalign.web.personas.served import api_name

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from personalign.web.site import Site


@dataclass(frozen=True)
class Askable:
    """A model by the name the API has for it."""

    name: str
    kind: str
    """base, or of personas.tables.KINDS."""
    owner: str | None = None
    """Handle of whoever shares it; None for one's own."""
    made: datetime | None = None


def askable(session: Session, site: Site, account_id: str) -> list[Askable]:
    """What an account's key may ask for now: the model as it is, own personas, shared ones.

    Own personas come newest first, mirror images after all of them.
    """
    base = site.service.base
    told = [
        Askable(f"{base}:{api_name(row.id)}", row.kind, owner, row.created_at)
        for row, owner in personas_for(session, account_id)
        if site.services.get(row.model) is site.service
    ]
    told.sort(key=lambda one: (one.owner is not None, one.kind == "mirrored"))
    return [Askable(base, "base"), *told]


def example_of(models: list[Askable]) -> Askable:
    """The one to try first: one's own persona, else what is shared, else the model as it is."""
    return models[min(1, len(models) - 1)]


def curl(address: str, key: str, model: str, question: str) -> str:
    """A command for a shell that asks a question; address: of the API, ending in /v1."""
    body = {"model": model, "messages": [{"role": "user", "content": question}]}
    return " \\\n  ".join(
        (
            f"curl {shlex.quote(address + '/chat/completions')}",
            f"-H {shlex.quote(f'Authorization: Bearer {key}')}",
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
        )
    )
