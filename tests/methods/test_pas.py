"""PAS on tiny random models: its laws, its settings, its provenance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.methods.activations import contrast_outputs
from personalign.methods.pas import PAPER_ALPHAS, Pas
from personalign.methods.probes import row_labels
from personalign.methods.search import ALPHA_GRID
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, few_shot_prompt


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder("llama")


@pytest.fixture(scope="module")
def people() -> Respondents:
    return simulate(3, seed=5)


@pytest.fixture(scope="module")
def seen(people) -> Respondents:
    return people.only(people.inventory.tuning)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def made(decoder, seen, cache) -> list[Persona]:
    return Pas(decoder, heads=3, cache=cache).personas(seen)


def same(one: Persona, other: Persona) -> bool:
    return one.key == other.key and one.provenance == other.provenance


def test_the_same_seed_gives_the_same_personas(decoder, seen, cache, made) -> None:
    again = Pas(decoder, heads=3, cache=cache).personas(seen)
    assert all(same(one, other) for one, other in zip(made, again, strict=True))


def test_people_together_are_people_alone(decoder, seen, cache, made) -> None:
    method = Pas(decoder, heads=3, cache=cache)
    for person in range(len(seen)):
        (alone,) = method.personas(seen.select([person]))
        assert alone.shift == made[person].shift
        assert alone.alpha == made[person].alpha


def test_held_out_answers_change_nothing(decoder, people, cache, made) -> None:
    with_everything = Pas(decoder, heads=3, cache=cache).personas(people)
    assert all(same(one, other) for one, other in zip(made, with_everything, strict=True))


def test_the_best_alpha_of_the_curve_is_taken(made) -> None:
    for persona in made:
        curve = persona.provenance["alpha_curve"]
        errors = dict(zip(curve["alphas"], curve["errors"], strict=True))
        assert set(ALPHA_GRID) <= set(errors)
        assert errors[persona.alpha] == min(errors.values())
        assert curve["items"] == "tuning"


def test_the_heads_are_the_most_accurate_ones(made) -> None:
    for persona in made:
        accuracy = np.array(persona.provenance["head_accuracy"])
        chosen = [accuracy[layer, head] for layer, head in persona.provenance["heads"]]
        assert sorted(chosen, reverse=True) == chosen
        assert np.array_equal(np.sort(accuracy.reshape(-1))[::-1][:3], chosen)
        assert [list(pair) for pair in persona.shift.pairs] == persona.provenance["heads"]


def test_directions_point_from_the_other_side_to_this_persons(decoder, seen, made) -> None:
    items = seen.inventory.tuning
    outputs = contrast_outputs(decoder, items, PAPI).numpy()
    responses = seen.responses[:, seen.inventory.columns(items)]
    for persona, labels in zip(made, row_labels(responses), strict=True):
        for place, (layer, head) in enumerate(persona.shift.pairs):
            along = outputs[:, layer, head] @ persona.shift.directions[place]
            assert along[labels > 0].mean() > along[labels < 0].mean()
            assert persona.shift.sigmas[place] == pytest.approx(along[labels != 0].std(), rel=1e-4)


def test_probe_directions_are_the_probes_weights(decoder, seen, cache, made) -> None:
    probed = Pas(decoder, heads=3, direction="probe", cache=cache).personas(seen)
    for persona, other in zip(probed, made, strict=True):
        assert persona.shift.pairs == other.shift.pairs
        cosines = (persona.shift.directions * other.shift.directions).sum(axis=1)
        assert (np.abs(cosines) < 0.9999).all()


def test_few_shot_prompts_are_pushed_under_where_asked_for(decoder, seen, cache, made) -> None:
    prompted = Pas(decoder, heads=3, prompt="few-shot", cache=cache).personas(seen.select([0]))[0]
    items = seen.inventory.tuning
    answers = seen.responses[0, seen.inventory.columns(items)]
    assert prompted.system_prompt == few_shot_prompt(items, answers.tolist())
    assert prompted.shift == made[0].shift
    assert made[0].system_prompt is None


def test_provenance_is_json_and_holds_no_answers(made, seen, tmp_path, decoder) -> None:
    told = made[0].provenance
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    for name in ("method", "model", "fingerprint", "inventory", "version", "settings", "protocol"):
        assert told[name]
    assert told["settings"]["heads"] == 3 and told["settings"]["seed"] == 0
    given = seen.responses[0][seen.responses[0] > 0].tolist()
    assert json.dumps(given)[1:-1] not in json.dumps(told)
    made[0].save(tmp_path / "p")
    assert Persona.load(tmp_path / "p", decoder) == made[0]


def test_somebody_neutral_on_everything_stays_the_plain_model(decoder, seen, cache) -> None:
    responses = np.zeros((2, 300), dtype=np.int8)
    responses[0, seen.inventory.columns(seen.inventory.tuning)] = 3
    responses[1] = seen.responses[1]
    some = Respondents(responses=responses, ids=("neutral", "other"))
    neutral, other = Pas(decoder, heads=3, cache=cache).personas(some)
    assert neutral.shift is None and neutral.alpha == 0.0 and not neutral.steers
    assert neutral.provenance["heads"] == []
    assert json.dumps(neutral.provenance, allow_nan=False)
    assert other.shift is not None


def test_missing_answers_label_nothing(decoder, seen, cache) -> None:
    responses = seen.responses[:1].copy()
    responses[:, seen.inventory.columns(seen.inventory.tuning[:60])] = 0
    (persona,) = Pas(decoder, heads=3, cache=cache).personas(Respondents(responses, ("half",)))
    assert persona.shift is not None and np.isfinite(persona.shift.sigmas).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 9}, r"asked for 9 heads, but fake llama has 8 \(2 layers of 4\); choose 1 to 8"),
        ({"heads": 0}, "choose 1 to 8"),
        ({"direction": "sideways"}, "direction 'sideways' does not exist"),
        ({"prompt": "poem"}, "prompt 'poem' does not exist"),
        ({"protocol": "secret"}, "protocol 'secret' does not exist"),
        ({"protocol": "paper", "heads": 4}, "fixes the number of heads"),
    ],
)
def test_settings_that_do_not_exist_are_refused(decoder, settings, message) -> None:
    with pytest.raises(MethodError, match=message):
        Pas(decoder, **settings)


def test_progress_reaches_the_end_and_never_falls(decoder, seen, cache) -> None:
    steps: list[tuple[int, int]] = []
    method = Pas(decoder, heads=3, cache=cache)
    method.personas(seen, progress=lambda done, total: steps.append((done, total)))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == steps[-1][1]


def test_the_papers_protocol_says_so_and_needs_the_held_out_answers(
    decoder, people, seen, cache
) -> None:
    method = Pas(decoder, protocol="paper", cache=cache)
    assert (method.protocol, method.heads, method.prompt) == ("paper", 8, "few-shot")
    (persona,) = method.personas(people.select([0]))
    told = persona.provenance
    assert told["protocol"] == told["settings"]["protocol"] == "paper"
    assert told["alpha_curve"]["items"] == "held-out"
    assert told["alpha_curve"]["alphas"] == list(PAPER_ALPHAS)
    assert persona.system_prompt is not None
    with pytest.raises(MethodError, match="chooses alpha by the held-out answers"):
        method.personas(seen.select([0]))
