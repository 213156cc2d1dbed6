"""One step of PPO on any policy: replies and their scores in, a moved policy out.

The order is the one of Ziegler et al. and of TRL: read what was said under the policy, its value
head and the reference; make token rewards, advantages (GAE, then whitened) and returns of that;
then, for some epochs, move the policy and the value head along the clipped objectives. The
equations are in `ppo_math.py`. A `Policy` is a seam: a language model with an adapter
(`ppo_policy.py`), or a table of numbers in a test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from personalign.errors import MethodError
from personalign.methods.ppo_math import (
    generalised_advantages,
    masked_mean,
    policy_loss,
    sequence_kl,
    token_rewards,
    value_loss,
    whiten,
)
from personalign.methods.rollout import Replies


@dataclass(frozen=True)
class PpoSettings:
    """What PPO does with a person's answers. The values are the paper's, and where it is silent
    ("following the original implementation") those of TRL's former `PPOConfig`, before 0.12."""

    steps: int = 250
    """Batches of replies sampled and learnt from (the paper)."""
    batch: int = 16
    """Replies a batch (the paper), and a step of the optimiser: TRL's mini-batches are whole."""
    learning_rate: float = 1.41e-5
    """Of Adam (the paper; TRL's examples)."""
    rank: int = 16
    """Inner width of the LoRA matrices (TRL's examples with peft; the paper does not say)."""
    alpha: int = 100
    """Their product counts alpha / rank times (the paper)."""
    max_new_tokens: int = 15
    """Longest reply, in tokens (the paper)."""
    epochs: int = 4
    """How often each batch is learnt from (TRL: ppo_epochs)."""
    gamma: float = 1.0
    """Discount of later rewards (TRL)."""
    lam: float = 0.95
    """GAE's lambda (TRL)."""
    clip: float = 0.2
    """How far a token's probability ratio may move in a step (TRL: cliprange)."""
    value_clip: float = 0.2
    """How far a value may move in a step (TRL: cliprange_value)."""
    value_weight: float = 0.1
    """Weight of the value's loss beside the policy's (TRL: vf_coef)."""
    kl_coef: float = 0.2
    """Weight of the KL penalty at first (TRL: init_kl_coef)."""
    kl_target: float | None = 6.0
    """The KL a reply should have, in nats; None keeps the weight fixed (TRL: target)."""
    kl_horizon: float = 10_000.0
    """Replies after which the weight has followed the KL (TRL: horizon)."""
    ratio_limit: float = 10.0
    """A step ends before an update whose mean ratio exceeds this (TRL: ratio_threshold)."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "rank", "max_new_tokens", "epochs"):
            if getattr(self, name) < 1:
                raise MethodError(f"PPO's {name} is {getattr(self, name)}; it must be 1 or more.")
        if self.kl_target is not None and self.kl_target <= 0:
            raise MethodError(
                f"PPO's kl_target is {self.kl_target}; it must be above 0, or None for a fixed "
                "weight of the penalty."
            )


class Reading(NamedTuple):
    """What a policy makes of replies."""

    log_probs: torch.Tensor
    """(rows, time) float32, of the tokens chosen; 0 after a reply's end."""
    values: torch.Tensor
    """(rows, time) float32, what reward was expected before each token; 0 after a reply's end."""


class Policy(ABC):
    """Something that chooses tokens, and is trained to choose others."""

    @abstractmethod
    def read(self, replies: Replies) -> Reading:
        """Log-probabilities and values of given replies, differentiable."""

    @abstractmethod
    def reference(self, replies: Replies) -> torch.Tensor:
        """(rows, time) log-probabilities under the policy training began with."""

    @abstractmethod
    def parameters(self) -> list[torch.nn.Parameter]:
        """Everything that is trained, in an order that never changes."""


class StepReport(NamedTuple):
    """What one step met and did."""

    reward: float
    """Mean score of the replies, without the KL penalty."""
    kl: float
    """KL from the reference before the step, in nats a reply."""
    policy_loss: float
    """Of the last epoch."""
    value_loss: float
    """Of the last epoch."""
    clipped: float
    """Share of the last epoch's tokens whose ratio was clipped."""


def ppo_step(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    replies: Replies,
    scores: Iterable[float],
    settings: PpoSettings,
    kl_coef: float,
) -> StepReport:
    """Learn from one batch.

    replies: sampled from the policy as it is. scores: the reward of each. kl_coef: beta, now.
    """
    mask = replies.mask
    with torch.no_grad():
        old = policy.read(replies)
        reference = policy.reference(replies)
    earned = torch.tensor([float(score) for score in scores], device=mask.device)
    rewards = token_rewards(earned, old.log_probs, reference, mask, kl_coef)
    estimate = generalised_advantages(
        rewards, old.values, mask, gamma=settings.gamma, lam=settings.lam
    )
    advantages = whiten(estimate.advantages, mask)
    for _ in range(settings.epochs):
        now = policy.read(replies)
        chosen = policy_loss(now.log_probs, old.log_probs, advantages, mask, clip=settings.clip)
        expected = value_loss(
            now.values, old.values, estimate.returns, mask, clip=settings.value_clip
        )
        with torch.no_grad():
            ratio = masked_mean(torch.exp(now.log_probs - old.log_probs), mask)
        if not bool(ratio <= settings.ratio_limit):  # also where it is not a number
            break
        optimizer.zero_grad(set_to_none=True)
        (chosen.loss + settings.value_weight * expected.loss).backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return StepReport(
        reward=earned.mean().item(),
        kl=sequence_kl(old.log_probs, reference, mask).item(),
        policy_loss=chosen.loss.item(),
        value_loss=expected.loss.item(),
        clipped=chosen.clipped.item(),
    )
