"""Wordings: the paper's text to the letter, grammatical statements, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from personalign.errors import MethodError
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.model.prompts import (
    NEUTRAL_SYSTEM_PROMPT,
    OPTIONS,
    PAPI,
    REWORDED,
    SHUFFLED,
    WORDINGS,
    Wording,
    chat_messages,
    few_shot_prompt,
    get_wording,
    lower_first,
)

ITEMS = ipip_neo_300()


def test_the_question_of_the_paper() -> None:
    assert PAPI.ask(ITEMS.item(1)) == (
        'Given a statement of you: "You worry about things."\n'
        "Please choose from the following options to identify how accurately this statement "
        "describes you.\nOptions:\n(A). Very Accurate\n(B). Moderately Accurate\n"
        "(C). Neither Accurate Nor Inaccurate\n(D). Moderately Inaccurate\n(E). Very Inaccurate"
    )
    assert [PAPI.reply_to(response) for response in (1, 5)] == [
        "(E). Very Inaccurate",
        "(A). Very Accurate",
    ]


@pytest.mark.parametrize("wording", WORDINGS.values(), ids=lambda wording: wording.name)
def test_every_wording_asks_every_item_differently_with_all_options(wording: Wording) -> None:
    questions = [wording.ask(item) for item in ITEMS]
    assert len(set(questions)) == 300
    for question in questions:
        assert ".." not in question and "{" not in question
        assert all(option in question for option in OPTIONS.values())
    for response in OPTIONS:
        reply = wording.reply_to(response)
        assert reply.startswith(wording.reply_prefix + wording.label_of(response))
        assert reply.endswith(OPTIONS[response])


def test_rewording_shares_no_sentence_with_the_paper() -> None:
    ours, theirs = (wording.ask(ITEMS.item(1)) for wording in (REWORDED, PAPI))
    assert '"Worry about things."' in ours
    words = {w.strip('.:",?') for w in ours.split("[A]")[0].lower().split()}
    common = words & {w.strip('.:",?') for w in theirs.split("(A)")[0].lower().split()}
    assert common <= {"worry", "about", "things", "you", "how", "of"}


def test_shuffling_leaves_no_option_at_its_letter() -> None:
    assert all(SHUFFLED.label_of(r) != PAPI.label_of(r) for r in OPTIONS)
    assert "(A). Moderately Inaccurate\n(B). Very Accurate" in SHUFFLED.ask(ITEMS.item(1))
    upwards = PAPI.reordered((1, 2, 3, 4, 5))
    assert upwards.name == "papi-12345"
    assert upwards.reply_to(1) == "(A). Very Inaccurate"


@pytest.mark.parametrize(
    ("statement", "inside"),
    [
        ("Am always busy.", '"You am always busy."'),
        ('Want everything to be "just right."', '"You want everything to be "just right"."'),
        ("I worry.", '"You I worry."'),
        ("Interested in many things.", '"You interested in many things."'),
    ],
)
def test_how_a_statement_stands_in_the_question(statement: str, inside: str) -> None:
    assert inside in PAPI.ask_statement(statement)


def test_the_word_i_keeps_its_capital() -> None:
    assert [lower_first(text) for text in ("I'm late", "I am", "Ink", "")] == [
        "I'm late",
        "I am",
        "ink",
        "",
    ]


def test_the_few_shot_prompt_of_the_paper() -> None:
    items = ipip_neo_120().items[:3]
    assert few_shot_prompt(items, [5, 0, 3]) == (
        "Here are some of your behaviors and your level of recognition towards them;"
        f"{items[0].statement}:Very Accurate;{items[2].statement}:Neither Accurate Nor Inaccurate"
    )
    assert few_shot_prompt([], []).endswith("towards them;")
    with pytest.raises(MethodError, match="Response 6 to item"):
        few_shot_prompt(items, [5, 6, 3])


def test_the_chat_a_question_is_asked_in() -> None:
    assert chat_messages(None, "Hm?")[0] == {"role": "system", "content": NEUTRAL_SYSTEM_PROMPT}
    assert chat_messages("Be bold.", "Hm?")[0]["content"] == "Be bold."
    assert chat_messages("", "Hm?") == [{"role": "user", "content": "Hm?"}]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"order": (5, 4, 3, 2, 2)}, "exactly once"),
        ({"labels": ("A", "B", "C", "D", "A")}, "five different"),
        ({"labels": ("A", "B", "C", "D", "")}, "five different"),
        ({"question": "{statement}?"}, "must contain"),
        ({"question": "{options}"}, "must contain"),
        ({"reply": "{label})"}, "must begin with its prefix"),
    ],
)
def test_a_wording_that_cannot_work(change: dict[str, object], match: str) -> None:
    with pytest.raises(MethodError, match=match):
        replace(PAPI, **change)  # type: ignore[arg-type]


def test_unknown_names_and_responses() -> None:
    assert get_wording("shuffled") is SHUFFLED
    with pytest.raises(MethodError, match="papi, reworded, shuffled"):
        get_wording("haiku")
    with pytest.raises(MethodError, match="Response 0"):
        PAPI.label_of(0)
