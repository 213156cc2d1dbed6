"""Somebody who has used everything: a row in every table that can be a person's. For tests."""

from __future__ import annotations

import secrets

from sqlalchemy.orm import Session

from personalign.model.persona import Persona
from personalign.web.accounts.sessions import hashed
from personalign.web.accounts.tables import AccountRole, ApiKey, Share
from personalign.web.chat.tables import Conversation, Turn
from personalign.web.database.base import Base, new_id, now, seal
from personalign.web.personas.tables import Alignment, StoredPersona
from personalign.web.questionnaire.consent import VERSION
from personalign.web.questionnaire.tables import Answer, Consent, Sitting
from personalign.web.reports.tables import Report, ReportNote
from personalign.web.site import Site
from personalign.web.study.tables import Invitation, Pack, Rating, Study
from tests.model.conftest import some_shift

SECRET = "a secret that only I know"
"""Stands in every sealed text of theirs."""


def keep_persona(
    site: Site, account_id: str, *, seed: int = 0, prompt: str | None = None
) -> StoredPersona:
    """A persona of somebody's, pushed in a direction of its own; with a prompt, by that too."""
    decoder = site.service.decoder
    made = Persona(
        prompt,
        shift=some_shift(decoder, seed=seed or secrets.randbelow(2**31)),
        alpha=1.0,
        provenance=decoder.provenance | {"method": "test"},
    )
    with site.database.writing() as session:
        return site.shelf.keep(
            session,
            made,
            account_id=account_id,
            sitting_id=None,
            kind="mine",
            model=site.service.base,
        )


def share_with(site: Site, persona: StoredPersona, account_id: str) -> str:
    """Share a persona with somebody, who has accepted; the share's id."""
    row = _share(persona.id, account_id=account_id, accepted_at=now())
    with site.database.writing() as session:
        session.add(row)
    return row.id


def use_everything(site: Site, account_id: str, other_id: str) -> StoredPersona:
    """Put a row of the account's into every table; other_id: somebody else, who shares and rates.

    Gives the persona that the other one may speak as.
    """
    persona = keep_persona(site, account_id)
    with site.database.writing() as session:
        _answers(session, site, account_id, persona)
        _shares(session, site, account_id, other_id, persona)
        _reports(session, site, account_id, other_id)
        _studies(session, site, account_id, other_id)
    return persona


def _answers(session: Session, site: Site, account_id: str, persona: StoredPersona) -> None:
    moment = {"started_at": now(), "changed_at": now()}
    sitting = Sitting(id=new_id(), account_id=account_id, form="120", language="en", **moment)
    _put(session, site, sitting, about='{"age": 47}')
    _put(session, site, Answer(sitting_id=sitting.id, item=7, answered_at=now()), value="4")
    _put(
        session,
        site,
        Consent(id=new_id(), account_id=account_id, version=VERSION, language="en", given_at=now()),
        Alignment(
            id=new_id(),
            account_id=account_id,
            sitting_id=sitting.id,
            model=persona.model,
            method="pas",
            status="done",
            persona_id=persona.id,
            created_at=now(),
        ),
    )
    talk = Conversation(
        id=new_id(),
        account_id=account_id,
        persona_id=persona.id,
        model=persona.model,
        created_at=now(),
        changed_at=now(),
    )
    _put(session, site, talk, title=SECRET)
    turn = Turn(conversation_id=talk.id, place=0, speaker="person", said_at=now())
    _put(session, site, turn, text=SECRET)


def _shares(
    session: Session, site: Site, account_id: str, other_id: str, persona: StoredPersona
) -> None:
    key = ApiKey(id=secrets.token_hex(6), account_id=account_id, hash="0" * 64, created_at=now())
    _put(session, site, key, name=SECRET)
    session.add(AccountRole(account_id=account_id, role="moderator"))
    session.add(_share(persona.id, account_id=other_id, accepted_at=now()))
    session.add(_share(persona.id, token_hash=hashed(secrets.token_hex())))


def _share(persona_id: str, **fields: object) -> Share:
    return Share(id=new_id(), persona_id=persona_id, created_at=now(), **fields)


def _reports(session: Session, site: Site, account_id: str, other_id: str) -> None:
    for reporter, moderator in ((account_id, other_id), (other_id, account_id)):
        report = Report(
            id=new_id(),
            account_id=reporter,
            model="m",
            speaker="mine",
            alpha=1.0,
            category="other",
            status="open",
            audit_name=new_id(),
            created_at=now(),
        )
        said = SECRET if reporter == account_id else "theirs"
        _put(session, site, report, prompt=said, reply=said, comment=said)
        note = ReportNote(id=new_id(), report_id=report.id, account_id=moderator, written_at=now())
        _put(session, site, note, text=SECRET if moderator == account_id else "theirs")


def _studies(session: Session, site: Site, account_id: str, other_id: str) -> None:
    for researcher, rater in ((account_id, other_id), (other_id, account_id)):
        study = Study(
            id=new_id(),
            account_id=researcher,
            own_answers=True,
            state="ready",
            created_at=now(),
        )
        _put(session, site, study, title="a study", told="", settings="{}")
        invitation = Invitation(
            id=new_id(),
            study_id=study.id,
            token_hash=hashed(new_id()),
            account_id=rater,
            number=1,
            created_at=now(),
        )
        _put(session, site, invitation)
        said = SECRET if rater == account_id else "theirs"
        pack = Pack(id=new_id(), place=0, study_id=study.id, invitation_id=invitation.id)
        _put(session, site, pack, pairs=said, key="which was whose")
        rating = Rating(invitation_id=invitation.id, pair="1", vote="A", voted_at=now())
        _put(session, site, rating)


def _put(session: Session, site: Site, *rows: Base, **sealed: str) -> None:
    for row in rows:
        for column, text in sealed.items():
            seal(site.vault, row, column, text)
        session.add(row)
        session.flush()  # in this order: what refers to it comes later
