"""Replies sampled from a decoder as it is now: what reinforcement learning learns from.

Questions of different lengths are filled up on the left and continued together, each token from the
model's own distribution (temperature 1, nothing cut off), with keys and values kept. A reply ends
with its end-of-turn token, which is one of its tokens: to stop is a choice that earns reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from personalign.model.batch import model_inputs

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder


@dataclass(frozen=True, eq=False)
class Replies:
    """Questions and one sampled reply to each."""

    questions: tuple[tuple[int, ...], ...]
    """Token ids up to where each reply begins."""
    tokens: torch.Tensor
    """(rows, time) int64 token ids of the replies; after a reply's end they mean nothing."""
    mask: torch.Tensor
    """(rows, time) bool, true at a reply's own tokens, its end-of-turn token included."""

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def ids(self) -> list[list[int]]:
        """Each reply's token ids."""
        rows = zip(self.tokens.tolist(), self.mask.tolist(), strict=True)
        return [[token for token, real in zip(*row, strict=True) if real] for row in rows]

    def texts(self, decoder: Decoder) -> list[str]:
        """Each reply as text, markers left out."""
        return [decoder.text(reply) for reply in self.ids]


@torch.no_grad()
def sample_replies(
    decoder: Decoder,
    questions: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    generator: torch.Generator,
) -> Replies:
    """One reply to each question, at most `max_new_tokens` long.

    questions: token ids of rendered chats. generator: on the CPU; one uniform number a row and step
    is drawn from it and looked up in the distribution, so a seed means the same on every device.
    """
    inputs = model_inputs(decoder, questions, side="left")
    mask = inputs["attention_mask"]
    ends = torch.tensor(sorted(decoder.end_ids), device=mask.device)
    living = torch.ones(len(questions), dtype=torch.bool, device=mask.device)
    tokens, real = [], []
    cache = None
    for _ in range(max_new_tokens):
        outputs = decoder.model(**inputs, past_key_values=cache, use_cache=True)
        cache = outputs.past_key_values
        chosen = _draw(outputs.logits[:, -1], generator)
        tokens.append(chosen)
        real.append(living)
        living = living & ~torch.isin(chosen, ends)
        if not bool(living.any()):
            break
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        following = {"input_ids": chosen[:, None], "attention_mask": mask}
        if "position_ids" in inputs:
            following["position_ids"] = inputs["position_ids"][:, -1:] + 1
        inputs = following
    return Replies(
        questions=tuple(tuple(question) for question in questions),
        tokens=torch.stack(tokens, dim=1),
        mask=torch.stack(real, dim=1),
    )


def step_generator(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step, from the seed and the step alone.

    A run that goes on after an interruption draws what it would have drawn, with nothing to save.
    """
    state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> 1))


def questions_of_step(count: int, size: int, seed: int, step: int) -> list[int]:
    """Which `size` of `count` questions a step asks, from one shuffled round after another.

    Every question is asked once before any is asked again.

    >>> sorted(questions_of_step(4, 2, seed=0, step=0) + questions_of_step(4, 2, seed=0, step=1))
    [0, 1, 2, 3]
    """
    places = range(step * size, (step + 1) * size)
    rounds = {
        number: np.random.default_rng([seed, number]).permutation(count)
        for number in {place // count for place in places}
    }
    return [int(rounds[place // count][place % count]) for place in places]


def _draw(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(rows,) int64 tokens drawn from logits (rows, vocabulary)."""
    total = logits.float().softmax(-1).cumsum(-1)
    draws = torch.rand(len(logits), 1, generator=generator).to(total.device)
    place = torch.searchsorted(total, draws * total[:, -1:], right=True)
    return place.clamp(max=logits.shape[1] - 1)[:, 0]
