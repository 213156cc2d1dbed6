"""PPO on bandits whose best policies are known; the update code is the one that trains models."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from personalign.methods.ppo_update import Policy, PpoSettings, Reading, ppo_step
from personalign.methods.rollout import Replies

REWARDS = torch.tensor([[0.0, -1.0, -2.0, -3.0], [-3.0, -0.5, -1.0, -6.0], [-1.0, -6.0, 0.0, -1.0]])
"""(questions, arms) the reward of each choice."""

FAST = PpoSettings(learning_rate=0.05, batch=192, value_weight=0.5, value_clip=10.0)


class Table(Policy):
    """A number for every (question, time, arm), started even, and a value for every question."""

    def __init__(self, questions: int = 3, time: int = 1, arms: int = 4) -> None:
        self.logits = nn.Parameter(torch.zeros(questions, time, arms))
        self.expected = nn.Parameter(torch.zeros(questions, time))
        self.first = self.logits.detach().clone()

    def sample(self, count: int, seed: int) -> Replies:
        """`count` replies of one token each, to the questions in turn."""
        asked = torch.arange(count) % len(self.logits)
        chances = self.logits.detach()[asked, 0].softmax(-1)
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.multinomial(chances, 1, generator=generator)
        return Replies(tuple((int(q),) for q in asked), tokens, torch.ones_like(tokens).bool())

    def read(self, replies: Replies) -> Reading:
        asked = torch.tensor(replies.questions)[:, 0]
        time = replies.tokens.shape[1]
        values = self.expected[asked, :time] * replies.mask
        return Reading(self._chosen(self.logits, replies), values)

    def reference(self, replies: Replies) -> torch.Tensor:
        return self._chosen(self.first, replies)

    def parameters(self) -> list[nn.Parameter]:
        return [self.logits, self.expected]

    def _chosen(self, logits: torch.Tensor, replies: Replies) -> torch.Tensor:
        asked = torch.tensor(replies.questions)[:, 0]
        time = replies.tokens.shape[1]
        log_probs = logits[asked, :time].log_softmax(-1)
        return log_probs.gather(-1, replies.tokens[..., None])[..., 0] * replies.mask


def trained(settings: PpoSettings, steps: int, seed: int = 0) -> tuple[Table, list[float]]:
    """A table after so many steps, and the mean reward of each step."""
    policy = Table()
    optimizer = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate)
    rewards = []
    for step in range(steps):
        if step > steps // 2:  # small steps at the end, to settle
            optimizer.param_groups[0]["lr"] = settings.learning_rate / 10
        replies = policy.sample(settings.batch, seed * 10_000 + step)
        asked = torch.tensor(replies.questions)[:, 0]
        scores = REWARDS[asked, replies.tokens[:, 0]].tolist()
        report = ppo_step(policy, optimizer, replies, scores, settings, settings.kl_coef)
        rewards.append(report.reward)
    return policy, rewards


def test_without_a_penalty_the_best_arm_is_found() -> None:
    policy, rewards = trained(replace(FAST, kl_coef=0.0), steps=60)
    chances = policy.logits.detach()[:, 0].softmax(-1)
    assert chances.argmax(-1).tolist() == REWARDS.argmax(-1).tolist()
    assert chances.max(-1).values.min() > 0.95
    assert rewards[-1] > rewards[0] + 1.5
    assert policy.expected.detach()[:, 0] == pytest.approx(REWARDS.max(-1).values, abs=0.3)


def test_with_a_penalty_the_known_optimum_is_found() -> None:
    """max E[r] - beta KL(pi, rho) is reached by pi proportional to rho exp(r / beta)."""
    beta = 1.0
    policy, _ = trained(replace(FAST, kl_coef=beta), steps=150)
    chances = policy.logits.detach()[:, 0].softmax(-1)
    optimum = (REWARDS / beta).softmax(-1)  # rho is even
    assert (chances - optimum).abs().max() < 0.06
    assert (optimum.max(-1).values < 0.7).any()  # far from the best arm alone


def test_the_same_seed_gives_the_same_policy() -> None:
    first, again, other = (trained(FAST, steps=5, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first.logits, again.logits)
    assert not torch.equal(first.logits, other.logits)


def test_nothing_after_the_end_of_a_reply_is_learnt_from() -> None:
    policy = Table(questions=2, time=3)
    optimizer = torch.optim.SGD(policy.parameters(), lr=1.0)
    tokens = torch.tensor([[1, 2, 3], [0, 3, 3]])
    mask = torch.tensor([[True, True, True], [True, False, False]])
    replies = Replies(((0,), (1,)), tokens, mask)
    report = ppo_step(policy, optimizer, replies, [-1.0, 2.0], FAST, 0.1)
    moved = policy.logits.detach().abs().sum(-1) > 0
    assert moved.tolist() == [[True, True, True], [True, False, False]]
    assert (policy.expected.detach() != 0).tolist() == mask.tolist()
    other = Table(questions=2, time=3)
    padding = torch.where(mask, tokens, 1 - tokens.clamp(max=1))
    ppo_step(
        other,
        torch.optim.SGD(other.parameters(), lr=1.0),
        Replies(((0,), (1,)), padding, mask),
        [-1.0, 2.0],
        FAST,
        0.1,
    )
    assert torch.equal(other.logits, policy.logits)
    assert report.kl == 0.0


def test_a_step_that_would_leap_is_not_taken() -> None:
    policy = Table()
    optimizer = torch.optim.SGD(policy.parameters(), lr=1e6)
    replies = policy.sample(64, seed=0)
    scores = REWARDS[torch.tensor(replies.questions)[:, 0], replies.tokens[:, 0]].tolist()
    ppo_step(policy, optimizer, replies, scores, replace(FAST, ratio_limit=0.5), 0.0)
    assert torch.equal(policy.logits, policy.first)
