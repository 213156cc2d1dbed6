"""Texts about statements: what is asked, who is asked, and what a row says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation.open_ended import (
    PARTS,
    TEMPLATE,
    as_replies,
    headings,
    open_question,
    write_open_ended,
)
from personalign.model.api import ApiModel
from personalign.model.decoder import Decoder
from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from tests.model.conftest import some_shift
from tests.model.endpoint import serving
from tests.model.loud import loud

TOKENS = 8


@pytest.fixture(scope="module")
def people() -> Respondents:
    """Three people; the second has left the first two held-out items out."""
    three = simulate(3, seed=2)
    responses = three.responses.copy()
    columns = three.inventory.columns(three.inventory.held_out)
    responses[1, columns[:2]] = 0
    return Respondents(responses, three.ids)


@pytest.fixture(scope="module")
def personas() -> list[Persona]:
    decoder = loud()
    return [PLAIN, Persona(shift=some_shift(decoder), alpha=3.0), Persona("You worry.")]


def written(
    decoder: Decoder, personas: Sequence[Persona], people: Respondents, items: int = 3
) -> list[dict]:
    chosen = people.inventory.held_out[:items]
    return [
        dict(row)
        for row in write_open_ended(
            decoder, personas, people, chosen, method="pas", max_new_tokens=TOKENS
        )
    ]


def test_the_template_has_the_papers_four_parts_and_the_papers_opening() -> None:
    assert [part for part in PARTS if f"\n{part}: " in TEMPLATE] == list(PARTS)
    assert TEMPLATE.startswith('Given a statement of you: "You {statement}."')


def test_every_text_is_what_the_persona_alone_writes(people, personas) -> None:
    decoder = loud()
    rows = written(decoder, personas, people)
    by_id = dict(zip(people.ids, personas, strict=True))
    items = {item.number: item for item in people.inventory}
    for row in rows:
        alone = generate(
            decoder, by_id[row["person"]], open_question(items[row["item"]]), max_new_tokens=TOKENS
        )[0]
        assert row["text"] == alone
        assert row["tokens"] == len(decoder.chat.encode(alone))
        assert row["words"] == len(alone.split())
    assert len({row["text"] for row in rows}) > len(rows) / 2  # personas and statements matter


def test_a_statement_without_an_answer_is_left_out_and_targets_are_responses(
    people, personas
) -> None:
    rows = written(loud(), personas, people)
    assert [(row["person"], row["item"]) for row in rows] == [
        (name, item.number)
        for name, answers in zip(people.ids, people.responses, strict=True)
        for item in people.inventory.held_out[:3]
        if answers[people.inventory.columns([item])[0]]
    ]
    assert len(rows) == 7
    for row in rows:
        person = people.ids.index(row["person"])
        column = people.inventory.columns([row["item"]])[0]
        assert row["target"] == people.responses[person, column]


def test_a_chunk_of_people_writes_what_all_together_do(people, personas) -> None:
    whole = written(loud(), personas, people)
    parts = [written(loud(), [personas[i]], people.select([i])) for i in range(3)]
    assert whole == [row for part in parts for row in part]
    assert json.loads(json.dumps(whole)) == whole


def test_all_held_out_statements_are_taken_where_none_are_named(people) -> None:
    one = people.select([0])
    rows = write_open_ended(loud(), [PLAIN], one, method="none", max_new_tokens=1)
    assert [row["item"] for row in rows] == [item.number for item in one.inventory.held_out]


def test_nobody_with_an_answer_is_no_text(people) -> None:
    empty = Respondents(np.zeros((1, 300), dtype=np.int8), ("a",))
    assert write_open_ended(loud(), [PLAIN], empty, method="none") == []


def test_one_persona_a_person(people) -> None:
    with pytest.raises(EvaluationError, match="1 personas for 3 people"):
        write_open_ended(loud(), [PLAIN], people, method="none")


def test_a_model_behind_an_api_writes_too_and_its_tokens_are_not_guessed(
    people, tmp_path: Path
) -> None:
    pytest.importorskip("openai")
    with serving() as server:
        server.say = lambda messages: "Scenario Description: " + messages[-1]["content"]
        model = ApiModel("parrot-small", server.url)
        rows = write_open_ended(
            model, [PLAIN], people.select([0]), people.inventory.held_out[:2], method="none"
        )
    assert [row["tokens"] for row in rows] == [None, None]
    assert [row["parts"] for row in rows] == [4, 4]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Scenario Description:\nA.\n\nActions Taken:\nB.\nThought Process: C.", 3),
        ("## 1. Scenario Description\n2) **Emotional Response**", 2),
        ("In the thought process I left.", 0),
        ("", 0),
    ],
)
def test_headings_begin_lines(text: str, found: int) -> None:
    assert headings(text) == found


def test_as_replies_to_raters_methods_are_conditions(people, personas) -> None:
    rows = written(loud(), personas, people, items=1)
    reply = as_replies(rows)[0]
    assert reply["condition"] == "pas" and reply["text"] == rows[0]["text"]
    assert rows[0]["statement"] in reply["asked"] and "pas" not in reply["asked"]
