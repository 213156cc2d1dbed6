"""What a researcher hands in: a pack and its key, or replies to be packed. All of it is checked
before anything is kept, and what is wrong is said with its line."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from personalign.evaluation.assistants import AssistantReply
from personalign.evaluation.blind import (
    BlindPair,
    Key,
    contrasts_in,
    key_in,
    pack_in,
    pack_pairs,
)
from personalign.evaluation.text_files import decoded, is_text, no_json
from personalign.web.study.problems import Wrong

MOST_REPLIES = 8000
"""Replies that are packed at once."""

File = tuple[str, bytes]
"""Name and bytes of a file that was sent."""


def packed(packs: Sequence[File], key: File | None) -> tuple[list[BlindPair], Key]:
    """Pairs and key of files as `personalign study pack` writes them, one pack a person.

    Raises InputRefused, naming file and line.
    """
    if not packs or key is None:
        raise Wrong("choose_both")
    pairs = [pair for name, data in packs for pair in pack_in(decoded(data, name), name)]
    return pairs, key_in(decoded(key[1], key[0]), key[0])


def packed_replies(replies: File | None, contrasts: str) -> tuple[list[BlindPair], Key]:
    """Pairs and key of replies, by a seed drawn by chance, which stands in the key alone.

    contrasts: ONE:OTHER, one a line.
    Raises InputRefused, naming the line, and as `pack_pairs` does.
    """
    if replies is None:
        raise Wrong("choose_replies")
    rows = replies_in(decoded(replies[1], replies[0]), replies[0])
    named = contrasts_in([line.strip() for line in contrasts.split("\n") if line.strip()])
    return pack_pairs(rows, named, seed=secrets.randbits(64), about={"replies": replies[0]})


def replies_in(text: str, name: str) -> list[AssistantReply]:
    """Replies of a text, one JSON object a line: person, prompt, asked, condition, text.

    Raises InputRefused, naming the line, for one that is none.
    """
    wanted = AssistantReply.__required_keys__
    rows: list[AssistantReply] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise no_json(number, name, error) from error
        if not isinstance(record, dict) or not all(is_text(record.get(one)) for one in wanted):
            raise Wrong("no_reply", line=number, file=name)
        rows.append(AssistantReply(**{one: record[one] for one in wanted}))  # type: ignore[typeddict-item]
    if len(rows) > MOST_REPLIES:
        raise Wrong("many_replies", file=name, replies=len(rows), most=MOST_REPLIES)
    if not rows:
        raise Wrong("no_replies", file=name)
    return rows
