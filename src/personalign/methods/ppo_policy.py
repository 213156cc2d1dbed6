"""A decoder with a LoRA adapter and a value head, as a policy for PPO.

The policy is the decoder with the adapter on; the reference is the same decoder with the adapter
off, so no second model is held. The value head is one linear layer on the last hidden state,
in float32, and its gradient reaches the adapter too, as in TRL. Everything runs in evaluation mode:
with dropout, a ratio would not be 1 before the first update.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from personalign.methods.ppo_update import Policy, Reading
from personalign.methods.rollout import Replies, sample_replies
from personalign.model.batch import model_inputs
from personalign.model.heads import input_width
from personalign.model.readout import logits_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from personalign.model.decoder import Decoder


class AdapterPolicy(Policy):
    """A decoder under an adapter, with a value head."""

    def __init__(self, decoder: Decoder, adapter: Any, *, seed: int) -> None:
        """decoder: a twin, whose model `adapter` (a `peft.PeftModel`) wraps. seed: of the head."""
        self.decoder = decoder
        self.adapter = adapter
        self.head: Any = decoder.model.get_output_embeddings()
        self.value = value_head(input_width(self.head), seed).to(decoder.device)

    def sample(
        self, questions: Sequence[Sequence[int]], max_new_tokens: int, generator: torch.Generator
    ) -> Replies:
        """A reply to each question, from the policy as it is."""
        return sample_replies(
            self.decoder, questions, max_new_tokens=max_new_tokens, generator=generator
        )

    def read(self, replies: Replies) -> Reading:
        chosen, hidden = self._read(replies)
        return Reading(
            _laid_out(chosen, replies.mask),
            _laid_out(self.value(hidden.float())[:, 0], replies.mask),
        )

    @torch.no_grad()
    def reference(self, replies: Replies) -> torch.Tensor:
        with self.adapter.disable_adapter():
            return _laid_out(self._read(replies)[0], replies.mask)

    def parameters(self) -> list[nn.Parameter]:
        trained = [one for _, one in self.adapter.named_parameters() if one.requires_grad]
        return [*trained, *self.value.parameters()]

    def _read(self, replies: Replies) -> tuple[torch.Tensor, torch.Tensor]:
        """Of every real token its log-probability (n,), and what was read before it (n, hidden)."""
        questions = replies.questions
        wholes = [[*q, *reply] for q, reply in zip(questions, replies.ids, strict=True)]
        starts = torch.tensor([len(q) - 1 for q in questions], device=replies.mask.device)
        rows, times = replies.mask.nonzero(as_tuple=True)
        kept: list[torch.Tensor] = []

        def keep(_module: nn.Module, args: tuple[Any, ...]) -> None:
            kept.append(args[0])  # (rows, time, hidden), before `logits_at` narrows it

        handle = self.head.register_forward_pre_hook(keep)
        try:
            places = starts[rows] + times
            inputs = model_inputs(self.decoder, wholes)
            logits = logits_at(self.decoder, rows, places, use_cache=False, **inputs)
        finally:
            handle.remove()
        log_probs = logits.float().log_softmax(-1)
        chosen = log_probs.gather(-1, replies.tokens[rows, times][:, None])[:, 0]
        return chosen, kept[0][rows, places]


def value_head(width: int, seed: int) -> nn.Linear:
    """A linear layer (width -> 1), float32, with torch's own initial weights of this seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(width, 1, dtype=torch.float32)


def _laid_out(found: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(rows, time) from the values at the mask's true places, in their order; 0 elsewhere."""
    return found.new_zeros(mask.shape).masked_scatter(mask, found)
