"""The mathematics of PPO on replies, as pure functions of tensors.

Every tensor is (rows, time): row i is a reply, time counts its tokens from 0, and `mask` is true at
the tokens the policy chose, its end-of-turn token included. What comes after is padding and counts
nowhere. Symbols are those of Schulman et al., "Proximal Policy Optimization Algorithms" (2017), of
Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation"
(2016), and of Ziegler et al., "Fine-Tuning Language Models from Human Preferences" (2019), in the
order in which a step uses them. `ppo_update.py` puts them together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over real tokens, a scalar; 0 if there are none."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def token_rewards(
    scores: torch.Tensor,
    log_probs: torch.Tensor,
    reference: torch.Tensor,
    mask: torch.Tensor,
    kl_coef: float,
) -> torch.Tensor:
    """(rows, time) the reward of each token: Ziegler et al., Eq. 2, spread over the tokens.

        r_t = -beta (log pi(a_t) - log rho(a_t)),   plus the reply's score at its last token

    scores: (rows,) the reward of each whole reply. log_probs: of the chosen tokens, under the
    policy pi that chose them. reference: under the plain model rho. kl_coef: beta.
    """
    rewards = -kl_coef * (log_probs - reference) * mask
    last = mask.long().sum(dim=1, keepdim=True) - 1  # (rows, 1); -1 for a reply of no tokens
    ending = (torch.arange(mask.shape[1], device=mask.device)[None] == last) & mask
    return rewards + ending * scores[:, None]


class Advantages(NamedTuple):
    """How much better each token was than expected."""

    advantages: torch.Tensor
    """(rows, time) A_t."""
    returns: torch.Tensor
    """(rows, time) A_t + V(s_t): what the value of that state should have been."""


def generalised_advantages(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, *, gamma: float, lam: float
) -> Advantages:
    """Generalised advantage estimation (GAE), Eqs. 11-12 of the PPO paper.

        delta_t = r_t + gamma V(s_{t+1}) - V(s_t)
        A_t     = delta_t + gamma lambda A_{t+1}

    The value after a reply's last token is 0: the reply is over. values: V(s_t), the value of what
    was read before token t was chosen.
    """
    rewards, values = rewards * mask, values * mask
    rows, time = rewards.shape
    found = torch.zeros_like(rewards)
    after, value_after = rewards.new_zeros(rows), rewards.new_zeros(rows)
    for t in range(time - 1, -1, -1):
        delta = rewards[:, t] + gamma * value_after - values[:, t]
        after = delta + gamma * lam * after
        value_after = values[:, t]
        found[:, t] = after
    return Advantages(found * mask, (found + values) * mask)


def whiten(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean 0 and variance 1 over the real tokens of the batch; 0 elsewhere.

    A batch whose values are all alike becomes 0 rather than noise.
    """
    centred = (values - masked_mean(values, mask)) * mask
    variance = (centred**2).sum() / (mask.sum() - 1).clamp(min=1)
    return centred * torch.rsqrt(variance + 1e-8)


class Objective(NamedTuple):
    """A loss to minimise."""

    loss: torch.Tensor
    """Scalar."""
    clipped: torch.Tensor
    """Scalar, the share of tokens at which clipping took the gradient away."""


def policy_loss(
    log_probs: torch.Tensor,
    old_log_probs: torch.Tensor,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    *,
    clip: float,
) -> Objective:
    """Minus L^CLIP, Eq. 7 of the PPO paper, the mean over tokens.

        L^CLIP = E[min(ratio A, clip(ratio, 1 - epsilon, 1 + epsilon) A)],
        ratio  = pi(a_t) / pi_old(a_t)

    clip: epsilon.
    """
    ratio = torch.exp((log_probs - old_log_probs) * mask)
    free = ratio * advantages
    held = ratio.clamp(1 - clip, 1 + clip) * advantages
    return Objective(
        -masked_mean(torch.minimum(free, held), mask), masked_mean((held < free).float(), mask)
    )


def value_loss(
    values: torch.Tensor,
    old_values: torch.Tensor,
    returns: torch.Tensor,
    mask: torch.Tensor,
    *,
    clip: float,
) -> Objective:
    """L^VF, Eq. 9 of the PPO paper, halved, with the values kept near the old ones.

        L^VF = 1/2 E[max((V - R)^2, (clip(V, V_old - epsilon, V_old + epsilon) - R)^2)]

    The clipping is that of the paper's own code; TRL has it too. clip: epsilon, in reward's units.
    """
    held = torch.minimum(torch.maximum(values, old_values - clip), old_values + clip)
    free_loss, held_loss = (values - returns) ** 2, (held - returns) ** 2
    return Objective(
        0.5 * masked_mean(torch.maximum(free_loss, held_loss), mask),
        masked_mean((held_loss > free_loss).float(), mask),
    )


def sequence_kl(
    log_probs: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Scalar: the sampled KL(pi, rho) of a whole reply, in nats, averaged over replies.

    KL = E[sum_t log pi(a_t) - log rho(a_t)]
    """
    return ((log_probs - reference) * mask).sum(dim=1).mean()


@dataclass(frozen=True)
class KlControl:
    """The weight beta of the KL penalty, moved towards a KL that is wanted, or fixed.

    Ziegler et al., section 2.2:  e = clip(KL / target - 1, -0.2, 0.2),
    beta <- beta (1 + e replies / horizon).

    >>> round(KlControl(0.2, target=6.0, horizon=1600.0).after(60.0, replies=16).coefficient, 6)
    0.2004
    >>> KlControl(0.2, target=None).after(60.0, replies=16).coefficient
    0.2
    """

    coefficient: float
    """beta, as it is now."""
    target: float | None
    """The KL a reply should have, in nats; None leaves beta as it is."""
    horizon: float = 10_000.0
    """After about this many replies beta has followed the KL."""

    def after(self, kl: float, *, replies: int) -> KlControl:
        """The control after a step of so many replies with this mean KL."""
        if self.target is None:
            return self
        error = min(max(kl / self.target - 1, -0.2), 0.2)
        return replace(self, coefficient=self.coefficient * (1 + error * replies / self.horizon))
