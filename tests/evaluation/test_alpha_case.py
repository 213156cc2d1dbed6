"""The same persona at several alphas: each reply is that strength's own, and so is its cost."""

from __future__ import annotations

import json

import pytest

from personalign.errors import EvaluationError
from personalign.evaluation.alpha_case import (
    PAPER_PROMPT,
    PAPER_STRENGTHS,
    alpha_case,
    read_strengths,
)
from personalign.evaluation.side_effects import repeated_share, side_effects
from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from tests.model.conftest import some_shift
from tests.model.loud import make_loud


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return make_loud()


@pytest.fixture(scope="module")
def personas(decoder: Decoder) -> dict[str, Persona]:
    return {
        "pas": Persona(shift=some_shift(decoder), alpha=2.5),
        "told": Persona(system_prompt="You worry.", shift=some_shift(decoder, seed=1), alpha=1.0),
    }


def test_every_reply_and_cost_is_that_alphas_own(
    decoder: Decoder, personas: dict[str, Persona]
) -> None:
    rows = alpha_case(decoder, personas, "Who are you?", max_new_tokens=12)
    asked = [(row["persona"], row["alpha"], row["best"]) for row in rows]
    assert asked == [
        ("pas", 0, False),
        ("pas", 1, False),
        ("pas", 2.5, True),
        ("pas", 7, False),
        ("told", 0, False),
        ("told", 1, True),  # its own is one of the others, and is asked once
        ("told", 7, False),
    ]
    for row in rows:
        persona = personas[row["persona"]].with_alpha(row["alpha"])
        (text,) = generate(decoder, persona, "Who are you?", max_new_tokens=12)
        assert row["text"] == text and row["prompt"] == "Who are you?"
        tokens = decoder.chat.encode(text)
        assert (row["tokens"], row["repeats"]) == (len(tokens), repeated_share(tokens))
        (alone,) = side_effects(decoder, [persona])
        assert row["cost"] == pytest.approx(alone.told(), rel=1e-4, abs=2e-6)
        assert row["prompted"] == (row["persona"] == "told")
    assert (
        rows[0]["cost"]["kl"] == 0
        and rows[0]["text"] == generate(decoder, PLAIN, "Who are you?", max_new_tokens=12).pop()
    )
    kls = [row["cost"]["kl"] for row in rows]
    assert 0 < kls[1] < kls[2] and kls[4] > 0  # a prompt costs something without any push
    assert len({row["text"] for row in rows[:4]}) > 1  # a push that does nothing would be silent
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_drawn_replies_differ_by_alpha_alone(
    decoder: Decoder, personas: dict[str, Persona]
) -> None:
    """Two personas that are nobody at alpha 0 say the same, drawn from the same seed."""
    twins = {"one": personas["pas"], "other": Persona(shift=some_shift(decoder, seed=3), alpha=1.0)}
    given = {"strengths": [0.0], "max_new_tokens": 12, "temperature": 1.0}
    first = alpha_case(decoder, twins, "Hello.", seed=4, **given)  # type: ignore[arg-type]
    assert first[0]["text"] == first[1]["text"]
    other = alpha_case(decoder, twins, "Hello.", seed=5, **given)  # type: ignore[arg-type]
    assert other[0]["text"] != first[0]["text"]


def test_the_papers_case_is_there() -> None:
    assert PAPER_STRENGTHS == (0, 1, "best", 7)
    assert PAPER_PROMPT.startswith("I have a job interview next week")


def test_strengths_are_read_and_nonsense_is_not() -> None:
    assert read_strengths("0, best ,-1.5,1e1") == (0, "best", -1.5, 10)
    for text in ("", "0,,1", "worst", "inf", "nan"):
        with pytest.raises(EvaluationError, match="neither a number nor 'best'"):
            read_strengths(text)


def test_nothing_to_push_is_refused(decoder: Decoder, personas: dict[str, Persona]) -> None:
    with pytest.raises(EvaluationError, match="few-shot pushes nothing"):
        alpha_case(decoder, {"few-shot": Persona(system_prompt="You worry.")}, "Hello.")
    with pytest.raises(EvaluationError, match="0 personas and 4 alphas"):
        alpha_case(decoder, {}, "Hello.")
    with pytest.raises(EvaluationError, match="2 personas and 0 alphas"):
        alpha_case(decoder, personas, "Hello.", strengths=[])
