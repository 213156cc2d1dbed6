"""What each dial of `dials.py` does to the heads, learnt once a model on a population.

A step draws a few items, and people of the population who answered them. Where those people stand
is taken from their answers to all *other* items; pushed accordingly, the model is asked the items
that were drawn, and is to give the answers that they gave:

    loss = -log p(label of the response to a drawn item | heads pushed by the others' scores)
           + 0.1 * mean over heads of (length of the push / usual length of the head's output)^2

p is among all tokens, so that the model goes on answering with labels; the second term keeps plain
text what it was, at no loss in closeness.
The model is frozen; the gradient runs through it to offset and directions. Only replies are pushed,
so questions are read once for everybody and a person costs a token an item. Only tuning items are
asked: nothing here sees a held-out item, and no answer is predicted from itself.

What is kept is the mean over the second half of the steps: single steps fit the items they drew.

With a few-shot prompt, each person's other answers are also the system prompt: the push then learns
what the prompt leaves to be desired. Every person's prompt has to be read, at some hundred times
the cost of a person without one, and fewer of them are asked more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch.nn import functional

from personalign.errors import MethodError
from personalign.methods.activations import contrast_outputs
from personalign.methods.factors import Factors
from personalign.methods.twin import twin
from personalign.model.files import replace_folder
from personalign.model.full import full_scores
from personalign.model.prompts import few_shot_prompt
from personalign.model.questions import label_tokens, question_tokens
from personalign.model.residual import Site
from personalign.model.route import can_share
from personalign.model.shared import shared_scores

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder
    from personalign.model.prompts import Wording

log = logging.getLogger(__name__)

DRAWN, GROUPS, PEOPLE = 10, 4, 64
"""Items drawn at once, how often in a step, and people asked each time."""

PROMPTED_DRAWN, PROMPTED_PEOPLE = 30, 12
"""Items drawn, and people, in a step with prompts: each person's other answers are theirs."""

RATE, PROMPTED_RATE = 0.004, 0.002
"""Adam's learning rate, and the one under prompts, where little is left to be learnt."""

WARMUP, FALL_FROM = 10, 0.4
"""Steps in which the rate rises, and the share of steps after which it falls to 0."""

COST = 0.1
"""Nats that pushes as long as what heads put out by themselves must be worth; chosen on simulated
people by closeness and by what plain text pays (dev/log.md)."""

KEPT_EVERY = 20
"""Steps between two writes of what was learnt so far."""

ADAM = ("step", "exp_avg", "exp_avg_sq")
"""What Adam keeps of each of its tensors."""

FIRST_PUSH, FIRST_PROMPTED_PUSH = 0.05, 0.001
"""Directions begin at so many times what answers leave in a head: small against its output."""


@dataclass(frozen=True, eq=False)
class Dialled:
    """What is learnt of a model."""

    directions: NDArray[np.float32]
    """(dials, heads, head_dim) how far one step on a dial pushes each head."""
    offset: NDArray[np.float32]
    """(heads, head_dim) how far everybody is pushed, wherever they stand."""
    losses: tuple[float, float]
    """The loss over the first and the last tenth of the steps, in nats an answer."""

    def pushes(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """(people, heads, head_dim) for people who stand at `scores`, (people, dials)."""
        dials = len(self.directions)
        moved = scores @ self.directions.reshape(dials, -1)
        return moved.reshape(len(scores), *self.offset.shape) + self.offset

    @property
    def reach(self) -> NDArray[np.float32]:
        """(heads,) how far each head is pushed by one step on every dial, root of squares."""
        return np.asarray(np.sqrt((self.directions**2).sum(axis=(0, 2))))


def fit_dials(
    decoder: Decoder,
    items: Sequence[Item],
    known: Factors,
    responses: NDArray[np.int8],
    places: NDArray[np.int64],
    wording: Wording,
    *,
    prompted: bool = False,
    steps: int,
    seed: int,
    cache: Path | None = None,
    unfinished: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dialled:
    """Learn directions and offset by gradient descent through the frozen model.

    known: the population's factors. responses: (people, items) of the population, 0 missing.
    places: (K, 2) layer and head of those that are pushed. prompted: whether people's other answers
        are the system prompt. cache: where head outputs are kept. unfinished: a file in which steps
        are kept and from which an interrupted call goes on. progress: called with (steps done,
        steps).
    Raises MethodError where the loss stops being finite.
    """
    begin, usual = _traces(decoder, items, known, places, wording, cache)
    state = _State(begin * (FIRST_PROMPTED_PUSH if prompted else FIRST_PUSH))
    state.take_up(unfinished)
    rate = PROMPTED_RATE if prompted else RATE
    random = np.random.default_rng(seed)
    with twin(decoder) as other:
        asking = _Asking(other, items, wording, places)
        for step in range(steps):
            groups = _groups(random, responses, prompted)
            if step < len(state.curve):
                continue
            state.optimizer.param_groups[0]["lr"] = rate * _height(step, steps)
            total = 0.0
            for drawn, who in groups:
                seen = responses[who].copy()
                seen[:, drawn] = 0
                scores = torch.from_numpy(known.scores(seen)).to(decoder.device)
                target = torch.from_numpy(responses[np.ix_(who, drawn)].astype(np.int64))
                prompts = [few_shot_prompt(items, row.tolist()) for row in seen] if prompted else []
                with torch.enable_grad():
                    pushed = torch.einsum("pk,khd->phd", scores, state.directions) + state.offset
                    if prompted:
                        ways = zip(prompts, pushed.split(1), strict=True)
                        found = torch.cat([asking.log_probs(drawn, p, push) for p, push in ways])
                    else:
                        found = asking.log_probs(drawn, None, pushed)
                    loss = functional.nll_loss(
                        found.flatten(0, 1), target.flatten() - 1, ignore_index=-1
                    )
                    reach = (pushed.square().sum(-1) / usual).mean()
                    (loss + COST * reach).backward()
                total += loss.item() / len(groups)
            if not np.isfinite(total):
                raise MethodError(
                    f"The loss of {decoder.name} is no longer finite at step {step}; its dtype is "
                    "too narrow to be calibrated in (load it in float32 or bfloat16)."
                )
            state.advance(total, averaged=step - steps // 2)
            if unfinished is not None and (step + 1) % KEPT_EVERY == 0:
                state.keep(unfinished)
            if progress is not None:
                progress(step + 1, steps)
    tenth = max(1, steps // 10)
    losses = float(np.mean(state.curve[:tenth])), float(np.mean(state.curve[-tenth:]))
    directions, offset = (mean.float().cpu().numpy() for mean in state.average)
    return Dialled(directions, offset, losses)


class _State:
    """What a calibration has learnt so far; kept on disk, it goes on as if never interrupted."""

    def __init__(self, directions: torch.Tensor) -> None:
        self.directions = directions.requires_grad_()
        self.offset = torch.zeros_like(directions[0]).requires_grad_()
        self.optimizer = torch.optim.Adam([self.directions, self.offset])
        self.average = [torch.zeros_like(directions), torch.zeros_like(directions[0])]
        self.curve: list[float] = []

    def advance(self, loss: float, *, averaged: int) -> None:
        """One step of Adam; averaged: how many steps were averaged before, below 0 not yet."""
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.curve.append(loss)
        if averaged >= 0:
            for mean, now in zip(self.average, (self.directions, self.offset), strict=True):
                mean += (now.detach() - mean) / (averaged + 1)

    def keep(self, path: Path) -> None:
        """Write everything; a folder that cannot be written to costs a warning, no more."""
        parts = {"curve": torch.tensor(self.curve, dtype=torch.float64), **self._learnt()}
        for place, parameter in enumerate((self.directions, self.offset)):
            moments = self.optimizer.state[parameter]
            parts |= {f"adam.{place}.{name}": moments[name] for name in ADAM}
        try:
            replace_folder(path.parent, {path.name: save(parts)}, ours=(path.name,))
        except OSError as error:
            log.warning("The calibration cannot be taken up if it is interrupted: %s.", error)

    def take_up(self, path: Path | None) -> None:
        """Go on from what was kept, if there is anything that fits."""
        if path is None or not path.exists():
            return
        device = self.directions.device
        try:
            parts = {name: part.to(device) for name, part in load_file(path).items()}
            now = self._learnt()
            kept = [parts[name] for name in now]
            adam = [{name: parts[f"adam.{i}.{name}"] for name in ADAM} for i in range(2)]
            curve = parts["curve"].tolist()
        except (OSError, SafetensorError, KeyError):
            return
        if any(one.shape != own.shape for one, own in zip(kept, now.values(), strict=True)):
            return
        with torch.no_grad():
            for one, own in zip(kept, now.values(), strict=True):
                own.copy_(one)
        for parameter, moments in zip((self.directions, self.offset), adam, strict=True):
            self.optimizer.state[parameter] = {**moments, "step": moments["step"].cpu()}
        self.curve = curve

    def _learnt(self) -> dict[str, torch.Tensor]:
        return {
            "directions": self.directions.detach(),
            "offset": self.offset.detach(),
            "average.directions": self.average[0],
            "average.offset": self.average[1],
        }


def _groups(
    random: np.random.Generator, responses: NDArray[np.int8], prompted: bool
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The (items drawn, people) of one step."""
    people, items = responses.shape
    drawn = min(PROMPTED_DRAWN if prompted else DRAWN, items // 2)
    count = PROMPTED_PEOPLE if prompted else PEOPLE
    return [
        (random.choice(items, drawn, replace=False), random.integers(0, people, count))
        for _ in range(1 if prompted else GROUPS)
    ]


class _Asking:
    """The tuning items as one decoder is asked them."""

    def __init__(
        self,
        decoder: Decoder,
        items: Sequence[Item],
        wording: Wording,
        places: NDArray[np.int64],
    ) -> None:
        self.decoder, self.items, self.wording, self.places = decoder, items, wording, places
        self.labels = label_tokens(decoder, wording)
        self.listed = torch.tensor([wording.order.index(response) for response in range(1, 6)])

    def log_probs(
        self, drawn: NDArray[np.int64], prompt: str | None, pushed: torch.Tensor
    ) -> torch.Tensor:
        """(rows, drawn, 5) of the responses to these items, row i pushed by pushed[i].

        pushed: (rows, K, head_dim), with gradient.
        """
        chosen = [self.items[item] for item in drawn]
        questions = question_tokens(self.decoder, prompt, chosen, self.wording)
        ask = shared_scores if can_share(self.decoder, questions) else full_scores
        found = ask(
            self.decoder,
            questions,
            self.labels,
            _laid(pushed, self.places, self.decoder.heads.heads),
            rows=len(pushed),
            generated_only=True,
        )
        return found[..., self.listed]


def _traces(
    decoder: Decoder,
    items: Sequence[Item],
    known: Factors,
    places: NDArray[np.int64],
    wording: Wording,
    cache: Path | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(dials, K, head_dim) where directions begin, and (K,) mean squared length of heads' outputs.

    Directions begin as what agreeing leaves, weighted by loadings: what a head holds after "Very
    Accurate" minus after "Very Inaccurate" (`activations.py`), of mean square length 1 over items.
    """
    outputs = contrast_outputs(decoder, items, wording, cache=cache)
    usual = outputs[:, places[:, 0], places[:, 1]].square().sum(-1).mean(0).clamp_min(1e-12)
    traces = (outputs[0::2] - outputs[1::2])[:, places[:, 0], places[:, 1]]
    lengths = traces.square().sum(-1).mean(0).sqrt().clamp_min(1e-12)
    loadings = torch.from_numpy(known.loadings)
    begin = torch.einsum("ik,ihd->khd", loadings, traces / lengths[:, None]) / len(items) ** 0.5
    return begin.to(decoder.device), usual.to(decoder.device)


def _laid(pushed: torch.Tensor, places: NDArray[np.int64], heads: int) -> dict[Site, torch.Tensor]:
    """Layer -> (people, heads * head_dim) of pushes (people, K, head_dim)."""
    laid: dict[Site, torch.Tensor] = {}
    for layer in sorted(set(places[:, 0].tolist())):
        at = np.flatnonzero(places[:, 0] == layer)
        row = pushed.new_zeros(len(pushed), heads, pushed.shape[-1])
        index = torch.from_numpy(places[at, 1]).to(pushed.device)
        laid[layer] = row.index_copy(1, index, pushed[:, at]).flatten(1)
    return laid


def _height(step: int, steps: int) -> float:
    """Linear warm-up, a plateau, a linear fall to zero."""
    left = (steps - step) / ((1 - FALL_FROM) * steps)
    return min(1.0, (step + 1) / WARMUP) * min(1.0, left)
