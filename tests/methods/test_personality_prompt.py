"""personality-prompt: what the writer is asked, who writes, and that it is written once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.methods.personality_prompt import PersonalityPrompt
from personalign.model.api import ApiModel
from personalign.model.fake import fake_decoder
from personalign.model.generate import generate
from personalign.model.persona import Persona
from tests.model.endpoint import Endpoint, serving


@pytest.fixture(scope="module")
def decoder():
    return fake_decoder("llama")


@pytest.fixture(scope="module")
def people() -> Respondents:
    people = simulate(3, seed=5)
    responses = people.responses.copy()
    responses[0, people.inventory.tuning[0].number - 1] = 0
    responses[2] = 0  # answered nothing at all
    return Respondents(responses, people.ids).only(people.inventory.tuning)


@pytest.fixture
def server() -> Iterator[Endpoint]:
    pytest.importorskip("openai")
    with serving() as endpoint:
        yield endpoint


def method(decoder, tmp_path, **settings) -> PersonalityPrompt:
    return PersonalityPrompt(decoder, cache=tmp_path, **{"max_new_tokens": 6, **settings})


def test_the_writer_sees_every_given_answer_and_no_other(server, people, tmp_path) -> None:
    server.say = lambda messages: f"You are {len(messages[-1]['content'])} letters long. "
    writer = ApiModel("parrot-small", server.url)
    personas = method(fake_decoder("llama"), tmp_path, writer=writer).personas(people)
    assert len(server.requests) == 2  # nobody is asked about who answered nothing
    asked = sorted((r["messages"][-1]["content"] for r in server.requests), key=len)
    items = people.inventory.tuning
    assert [sum(f"{item.statement.rstrip('.')}: " in text for item in items) for text in asked] == [
        119,
        120,
    ]
    assert all("Neither" in text or "Moderately" in text for text in asked)
    written = {persona.system_prompt for persona in personas[:2]}
    assert written == {f"You are {len(text)} letters long." for text in asked}
    assert personas[2].system_prompt is None
    assert {request["temperature"] for request in server.requests} == {0.0}


def test_the_model_itself_writes_greedily_unless_another_is_named(decoder, people, tmp_path):
    personas = method(decoder, tmp_path).personas(people.select(slice(0, 1)))
    items = people.inventory.tuning
    row = people.responses[0, people.inventory.columns(items)].tolist()
    answers = [(item.statement, said) for item, said in zip(items, row, strict=True) if said]
    writer = Persona(system_prompt="You are a helpful assistant.")
    question = PersonalityPrompt.question(answers)
    (expected,) = generate(decoder, writer, [question], max_new_tokens=6)
    assert personas[0].system_prompt == expected.strip() != ""
    assert personas[0].provenance["settings"]["writer_fingerprint"] == decoder.fingerprint


def test_a_description_is_written_once(decoder, server, people, tmp_path) -> None:
    writer = ApiModel("parrot-small", server.url)
    first = method(decoder, tmp_path, writer=writer).personas(people)
    server.say = lambda _: "Something else."
    assert method(decoder, tmp_path, writer=writer).personas(people) == first
    assert len(server.requests) == 2
    other = ApiModel("parrot-large", server.url)  # another writer writes anew
    again = method(decoder, tmp_path, writer=other).personas(people)
    assert again[0].system_prompt == "Something else."
    longer = method(decoder, tmp_path, writer=writer, max_new_tokens=7).personas(people)
    assert longer[0].system_prompt == "Something else."


def test_a_writer_that_is_broken_off_has_kept_what_it_wrote(decoder, server, tmp_path) -> None:
    people = simulate(20, seed=6)
    count = 0

    def say(_messages: object) -> str:
        nonlocal count
        count += 1
        return "" if count > 16 else "You are somebody."

    server.say = say
    writer = ApiModel("parrot-small", server.url, concurrency=1)
    with pytest.raises(MethodError, match="wrote nothing about a person"):
        method(decoder, tmp_path, writer=writer).personas(people)
    assert len(list(tmp_path.rglob("*.json"))) == 16


def test_the_writer_may_be_named(decoder, server, people, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PERSONALIGN_CACHE", str(tmp_path / "user"))
    named = method(decoder, tmp_path, writer="api:parrot-small", writer_url=server.url)
    assert named.personas(people.select(slice(1, 2)))[0].system_prompt == "(A). Very Accurate"
    assert named.settings["writer"] == "api:parrot-small"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"max_new_tokens": 0}, "at least 1"),
        ({"writer": "pocket", "writer_url": "http://localhost/v1"}, "api:NAME; the writer is 'po"),
        ({"writer_url": "http://localhost/v1"}, "the writer is None"),
    ],
)
def test_settings_that_cannot_be(decoder, wrong, sentence) -> None:
    with pytest.raises(MethodError, match=sentence):
        PersonalityPrompt(decoder, **wrong)
