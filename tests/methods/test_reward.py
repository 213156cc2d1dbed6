"""The reward is the paper's distance, on the option the reply names."""

from __future__ import annotations

import pytest

from personalign.errors import MethodError
from personalign.methods.reward import UNREADABLE, calculate_score, option_said, reply_rewards
from personalign.model.prompts import OPTIONS, PAPI, REWORDED, SHUFFLED, Wording


def paper_score(text: str, correct_option: str) -> int:
    """The function printed in Appendix C.2: options underscored, tried from 5 down."""
    names = {5: "Very_Accurate", 4: "Moderately_Accurate", 3: "Neither_Accurate_Nor_Inaccurate",
             2: "Moderately_Inaccurate", 1: "Very_Inaccurate", 0: "Unknown"}  # fmt: skip
    for score, description in names.items():
        if description in text:
            return -abs(score - next(k for k, name in names.items() if name == correct_option))
    return -6


@pytest.mark.parametrize("wording", [PAPI, REWORDED, SHUFFLED], ids=lambda w: w.name)
def test_whole_replies_are_scored_as_in_the_paper(wording: Wording) -> None:
    for said in OPTIONS:
        for given in OPTIONS:
            reply = wording.reply_to(said)
            underscored = OPTIONS[said].replace(" ", "_"), OPTIONS[given].replace(" ", "_")
            assert reply_rewards([reply], [given], wording) == [paper_score(*underscored)]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("(A). Very Accurate", 5),
        ("(E). Very Inaccurate", 1),
        ("VERY INACCURATE", 1),
        ("I am moderately  inaccurate.", 2),
        ("B", 4),
        ("(C)", 3),
        ("Moderately Inaccurate, not Very Accurate", 2),
        ("", 0),
        ("Accurate", 0),
        ("Unknown", 0),
        ("Somebody told me a story.", 0),
        ("(A). Very Inaccurate", 0),
    ],
)
def test_reading_the_option(reply: str, said: int) -> None:
    assert option_said(reply, PAPI) == said
    assert reply_rewards([reply], [3], PAPI) == [UNREADABLE if said == 0 else -abs(said - 3)]


def test_a_missing_answer_rewards_nothing() -> None:
    with pytest.raises(MethodError, match="response is 0"):
        calculate_score(3, 0)
