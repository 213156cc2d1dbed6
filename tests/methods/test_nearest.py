"""Prompts that depend on the question: which answers they list, and that they are what is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import MethodError
from personalign.inventory.big_five_50 import big_five_50
from personalign.methods import meaning
from personalign.methods.meaning import meanings, similarities
from personalign.methods.nearest import FewShotFacet, FewShotNearest
from personalign.model.answer import answer_items
from personalign.model.answer_each import answer_each
from personalign.model.api import ApiModel
from personalign.model.fake import fake_decoder
from personalign.model.persona import Persona
from personalign.model.prompts import FEW_SHOT_OPENING, PAPI, SHUFFLED


@pytest.fixture(scope="module")
def decoder():
    return fake_decoder("llama")


@pytest.fixture(scope="module")
def people() -> Respondents:
    people = simulate(2, seed=5)
    responses = people.responses.copy()
    inventory = people.inventory
    of_n1 = [item for item in inventory.tuning if item.facet == "N1"]
    responses[0, inventory.columns(of_n1)] = 0  # said nothing on anxiety
    return Respondents(responses, people.ids).only(inventory.tuning)


def statements(prompt: str) -> list[str]:
    lines = prompt.removeprefix(FEW_SHOT_OPENING).split(";")
    return [line.rsplit(":", 1)[0] for line in lines]


@pytest.mark.parametrize("wording", [PAPI, SHUFFLED], ids=["papi", "shuffled"])
def test_each_question_under_its_own_prompt_is_as_asked_one_by_one(decoder, people, wording):
    """Together, alone, and under the neutral prompt: all routes give what `answer_items` gives."""
    items = people.inventory.held_out[:3]
    long = "You are " + "very " * 120 + "calm."
    prompts: list[list[str | None]] = [[long, long, "You are shy."], [None, "You are loud.", long]]
    found = answer_each(decoder, prompts, items, wording=wording)
    for person, row in enumerate(prompts):
        for place, prompt in enumerate(row):
            alone = answer_items(
                decoder, [Persona(system_prompt=prompt)], [items[place]], wording=wording
            )
            assert np.allclose(found.log_probs[person, place], alone.log_probs[0, 0], atol=1e-4)
            assert np.isclose(found.mass[person, place], alone.mass[0, 0], rtol=1e-3)
    assert not np.allclose(found.log_probs[0, 2], found.log_probs[1, 2], atol=1e-3)


def test_the_facets_own_answers_are_listed_and_missing_ones_left_out(decoder, people) -> None:
    items = [i for i in people.inventory.held_out if i.facet in ("N1", "E4")]
    prompts = FewShotFacet(decoder).prompts(people, items)
    facet_of = {item.statement: item.facet for item in people.inventory.tuning}
    for item, first, second in zip(items, *prompts, strict=True):
        assert second is not None
        assert {facet_of[said] for said in statements(second)} == {item.facet}
        assert len(statements(second)) == 4
        assert (first is None) == (item.facet == "N1")


def test_without_facets_the_traits_answers_are_listed(decoder) -> None:
    form = big_five_50()
    item = form.held_out[0]
    telling = FewShotFacet(decoder).telling(form, item)
    assert telling and {other.trait for other in telling} == {item.trait}
    assert all(other.is_tuning for other in telling)


def test_the_nearest_answers_are_listed_the_nearest_last(decoder, people) -> None:
    inventory = people.inventory
    item = inventory.held_out[7]
    method = FewShotNearest(decoder, answers=5, cache=None)
    ranked = [other.statement for other in method.telling(inventory, item)]
    (first,), (second,) = method.prompts(people, [item])
    assert first is not None and second is not None
    assert statements(second) == ranked[:5][::-1]
    close = similarities(decoder, inventory, PAPI)[inventory.columns([item])[0]]
    values = [close[inventory.columns([other])[0]] for other in method.telling(inventory, item)]
    assert values == sorted(values, reverse=True)
    anxious = {i.statement for i in inventory.tuning if i.facet == "N1"}
    assert statements(first) == [s for s in ranked if s not in anxious][:5][::-1]


def test_an_item_never_tells_about_itself(decoder, people) -> None:
    item = people.inventory.tuning[3]
    for method in (FewShotNearest(decoder, cache=None), FewShotFacet(decoder)):
        assert item not in method.telling(people.inventory, item)


def test_predictions_are_the_answers_under_those_prompts(decoder, people) -> None:
    items = people.inventory.held_out[::60]
    method = FewShotNearest(decoder, answers=2, cache=None)
    prompts = method.prompts(people, items)
    expected = [
        [
            answer_items(decoder, [Persona(system_prompt=prompt)], [item]).responses()[0, 0]
            for prompt, item in zip(row, items, strict=True)
        ]
        for row in prompts
    ]
    assert method.predict(people, items).tolist() == np.array(expected).tolist()


def test_meanings_are_unit_vectors_and_centred(decoder, people) -> None:
    vectors = meanings(decoder, people.inventory, PAPI)
    assert vectors.shape == (300, 32)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(300), atol=1e-5)
    close = similarities(decoder, people.inventory, PAPI)
    assert np.allclose(np.diag(close), 1, atol=1e-5) and abs(close.mean()) < 0.1


def test_meaning_is_pooled_over_the_statements_own_tokens(decoder, people) -> None:
    """By hand for one item: the embedding layer's mean over the tokens no other item shares."""
    inventory = people.inventory
    raw = []
    table = decoder.model.get_input_embeddings().weight.detach()
    sequences = [
        decoder.render(
            [
                {"role": "system", "content": "You are a helpful, honest and concise assistant."},
                {"role": "user", "content": PAPI.ask(item)},
            ],
            reply="(",
        )
        for item in inventory
    ]
    first = len(_common([tuple(s) for s in sequences]))
    last = len(_common([tuple(s[::-1]) for s in sequences]))
    for sequence in sequences:
        raw.append(table[sequence[first : len(sequence) - last]].mean(dim=0))
    stacked = torch.stack(raw) - torch.stack(raw).mean(dim=0)
    by_hand = stacked / stacked.norm(dim=1, keepdim=True)
    assert torch.allclose(meanings(decoder, inventory, PAPI, layer=0), by_hand, atol=1e-4)


def _common(rows: list[tuple[int, ...]]) -> tuple[int, ...]:
    first, last = min(rows), max(rows)
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return first[:shared]


def test_meanings_are_read_once_and_a_broken_file_is_made_anew(
    decoder, people, tmp_path, monkeypatch
) -> None:
    made = meanings(decoder, people.inventory, PAPI, cache=tmp_path)
    (file,) = tmp_path.rglob("*.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(meaning, "_pooled", None)  # nothing may be read again
        again = meanings(decoder, people.inventory, PAPI, cache=tmp_path)
    assert torch.equal(made, again)
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(meanings(decoder, people.inventory, PAPI, cache=tmp_path), made)
    meanings(fake_decoder("llama", seed=1), people.inventory, PAPI, cache=tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_behind_an_api_meaning_is_words_in_common(people) -> None:
    inventory = people.inventory
    close = similarities(ApiModel("parrot"), inventory, PAPI)
    place = {item.statement: column for column, item in enumerate(inventory)}
    parties, more, worry = (
        place[said] for said in ("Love large parties.", "Enjoy being part of a loud crowd.",
                                 "Worry about things.")
    )  # fmt: skip
    assert close.shape == (300, 300) and np.allclose(np.diag(close), 1) and close.min() >= 0
    dislike = place["Dislike loud music."]
    assert close[more, dislike] > 0 == close[parties, worry]


def test_settings_that_cannot_be(decoder) -> None:
    with pytest.raises(MethodError, match="at least one"):
        FewShotNearest(decoder, answers=0)
