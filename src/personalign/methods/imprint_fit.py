"""How much each answer and each head counts in `imprint.py`: learnt once a model, on a population.

A row of a batch is one person of the population asked one tuning item. The heads are pushed by what
the person answered to all the *other* tuning items, and the model is to give the answer they gave:

    loss = -log p(r_j | heads pushed by the sum over i != j)

averaged over people and items. The model is frozen; the gradient runs through it to centres,
weights and gains, some hundred numbers. Only tuning items are asked: nothing here sees a held-out
item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from personalign.errors import MethodError
from personalign.methods.twin import twin
from personalign.model.batch import model_inputs
from personalign.model.questions import label_tokens, question_tokens
from personalign.model.readout import logits_at
from personalign.model.residual import Site
from personalign.model.steer import steer_heads

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder
    from personalign.model.prompts import Wording

ROWS = 512
"""Answers a step."""

TOKENS_AT_ONCE = 16_384
"""Tokens whose activations are kept for one backward pass."""

RATE, WARMUP, FALL_FROM = 0.03, 10, 0.4
"""Adam's learning rate, the steps it rises, and the share of steps after which it falls to 0."""

FIRST_GAIN = 0.05
"""Gains begin at so many times a trace's length, small against what a head puts out."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What is learnt of a model; `weighted_sums` is what it is for."""

    centres: NDArray[np.float32]
    """(items,) the response that says nothing of a person."""
    weights: NDArray[np.float32]
    """(items,) how much one step away from it counts."""
    gains: NDArray[np.float32]
    """(heads,) how far each head is pushed, in the unit of its outputs."""
    losses: tuple[float, float]
    """The loss over the first and the last tenth of the steps, in nats an answer."""


def fit_calibration(
    decoder: Decoder,
    items: Sequence[Item],
    traces: torch.Tensor,
    places: NDArray[np.int64],
    responses: NDArray[np.int8],
    wording: Wording,
    *,
    steps: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Learn a calibration by gradient descent through the frozen model.

    traces: (items, K, head_dim) what agreeing leaves in each pushed head, of mean square length 1 a
        head. places: (K, 2) layer and head of each. responses: (people, items) of the population,
        0 missing. progress: called with (steps done, steps).
    Raises MethodError where the loss stops being finite, or nobody answered.
    """
    answered = torch.from_numpy(np.argwhere(responses > 0))
    if not len(answered):
        raise MethodError("Nobody of the population answered a tuning item; give other people.")
    known = torch.from_numpy(responses.astype(np.float32)).to(decoder.device)
    given = torch.where(known > 0, known, torch.nan)
    model = _Sum(given.nanmean(0), traces.to(decoder.device), places, decoder)
    optimizer = torch.optim.Adam(model.parameters, lr=RATE)
    random = torch.Generator().manual_seed(seed)
    curve = []
    with twin(decoder) as other, torch.enable_grad():
        asked = _Questions(other, items, wording)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = RATE * _height(step, steps)
            rows = answered[torch.randint(len(answered), (ROWS,), generator=random)]
            total = 0.0
            for chunk in rows.split(asked.rows_at_once):
                who, item = chunk.to(decoder.device).T
                pushes = model.pushes(known[who].scatter(1, item[:, None], 0.0))
                log_probs = asked.log_probs(chunk[:, 1].tolist(), pushes)
                target = known[who, item].long() - 1
                loss = functional.nll_loss(log_probs, target, reduction="sum") / len(rows)
                loss.backward()
                total += loss.item()
            if not np.isfinite(total):
                raise MethodError(
                    f"The loss of {decoder.name} is no longer finite at step {step}; its dtype is "
                    "too narrow to be calibrated in (load it in float32 or bfloat16)."
                )
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            curve.append(total)
            if progress is not None:
                progress(step + 1, steps)
    tenth = max(1, steps // 10)
    centres, weights, gains = (part.detach().float().cpu().numpy() for part in model.parameters)
    return Calibration(
        centres,
        weights,
        gains,
        losses=(float(np.mean(curve[:tenth])), float(np.mean(curve[-tenth:]))),
    )


class _Sum:
    """Weighted sums of traces, with what is learnt about them."""

    def __init__(
        self,
        means: torch.Tensor,
        traces: torch.Tensor,
        places: NDArray[np.int64],
        decoder: Decoder,
    ) -> None:
        self.traces, self.places, self.decoder = traces, places, decoder
        centres = means.nan_to_num(3.0).clone()
        self.parameters = [
            centres.requires_grad_(True),
            torch.ones_like(centres).requires_grad_(True),
            torch.full((traces.shape[1],), FIRST_GAIN, device=traces.device).requires_grad_(True),
        ]

    def pushes(self, responses: torch.Tensor) -> dict[Site, torch.Tensor]:
        """Layer -> (people, heads * head_dim). responses: (people, items), 0 leaves an item out."""
        centres, weights, gains = self.parameters
        pushed = weighted_sums(responses, centres, weights, gains, self.traces)
        heads = self.decoder.heads
        laid: dict[Site, torch.Tensor] = {}
        for layer in sorted(set(self.places[:, 0].tolist())):
            at = np.flatnonzero(self.places[:, 0] == layer)
            row = pushed.new_zeros(len(pushed), heads.heads, heads.head_dim)
            index = torch.from_numpy(self.places[at, 1]).to(pushed.device)
            laid[layer] = row.index_copy(1, index, pushed[:, at]).flatten(1)
        return laid


def weighted_sums(
    responses: torch.Tensor,
    centres: torch.Tensor,
    weights: torch.Tensor,
    gains: torch.Tensor,
    traces: torch.Tensor,
) -> torch.Tensor:
    """(people, K, head_dim) how far each head is pushed; imprint.py's equation.

    responses: (people, items) 1-5, 0 missing. centres, weights: (items,). gains: (K,). traces:
    (items, K, head_dim).
    """
    away = torch.where(responses > 0, (responses - centres) * weights, 0.0) / len(centres) ** 0.5
    return torch.einsum("pi,ikd->pkd", away, traces) * gains[:, None]


class _Questions:
    """The items' questions, and the tokens of the responses 1-5."""

    def __init__(self, decoder: Decoder, items: Sequence[Item], wording: Wording) -> None:
        questions = question_tokens(decoder, None, items, wording)
        labels = label_tokens(decoder, wording)
        if any(len(label) > 1 for label in labels):
            raise MethodError(
                f"The labels of wording {wording.name!r} are several tokens each to "
                f"{decoder.name}; imprint reads single tokens. Choose a wording with other labels."
            )
        self.decoder = decoder
        self.sequences = [questions.whole(item) for item in range(len(items))]
        self.labels = torch.tensor([labels[wording.order.index(r)][0] for r in range(1, 6)])
        self.rows_at_once = max(1, TOKENS_AT_ONCE // questions.longest)

    def log_probs(self, items: Sequence[int], pushes: dict[Site, torch.Tensor]) -> torch.Tensor:
        """(rows, 5) of the responses to these items, row i pushed by row i of `pushes`."""
        sequences = [self.sequences[item] for item in items]
        inputs = model_inputs(self.decoder, sequences)
        rows = torch.arange(len(sequences), device=self.decoder.device)
        last = torch.tensor([len(ids) - 1 for ids in sequences], device=self.decoder.device)
        with steer_heads(self.decoder, pushes):
            logits = logits_at(self.decoder, rows, last, **inputs, use_cache=False)
        return logits[:, self.labels.to(logits.device)].float().log_softmax(-1)


def _height(step: int, steps: int) -> float:
    """Linear warm-up, a plateau, a linear fall to zero."""
    left = (steps - step) / ((1 - FALL_FROM) * steps)
    return min(1.0, (step + 1) / WARMUP) * min(1.0, left)
