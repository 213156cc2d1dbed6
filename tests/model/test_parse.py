"""Reading replies: what counts as an answer, and what does not."""

from __future__ import annotations

import pytest

from personalign.model.parse import parse_reply, parse_reply_as_released
from personalign.model.prompts import PAPI, REWORDED, SHUFFLED


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("(A). Very Accurate", 5),
        ("A", 5),
        (" b)", 4),
        ("(C", 3),
        ("**D**", 2),
        ("Option E.", 1),
        (" (B). Moderately Accurate", 4),
        ("The answer is (D).", 2),
        ("My choice: E", 1),
        ("Answer: A. Very Accurate", 5),
        ("Very Inaccurate", 1),
        ("very  accurate\n", 5),
        ("That is neither accurate nor inaccurate of me.", 3),
        ("I'd say Moderately Inaccurate, not Very Accurate.", 2),
        ("E. Very Inaccurate", 1),
        ("a", 5),
        ("(a) Very Accurate", 5),
        ("", 0),
        ("I am not sure.", 0),
        ("A person like me would not know.", 0),
        ("a bit of both", 0),
        ("Absolutely", 0),
        ("Because of that", 0),
        ("inaccurate", 0),
        ("F", 0),
    ],
)
def test_our_parser(text: str, response: int) -> None:
    assert parse_reply(text, PAPI) == response


def test_labels_follow_the_wording() -> None:
    assert parse_reply("(A). Moderately Inaccurate", SHUFFLED) == 2
    assert [parse_reply(f"[{label}]", REWORDED) for label in "ABCDE"] == [5, 4, 3, 2, 1]
    assert parse_reply("Very Accurate", SHUFFLED) == 5


@pytest.mark.parametrize("wording", [PAPI, REWORDED, SHUFFLED], ids=lambda wording: wording.name)
def test_every_reply_of_a_wording_parses(wording: object) -> None:
    for response in range(1, 6):
        text = wording.reply_to(response)  # type: ignore[attr-defined]
        assert parse_reply(text, wording) == response  # type: ignore[arg-type]
        assert parse_reply_as_released(text, wording) == response  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "response"),
    [
        (" (D). Moder", 2),
        (": b) because", 4),
        ("The other one", 1),  # the e of "The", as released
        ("I would choose (A).", 2),  # the d of "would"
        ("Hmmmmmmmmmmm (A).", 0),  # beyond twelve characters
        ("A", 0),  # nothing follows
        ("", 0),
    ],
)
def test_the_released_rule(text: str, response: int) -> None:
    assert parse_reply_as_released(text, PAPI) == response
