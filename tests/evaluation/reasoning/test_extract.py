"""Answers are read as zero_shot_cot reads them, and where we differ it is on purpose."""

from __future__ import annotations

import re

import pytest

from personalign.evaluation.reasoning.extract import original_answer, read_answer
from personalign.evaluation.reasoning.tasks import Kind


def cleansed(pred: str, kind: Kind, few_shot: bool, letters: str) -> str:
    """`answer_cleansing` of the zero_shot_cot repository, written down once more."""
    flag = False
    if few_shot:
        preds = pred.split("The answer is")
        flag, pred = len(preds) > 1, preds[-1]
    if kind == "choice":
        found = re.findall("|".join(letters), pred)
    elif kind == "number":
        found = re.findall(r"-?\d+\.?\d*", pred.replace(",", ""))
    else:
        words = re.sub("\"|\\'|\\n|\\.|\\s|\\:|\\,", " ", pred.lower()).split(" ")
        found = [word for word in words if word in ("yes", "no")]
    if not found:
        return ""
    answer = found[-1] if few_shot and not flag else found[0]
    return answer[:-1] if answer.endswith(".") else answer


NUMBERS = [
    (" 18.", "18"), (" $18 every day.", "18"), (" 1,234 dollars", "1234"), (" -3 degrees", "-3"),
    (" 9.43", "9.43"), ("\n42", "42"), (" 5 apples and 3 pears", "5"), (" 60%.", "60"),
    (" $1,234,567.", "1234567"), (" not known", None), ("", None), (" three", None),
    (" 15 x 3 = 45", "15"), (" 0.50", "0.5"), (" 18.00", "18"), (" −7", "-7"), (" 3.", "3"),
]  # fmt: skip
FEW_SHOT_NUMBERS = [
    ("He has 5 - 3 = 2 left. The answer is 2.", "2"),
    ("5 + 4 = 9. So the answer is 9.", "9"),
    ("She pays $18 and $20, or $38 in all.", "38"),
    ("The answer is 8. The answer is 9 apples, not 10.", "9"),
    ("The answer is unclear.", None),
    ("16 - 3 - 4 = 9, 9 * 2 = 18", "18"),
]
CHOICES = [
    (" (B).", "B"), (" B.", "B"), (" B) library", "B"), (" E", "E"), (" (c)", "C"),
    (" A.", "A"), (" A bank", "A"), (" a bank", None), (" Based on this, it is (D) mall.", "D"),
    (" D. Because Banks Are Closed", "D"), (" I think C", "C"), (" A person goes to E.", "E"),
    (" F", None), (" the library", None), (" (A) or (B)", "A"),
]  # fmt: skip
YES_NO = [
    (" Yes.", "yes"), (" no", "no"), (" No, it is not.", "no"), ("\nyes", "yes"), ('"No"', "no"),
    (" Yes! It is.", "yes"), (" (no)", "no"), (" nobody knows", None), (" yesterday", None),
    (" yes or no", "yes"), (" It is heads up.", None), ("Answer:yes", "yes"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "answer"), NUMBERS)
def test_numbers(reply: str, answer: str | None) -> None:
    assert read_answer(reply, "number", "zero-shot") == answer


@pytest.mark.parametrize(("reply", "answer"), FEW_SHOT_NUMBERS)
def test_numbers_after_the_answer_is(reply: str, answer: str | None) -> None:
    assert read_answer(reply, "number", "few-shot") == answer


@pytest.mark.parametrize(("reply", "answer"), CHOICES)
def test_letters(reply: str, answer: str | None) -> None:
    assert read_answer(reply, "choice", "zero-shot", options=5) == answer


@pytest.mark.parametrize(("reply", "answer"), YES_NO)
def test_yes_and_no(reply: str, answer: str | None) -> None:
    assert read_answer(reply, "yes-no", "zero-shot") == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("So the answer is 1/5/2015.", "01/05/2015"),
        ("Today is 12/30/2014. So the answer is 01/05/2015.", "01/05/2015"),
        ("It was 12/30/2014, so it is 01/06/2015", "01/06/2015"),
        ("The answer is tomorrow.", None),
        ("The answer is 123/05/20155.", None),
    ],
)
def test_dates(reply: str, answer: str | None) -> None:
    assert read_answer(reply, "date", "few-shot") == answer


def test_the_last_of_the_whole_where_nothing_was_announced() -> None:
    text = "It could be (A), but (C) is better."
    assert read_answer(text, "choice", "few-shot", options=5) == "C"
    assert read_answer("So the answer is (b).", "choice", "few-shot", options=5) == "B"
    assert read_answer("Yes, or rather no", "yes-no", "few-shot") == "no"


ALL: list[tuple[str, Kind]] = [
    *((reply, "number") for reply, _ in [*NUMBERS, *FEW_SHOT_NUMBERS]),
    *((reply, "choice") for reply, _ in CHOICES),
    *((reply, "yes-no") for reply, _ in YES_NO),
]


@pytest.mark.parametrize(("reply", "kind"), ALL)
@pytest.mark.parametrize("few_shot", [False, True])
def test_the_originals_reading_is_kept_beside_ours(reply: str, kind: Kind, few_shot: bool) -> None:
    prompting = "few-shot" if few_shot else "zero-shot"
    found = original_answer(reply, kind, prompting, options=5)
    assert found == cleansed(reply, kind, few_shot, "ABCDE")


def test_where_the_two_differ() -> None:
    """Everything above on which they disagree, zero-shot; each is a repair the module names."""
    differ = {
        reply: (original_answer(reply, kind, "zero-shot", options=5), ours)
        for kind, cases in (("number", NUMBERS), ("choice", CHOICES), ("yes-no", YES_NO))
        for reply, ours in cases
        if original_answer(reply, kind, "zero-shot", options=5) != (ours or "")  # type: ignore[arg-type]
    }
    assert differ == {
        " 0.50": ("0.50", "0.5"),
        " 18.00": ("18.00", "18"),
        " −7": ("7", "-7"),
        " (c)": ("", "C"),
        " Based on this, it is (D) mall.": ("B", "D"),
        " A person goes to E.": ("A", "E"),
        " Yes! It is.": ("", "yes"),
        " (no)": ("", "no"),
    }
