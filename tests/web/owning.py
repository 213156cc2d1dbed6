"""Somebody with one of everything, by id, and what the database holds. For tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from personalign.web.accounts.sessions import public_id_of, sessions_of
from personalign.web.accounts.tables import Share
from personalign.web.chat.tables import Conversation
from personalign.web.database.tables import METADATA
from personalign.web.personas.pairs import pair_of
from personalign.web.personas.tables import StoredPersona
from personalign.web.reports.tables import Report
from personalign.web.study.tables import Invitation
from tests.web.conftest import LiveSite
from tests.web.people import SECRET, use_everything
from tests.web.personas.sittings import aligned, filled_in, somebody
from tests.web.questionnaire.filling import consenting
from tests.web.study.conftest import hand_in, some_pairs
from tests.web.visiting import Person

BESIDE_WHAT_IS_KEPT = ("audit_entry", "site_fact", "browser_session")
"""Tables that grow with every request: the log, its head, and who is signed in."""

ROLES = ("rater", "researcher", "admin")
"""All but moderator, which `use_everything` gives."""


def with_everything(live: LiveSite) -> tuple[Person, dict[str, str]]:
    """Somebody with all roles who has used every room; what is theirs, for `routes.ask`."""
    ann, ben = consenting(live, *ROLES), live.member()
    account = live.account_of(ann).id
    with live.site.database.reading() as session:
        first = public_id_of(sessions_of(session, account)[0])
    Person(live.url).sign_in(ann.phrase)
    use_everything(live.site, account, live.account_of(ben).id)
    unfinished = filled_in(live, ann, somebody(), finished=False)
    pair = aligned(live, ann)
    talk = talked(ann, pair)
    ann.post("/chat/keep", talk=talk)
    study = hand_in(live, *some_pairs(), researcher=ann)
    token = study.invite(1)[0].rpartition("/")[2]
    key = ann.api_key()
    with live.site.database.reading() as session:
        made = pair_of(session, account, pair)
        assert made is not None
        second = next(
            public_id_of(one) for one in sessions_of(session, account) if public_id_of(one) != first
        )
        kept = session.scalars(
            select(Conversation.id)
            .where(Conversation.account_id == account)
            .order_by(Conversation.created_at.desc())
        ).first()
        share = session.scalars(
            select(Share.id)
            .join(StoredPersona, StoredPersona.id == Share.persona_id)
            .where(StoredPersona.account_id == account, Share.accepted_at.is_not(None))
        ).one()
        report = session.scalars(select(Report.id).where(Report.account_id == account)).one()
        link = session.scalars(select(Invitation.id).where(Invitation.study_id == study.id)).one()
    ann.get("/account")
    return ann, {
        "questionnaire/sitting_id": unfinished,
        "profile/sitting_id": made.sitting_id,
        "align/sitting_id": made.sitting_id,
        "sessions/session_id": second,
        "keys/number": key.split("-")[1],
        "shares/share_id": share,
        "shares/token": share,
        "reports/report_id": report,
        "moderation/report_id": report,
        "personas/persona_id": made.mine,
        "shown/number": live.site.once.put(account, "phrase", "/account", phrase=SECRET),
        "talk/number": talk,
        "kept/number": str(kept),
        "new/way": "written",
        "rate/token": link,
        "pairs/place": "1",
        "studies/study_id": study.id,
        "links/invitation_id": link,
        "files/name": "votes.csv",
        "pair": pair,
        "talk": talk,
        "persona": made.mine,
        "report_id": report,
        "links.txt tokens": token,
    }


def talked(person: Person, pair: str, question: str = SECRET) -> str:
    """Ask something; the conversation's id."""
    person.get(f"/chat?pair={pair}")
    person.post("/chat/say", question=question, pair=pair)
    return str(person.last.url).rpartition("/")[2]


def contents(live: LiveSite) -> dict[str, list[str]]:
    """All rows of all tables that requests alone do not change."""
    with live.site.database.reading() as session:
        return {
            table.name: sorted(repr(tuple(row)) for row in session.execute(select(table)))
            for table in METADATA.sorted_tables
            if table.name not in BESIDE_WHAT_IS_KEPT
        }


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names of the tables that are not as they were."""
    return [name for name in before | after if before.get(name) != after.get(name)]
