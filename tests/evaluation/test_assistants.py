"""Aligned and misaligned assistants: the same method on the answers and on their mirror."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.dataset.mirror import mirrored
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation.assistants import (
    CONDITIONS,
    assistant_replies,
    value_personas,
)
from personalign.evaluation.general_prompts import Prompt
from personalign.methods.base import PersonaMethod
from personalign.methods.facet_prompt import FacetPrompt
from personalign.model.generate import generate
from personalign.model.persona import PLAIN
from tests.model.loud import loud

PROMPTS = (Prompt("1", "What should I do today?"), Prompt("2", "Write a poem."))


class Seen(PersonaMethod):
    """Keeps the people it is shown."""

    name, description, black_box = "seen", "for this test", True

    def __init__(self) -> None:
        super().__init__(loud())
        self.people: list[np.ndarray] = []

    def personas(self, respondents, *, progress=None):
        self.people.append(respondents.responses)
        if progress is not None:
            progress(len(respondents), len(respondents))
        return [PLAIN] * len(respondents)


def test_the_method_sees_the_answers_then_their_mirror_and_no_held_out_item() -> None:
    people, method, steps = simulate(3, seed=0), Seen(), []
    made = value_personas(method, people, progress=lambda *step: steps.append(step))
    known = people.only(people.inventory.tuning)
    as_given, turned = method.people
    assert (as_given == known.responses).all()
    assert (turned == mirrored(known).responses).all()
    held_out = people.inventory.columns(people.inventory.held_out)
    assert not turned[:, held_out].any()
    assert tuple(made) == CONDITIONS and {len(group) for group in made.values()} == {3}
    assert steps == [(3, 6), (6, 6)]


def test_the_misaligned_persona_is_what_the_method_makes_of_the_mirrored_person() -> None:
    people, method = simulate(2, seed=1), FacetPrompt(loud())
    made = value_personas(method, people)
    assert made["misaligned"] == method.personas(mirrored(people.only(people.inventory.tuning)))
    assert made["misaligned"] != made["aligned"] and made["original"] == [PLAIN, PLAIN]


def test_every_reply_is_what_that_assistant_says_alone() -> None:
    people, decoder = simulate(2, seed=1), loud()
    made = value_personas(FacetPrompt(decoder), people)
    rows = assistant_replies(decoder, made, people.ids, PROMPTS, max_new_tokens=6)
    assert [(r["person"], r["prompt"], r["condition"]) for r in rows] == [
        (person, prompt.id, condition)
        for person in people.ids
        for prompt in PROMPTS
        for condition in CONDITIONS
    ]
    texts = {prompt.id: prompt.text for prompt in PROMPTS}
    for row in rows:
        persona = made[row["condition"]][people.ids.index(row["person"])]
        assert row["text"] == generate(decoder, persona, texts[row["prompt"]], max_new_tokens=6)[0]
        assert row["asked"] == texts[row["prompt"]]
    assert len({row["text"] for row in rows}) > 2  # conditions matter, not the prompt alone


def test_the_original_replies_once_whoever_it_is_for() -> None:
    steps: list[tuple[int, int]] = []
    assistant_replies(
        loud(),
        {"original": [PLAIN] * 3},
        "abc",
        PROMPTS,
        max_new_tokens=2,
        progress=lambda *step: steps.append(step),
    )
    assert steps[-1] == (2, 2)


def test_a_persona_a_person() -> None:
    with pytest.raises(EvaluationError, match="1 personas for aligned and 2 people"):
        assistant_replies(loud(), {"aligned": [PLAIN]}, "ab", PROMPTS)
    assert assistant_replies(loud(), {"aligned": [PLAIN]}, "a", []) == []
