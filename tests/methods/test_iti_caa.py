"""ITI is PAS without the search; CAA finds vector, layer and multiplier on the tuning answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.methods.activations import contrast_streams
from personalign.methods.caa import Caa, side_difference, spread
from personalign.methods.iti import Iti
from personalign.methods.pas import Pas
from personalign.methods.probes import row_labels
from personalign.methods.search import composites
from personalign.model.answer import answer_items
from personalign.model.capture import stream_outputs
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, chat_messages


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder("llama", layers=3)


@pytest.fixture(scope="module")
def people() -> Respondents:
    """Two people and one who is neutral on everything, tuning answers only."""
    simulated = simulate(3, seed=5)
    responses = simulated.responses.copy()
    responses[2] = 3
    return Respondents(responses, simulated.ids).only(simulated.inventory.tuning)


@pytest.fixture(scope="module")
def caa_personas(decoder: Decoder, people: Respondents, tmp_path_factory: Any) -> list[Persona]:
    return Caa(decoder, cache=tmp_path_factory.mktemp("cache")).personas(people)


def test_iti_pushes_the_heads_of_pas_as_far_for_everybody(
    decoder: Decoder, people: Respondents, tmp_path: Any
) -> None:
    first = people.select([0])
    (searched,) = Pas(decoder, heads=2, cache=tmp_path).personas(first)
    iti = Iti(decoder, heads=2, cache=tmp_path).personas(people)
    assert iti[0].shift == searched.shift
    assert [persona.alpha for persona in iti] == [15.0, 15.0, 0.0]
    assert iti[2].shift is None and not iti[2].steers
    assert iti[0].provenance["heads"] == searched.provenance["heads"]
    assert Iti(decoder, heads=2, alpha=3, cache=tmp_path).personas(first)[0].alpha == 3.0


def test_iti_keeps_the_share_of_heads(decoder: Decoder) -> None:
    assert Iti(decoder).heads == 1  # of 12
    assert Iti(fake_decoder("llama", layers=16)).heads == 3  # of 64


@pytest.mark.parametrize(
    ("method", "settings", "reason"),
    [
        (Iti, {"heads": 13}, "has 12 .* choose 1 to 12"),
        (Iti, {"alpha": "far"}, "alpha of iti is 'far'"),
        (Caa, {"layer": 3}, "no layer 3 to push at; choose 0 to 2"),
        (Caa, {"scope": "some"}, "scope 'some' does not exist"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    decoder: Decoder, method: Any, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(MethodError, match=reason):
        method(decoder, **settings)


def test_the_vector_is_the_mean_difference_of_the_streams(
    decoder: Decoder, people: Respondents, caa_personas: list[Persona]
) -> None:
    """Read chat by chat and averaged by hand, over the items the person is not neutral about."""
    items = people.inventory.tuning
    answers = people.responses[0, people.inventory.columns(items)]
    mine, others = [], []
    for item, answer in zip(items, answers.tolist(), strict=True):
        if answer in (0, 3):
            continue
        for response in (5, 1):
            reply = PAPI.reply_to(response)
            ids = decoder.render(chat_messages(None, PAPI.ask(item)), reply=reply)
            here = mine if (response == 5) == (answer > 3) else others
            here.append(stream_outputs(decoder, [ids])[0])
    expected = torch.stack(mine).mean(0) - torch.stack(others).mean(0)
    residual = caa_personas[0].residual
    assert residual is not None
    (layer,) = residual.layers.tolist()
    torch.testing.assert_close(
        torch.from_numpy(residual.vectors[0].copy()), expected[layer], rtol=1e-3, atol=1e-4
    )


def test_layer_and_multiplier_are_the_best_on_the_tuning_answers(
    decoder: Decoder, people: Respondents, caa_personas: list[Persona]
) -> None:
    items = people.inventory.tuning
    answers = people.responses[:2, people.inventory.columns(items)]
    given = answer_items(decoder, caa_personas[:2], items).responses()
    errors = composites(given, answers, items)
    for persona, error in zip(caa_personas, errors, strict=False):
        told = persona.provenance
        assert error == pytest.approx(min(told["layer_errors"].values()), abs=1e-5)
        assert error == pytest.approx(min(told["alpha_curve"]["errors"]), abs=1e-5)
        assert set(told["layer_errors"]) == {"1", "2"}
        assert persona.residual is not None and told["layer"] == persona.residual.layers[0]


def test_whoever_is_neutral_gets_the_plain_model(caa_personas: list[Persona]) -> None:
    assert caa_personas[2].residual is None and not caa_personas[2].steers


def test_streams_are_read_once_a_model_and_wording(decoder: Decoder, tmp_path: Any) -> None:
    items = simulate(1, seed=0).inventory.tuning[:3]
    first = contrast_streams(decoder, items, PAPI, cache=tmp_path)
    (path,) = tmp_path.rglob("*.safetensors")
    written = path.stat().st_mtime_ns
    assert torch.equal(first, contrast_streams(decoder, items, PAPI, cache=tmp_path))
    assert path.stat().st_mtime_ns == written
    assert first.shape == (6, 3, 32) and path.parent.parent.name == "stream"


def test_sides_are_averaged_person_by_person() -> None:
    outputs = torch.tensor([[[1.0]], [[3.0]], [[10.0]], [[30.0]]])
    labels = row_labels(np.array([[5, 1], [2, 0], [3, 3]]))
    assert side_difference(outputs, labels)[:, 0, 0].tolist() == [9.0, 2.0, 0.0]


def test_layers_are_spread_over_the_depth() -> None:
    assert spread(5, 8) == [1, 2, 3, 4]
    assert len(spread(81, 8)) == 8 and spread(81, 8)[-1] == 80
