"""A probe for every attention head: can its output tell what this person would say?

Paper, section 4.2: per head a logistic regression on the outputs of 240 short chats, two an item:
answered "Very Accurate" and "Very Inaccurate". The label of a chat is whether its answer is on this
person's side, so labels are all that differs from person to person, and all heads of all people are
fitted together (see `logistic.py`). The same numbers come from scikit-learn, head by head, only
slower: benchmarks/probes.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray

from personalign.methods.logistic import Whitened, solve, whiten

AGREE, DISAGREE = (4, 5), (1, 2)
"""Responses that count as agreeing and as disagreeing; 3 is neither, 0 is missing."""

CACHE_BYTES = 20 * 2**20
"""On a CPU, heads are taken so many at a time that their numbers fit in its cache."""

WORTH_COMPILING = 1000
"""On a CPU, from so many probes on (heads times people) the compiled steps are taken, if numba is
installed (`pip install "personalign[fast]"`). Their first use compiles for about three seconds."""

GPU_BYTES = 2 * 2**30
"""On a GPU, so many that they fit in this much of its memory."""


@dataclass(frozen=True)
class Probes:
    """Every head's probe for every person."""

    train_accuracy: NDArray[np.float64] = field(repr=False)
    """(people, layers, heads) share of training rows on the right side; NaN without any."""
    validation_accuracy: NDArray[np.float64] = field(repr=False)
    """(people, layers, heads) share of the other kept rows on the right side; NaN without any."""
    weights: NDArray[np.float32] | None = field(default=None, repr=False)
    """(people, layers, heads, head_dim) of the outputs as they are; None unless asked for."""
    intercepts: NDArray[np.float32] | None = field(default=None, repr=False)
    """(people, layers, heads); None unless asked for."""


def row_labels(responses: NDArray[np.integer]) -> NDArray[np.int8]:
    """(people, 2 * items) labels of the chats: +1 this person's side, -1 the other, 0 left out.

    responses: (people, items) 1-5, 0 missing. Row 2i is item i answered "Very Accurate", row
    2i + 1 "Very Inaccurate". Neutral and missing answers label nothing.

    >>> row_labels(np.array([[5, 3, 2]]))
    array([[ 1, -1,  0,  0, -1,  1]], dtype=int8)
    """
    side = np.isin(responses, AGREE).astype(np.int8) - np.isin(responses, DISAGREE)
    return np.stack([side, -side], axis=-1).reshape(len(side), -1)


@cache
def has_numba() -> bool:
    """Whether the compiled steps can be taken."""
    return find_spec("numba") is not None


class ProbeFitter:
    """The head outputs of one model, prepared for the labels of any number of people."""

    def __init__(
        self,
        outputs: torch.Tensor,
        fitted: NDArray[np.bool_] | None = None,
        *,
        device: torch.device | str | None = None,
    ) -> None:
        """outputs: (rows, layers, heads, head_dim), the same for everybody. fitted: (rows,) which
        rows labels may be fitted to; None is all of them, quicker the fewer. device: where to
        compute; None is where the outputs are.
        """
        self.shape = tuple(outputs.shape)
        rows, layers, heads, width = self.shape
        self.device = torch.device(device if device is not None else outputs.device)
        chosen = np.ones(rows, dtype=bool) if fitted is None else fitted
        self.base = int(chosen.sum())
        self.order = np.argsort(~chosen, kind="stable")  # rows that may be fitted come first
        flat = outputs.reshape(rows, layers * heads, width)
        size = max(1, self._heads_at_once(1) // 2)  # for one person half of it was quickest
        self._prepared = [
            self._prepare(flat[:, start : start + size]) for start in range(0, layers * heads, size)
        ]

    def fit(
        self, labels: NDArray[np.int8], train: NDArray[np.bool_], *, weights: bool = False
    ) -> Probes:
        """Fit and judge all heads' probes of some people.

        labels: (people, rows) +1, -1, or 0 for rows to leave out (`row_labels`).
        train: (rows,) or (people, rows) true where a row trains; the others judge.
        weights: whether the probes themselves are wanted, not only how well they judge.
        """
        _, layers, heads, width = self.shape
        people, total = len(labels), layers * heads
        trains = np.broadcast_to(train, labels.shape)[:, self.order]
        sides = labels[:, self.order]
        assert not (trains & (sides != 0))[:, self.base :].any(), "a row trains that is not fitted"
        signs = self._tensor(np.where(trains, sides, 0)[:, : self.base])
        side, judged = self._tensor(sides) > 0, self._tensor(sides) != 0
        training = self._tensor(trains & (sides != 0)).float()
        judging = self._tensor(~trains & (sides != 0)).float()
        accuracies = np.empty((2, people, total))
        kept = np.empty((people, total, width if weights else 0), np.float32)
        intercepts = np.empty((people, total), np.float32)
        compiled = self.device.type == "cpu" and people * total >= WORTH_COMPILING and has_numba()
        for start, problems in self._chunks(people):
            found = solve(problems, signs, judged=None if weights else judged, compiled=compiled)
            span = slice(start, start + len(found.solutions))
            right = ((found.decisions > 0) == side).float()
            for place, mask in enumerate((training, judging)):
                share = (right * mask).sum(-1) / mask.sum(-1)
                accuracies[place, :, span] = share.T.cpu().numpy()
            if weights:
                plain = problems.weights(found.solutions)
                shifted = found.intercepts[..., 0] - (plain * problems.centres).sum(-1)
                kept[:, span] = plain.transpose(0, 1).float().cpu().numpy()
                intercepts[:, span] = shifted.T.float().cpu().numpy()
        shape = (people, layers, heads)
        return Probes(
            train_accuracy=accuracies[0].reshape(shape),
            validation_accuracy=accuracies[1].reshape(shape),
            weights=kept.reshape(*shape, width) if weights else None,
            intercepts=intercepts.reshape(shape) if weights else None,
        )

    def _tensor(self, array: NDArray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _prepare(self, outputs: torch.Tensor) -> Whitened:
        """Outputs of some heads, (rows, heads, head_dim), as problems."""
        ordered = outputs[torch.from_numpy(self.order).to(outputs.device)]
        features = ordered.to(self.device, torch.float32).transpose(0, 1).contiguous()
        return whiten(features, self.base)

    def _chunks(self, people: int) -> Iterator[tuple[int, Whitened]]:
        """(first head, problems): all heads, as many at a time as is quick for so many people."""
        start = 0
        for prepared in self._prepared:
            count = len(prepared.factor)
            size = min(count, self._heads_at_once(people))
            for first in range(0, count, size):
                yield start + first, prepared.part(slice(first, first + size))
            start += count

    def _heads_at_once(self, people: int) -> int:
        width = self.shape[3]
        one_head = 4 * (self.base * width + people * (6 * self.base + 4 * width))
        budget = CACHE_BYTES if self.device.type == "cpu" else GPU_BYTES
        return max(1, budget // one_head)
