"""Laws of the dialogue grammar: well-formed, led by the person's scores, small in vocabulary."""

from __future__ import annotations

import re

import numpy as np
import pytest

from recipes.pocket import dialogue
from recipes.pocket.dialogue_facets import PHRASES
from recipes.pocket.dialogue_questions import ADVICE, CHOICES, TALKS

HEADINGS = ["Scenario Description:", "Actions Taken:", "Thought Process:", "Emotional Response:"]


def test_there_is_a_bank_for_each_facet_and_enough_questions() -> None:
    assert len(PHRASES) == 30
    for phrases in PHRASES.values():
        for bank in (phrases.scenes, *phrases.high, *phrases.low):
            assert len(set(bank)) == 4
    assert len(TALKS) + len(ADVICE) + len(CHOICES) >= 80
    for question in (*TALKS, *ADVICE, *CHOICES):
        assert question.facet in PHRASES and question.plus and question.minus


def test_dialogues_alternate_between_user_and_assistant() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        messages = dialogue.sample_dialogue(rng, rng.standard_normal(30))
        messages += dialogue.general_dialogue(rng)
        assert [m["role"] for m in messages] == ["user", "assistant"] * (len(messages) // 2)
        for message in messages:
            text = message["content"]
            assert text == text.strip() and "  " not in text
            assert "{" not in text and "}" not in text


@pytest.mark.parametrize(("sign", "score"), [(1, 2.0), (-1, -2.0)])
def test_the_four_part_answer_agrees_where_sign_and_score_do(sign: int, score: float) -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        agrees = dialogue.open_ended_reply(rng, "E2", sign, score, "Love large parties.")
        denies = dialogue.open_ended_reply(rng, "E2", sign, -score, "Love large parties.")
        assert [line for line in agrees.split("\n") if line in HEADINGS] == HEADINGS
        assert not re.search(r"not|untrue", agrees.split("Actions")[0].split('"')[2])
        assert re.search(r"not|untrue", denies.split("Actions")[0])
        actions = agrees.split("Actions Taken:\n")[1].split("\n")[0]
        mine, other = PHRASES["E2"].high.actions, PHRASES["E2"].low.actions
        if score < 0:
            mine, other = other, mine
        assert any(phrase in actions for phrase in mine)
        assert not any(phrase in actions for phrase in other)


def test_the_default_four_part_question_is_the_most_frequent() -> None:
    rng, asks = np.random.default_rng(4), []
    while len(asks) < 400:
        first = dialogue.sample_dialogue(rng, np.zeros(30))
        if "Scenario Description:\n" in first[1]["content"]:
            asks.append(first[0]["content"])
    default = [ask.startswith("Given the statement") and "in four parts" in ask for ask in asks]
    assert np.mean(default) > 0.5
    assert dialogue.open_ended_prompt("Love life.") == dialogue.OPEN_ENDED_TEMPLATE.format(
        statement="Love life."
    )


def test_opposite_people_speak_differently() -> None:
    """Words of the sociable pole are common among the sociable and rare among the others."""
    rng = np.random.default_rng(5)
    counts = []
    for score in (2.0, -2.0):
        facets = np.zeros(30)
        facets[6:12] = score
        texts = [
            m["content"]
            for _ in range(1500)
            for m in dialogue.sample_dialogue(rng, facets)
            if m["role"] == "assistant"
        ]
        counts.append(sum(f"always {h}" in t for t in texts for h in PHRASES["E2"].high.habits))
    assert counts[0] > 10 and counts[1] == 0


def test_the_same_seed_gives_the_same_dialogue() -> None:
    one, two = (dialogue.sample_dialogue(np.random.default_rng(9), np.ones(30)) for _ in range(2))
    assert one == two


def test_the_vocabulary_is_small() -> None:
    words: set[str] = set()
    for text in dialogue.TEXTS_FOR_TOKENIZER(np.random.default_rng(6), 8000):
        words.update(re.findall(r"[A-Za-z']+", text))
    assert 1000 < len(words) < 2500
