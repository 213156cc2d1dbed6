"""Scoring all items of many personas in few forward passes, reading what they share only once.

The questions under one system prompt begin with the same tokens. Their keys and values are
computed once; then the items' own tokens are laid side by side in one row (a `Pack`), each item
seeing the shared beginning and itself, blind to its neighbours, by the attention mask. Nothing is
padded, and the beginning, over a thousand tokens in a few-shot prompt, is never copied per item.
The tokens of a label of several tokens branch off its item's question in the same way.

Personas that differ only in their shift are rows of one batch, and up to the first steered
layer their rows are equal: the pass begins with a single row, which becomes one a persona where
something is pushed first. Where only replies are pushed, the questions are read once for all
personas, and a persona costs the tokens of its replies. Keys and values are kept within one
call, for one prompt and one set of displacements, since they are wrong under any other; those of
unpushed questions may be kept longer (`readings.py`).

This needs a model whose attention obeys a mask and explicit positions; `can_share` tries it once
against the plain forward pass. `full.py` scores the models that fail, at several times the cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from personalign.model.memory import tokens_per_pass
from personalign.model.packing import Pack, lay_out
from personalign.model.questions import QuestionTokens
from personalign.model.readings import Layers, read_once
from personalign.model.readout import logits_at
from personalign.model.residual import Site, depth
from personalign.model.steer import before, steer_heads

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

BUSY_TOKENS = {"cpu": 2_560}
"""Rows * pack beyond which a pass only gets slower, by device; caches of CPUs are small."""

PASS_COST = {"cpu": 40, "cuda": 700}
"""What starting a forward pass costs, in tokens of work, for models of `PASS_WIDTH` and wider."""

PASS_WIDTH = 160
"""Hidden width below which a token's work shrinks with its square, and a pass costs more of it."""

PREFIX_COPY = 0.02
"""What copying a prefix token's keys and values costs, in tokens of work."""

KEYS_PER_WIDTH = 6
"""Keys per hidden width whose comparison costs as much as a token's matrix products."""


def shared_scores(
    decoder: Decoder,
    questions: QuestionTokens,
    labels: Sequence[Sequence[int]],
    displacements: Mapping[Site, torch.Tensor],
    *,
    rows: int,
    generated_only: bool = False,
    batch_rows: int = 512,
    progress: Callable[[int], None] | None = None,
) -> torch.Tensor:
    """Log-probability of every label of every item, for rows that differ in displacements only.

    labels: token ids of each label, as they follow the begun reply.
    displacements: as `row_displacements` gives them; empty for the plain model, then rows is 1.
    generated_only: push only where replies are drawn, instead of everywhere.
    batch_rows: answers computed at once. progress: called with the answers each pass gave.
    Returns (rows, items, labels) float32 on the CPU; NaN where logits overflow.
    """
    prefix_length, item_tokens = len(questions.prefix), sum(map(len, questions.suffixes))
    # Where only replies are pushed, questions are read as one row, and alike however many rows ask.
    room = _room(decoder, prefix_length, 1 if generated_only else rows, item_tokens)
    packs = lay_out(decoder, questions, labels, room=room, most=batch_rows)
    most = max(len(pack.items) for pack in packs)
    longest = prefix_length + max(len(pack.tokens) for pack in packs)
    own = max(int(pack.replies.sum()) for pack in packs) if generated_only else room
    fitting = tokens_per_pass(decoder)
    busy = BUSY_TOKENS.get(decoder.device.type, fitting)
    at_once = max(1, min(batch_rows // most, busy // own, fitting // longest))
    scores = torch.empty(rows, len(questions.suffixes), len(labels))

    def note(chosen: list[int], pack: Pack, logits: torch.Tensor) -> None:
        found = pack.reads.scores(logits).cpu().view(len(logits), len(pack.items), len(labels))
        scores[torch.tensor(chosen)[:, None], torch.tensor(pack.items)] = found
        if progress is not None:
            progress(len(chosen) * len(pack.items))

    batches = [
        (chosen, pushed, len(chosen) if pushed else 1)
        for chosen in _batches(displacements, rows, at_once)
        for pushed in [_of_rows(displacements, chosen)]
    ]
    if generated_only:
        start = questions.prefix
        prefix = read_once(decoder, start, partial(_read_prefix, decoder, start, {}, 1))
        for pack in packs:
            read = partial(_read_asked, decoder, pack, prefix)
            asked = read_once(decoder, (questions, pack.items), read)
            for chosen, pushed, count in batches:
                logits = _read_replies(decoder, pack, asked, prefix_length, pushed, count)
                note(chosen, pack, logits)
        return scores
    for chosen, pushed, count in batches:
        prefix = _read_prefix(decoder, questions.prefix, pushed, count)
        for pack in packs:
            note(chosen, pack, _read_pack(decoder, pack, prefix, pushed, count))
    return scores


def _read_prefix(
    decoder: Decoder, prefix: Sequence[int], pushed: Mapping[Site, torch.Tensor], rows: int
) -> Layers:
    """Keys and values of what all items begin with; nothing for an empty beginning."""
    if not prefix:
        return []
    cache = DynamicCache()
    ids = torch.tensor([prefix], device=decoder.device)
    with _branching(decoder, pushed, rows):
        decoder.body(
            input_ids=ids,
            position_ids=torch.arange(len(prefix), device=decoder.device)[None],
            past_key_values=cache,
            use_cache=True,
        )
    return [_keys_and_values(layer) for layer in cache.layers]


def _keys_and_values(layer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return layer.keys, layer.values


def _read_pack(
    decoder: Decoder,
    pack: Pack,
    prefix: Layers,
    pushed: Mapping[Site, torch.Tensor],
    rows: int,
) -> torch.Tensor:
    """Logits of a pack's positions in every row, (rows, positions, vocabulary)."""
    cache = _as_rows(prefix, pushed, rows)
    start = prefix[0][0].shape[-2] if prefix else 0
    index = torch.arange(rows, device=decoder.device).repeat_interleave(len(pack.places))
    with _branching(decoder, pushed, rows):
        logits = logits_at(
            decoder,
            index,
            pack.places.repeat(rows),
            input_ids=pack.tokens[None],
            attention_mask=pack.mask,
            position_ids=(start + pack.offsets)[None],
            past_key_values=cache,
            use_cache=True,
        )
    return logits.view(rows, len(pack.places), -1)


def _read_asked(decoder: Decoder, pack: Pack, prefix: Layers) -> Layers:
    """Keys and values of the prefix and of the pack's questions, which no row pushes."""
    asked = (~pack.replies).nonzero().flatten()
    if not len(asked):
        return prefix
    start = prefix[0][0].shape[-2] if prefix else 0
    cache = _as_rows(prefix, {}, 1)
    seen = torch.cat([torch.arange(start, device=asked.device), start + asked])
    decoder.body(
        input_ids=pack.tokens[asked][None],
        attention_mask=pack.mask[:, :, asked][..., seen],
        position_ids=(start + pack.offsets[asked])[None],
        past_key_values=cache,
        use_cache=True,
    )
    return [_keys_and_values(layer) for layer in cache.layers]


def _read_replies(
    decoder: Decoder,
    pack: Pack,
    asked: Layers,
    start: int,
    pushed: Mapping[Site, torch.Tensor],
    rows: int,
) -> torch.Tensor:
    """Logits of a pack's positions in every row, of which only the replies are pushed.

    asked: of `_read_asked`. start: tokens of the prefix. The rows differ in the tokens of replies
    only, so nothing else is read again.
    """
    replies = pack.replies.nonzero().flatten()
    others = (~pack.replies).nonzero().flatten()
    seen = torch.cat([torch.arange(start, device=others.device), start + others, start + replies])
    places = torch.searchsorted(replies, pack.places)
    index = torch.arange(rows, device=decoder.device).repeat_interleave(len(places))
    with _branching(decoder, pushed, rows):
        logits = logits_at(
            decoder,
            index,
            places.repeat(rows),
            input_ids=pack.tokens[replies][None],
            attention_mask=pack.mask[:, :, replies][..., seen],
            position_ids=(start + pack.offsets[replies])[None],
            past_key_values=_as_rows(asked, pushed, rows),
            use_cache=True,
        )
    return logits.view(rows, len(places), -1)


def _as_rows(layers: Layers, pushed: Mapping[Site, torch.Tensor], rows: int) -> DynamicCache:
    """A cache that begins with these keys and values, in every row that differs from others."""
    branch = min(map(depth, pushed), default=(len(layers), True))
    cache = DynamicCache()
    for number, (keys, values) in enumerate(layers):
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        # Rows are still one where keys and values lie before the first push.
        wanted = rows if (number, False) >= branch else 1
        layer.keys = keys.expand(wanted, -1, -1, -1)
        layer.values = values.expand(wanted, -1, -1, -1)
        cache.layers.append(layer)
    return cache


@contextmanager
def _branching(
    decoder: Decoder,
    pushed: Mapping[Site, torch.Tensor],
    rows: int,
) -> Iterator[None]:
    """Steer, turning the single row of a pass into `rows` where it is first pushed.

    From there on everything is broadcast against the one row that came before: the residual
    stream, the mask, the rotary positions.
    """

    if not pushed:
        yield
        return
    first = min(pushed, key=depth)
    handle = before(decoder, first, lambda given: given.expand(rows, -1, -1))
    try:
        with steer_heads(decoder, pushed):
            yield
    finally:
        handle.remove()


def _room(decoder: Decoder, prefix: int, rows: int, tokens: int) -> int:
    """How many tokens a pack should hold.

    A larger pack starts fewer passes and copies the prefix less often, but every token is compared
    with the whole pack. With c the cost of a pass in tokens and w the keys whose comparison costs
    as much as a token's matrix products, the cost per token, (c + rows * room * room / w) / room,
    is least at sqrt(c * w / rows).
    """
    passes = pass_cost(decoder) + rows * prefix * PREFIX_COPY
    best = sqrt(passes * KEYS_PER_WIDTH * decoder.heads.hidden / rows)
    return int(min(max(best, 64), 1024, max(tokens, 64)))


def pass_cost(decoder: Decoder) -> float:
    """What starting a forward pass of this model costs, in tokens of work."""
    narrow = max(1.0, (PASS_WIDTH / decoder.heads.hidden) ** 2)
    return PASS_COST.get(decoder.device.type, 100) * narrow


def _batches(
    displacements: Mapping[Site, torch.Tensor], rows: int, at_once: int
) -> Iterator[list[int]]:
    """Rows in batches, those that are first steered in a late layer together."""
    first = [(0, False)] * rows
    for site in sorted(displacements, key=depth, reverse=True):
        for row in displacements[site].any(dim=1).nonzero().flatten().tolist():
            first[row] = depth(site)
    order = sorted(range(rows), key=lambda row: first[row])
    for start in range(0, rows, at_once):
        yield order[start : start + at_once]


def _of_rows(
    displacements: Mapping[Site, torch.Tensor], chosen: Sequence[int]
) -> dict[Site, torch.Tensor]:
    """The displacements of some rows, without the sites at which none of them is steered."""
    rows = {site: pushes[list(chosen)] for site, pushes in displacements.items()}
    return {site: pushes for site, pushes in rows.items() if bool(pushes.any())}
