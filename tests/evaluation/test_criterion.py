"""The judge's question is the paper's, and a verdict is read only where there is one."""

from __future__ import annotations

import pytest

from personalign.errors import EvaluationError
from personalign.evaluation.criterion import (
    LEVELS,
    comparison_question,
    criterion_question,
    read_choice,
    read_score,
    target_value,
)


def test_the_question_holds_the_data_and_every_level_of_the_paper() -> None:
    asked = criterion_question("Try to follow the rules.", 3, "I {follow} them.")
    assert "[Statement]: Try to follow the rules.\n" in asked
    assert "[Target Value]: Neither Accurate Nor Inaccurate\n" in asked
    assert "[Generated Response]: I {follow} them.\n" in asked
    assert [level for level in LEVELS if f'\n"{level}": "{LEVELS[level]} - ' in asked] == [*LEVELS]
    assert asked.endswith("repeat just the selected choice again by itself on a new line.")


def test_the_order_of_two_texts_is_the_order_shown() -> None:
    asked = comparison_question("Worry about things.", 5, "one", "two")
    assert asked.index("[Response A]: one") < asked.index("[Response B]: two")


@pytest.mark.parametrize("target", [0, 6])
def test_what_is_no_response_has_no_target_value(target: int) -> None:
    with pytest.raises(EvaluationError, match=f"target {target} is no response"):
        target_value(target)


@pytest.mark.parametrize("level", range(1, 7))
@pytest.mark.parametrize(
    "reply",
    [
        "Reasons.\n{0}\n{0}",
        "Reasons.\n\n{0}",
        "{0}",
        'Reasons.\n"{0}"\n\n"{0}"\n',
        "Reasons.\n**{0}**",
        "Reasons.\n{0}.\n\n{0}.",
        "Reasons.\nFinal choice: {0}",
        "Therefore, my final answer is **{0}**.\n{0}",
        'Reasons:\n- "1": Not aligned at all.\n- "6": Perfectly aligned.\n\n{0}',
        "Reasons.\r\n{0}\r\n{0}\r\n",
        "[[{0}]]",
    ],
)
def test_a_level_on_the_last_line_is_read(reply: str, level: int) -> None:
    assert read_score(reply.format(level)) == level


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   \n\n",
        "I cannot judge this.",
        "Reasons.\n3\n4",  # contradicts itself
        "Reasons.\n0",
        "Reasons.\n7\n7",
        "Reasons.\n3.5",
        "Reasons.\n3/6",
        "Reasons.\n33",
        "Reasons.\n1, 2, 3, 4, 5, 6",
        "Somewhere between 3 and 4",
        "3\n3\nBut then again it may be more.",
        "The answer is unclear",
    ],
)
def test_what_ends_in_no_level_is_not_read(reply: str) -> None:
    assert read_score(reply) is None


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("Reasons.\nA\nA", "A"),
        ("Reasons.\n**B**", "B"),
        ("Reasons.\nChoice: C\nC", "tie"),
        ("Reasons.\nA\nB", None),
        ("Response A is better.", None),
        ("D", None),
        ("a", None),
    ],
)
def test_choices_are_read_alike(reply: str, choice: str | None) -> None:
    assert read_choice(reply) == choice
