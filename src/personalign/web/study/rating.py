"""A rater's way through their pairs: an order of their own, votes that may be changed, an end.

Nothing here reads a key. The order is drawn from the invitation's id and the pairs' ids, both of
which are random and say nothing of a condition; the replies were written long before, so every page
takes the same steps, whatever is behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from personalign.evaluation.blind import BlindPair
from personalign.evaluation.human import VOTES
from personalign.web.database.base import now
from personalign.web.study.packs import pairs_for
from personalign.web.study.tables import Invitation, Rating
from personalign.web.vault import Vault


@dataclass(frozen=True)
class Way:
    """One rater's pairs and votes."""

    pairs: tuple[BlindPair, ...]
    """In this rater's order."""
    votes: dict[str, str]
    """Pair's id -> vote."""

    @property
    def voted(self) -> int:
        """Pairs with a vote."""
        return sum(pair.pair in self.votes for pair in self.pairs)

    @property
    def complete(self) -> bool:
        """Whether every pair has one."""
        return self.voted == len(self.pairs)

    def at(self, place: int) -> BlindPair | None:
        """The pair at a place, 1 for the first; None where there is no such place."""
        return self.pairs[place - 1] if 1 <= place <= len(self.pairs) else None

    def next(self, after: int = 0) -> int | None:
        """The first place behind `after` without a vote, from the front again at the end; None
        where every pair has one."""
        places = list(range(1, len(self.pairs) + 1))
        for place in places[after:] + places[:after]:
            if self.pairs[place - 1].pair not in self.votes:
                return place
        return None


def way_of(session: Session, vault: Vault, invitation: Invitation) -> Way:
    """A rater's pairs in their order, and the votes so far."""
    rows = session.scalars(select(Rating).where(Rating.invitation_id == invitation.id))
    pairs = in_order(pairs_for(session, vault, invitation), invitation.id)
    return Way(tuple(pairs), {row.pair: row.vote for row in rows})


def in_order(pairs: Sequence[BlindPair], invitation_id: str) -> list[BlindPair]:
    """The pairs in the order of one invitation: sorted by a hash of its id and theirs."""

    def drawn(pair: BlindPair) -> bytes:
        return hashlib.sha256(f"{invitation_id} {pair.pair}".encode()).digest()

    return sorted(pairs, key=drawn)


def vote(session: Session, invitation: Invitation, pair: BlindPair, given: str) -> None:
    """Keep a vote; one on a pair that has one takes its place, so that sending twice counts once.

    given: of evaluation.human.VOTES; the caller has checked it.
    """
    assert given in VOTES, "votes are checked before they are kept"
    insert: Any = (
        sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    )
    put = insert(Rating).values(
        invitation_id=invitation.id, pair=pair.pair, vote=given, voted_at=now()
    )
    newest = {name: put.excluded[name] for name in ("vote", "voted_at")}
    session.execute(
        put.on_conflict_do_update(index_elements=["invitation_id", "pair"], set_=newest)
    )
