"""Packs: several items' own tokens side by side in one row, each blind to the others.

The attention mask keeps the items of a pack apart: a token sees the shared beginning, and before
it the tokens of its own item. The tokens of a label of several tokens branch off the question, so
that each sees the question and its own label only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from personalign.model.questions import QuestionTokens
from personalign.model.readout import Reads

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder


@dataclass(frozen=True, eq=False)
class Pack:
    """Several items' own tokens side by side in one row."""

    items: tuple[int, ...]
    """Which items, by their places."""
    tokens: torch.Tensor
    """(time,) int64 token ids."""
    offsets: torch.Tensor
    """(time,) int64 positions after the prefix."""
    mask: torch.Tensor
    """(1, 1, time, prefix + time), 0 where a token (row) sees another, else the dtype's minimum."""
    replies: torch.Tensor
    """(time,) bool, the last `questions.replying` tokens of each item, and those of labels."""
    places: torch.Tensor
    """(positions,) int64, where logits are needed."""
    reads: Reads
    """What is read there; slot = place of the item in this pack * labels + label."""


def lay_out(
    decoder: Decoder,
    questions: QuestionTokens,
    labels: Sequence[Sequence[int]],
    *,
    room: int,
    most: int,
) -> list[Pack]:
    """All items in packs of at most `room` tokens (but one item at least) and `most` items.

    labels: token ids of each label, as they follow the begun reply. The packs lie on the decoder's
    device.
    """
    extra = sum(len(label) - 1 for label in labels)
    order = sorted(range(len(questions.suffixes)), key=lambda i: -len(questions.suffixes[i]))
    packs: list[Pack] = []
    waiting: list[int] = []
    used = 0
    for item in order:
        length = len(questions.suffixes[item]) + extra
        if waiting and (used + length > room or len(waiting) == most):
            packs.append(_pack(decoder, questions, labels, waiting))
            waiting, used = [], 0
        waiting.append(item)
        used += length
    return [*packs, _pack(decoder, questions, labels, waiting)]


def _pack(
    decoder: Decoder,
    questions: QuestionTokens,
    labels: Sequence[Sequence[int]],
    items: Sequence[int],
) -> Pack:
    tokens: list[int] = []
    offsets: list[int] = []
    owners: list[int] = []  # which item of the pack a token belongs to
    branches: list[int] = []  # 0 for the question, label + 1 for what follows in one label
    replies: list[bool] = []
    places: list[int] = []
    reads: list[tuple[int, int, int]] = []
    for place, item in enumerate(items):
        suffix = questions.suffixes[item]
        tokens += suffix
        offsets += range(len(suffix))
        owners += [place] * len(suffix)
        branches += [0] * len(suffix)
        replies += [i >= len(suffix) - questions.replying for i in range(len(suffix))]
        places.append(len(tokens) - 1)
        first = len(places) - 1
        for number, label in enumerate(labels):
            slot = place * len(labels) + number
            reads.append((first, label[0], slot))
            for step, token in enumerate(label[1:]):
                tokens.append(label[step])
                offsets.append(len(suffix) + step)
                owners.append(place)
                branches.append(number + 1)
                replies.append(True)
                places.append(len(tokens) - 1)
                reads.append((len(places) - 1, token, slot))
    device = decoder.device
    owner, branch = torch.tensor(owners), torch.tensor(branches)
    same_branch = (branch[None] == 0) | (branch[None] == branch[:, None])
    visible = ((owner[None] == owner[:, None]) & same_branch).tril()
    prefix = torch.ones(len(tokens), len(questions.prefix), dtype=torch.bool)
    hidden = ~torch.cat([prefix, visible], dim=1)
    mask = torch.zeros(hidden.shape, dtype=decoder.dtype)
    mask.masked_fill_(hidden, torch.finfo(decoder.dtype).min)
    place_of, token_of, slot_of = torch.tensor(reads).T.contiguous()
    return Pack(
        items=tuple(items),
        tokens=torch.tensor(tokens, device=device),
        offsets=torch.tensor(offsets, device=device),
        mask=mask[None, None].to(device),
        replies=torch.tensor(replies, device=device),
        places=torch.tensor(places, device=device),
        reads=Reads(place_of, token_of, slot_of, len(items) * len(labels)).to(device),
    )
