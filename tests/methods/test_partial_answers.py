"""Every method takes a person who answered 20 of the 120 items."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.evaluation.aligned import aligned_score
from personalign.methods.dials import Dials
from personalign.methods.few_shot import FewShot
from personalign.methods.pas import Pas
from personalign.methods.reference import RIDGE_PENALTIES, Ridge, reference_methods
from personalign.methods.registry import METHODS, get_method
from personalign.methods.trained import TrainedMethod
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.prompts import OPTIONS


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder("llama")


@pytest.fixture(scope="module")
def population() -> Respondents:
    return simulate(1500, seed=12)


def _only_twenty(people: Respondents) -> Respondents:
    """Each person's answers to 20 tuning items, different ones for everybody."""
    rng = np.random.default_rng(1)
    columns = people.inventory.columns(people.inventory.tuning)
    kept = np.zeros_like(people.responses)
    for row in range(len(people)):
        chosen = rng.permutation(columns)[:20]
        kept[row, chosen] = people.responses[row, chosen]
    return Respondents(kept, people.ids)


@pytest.fixture(scope="module")
def few() -> Respondents:
    return _only_twenty(simulate(3, seed=5))


def test_few_shot_lists_the_twenty(decoder, few) -> None:
    for persona, answers in zip(FewShot(decoder).personas(few), few.responses, strict=True):
        prompt = persona.system_prompt or ""
        for item in few.inventory.tuning:
            answer = int(answers[item.number - 1])
            listed = f"{item.statement}:{OPTIONS[answer]}" if answer else item.statement
            assert (listed in prompt) == (answer > 0)


def test_pas_labels_the_twenty(decoder, few, tmp_path) -> None:
    method = Pas(decoder, heads=2, cache=tmp_path)
    personas = method.personas(few)
    assert all(persona.shift is not None for persona in personas)
    # What was not answered does not matter: the same answers alone give the same persona.
    alone = method.personas(few.select([1]))[0]
    assert alone.key == personas[1].key


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_as_someone_of_twenty_answers(name, decoder, few, tmp_path) -> None:
    settings = {"heads": 2, "cache": tmp_path} if name == "pas" else {}
    if issubclass(METHODS[name], TrainedMethod):  # as little training as there can be
        length = "steps" if "steps" in METHODS[name].settings_taken() else "epochs"
        settings = {"work": tmp_path, length: 1}
    if issubclass(METHODS[name], Dials):
        settings = {"cache": tmp_path, "steps": 1}
    items = few.inventory.held_out[:5]
    predicted = get_method(name, decoder=decoder, **settings).predict(few, items)
    assert predicted.shape == (3, 5) and predicted.min() >= 1 and predicted.max() <= 5


def test_someone_who_answered_nothing_gets_the_plain_model(decoder, few, tmp_path) -> None:
    silent = Respondents(np.zeros((1, 300), dtype=np.int8), ("silent",))
    persona = Pas(decoder, heads=2, cache=tmp_path).personas(silent)[0]
    assert (persona.shift, persona.alpha) == (None, 0.0)


def test_reference_rows_answer_with_twenty(few, population) -> None:
    for row in reference_methods(population):
        predicted = row.predict(few, few.inventory.held_out)
        assert predicted.shape == (3, 180) and predicted.min() >= 1 and predicted.max() <= 5


def test_ridge_with_every_answer_is_plain_ridge(population) -> None:
    people = simulate(20, seed=13)
    form = people.inventory
    inputs, outputs = form.columns(form.tuning), form.columns(form.held_out)
    plain = RidgeCV(alphas=RIDGE_PENALTIES)
    plain.fit(
        population.responses[:, inputs].astype(float),
        population.responses[:, outputs].astype(float),
    )
    wanted = np.clip(np.rint(plain.predict(people.responses[:, inputs].astype(float))), 1, 5)
    assert np.array_equal(Ridge(population).predict(people, form.held_out), wanted)


def test_ridge_with_twenty_answers_beats_filling_in_the_means(population) -> None:
    people = simulate(150, seed=14)
    few = _only_twenty(people)
    form = people.inventory
    items, inputs = form.held_out, form.columns(form.tuning)
    ridge = Ridge(population)
    ours = aligned_score(ridge.predict(few, items), people, items).composite
    means = population.responses.mean(axis=0)[inputs]
    plain = RidgeCV(alphas=RIDGE_PENALTIES)
    plain.fit(
        population.responses[:, inputs].astype(float),
        population.responses[:, form.columns(items)].astype(float),
    )
    answers = few.responses[:, inputs].astype(float)
    filled = np.where(answers == 0, means, answers)
    by_means = np.clip(np.rint(plain.predict(filled)), 1, 5).astype(np.int8)
    assert ours < aligned_score(by_means, people, items).composite - 0.1


def test_ridge_without_any_answer_is_the_population_s_mean(population) -> None:
    silent = Respondents(np.zeros((1, 300), dtype=np.int8), ("silent",))
    items = silent.inventory.held_out
    means = population.responses[:, silent.inventory.columns(items)].mean(axis=0)
    assert np.array_equal(Ridge(population).predict(silent, items)[0], np.rint(means))
