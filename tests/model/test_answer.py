"""The laws of asking: equal to the plain way, row by row, in every wording and on both routes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from personalign.errors import MethodError, ModelError, PersonaError, SteeringError
from personalign.model import answer as answer_module
from personalign.model.answer import Answers, answer_items, answer_items_by_text
from personalign.model.decoder import Decoder
from personalign.model.fake import FAMILIES
from personalign.model.generate import generate
from personalign.model.parse import parse_reply_as_released
from personalign.model.persona import PLAIN, Persona
from personalign.model.prompts import PAPI, REWORDED, SHUFFLED, Wording
from tests.model.conftest import some_shift
from tests.model.loud import ITEMS, loud, make_loud, people, plainly

WORDS = replace(PAPI, name="words", labels=("first", "two", "third one", "IV", "fünf"))
"""Labels of several tokens, of different lengths."""

BARE = replace(PAPI, name="bare", reply_prefix="", reply="{label}) {option}.")
"""No reply is begun."""

UNSHARED = {"falcon", "bloom"}  # a residual added in place, position biases from a 2D mask


def full_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_module, "can_share", lambda *_: False)


def check_against_the_plain_way(
    decoder: Decoder, personas: list[Persona], wording: Wording, **settings: Any
) -> Answers:
    answers = answer_items(decoder, personas, ITEMS, wording=wording, **settings)
    for row, persona in enumerate(personas):
        labels = plainly(decoder, persona, ITEMS, wording)
        np.testing.assert_allclose(answers.mass[row], labels.exp().sum(-1), rtol=1e-3, atol=1e-9)
        expected = labels.log_softmax(-1)
        for place, response in enumerate(wording.order):
            np.testing.assert_allclose(
                answers.log_probs[row, :, response - 1], expected[:, place], atol=1e-4
            )
    return answers


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "qwen3", "opt", "bloom"])
def test_equal_to_the_plain_way(family: str) -> None:
    decoder = loud(family)
    answers = check_against_the_plain_way(decoder, people(decoder), PAPI)
    assert answers.shared_prefix == (family not in UNSHARED)
    distinct = answers.log_probs[:6].reshape(6, -1)
    assert len(np.unique(distinct.round(3), axis=0)) == 6  # every persona answers differently


@pytest.mark.parametrize("wording", [REWORDED, SHUFFLED, WORDS, BARE], ids=lambda w: w.name)
@pytest.mark.parametrize("route", ["shared", "full"])
def test_every_wording_on_both_routes(
    wording: Wording, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if route == "full":
        full_route(monkeypatch)
    answers = check_against_the_plain_way(loud(), people(loud()), wording)
    assert answers.shared_prefix == (route == "shared")


@pytest.mark.parametrize("family", FAMILIES)
def test_shared_prefix_equals_full_forward(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = loud(family)
    shared = answer_items(decoder, people(decoder), ITEMS)
    assert shared.shared_prefix == (family not in UNSHARED)
    full_route(monkeypatch)
    full = answer_items(decoder, people(decoder), ITEMS)
    np.testing.assert_allclose(shared.log_probs, full.log_probs, atol=1e-4)


def test_prefixes_of_different_shifts_are_not_mixed_up() -> None:
    shift = some_shift(loud())
    asked = [Persona(shift=shift, alpha=alpha) for alpha in (0.0, 1.0, 2.0, 4.0)]
    together = answer_items(loud(), asked, ITEMS).log_probs
    np.testing.assert_array_equal(answer_items(loud(), asked, ITEMS).log_probs, together)
    assert np.abs(np.diff(together, axis=0)).max(axis=(1, 2)).min() > 0.05


@pytest.mark.parametrize("batch_rows", [1, 2, 5, 512])
def test_a_batch_equals_one_by_one(batch_rows: int) -> None:
    everyone = people(loud())
    together = answer_items(loud(), everyone, ITEMS, batch_rows=batch_rows).log_probs
    for row, persona in enumerate(everyone):
        alone = answer_items(loud(), [persona], ITEMS).log_probs[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-5)
    items = [answer_items(loud(), everyone, [item]).log_probs[:, 0] for item in ITEMS]
    np.testing.assert_allclose(together, np.stack(items, axis=1), atol=1e-5)


def test_alpha_0_is_bit_identical_to_the_plain_model() -> None:
    still = Persona(shift=some_shift(loud()), alpha=0.0)
    loudest = Persona(shift=some_shift(loud()), alpha=3.0)
    plain = answer_items(loud(), [PLAIN], ITEMS)
    for company in ([still], [loudest, still], [still, loudest]):
        answers = answer_items(loud(), company, ITEMS)
        place = company.index(still)
        np.testing.assert_array_equal(answers.log_probs[place], plain.log_probs[0])
        np.testing.assert_array_equal(answers.mass[place], plain.mass[0])


def test_one_rows_steering_leaves_the_others_unchanged() -> None:
    first, second, third = some_shift(loud()), some_shift(loud(), seed=5), some_shift(loud(), k=1)
    fixed = [Persona(shift=first, alpha=1.0), Persona(shift=third, alpha=2.0)]
    before = answer_items(loud(), [*fixed, Persona(shift=second, alpha=1.0)], ITEMS).log_probs
    after = answer_items(loud(), [*fixed, Persona(shift=second, alpha=9.0)], ITEMS).log_probs
    np.testing.assert_array_equal(before[:2], after[:2])
    assert np.abs(before[2] - after[2]).max() > 0.1


def test_a_window_shorter_than_the_questions_takes_the_full_route() -> None:
    decoder = make_loud("mistral", sliding_window=24)
    answers = check_against_the_plain_way(decoder, people(decoder)[:4], PAPI)
    assert not answers.shared_prefix
    wide = make_loud("mistral", sliding_window=2048)
    assert answer_items(wide, [PLAIN], ITEMS).shared_prefix


def test_eager_attention_too() -> None:
    decoder = make_loud()
    decoder.model.set_attn_implementation("eager")
    answers = answer_items(decoder, people(decoder), ITEMS)
    assert answers.shared_prefix
    expected = answer_items(loud(), people(loud()), ITEMS).log_probs
    np.testing.assert_allclose(answers.log_probs, expected, atol=1e-4)


def test_bfloat16_shares_and_stays_near_float32() -> None:
    decoder = make_loud(dtype=torch.bfloat16)
    answers = answer_items(decoder, people(decoder), ITEMS)
    assert answers.shared_prefix
    assert answers.log_probs.dtype == np.float32
    exact = make_loud(dtype=torch.bfloat16)
    exact.model.float()
    expected = answer_items(exact, people(exact), ITEMS).log_probs
    assert np.abs(answers.log_probs - expected).mean() < 0.1


def test_equal_personas_are_asked_once() -> None:
    steps: list[tuple[int, int]] = []
    answer_items(loud(), people(loud()), ITEMS, progress=lambda *step: steps.append(step))
    assert steps[-1] == (6 * len(ITEMS), 6 * len(ITEMS))
    assert steps == sorted(steps)


@pytest.mark.parametrize("route", ["shared", "full"])
def test_too_large_an_alpha_is_named(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = loud()
    if route == "full":
        full_route(monkeypatch)
    far = Persona(shift=some_shift(decoder, sigma=1e30), alpha=1e30)
    with pytest.raises(SteeringError, match=r"alpha 1e\+30"):
        answer_items(decoder, [PLAIN, far], ITEMS)


def test_an_overflow_inside_the_model_is_named_too() -> None:
    decoder = make_loud(dtype=torch.float16)
    far = Persona(shift=some_shift(decoder), alpha=1e6)  # float16 ends at 65,504
    with pytest.raises(SteeringError, match=r"alpha 1e\+06"):
        answer_items(decoder, [PLAIN, far], ITEMS)


def test_a_broken_model_is_no_fault_of_steering() -> None:
    decoder = make_loud()
    with torch.no_grad():
        decoder.model.lm_head.weight[7] = torch.nan
    with pytest.raises(ModelError, match="not finite"):
        answer_items(decoder, [PLAIN], ITEMS)


def test_what_cannot_be_asked() -> None:
    with pytest.raises(MethodError, match="batch_rows"):
        answer_items(loud(), [PLAIN], ITEMS, batch_rows=0)
    with pytest.raises(PersonaError, match="adapter"):
        answer_items(loud(), [Persona(adapter="somewhere")], ITEMS)
    with pytest.raises(ModelError, match="shorten the system prompt"):
        answer_items(make_loud(max_position_embeddings=64), [PLAIN], ITEMS)


def test_nobody_and_nothing_asked() -> None:
    assert answer_items(loud(), [], ITEMS).log_probs.shape == (0, len(ITEMS), 5)
    assert answer_items(loud(), [PLAIN], []).responses().shape == (1, 0)


def made_up(*rows: list[float], wording: Wording = PAPI) -> Answers:
    """One persona, an item a row; a row is the probabilities of responses 1 to 5."""
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.array([rows], dtype=np.float32))
    return Answers(log_probs, np.ones((1, len(rows)), np.float32), ITEMS[: len(rows)], wording)


def test_decisions() -> None:
    answers = made_up(
        [0.4, 0.0, 0.0, 0.3, 0.3],
        [0.5, 0.0, 0.0, 0.0, 0.5],
        [0.0, 0.0, 0.5, 0.5, 0.0],
        [np.nan] * 5,
    )
    assert answers.responses().tolist() == [[1, 5, 4, 0]]
    assert answers.responses("median").tolist() == [[4, 1, 3, 0]]
    assert answers.responses("mean").tolist() == [[3, 3, 4, 0]]
    assert answers.unparsed.tolist() == [[False, False, False, True]]
    assert answers.responses().dtype == np.int8
    with pytest.raises(MethodError, match="mode, median or mean"):
        answers.responses("guess")  # type: ignore[arg-type]


def test_of_equals_the_mode_is_the_option_listed_first() -> None:
    tie = [0.5, 0.5, 0.0, 0.0, 0.0]
    assert made_up(tie).responses().tolist() == [[2]]  # 5, 4, 3, 2, 1 top to bottom
    upwards = PAPI.reordered((1, 2, 3, 4, 5))
    assert made_up(tie, wording=upwards).responses().tolist() == [[1]]


def test_text_is_written_and_parsed_per_persona() -> None:
    everyone = people(loud())[:4]
    said = {"n": 0}

    def parser(text: str, wording: Wording) -> int:
        said["n"] += 1
        return len(text) % 6  # now and then 0: unparsed

    answers = answer_items_by_text(loud(), everyone, ITEMS, parser=parser, max_new_tokens=6)
    assert said["n"] == len(everyone) * len(ITEMS)
    assert answers.texts is not None
    for row, persona in enumerate(everyone):
        for place, item in enumerate(ITEMS):
            (alone,) = generate(loud(), [persona], PAPI.ask(item), max_new_tokens=6)
            assert answers.texts[row][place] == alone
            assert answers.responses()[row, place] == len(alone) % 6
    np.testing.assert_array_equal(answers.unparsed, answers.responses() == 0)
    np.testing.assert_array_equal(answers.mass, answers.responses() > 0)


def test_text_agrees_with_probabilities_where_the_model_says_a_label() -> None:
    """A model made to say labels: its most probable label is what it writes after the prefix."""
    decoder = make_loud(tie_word_embeddings=False)
    labels = [decoder.chat.encode(label)[0] for label in PAPI.labels]
    with torch.no_grad():
        weight = decoder.model.lm_head.weight
        others = torch.ones(len(weight), dtype=torch.bool)
        others[labels] = False
        weight[others] = 0
    everyone = people(decoder)
    read = answer_items(decoder, everyone, ITEMS)
    written = answer_items_by_text(
        decoder, everyone, ITEMS, begun="(", max_new_tokens=1, parser=first_letter
    )
    said = ~written.unparsed  # elsewhere all labels are below the others' zero
    assert said.mean() > 0.5
    np.testing.assert_array_equal(read.responses()[said], written.responses()[said])


def first_letter(text: str, wording: Wording) -> int:
    return parse_reply_as_released(text + " ", wording)


def test_weights_nobody_here_trained_are_asked_the_same_way(real_llama: Decoder) -> None:
    answers = check_against_the_plain_way(real_llama, people(real_llama)[:4], PAPI)
    assert answers.shared_prefix
