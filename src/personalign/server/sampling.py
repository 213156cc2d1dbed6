"""The next token of every row, each by its own request's rules and random numbers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from personalign.model.decoding import distribution
from personalign.server.requests import Request

log = logging.getLogger(__name__)

FIRST_LOOK = 512
"""How many of the most probable tokens are sorted before all are; the draw seldom lies beyond."""


def choose(
    logits: torch.Tensor, requests: Sequence[Request], generators: Sequence[torch.Generator]
) -> tuple[list[int], list[bool]]:
    """The next token of each row, -1 where none could be drawn, and whether its logits were finite.

    logits: (rows, vocabulary). Row i belongs to requests[i] and generators[i]; a row's token
    depends on no other row, also where another's cannot be drawn. The same seed draws the same
    tokens as in `model.generate`.
    """
    best, greedy = logits.max(-1)
    lowest = logits.new_tensor(float("-inf"))
    finite = (best.isfinite() & (best > lowest)).tolist()
    tokens: list[int] = greedy.tolist()
    drawn = [row for row, ask in enumerate(requests) if ask.temperature > 0 and finite[row]]
    if drawn:
        where = torch.tensor(drawn, device=logits.device)
        below = logits[where].float().sub_(best[where, None])  # a copy
        asked = [requests[row] for row in drawn]
        uniform = torch.cat([torch.rand(1, generator=generators[row]) for row in drawn])
        for row, token in zip(drawn, _draw_each(below, asked, uniform), strict=True):
            tokens[row] = token
    return tokens, finite


def _draw_each(
    below: torch.Tensor, requests: Sequence[Request], uniform: torch.Tensor
) -> list[int]:
    """`_draw`; where that fails, row by row, so that only the rows that fail have no token."""
    try:
        return _draw(below, requests, uniform)
    except Exception:
        if len(requests) == 1:
            log.exception("A token could not be drawn.")
            return [-1]
    rows = [slice(row, row + 1) for row in range(len(requests))]
    return [_draw_each(below[row], requests[row], uniform[row])[0] for row in rows]


def _draw(below: torch.Tensor, requests: Sequence[Request], uniform: torch.Tensor) -> list[int]:
    """One uniform number a row, looked up in its sorted distribution; -1 where that is none.

    below: logits less their row's highest.
    """
    heat = below.new_tensor([ask.temperature for ask in requests])[:, None]
    uniform = uniform.to(below.device)[:, None]
    top_p = below.new_tensor([ask.top_p for ask in requests])[:, None]
    probabilities = distribution(below, heat)
    size = probabilities.shape[-1]
    look = min(size, FIRST_LOOK)
    kept = [min(ask.top_k, size) or size for ask in requests]
    found, order = probabilities.topk(look, dim=-1)
    most = torch.tensor(kept, device=below.device)[:, None]
    rules = (uniform, top_p, most, most >= size)
    tokens, sure = _look_up(found, order, *rules, whole=look == size)
    missing = (~sure).nonzero().flatten()
    if len(missing):
        found, order = probabilities[missing].sort(descending=True, stable=True)
        tokens[missing], _ = _look_up(found, order, *[r[missing] for r in rules], whole=True)
    drawn: list[int] = tokens.tolist()
    return drawn


def _look_up(
    probabilities: torch.Tensor,
    order: torch.Tensor,
    uniform: torch.Tensor,
    top_p: torch.Tensor,
    kept: torch.Tensor,
    unlimited: torch.Tensor,
    *,
    whole: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (rows,), and whether the most probable ones given suffice to know them.

    probabilities, order: (rows, looked at), the most probable first; `whole` if that is all.
    kept: (rows, 1), how many tokens top_k leaves; unlimited: whether those are all there are.
    """
    places = torch.arange(probabilities.shape[-1], device=order.device)[None]
    probabilities = torch.where(places < kept, probabilities, 0)
    total = probabilities.cumsum(-1)
    all_here = (kept <= probabilities.shape[-1]) | whole  # what top_k leaves was looked at
    mass = torch.where(all_here, total[:, -1:], 1.0)
    # the most probable token is always in it: in float32 the smallest top_p are 0
    inside = (total - probabilities < top_p * mass) | (places == 0)
    nucleus = torch.where(inside, probabilities, 0)
    reached = nucleus.cumsum(-1)
    # the end of the nucleus is known
    closed = all_here | (unlimited & (total[:, -1:] >= top_p))
    wanted = uniform * torch.where(closed, reached[:, -1:], 1.0)
    place = (reached <= wanted).sum(-1, keepdim=True)
    last = (nucleus > 0).sum(-1, keepdim=True) - 1
    sure = closed | (unlimited & (top_p >= 1) & (place <= last))
    # where nothing is probable there is no place, and no index may leave the row: on a GPU that
    # would end the process
    token = order.gather(-1, torch.minimum(place, last).clamp(min=0))
    return torch.where(last >= 0, token, -1)[:, 0], sure[:, 0]


def logprobs_of(
    logits: torch.Tensor, token: int, alternatives: int
) -> tuple[float, tuple[tuple[int, float], ...]]:
    """The token's log-probability and the most probable alternatives, from logits (vocabulary,)."""
    scores = logits.float().log_softmax(-1)
    values, ids = scores.topk(min(alternatives, len(scores)))
    return float(scores[token]), tuple(zip(ids.tolist(), values.tolist(), strict=True))
