"""One small evaluation, on a tiny random model, for every test of this folder."""

from __future__ import annotations

import pytest

from personalign.bench.evaluate import evaluate_methods
from personalign.bench.rows import Evaluation
from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from tests.bench.sketch import Plain, Sketch


@pytest.fixture(scope="session")
def decoder() -> Decoder:
    """A two-layer random Llama."""
    return fake_decoder("llama")


@pytest.fixture(scope="session")
def people() -> Respondents:
    """Four simulated people, with some answers missing."""
    simulated = simulate(4, seed=3)
    responses = simulated.responses.copy()
    responses[1, ::17] = 0
    return Respondents(responses, simulated.ids, simulated.demographics, simulated.source)


@pytest.fixture(scope="session")
def population() -> Respondents:
    """Sixty other people, enough to fit reference rows on."""
    return simulate(60, seed=4)


@pytest.fixture(scope="session")
def evaluation(decoder: Decoder, people: Respondents, population: Respondents) -> Evaluation:
    """The plain model and a sketch of a method, with reference rows."""
    return evaluate_methods(
        decoder, people, [Plain(decoder), Sketch(decoder)], population=population, seed=1
    )
