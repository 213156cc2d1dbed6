"""A study's votes counted and handed out: by the same code as `personalign study votes`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from personalign.evaluation.blind import key_text, pack_text
from personalign.evaluation.human import Preference, Vote, count_votes
from personalign.web.study.packs import key_of, packs_of, pairs_in
from personalign.web.study.tables import Invitation, Rating, Study
from personalign.web.vault import Vault


def votes_of(session: Session, study: Study) -> list[Vote]:
    """All votes of a study, those of revoked links too, raters by number and pairs by id."""
    rows: Any = session.execute(
        select(Invitation.number, Rating.pair, Rating.vote)
        .join(Rating, Rating.invitation_id == Invitation.id)
        .where(Invitation.study_id == study.id)
        .order_by(Invitation.number, Rating.pair)
    )
    return [Vote(f"rater-{number}", pair, given) for number, pair, given in rows]


def preferences_of(session: Session, vault: Vault, study: Study) -> list[Preference]:
    """Every contrast's preference; here, and only here and in `key_file`, keys are read."""
    votes = votes_of(session, study)
    return count_votes(votes, key_of(vault, packs_of(session, study.id))) if votes else []


def votes_csv(votes: Sequence[Vote]) -> str:
    """Votes as `personalign study votes` reads them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["rater", "pair", "vote"])
    writer.writerows([vote.rater, vote.pair, vote.vote] for vote in votes)
    return out.getvalue()


def votes_lines(votes: Sequence[Vote]) -> str:
    """The same as JSON lines."""
    return "".join(json.dumps(asdict(vote), ensure_ascii=False) + "\n" for vote in votes)


def results_file(session: Session, vault: Vault, study: Study) -> str:
    """Every figure, as `personalign study votes --json` writes it."""
    from personalign.bench.study import votes_json  # here: it draws figures, too

    found = votes_json(preferences_of(session, vault, study))
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def pack_file(session: Session, vault: Vault, study: Study) -> str:
    """All pairs of a study, as raters see them, person after person."""
    packs = packs_of(session, study.id)
    return "".join(pack_text(pairs_in(vault, pack)) for pack in packs)


def key_file(session: Session, vault: Vault, study: Study) -> str:
    """The key of a study; the caller has made sure that it is closed."""
    return key_text(key_of(vault, packs_of(session, study.id)))
