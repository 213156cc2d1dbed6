"""Training rows are real chats: every target sits where a model would have to say it."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.inventory.items import ipip_neo_300
from personalign.model.prompts import FEW_SHOT_OPENING, OPTIONS, PAPI, few_shot_prompt
from recipes.pocket.corpus import LONG, SHORT, Corpus
from recipes.pocket.observer import answer_weights
from recipes.pocket.tokenizer import END, build_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(texts=3000)


@pytest.fixture(scope="module")
def corpus(tokenizer):
    return Corpus(tokenizer)


@pytest.fixture(scope="module")
def batches(corpus):
    return [corpus.batch(4, length=SHORT, rows=24), corpus.batch(4, length=LONG, rows=10)]


def test_a_step_always_has_the_same_batch(corpus, batches) -> None:
    again = corpus.batch(4, length=SHORT, rows=24)
    assert np.array_equal(again.tokens, batches[0].tokens)
    assert np.array_equal(again.answer_targets, batches[0].answer_targets)


def test_rows_are_chats_as_the_template_writes_them(tokenizer, batches) -> None:
    """Decoding a row and encoding its text again gives the row's tokens."""
    for batch in batches:
        for row in batch.tokens[:12]:
            text = tokenizer.decode(row)
            again = tokenizer.encode(text, add_special_tokens=False)
            assert again[: len(row) - 12] == row[: len(again)][: len(row) - 12].tolist()


def test_targets_are_distributions_over_five_different_tokens(batches) -> None:
    for batch in batches:
        assert np.allclose(batch.answer_targets.sum(axis=1), 1, atol=1e-5)
        assert all(len(set(ids)) == 5 for ids in batch.answer_ids.tolist())


def test_the_answer_given_is_one_of_the_five(batches) -> None:
    for batch in batches:
        row, at = batch.answer_at.T
        following = batch.tokens[row, at + 1]
        assert (batch.answer_ids == following[:, None]).any(axis=1).all()


def test_given_answers_are_likely_under_the_observer(batches) -> None:
    for batch in batches:
        row, at = batch.answer_at.T
        given = batch.answer_ids == batch.tokens[row, at + 1][:, None]
        assert batch.answer_targets[given].mean() > 0.33  # chance is 0.2


def test_text_and_form_targets_are_the_next_tokens(batches) -> None:
    for batch in batches:
        for places, ids in ((batch.text_at, batch.text_ids), (batch.form_at, batch.form_ids)):
            assert np.array_equal(batch.tokens[places[:, 0], places[:, 1] + 1], ids)


def test_what_is_known_of_a_person_grows_along_the_row(batches) -> None:
    for batch in batches:
        early, late = [], []
        for row in range(len(batch.tokens)):
            mine = batch.known_at[:, 0] == row
            places, known = batch.known_at[mine, 1], batch.known[mine]
            if known.any() and np.ptp(places) > 200:
                early.append(np.abs(known[places < np.quantile(places, 0.1)]).mean())
                late.append(np.abs(known[places > np.quantile(places, 0.9)]).mean())
        assert len(early) >= 2
        assert np.mean(late) > 1.2 * np.mean(early)


def test_what_an_answer_says_stands_at_the_end_of_its_reply(tokenizer, corpus, batches) -> None:
    """Where PAS reads, the same evidence stands as on the answer's own token."""
    end = tokenizer.convert_tokens_to_ids(END)
    weights = answer_weights(corpus.population)
    for batch in batches:
        row, at = batch.said_at.T
        kept = at < batch.tokens.shape[1] - 1
        assert kept.sum() > 15
        assert (batch.tokens[row[kept], at[kept] + 1] == end).all()
        possible = (np.arange(-2, 3)[:, None, None] * weights).reshape(-1, weights.shape[1])
        away = np.abs(batch.said[:, None] - possible).max(axis=-1)
        assert away.min(axis=1).max() < 1e-5
        assert len(set(away.argmin(axis=1))) > 10


def test_levels_are_of_the_facet_that_a_reply_shows(batches) -> None:
    """They sit on replies, are named by a facet, and are nothing where nobody was described."""
    for batch in batches:
        assert len(batch.level_at) == len(batch.level) == len(batch.topic) > 0
        assert set(batch.topic.tolist()) <= set(range(30))
        said = {tuple(place) for place in batch.text_at.tolist()}
        inside = [tuple(place) in said for place in batch.level_at.tolist()]
        assert np.mean(inside) > 0.95  # the last place of a row predicts nothing
        somebody = batch.known_at[batch.known.any(axis=1), 0]
        nobody = ~np.isin(batch.level_at[:, 0], somebody)
        assert not batch.level[nobody].any()


def test_an_answer_counts_by_what_it_took_to_ask(tokenizer, batches) -> None:
    product = len(tokenizer.encode(PAPI.ask(ipip_neo_300().item(1)), add_special_tokens=False))
    for batch in batches:
        assert batch.answer_weights.min() >= 3  # a line of a list
        assert batch.answer_weights.max() > 2 * product  # a question spelt out


def test_a_label_and_its_option_stand_side_by_side(tokenizer) -> None:
    """In any usual layout an option is two tokens: its label, with what is around it, its text."""
    for line in ("(A). ", "[B] ", "C) ", "- D: ", "* E. ", "(A): "):
        ids = tokenizer.encode(f"x\n{line}{OPTIONS[5]}", add_special_tokens=False)
        assert len(ids) == 3, line


def test_published_list_tokens_equal_the_products_prompt(tokenizer) -> None:
    """The corpus joins pieces; the product tokenises the whole prompt: the ids are the same."""
    items = ipip_neo_300().tuning
    responses = [1 + item.number % 5 for item in items]
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)  # noqa: E731
    pieces = encode(FEW_SHOT_OPENING)
    for n, (item, response) in enumerate(zip(items, responses, strict=True)):
        pieces += encode(f"{';' if n else ''}{item.statement}:") + encode(OPTIONS[response])
    assert pieces == encode(few_shot_prompt(items, responses))


def test_a_standard_question_is_short(tokenizer) -> None:
    question = PAPI.ask(ipip_neo_300().item(1))
    assert len(tokenizer.encode(question, add_special_tokens=False)) < 12
