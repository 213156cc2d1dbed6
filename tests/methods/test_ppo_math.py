"""PPO's equations, against values worked out by hand and laws they must keep."""

from __future__ import annotations

import math

import pytest
import torch

from personalign.methods.ppo_math import (
    KlControl,
    generalised_advantages,
    masked_mean,
    policy_loss,
    sequence_kl,
    token_rewards,
    value_loss,
    whiten,
)

MASK = torch.tensor([[True, True, True], [True, False, False]])
"""A reply of three tokens and one that ends with its first."""


def test_advantages_against_hand_computed_values() -> None:
    rewards = torch.tensor([[0.0, 1.0, 2.0], [-1.0, 7.0, 7.0]])  # 7s are padding
    values = torch.tensor([[0.5, 1.0, 1.5], [0.5, 9.0, 9.0]])  # 9s are padding
    found = generalised_advantages(rewards, values, MASK, gamma=0.5, lam=0.5)
    # delta_2 = 2 - 1.5 = 0.5; delta_1 = 1 + 0.5 * 1.5 - 1 = 0.75; delta_0 = 0 + 0.5 * 1 - 0.5 = 0
    # A_2 = 0.5; A_1 = 0.75 + 0.25 * 0.5 = 0.875; A_0 = 0 + 0.25 * 0.875 = 0.21875
    # second reply: A_0 = -1 - 0.5 = -1.5
    expected = torch.tensor([[0.21875, 0.875, 0.5], [-1.5, 0.0, 0.0]])
    assert torch.equal(found.advantages, expected)
    returns = torch.tensor([[0.71875, 1.875, 2.0], [-1.0, 0.0, 0.0]])
    assert torch.equal(found.returns, returns)


def test_lambda_1_and_gamma_1_are_returns_less_values() -> None:
    torch.manual_seed(0)
    rewards, values = torch.randn(2, 3), torch.randn(2, 3)
    found = generalised_advantages(rewards, values, MASK, gamma=1.0, lam=1.0)
    to_go = (rewards * MASK).flip(1).cumsum(1).flip(1) * MASK
    assert torch.allclose(found.advantages, to_go - values * MASK, atol=1e-6)
    assert torch.allclose(found.returns, to_go, atol=1e-6)


def test_lambda_0_is_the_surprise_of_one_step() -> None:
    torch.manual_seed(1)
    rewards, values = torch.randn(1, 3), torch.randn(1, 3)
    after = torch.cat([values[:, 1:], torch.zeros(1, 1)], dim=1)
    found = generalised_advantages(rewards, values, MASK[:1], gamma=0.9, lam=0.0)
    assert torch.allclose(found.advantages, rewards + 0.9 * after - values)


def test_the_score_comes_at_the_last_token_and_the_penalty_at_each() -> None:
    log_probs = torch.tensor([[-1.0, -2.0, -3.0], [-1.0, -8.0, -8.0]])
    reference = torch.tensor([[-1.5, -2.0, -2.0], [-1.0, -1.0, -1.0]])
    rewards = token_rewards(torch.tensor([-1.0, -6.0]), log_probs, reference, MASK, kl_coef=0.5)
    expected = torch.tensor([[-0.25, 0.0, 0.5 - 1.0], [-6.0, 0.0, 0.0]])
    assert torch.equal(rewards, expected)
    assert rewards.sum(1).tolist() == [-1.0 - 0.5 * (0.5 + 0.0 - 1.0), -6.0]


def test_kl_is_summed_over_tokens_and_averaged_over_replies() -> None:
    log_probs = torch.tensor([[-1.0, -2.0, -3.0], [-1.0, -8.0, -8.0]])
    reference = torch.tensor([[-1.5, -2.0, -2.0], [-2.0, -1.0, -1.0]])
    assert sequence_kl(log_probs, reference, MASK).item() == pytest.approx((-0.5 + 1.0) / 2)
    assert sequence_kl(log_probs, log_probs, MASK).item() == 0


def test_whitening_ignores_padding() -> None:
    values = torch.tensor([[1.0, 2.0, 3.0], [6.0, 1e9, math.pi]])
    white = whiten(values, MASK)
    real = white[MASK]
    assert real.mean().item() == pytest.approx(0, abs=1e-6)
    assert real.var().item() == pytest.approx(1, abs=1e-5)
    assert (white[~MASK] == 0).all()
    assert (whiten(torch.ones(2, 3), MASK) == 0).all()


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        (1.0, 2.0, -2.0, True),
        (1.1, 1.0, -1.1, True),
        (1.5, 1.0, -1.2, False),  # better than before, and moved far enough
        (1.5, -1.0, 1.5, True),  # worse than before, and more probable: pull back
        (0.5, -1.0, 0.8, False),
        (0.5, 1.0, -0.5, True),
    ],
)
def test_the_clipped_objective(ratio: float, advantage: float, loss: float, gradient: bool) -> None:
    old = torch.tensor([[-1.0, -5.0, -5.0]])
    log_probs = (old + torch.tensor([[math.log(ratio), 3.0, -3.0]])).requires_grad_()
    mask = torch.tensor([[True, False, False]])
    advantages = torch.tensor([[advantage, 99.0, 99.0]])
    found = policy_loss(log_probs, old, advantages, mask, clip=0.2)
    found.loss.backward()
    assert found.loss.item() == pytest.approx(loss, rel=1e-6)
    assert log_probs.grad is not None
    assert (log_probs.grad[0, 0] != 0) == gradient
    assert (log_probs.grad[0, 1:] == 0).all()
    assert found.clipped.item() == (0.0 if gradient else 1.0)


def test_values_are_kept_near_the_old_ones() -> None:
    old, returns, mask = torch.zeros(1, 3), torch.full((1, 3), 1.0), MASK[1:]
    near = value_loss(torch.tensor([[0.1, 5.0, 5.0]]), old, returns, mask, clip=0.2)
    assert near.loss.item() == pytest.approx(0.5 * 0.9**2)
    far = value_loss(torch.tensor([[0.9, 5.0, 5.0]]), old, returns, mask, clip=0.2)
    assert far.loss.item() == pytest.approx(0.5 * 0.8**2)  # held at 0.2
    assert (near.clipped.item(), far.clipped.item()) == (0.0, 1.0)


def test_the_penalty_grows_above_the_wanted_kl_and_shrinks_below() -> None:
    control = KlControl(0.2, target=6.0)
    assert control.after(6.0, replies=16) == control
    assert control.after(6.6, replies=16).coefficient == pytest.approx(0.2 * (1 + 0.1 * 16 / 1e4))
    assert control.after(1e6, replies=16).coefficient == pytest.approx(0.2 * (1 + 0.2 * 16 / 1e4))
    assert control.after(0.0, replies=16).coefficient == pytest.approx(0.2 * (1 - 0.2 * 16 / 1e4))
    fixed = KlControl(0.2, target=None)
    assert fixed.after(1e6, replies=16) is fixed


def test_means_over_no_tokens_are_zero() -> None:
    assert masked_mean(torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.bool)).item() == 0
