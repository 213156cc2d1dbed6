"""Packs in and out of the database: a person's pairs, sealed apart from the key behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from personalign.errors import EvaluationError
from personalign.evaluation.blind import (
    BlindPair,
    Key,
    check_key,
    key_in,
    key_text,
    pack_in,
    pack_text,
)
from personalign.web.database.base import new_id, seal, unsealed_text
from personalign.web.study.tables import Invitation, Pack
from personalign.web.vault import Vault

LONGEST_ID, LONGEST_TEXT, MOST_PAIRS = 64, 20_000, 2000
"""Characters of a pair's id, characters of a text a rater is to read, pairs of a study."""


def check_pairs(pairs: Sequence[BlindPair], key: Key) -> None:
    """Refuse pairs that are not the key's, or are more than raters or the site can take."""
    check_key(pairs, key)
    if len(pairs) > MOST_PAIRS:
        raise EvaluationError(f"There are {len(pairs)} pairs; a study takes {MOST_PAIRS} at most.")
    for line, pair in enumerate(pairs, 1):
        longest = max(len(pair.prompt), len(pair.A), len(pair.B))
        if longest > LONGEST_TEXT:
            raise EvaluationError(
                f"A text of pair {line} has {longest} characters; a rater is to read it, so it may "
                f"have {LONGEST_TEXT}. Shorten it or leave the pair out."
            )
        if len(pair.pair) > LONGEST_ID or not pair.pair.isprintable():
            raise EvaluationError(
                f"The id of pair {line} is no id: it may have {LONGEST_ID} characters, and no line "
                "ends. `personalign study pack` makes ids."
            )


def keep_packs(
    session: Session,
    vault: Vault,
    study_id: str,
    pairs: Sequence[BlindPair],
    key: Key,
    *,
    invitation_id: str | None = None,
) -> None:
    """Put pairs and key into the database in the caller's transaction, one pack a person."""
    check_pairs(pairs, key)
    whose = {entry.pair: entry.person for entry in key.entries}
    for place, person in enumerate(sorted(set(whose.values()))):
        row = Pack(id=new_id(), study_id=study_id, invitation_id=invitation_id, place=place)
        own = tuple(entry for entry in key.entries if entry.person == person)
        seal(vault, row, "pairs", pack_text([p for p in pairs if whose[p.pair] == person]))
        seal(vault, row, "key", key_text(replace(key, entries=own)))
        session.add(row)


def pairs_for(session: Session, vault: Vault, invitation: Invitation) -> list[BlindPair]:
    """The pairs a rater judges, as they stand in their pack; [] where it is not made yet.

    A rater with own pairs gets these; the study's packs are dealt by the number of the link. The
    column of the key is not read.
    """
    rows = session.scalars(
        select(Pack)
        .where(
            Pack.study_id == invitation.study_id,
            or_(Pack.invitation_id.is_(None), Pack.invitation_id == invitation.id),
        )
        .order_by(Pack.place)
    ).all()
    own = [row for row in rows if row.invitation_id is not None]
    dealt = own or rows
    if not dealt:
        return []
    return pairs_in(vault, dealt[(invitation.number - 1) % len(dealt)])


def pairs_in(vault: Vault, row: Pack) -> list[BlindPair]:
    """The pairs of one pack."""
    return pack_in(unsealed_text(vault, row, "pairs"), "The pack")


def packs_of(session: Session, study_id: str) -> Sequence[Pack]:
    """All packs of a study, in an order that says nothing."""
    return session.scalars(
        select(Pack).where(Pack.study_id == study_id).order_by(Pack.place, Pack.id)
    ).all()


def key_of(vault: Vault, packs: Sequence[Pack]) -> Key:
    """The keys of a study's packs as one; each pack's seeds stand beside its person.

    Raises EvaluationError where there is no pack.
    """
    keys = [key_in(unsealed_text(vault, pack, "key"), "The key") for pack in packs]
    if not keys:
        raise EvaluationError("There are no pairs yet, so there is no key.")
    about = dict(keys[0].about)
    if len({key.seed for key in keys}) > 1:
        about["seeds"] = {key.entries[0].person: key.seed for key in keys}
        about["reply_seeds"] = {
            person: seeds for key in keys for person, seeds in key.about["reply_seeds"].items()
        }
    return Key(
        contrasts=tuple(dict.fromkeys(contrast for key in keys for contrast in key.contrasts)),
        seed=keys[0].seed,
        entries=tuple(entry for key in keys for entry in key.entries),
        about=about,
    )
