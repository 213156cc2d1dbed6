"""facet-prompt: readable, graded, in the second person, and silent on what was not answered."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.inventory.big_five_50 import big_five_50
from personalign.inventory.keys import FACETS, TRAITS
from personalign.methods.facet_prompt import CLOSING, OPENING, FacetPrompt, describe, sentence_of
from personalign.methods.facet_words import FACET_WORDS, TRAIT_WORDS
from personalign.model.fake import fake_decoder

GRID = np.arange(1, 5.01, 0.25)  # every mean four answers can have
DEGREES = ("very ", "", "a little ")


@pytest.fixture(scope="module")
def method() -> FacetPrompt:
    return FacetPrompt(fake_decoder("llama"))


@pytest.mark.parametrize(
    "words", [*FACET_WORDS.values(), *TRAIT_WORDS.values()], ids=[*FACET_WORDS, *TRAIT_WORDS]
)
def test_every_sentence_is_a_sentence_about_you(words) -> None:
    for mean in GRID:
        sentence = sentence_of(words, float(mean))
        assert re.fullmatch(r"You are [^.:]+(: [^.:]+)?\.", sentence), sentence
        assert "  " not in sentence and not re.search(r"\b(\w+) \1\b", sentence), sentence
        assert not re.search(r"\b(I|my|he|she|they|accurate|inaccurate)\b", sentence), sentence
    for pole in (words.high, words.low):
        assert pole.habit.startswith("you ")
        # what stands after "very" or "a little" must not bring a degree of its own
        assert not re.match(r"(very|a|an|the|not|quite|rather|often)\b", pole.quality)
        # "more often than not, you often ..." would say it twice
        assert not re.search(r"\b(often|usually|sometimes|seldom|rarely)\b", pole.habit)


def test_every_facet_and_trait_has_words_that_no_other_has() -> None:
    assert list(FACET_WORDS) == list(FACETS) and list(TRAIT_WORDS) == list(TRAITS)
    qualities = [p.quality for w in FACET_WORDS.values() for p in (w.high, w.low)]
    habits = [p.habit for w in FACET_WORDS.values() for p in (w.high, w.low)]
    assert len(set(qualities)) == len(set(habits)) == 60


def test_higher_scores_are_put_more_strongly() -> None:
    words = FACET_WORDS["E1"]
    said = [sentence_of(words, float(mean)) for mean in GRID]
    levels = list(dict.fromkeys(said))
    assert len(levels) == 7
    assert [words.low.quality in s for s in levels] == [True] * 4 + [False] * 3
    assert [words.high.quality in s for s in levels] == [False] * 3 + [True] * 4
    for mean, degree in product((4.5, 1.5), ("very ",)):
        assert f"You are {degree}" in sentence_of(words, mean)
    assert sentence_of(words, 3.25).startswith("You are a little friendly: more often")


def test_the_description_follows_the_keyed_answers(method) -> None:
    """Agreeing with everything is high only where the items are keyed so."""
    people = simulate(1, seed=2)
    inventory = people.inventory
    high = np.where(inventory.signs > 0, 5, 1).astype(np.int8)[None]
    for responses, pole in ((high, "high"), (6 - high, "low")):
        person = Respondents(responses, people.ids[:1])
        prompt = method.personas(person)[0].system_prompt
        assert prompt is not None
        for words in FACET_WORDS.values():
            assert f"You are very {getattr(words, pole).quality}:" in prompt
        assert prompt.startswith(OPENING) and prompt.endswith(CLOSING)
        assert prompt.count("\n") == 6


def test_only_tuning_answers_count(method) -> None:
    people = simulate(2, seed=2)
    known = people.only(people.inventory.tuning)
    prompts = [[p.system_prompt for p in method.personas(some)] for some in (people, known)]
    assert prompts[0] == prompts[1]
    assert prompts[0][0] != prompts[0][1]


def test_a_facet_without_answers_is_left_out_and_nobody_is_made_up(method) -> None:
    people = simulate(1, seed=2)
    inventory = people.inventory
    responses = people.responses.copy()
    responses[0, inventory.facets == "C2"] = 0
    whole = method.personas(people)[0].system_prompt
    without = method.personas(Respondents(responses, people.ids))[0].system_prompt
    assert whole is not None and without is not None
    assert whole.count("You are ") == without.count("You are ") + 1
    words = FACET_WORDS["C2"]
    assert words.high.quality not in without and words.low.quality not in without
    nothing = Respondents(np.zeros_like(responses), people.ids)
    assert method.personas(nothing)[0].system_prompt is None
    assert describe({"C2": float("nan")}) is None


def test_a_questionnaire_without_facets_is_described_by_traits(method) -> None:
    form = big_five_50()
    responses = np.where(form.signs > 0, 5, 1).astype(np.int8)[None]
    person = Respondents(responses, ("one",), inventory=form)
    prompt = method.personas(person)[0].system_prompt
    assert prompt is not None and prompt.count("You are very ") == 5
