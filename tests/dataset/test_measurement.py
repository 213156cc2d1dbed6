"""Standard errors are the spread of answering again, and grow with what is missing."""

from __future__ import annotations

import numpy as np

from personalign.dataset.adaptive import locate
from personalign.dataset.measurement import mean_errors
from personalign.dataset.responses_model import load_responses_model, option_probabilities
from personalign.dataset.simulate import simulate
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import to_responses
from personalign.inventory.scoring import facet_means, trait_means

PERSON = simulate(1, seed=5).responses[0]


def test_it_is_how_much_the_scores_of_answering_again_vary() -> None:
    model, form = load_responses_model(), ipip_neo_300()
    theta = locate(model, PERSON[None]).theta[0, model.scale_of]
    chances = option_probabilities(model.slopes, model.intercepts, theta).cumsum(axis=1)
    draws = np.random.default_rng(3).random((4000, 300, 1))
    again = to_responses((draws > chances[:, :-1]).sum(axis=2) + 1, form.signs)
    errors = mean_errors(PERSON)
    np.testing.assert_allclose(facet_means(again).std(axis=0), errors.facets, rtol=0.06)
    np.testing.assert_allclose(trait_means(again).std(axis=0), errors.traits, rtol=0.06)


def test_fewer_answers_are_less_sure_and_none_are_nothing() -> None:
    form = ipip_neo_120()
    short = PERSON[ipip_neo_300().columns(form)]
    whole, part = mean_errors(PERSON), mean_errors(short, form)
    assert (part.facets > whole.facets).all() and (part.traits > whole.traits).all()
    without = np.where(form.facets == "N1", 0, short)
    assert np.isnan(mean_errors(without, form).facets).sum() == 1
    assert mean_errors(without, form).traits[-1] > part.traits[-1]
