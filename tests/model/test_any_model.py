"""One way of asking for both kinds of model, and which methods may ask which."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from personalign.dataset.simulate import simulate
from personalign.errors import MethodError, ModelError, PersonaError, SteeringError
from personalign.methods.base import PersonaMethod
from personalign.methods.registry import METHODS, get_method, get_persona_method
from personalign.model.answer import answer_items
from personalign.model.any_model import answers_of, answers_of_each, pieces_of, texts_of
from personalign.model.api import ApiModel
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from personalign.model.prompts import NEUTRAL_SYSTEM_PROMPT, PAPI, SHUFFLED
from tests.model.conftest import some_shift
from tests.model.endpoint import Endpoint, serving

pytest.importorskip("openai")


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with serving() as endpoint:
        yield endpoint


@pytest.fixture
def parrot(server: Endpoint) -> ApiModel:
    return ApiModel("parrot-small", server.url)


def test_a_decoder_is_asked_as_ever() -> None:
    decoder = fake_decoder()
    items = simulate(1, seed=0).inventory.items[:3]
    same = answer_items(decoder, [PLAIN], items).log_probs
    assert np.array_equal(answers_of(decoder, [PLAIN], items).log_probs, same)
    assert texts_of(decoder, PLAIN, "Hi.", max_new_tokens=3) == generate(
        decoder, PLAIN, "Hi.", max_new_tokens=3
    )


@pytest.mark.parametrize("wording", [PAPI, SHUFFLED], ids=["papi", "shuffled"])
def test_an_api_is_asked_greedily_and_its_text_is_parsed(server, parrot, wording) -> None:
    said = {"calm": "(B). Moderately", "loud": "Neither Accurate nor inaccurate", "odd": "Hm."}

    def say(messages: list[dict[str, str]]) -> str:
        return next((text for key, text in said.items() if key in messages[0]["content"]), "(C)")

    server.say = say
    people = [Persona(system_prompt=f"You are {key}.") for key in said]
    items = simulate(1, seed=0).inventory.held_out[:2]
    answers = answers_of(parrot, people, items, wording=wording)
    assert answers.responses().tolist() == [[wording.order[1]] * 2, [3, 3], [0, 0]]
    assert int(answers.unparsed.sum()) == 2 and answers.texts is not None
    assert answers.texts[2] == ("Hm.", "Hm.")
    request = server.requests[0]
    assert request["temperature"] == 0 and request["max_tokens"] == 15
    assert request["messages"][1]["content"] in [wording.ask(item) for item in items]


def test_an_api_is_asked_each_question_under_its_prompt(server, parrot) -> None:
    server.say = lambda messages: "(A)" if "calm" in messages[0]["content"] else "(E)"
    items = simulate(1, seed=0).inventory.held_out[:2]
    answers = answers_of_each(parrot, [["You are calm.", None]], items)
    assert answers.responses().tolist() == [[5, 1]]
    systems = {request["messages"][0]["content"] for request in server.requests}
    assert systems == {"You are calm.", NEUTRAL_SYSTEM_PROMPT}


def test_a_chat_streams(server, parrot) -> None:
    server.say = lambda messages: messages[-1]["content"]
    assert "".join(pieces_of(parrot, PLAIN, "one two")).split() == ["one", "two"]


def test_personas_that_need_the_inside_are_refused(parrot, tmp_path) -> None:
    decoder = fake_decoder()
    shifted = Persona(shift=some_shift(decoder), alpha=1.0)
    with pytest.raises(PersonaError, match="behind an API"):
        texts_of(parrot, shifted, "Hi.")
    with pytest.raises(SteeringError, match="behind an API"):
        parrot.check_shift(some_shift(decoder))
    shifted.save(tmp_path / "someone")
    with pytest.raises(PersonaError, match="does not fit api:parrot-small"):
        Persona.load(tmp_path / "someone", parrot)


def test_every_method_runs_on_an_api_or_says_that_it_cannot(parrot) -> None:
    able = []
    for name, known in METHODS.items():
        if known.black_box:
            assert get_method(name, decoder=parrot).name == name
            able.append(name)
        else:
            with pytest.raises(MethodError, match=f"{name} works inside the model"):
                get_method(name, decoder=parrot)
    assert {"none", "few-shot", "facet-prompt", "personality-prompt"} <= set(able)
    assert "pas" not in able


def test_prompt_methods_predict_on_an_api(server, parrot, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PERSONALIGN_CACHE", str(tmp_path))
    people = simulate(2, seed=1)
    known, items = people.only(people.inventory.tuning), people.inventory.held_out[::90]
    for name, method in METHODS.items():
        if method.black_box:
            found = get_method(name, decoder=parrot).predict(known, items)
            assert found.tolist() == [[5, 5], [5, 5]], name


def test_a_persona_is_asked_for_where_there_is_none() -> None:
    decoder = fake_decoder()
    for name, known in METHODS.items():
        if not issubclass(known, PersonaMethod):
            with pytest.raises(MethodError, match=f"{name} makes no persona"):
                get_persona_method(name, decoder=decoder)
    assert get_persona_method("few-shot", decoder=decoder).name == "few-shot"


def test_what_needs_weights_says_so_of_an_api() -> None:
    with pytest.raises(ModelError, match="api:parrot is behind an API"):
        Decoder.load("api:parrot")
