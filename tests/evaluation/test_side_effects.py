"""What a persona costs: nothing for nobody, the divergence itself for one, no more than allowed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from personalign.errors import EvaluationError
from personalign.evaluation.side_effects import (
    OPEN_QUESTIONS,
    bound_alpha,
    neutral_chats,
    neutral_cost,
    repeated_share,
    side_effects,
)
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import some_shift


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def decoder(request: pytest.FixtureRequest) -> Decoder:
    return fake_decoder(request.param)


def pushed(decoder: Decoder, alpha: float = 1.0, **more: object) -> Persona:
    return Persona(shift=some_shift(decoder, k=3), alpha=alpha, **more)  # type: ignore[arg-type]


def plainly(decoder: Decoder, persona: Persona) -> tuple[float, float]:
    """KL and surprise, one chat after another, over whole sequences, without any batch."""
    kl, surprise, tokens = 0.0, 0.0, 0
    for question, answer in neutral_chats():
        length = len(decoder.chat.encode(answer))
        found = []
        for one in (PLAIN, persona):
            system = one.system_prompt or "You are a helpful, honest and concise assistant."
            chat = [
                {"role": "system", "content": system},
                {"role": "user", "content": question},
            ]
            ids = torch.tensor([decoder.render(chat, reply=answer)])
            where = torch.ones_like(ids, dtype=torch.bool)
            if one.scope == "generated":
                where[:, : -length - 1] = False
            with (
                torch.no_grad(),
                steer_heads(decoder, row_displacements(decoder, [one]), positions=where),
            ):
                logits = decoder.model(input_ids=ids).logits[0, -length - 1 : -1].double()
            found.append(logits.log_softmax(-1))
        plain, other = found
        kl += (plain.exp() * (plain - other)).sum().item()
        surprise -= other[torch.arange(length), ids[0, -length:]].sum().item()
        tokens += length
    return kl / tokens, surprise / tokens


def test_it_is_the_divergence_and_the_surprise_of_whole_passes(decoder: Decoder) -> None:
    people = [
        PLAIN,
        pushed(decoder),
        pushed(decoder, scope="generated"),
        pushed(decoder, 0.5, system_prompt="You worry about things."),
        Persona(system_prompt="You love large parties."),
    ]
    kl, surprise = neutral_cost(decoder, people)
    for place, persona in enumerate(people):
        assert (kl[place], surprise[place]) == pytest.approx(plainly(decoder, persona), abs=2e-5)
    assert kl[0] == 0 and (kl[1:] > 1e-4).all()
    assert len(set(kl.round(7))) == len(people)  # scope and prompt count


def test_who_else_is_measured_changes_nothing(decoder: Decoder) -> None:
    first, second = pushed(decoder), pushed(decoder, 2.0)
    together = side_effects(decoder, [first, PLAIN, second, first])
    assert together[0] == together[3]
    assert together[0].kl == pytest.approx(side_effects(decoder, [first])[0].kl, rel=1e-4)
    assert together[1].kl == 0 and together[1].perplexity == together[1].plain_perplexity
    assert together[0].plain_perplexity == together[1].perplexity


def test_repeats_are_those_of_the_replies(decoder: Decoder) -> None:
    found = side_effects(decoder, [pushed(decoder, 30.0)])[0]
    replies = generate(decoder, pushed(decoder, 30.0), list(OPEN_QUESTIONS), max_new_tokens=48)
    shares = [repeated_share(decoder.chat.encode(reply)) for reply in replies]
    assert found.repeats == pytest.approx(np.mean(shares))
    assert repeated_share([7] * 10) == pytest.approx(7 / 8)
    assert repeated_share([1, 2]) == repeated_share([]) == 0
    assert 0 <= found.unparsed <= 1 and found.unparsed == pytest.approx(1)  # its words mean nothing


@pytest.mark.parametrize("budget", [0.0, 0.002, 0.05])
def test_alpha_is_the_largest_the_budget_allows(decoder: Decoder, budget: float) -> None:
    people = [pushed(decoder, 6.0), pushed(decoder, -3.0), PLAIN]
    bounded = bound_alpha(decoder, people, budget)
    kl = neutral_cost(decoder, bounded)[0]
    assert (kl <= budget).all()
    assert bounded[2].alpha == 0
    for before, after, cost in zip(people[:2], bounded, kl, strict=False):
        assert abs(after.alpha) <= abs(before.alpha) and after.alpha * before.alpha >= 0
        assert after.provenance["kl"] == pytest.approx(cost, abs=1e-6)
        assert after.provenance["alpha_unbounded"] == before.alpha
        a_little_more = after.with_alpha(after.alpha + before.alpha / 64)
        assert neutral_cost(decoder, [a_little_more])[0][0] > budget


def test_a_budget_that_is_not_reached_changes_no_alpha(decoder: Decoder) -> None:
    people = [pushed(decoder, 1.5), Persona(system_prompt="You worry.")]
    assert bound_alpha(decoder, people, 1e6) == people


def test_a_curve_gives_the_best_alpha_below(decoder: Decoder) -> None:
    curve = {"alphas": [0.0, 0.25, 0.5, 4.0], "errors": [3.0, 2.0, 2.5, 1.0]}
    one = replace(pushed(decoder, 4.0), provenance={"alpha_curve": curve})
    budget = float(neutral_cost(decoder, [one.with_alpha(1.0)])[0][0])
    assert bound_alpha(decoder, [one], budget)[0].alpha == 0.25


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [([2.0, 2.5, 2.6, 1.0], 0.0), ([3.0, None, None, 1.0], None)],
    ids=["every push within the budget is worse than none", "nothing within it was tried"],
)
def test_a_curve_may_say_that_no_push_is_best(
    decoder: Decoder, errors: list[float | None], chosen: float | None
) -> None:
    curve = {"alphas": [0.0, 0.25, 0.5, 4.0], "errors": errors}
    one = replace(pushed(decoder, 4.0), provenance={"alpha_curve": curve})
    budget = float(neutral_cost(decoder, [one.with_alpha(1.0)])[0][0])
    (found,) = bound_alpha(decoder, [one], budget)
    assert found.alpha == (pytest.approx(1.0, abs=4 / 64) if chosen is None else chosen)
    assert neutral_cost(decoder, [found])[0][0] <= budget


@pytest.mark.parametrize("budget", [-0.1, float("nan"), float("inf")])
def test_a_budget_is_a_number_from_0(decoder: Decoder, budget: float) -> None:
    with pytest.raises(EvaluationError, match=r"give a number of nats .* for example 0\.1"):
        bound_alpha(decoder, [PLAIN], budget)
