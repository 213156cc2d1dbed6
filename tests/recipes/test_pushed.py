"""The last lesson pushes as PAS does, and asks for what the ideal observer expects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from personalign.dataset.simulate import draw_factors, draw_responses, load_population
from personalign.methods.activations import contrast_outputs
from personalign.methods.head_directions import HeadFinder
from personalign.model.decoder import Decoder
from personalign.model.prompts import PAPI, chat_messages
from recipes.pocket.corpus import Corpus
from recipes.pocket.observer import after_all, observe
from recipes.pocket.pushed import NOBODY, PushedLesson, push_along_sides


@pytest.fixture(scope="module")
def decoder():
    return Decoder.load("pocket")


@pytest.fixture(scope="module")
def corpus(decoder):
    return Corpus(decoder.tokenizer)


@pytest.fixture(scope="module")
def lesson(decoder, corpus):
    return PushedLesson(decoder, corpus, people=6, asked=8)


def test_what_is_read_and_pushed_is_what_pas_reads_and_pushes(
    decoder, corpus, lesson, tmp_path
) -> None:
    """Same outputs, heads, directions and sigmas as the method's own, for the same answers."""
    batch = next(b for b in map(lesson.draw, range(20)) if np.array_equal(b.known, lesson.tuning))
    items = [corpus.items[column] for column in batch.known]
    with torch.no_grad():
        outputs = lesson.head_outputs(batch.known)
    expected = contrast_outputs(decoder, items, PAPI)
    assert torch.allclose(outputs, expected, atol=1e-4)
    pushes = push_along_sides(expected, batch, lesson.heads)
    found = HeadFinder(decoder, PAPI, heads=lesson.heads, cache=tmp_path)
    for person, shift in enumerate(found.find(batch.responses, items).shifts):
        laid = shift.displacements(float(batch.alphas[person]), 5, 32)
        for layer in range(6):
            own = pushes[person, layer].numpy()
            assert np.allclose(own, laid.get(layer, np.zeros(160)), atol=1e-4)


def test_the_gradient_reaches_where_answers_are_read(decoder, lesson) -> None:
    """Pushing changes the loss, and earlier layers learn through the push."""
    batch = lesson.draw(0)
    model = decoder.model
    found = lesson.losses(batch)
    still = lesson.losses(replace(batch, alphas=np.zeros(6, np.float32)))
    for name, loss in found.items():
        assert loss.item() > 0 and loss.item() != still[name].item(), name
    found["pushed"].backward()
    assert model.model.layers[0].mlp.down_proj.weight.grad.abs().max() > 0
    model.zero_grad(set_to_none=True)


def test_a_step_always_draws_the_same_people(lesson) -> None:
    one, other = lesson.draw(7), lesson.draw(7)
    assert np.array_equal(one.responses, other.responses)
    assert np.array_equal(one.targets, other.targets)
    assert not np.array_equal(one.responses, lesson.draw(8).responses)


def test_dialogue_is_a_chat_with_nobody_described(decoder, lesson) -> None:
    """The words asked for are those that follow, all of them in replies."""
    batch = lesson.draw(3)
    person, at = batch.words_at.T
    assert np.array_equal(batch.talks[person, at + 1], batch.words)
    begun = decoder.render(chat_messages(None, "Hi"))
    for tokens in batch.talks:
        text = decoder.tokenizer.decode(tokens)
        again = decoder.tokenizer.encode(text, add_special_tokens=False)
        assert again[:-12] == tokens[: len(again)][:-12].tolist()
        assert tokens[:3].tolist() == list(begun[:3])


def test_who_is_not_pushed_answers_as_anybody(corpus, lesson) -> None:
    """Their targets are the population's own shares of each response."""
    batch = lesson.draw(4)
    assert not batch.alphas[:NOBODY].any() and batch.alphas[NOBODY:].all()
    rng = np.random.default_rng(1)
    crowd = draw_responses(corpus.population, draw_factors(corpus.population, 20_000, rng), rng)
    for column, target in zip(batch.asked[0], batch.targets[0], strict=True):
        shares = np.bincount(crowd[:, column], minlength=6)[1:] / 20_000
        assert np.abs(shares - target).max() < 0.02


def test_targets_after_all_answers_are_the_observers() -> None:
    """An item asked last, and a known one as if it were asked after the others."""
    population = load_population()
    rng = np.random.default_rng(5)
    known, responses = np.sort(rng.permutation(300)[:60]), rng.integers(1, 6, (2, 60))
    expected = after_all(population, known, responses)
    for column in (int(np.setdiff1d(np.arange(300), known)[3]), int(known[7])):
        others = known != column
        asked = np.append(known[others], column)
        for person in range(2):
            answers = np.append(responses[person][others], 3).astype(float)
            last = observe(population, asked, answers).options[-1]
            assert np.allclose(expected[person, column], last, atol=1e-8)
