"""Laws of the question's wordings: complete, consistent, varied, and the published format exact."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.pocket import wordings

STATEMENTS = (
    "Worry about things.",
    "Interested in many things.",
    'Want everything to be "just right."',
)


@pytest.fixture(scope="module")
def draws() -> list[wordings.WordingDraw]:
    rng = np.random.default_rng(5)
    return [wordings.sample_wording(rng) for _ in range(2000)]


def test_every_draw_is_a_complete_question(draws: list[wordings.WordingDraw]) -> None:
    for draw in draws:
        assert sorted(draw.order) == [1, 2, 3, 4, 5]
        assert len(set(draw.labels)) == 5
        for statement in STATEMENTS:
            message = draw.ask(statement)
            assert "{" not in message and "}" not in message
            assert wordings.put_statement(statement, draw.subject) in message
            assert message == message.strip()


def test_the_reply_is_prefix_label_rest_and_labels_name_responses(
    draws: list[wordings.WordingDraw],
) -> None:
    for draw in draws:
        for response in range(1, 6):
            label = draw.label_of(response)
            assert draw.reply(response) == draw.prefix + label + draw.rest_of(response)
            assert draw.order[draw.labels.index(label)] == response


def test_most_replies_repeat_an_option_as_the_message_prints_it(
    draws: list[wordings.WordingDraw],
) -> None:
    repeated = [
        all(draw.reply(r) in draw.after + draw.before for r in range(1, 6)) for draw in draws
    ]
    assert np.mean(repeated) > 0.6


def test_wordings_are_many_and_orders_are_mixed(draws: list[wordings.WordingDraw]) -> None:
    assert len({draw.ask(STATEMENTS[0]) for draw in draws}) > 1800
    shares = [np.mean([d.order == o for d in draws]) for o in ((5, 4, 3, 2, 1), (1, 2, 3, 4, 5))]
    assert 0.36 < shares[0] < 0.46 and 0.16 < shares[1] < 0.26


def test_the_same_seed_gives_the_same_wording() -> None:
    first, second = (wordings.sample_wording(np.random.default_rng(7)) for _ in range(2))
    assert first == second


def test_the_default_persona_list_is_the_published_format() -> None:
    pairs = [("Worry about things.", 5), ("Love life.", 2)]
    assert wordings.default_persona_list(pairs) == (
        "Here are some of your behaviors and your level of recognition towards them;"
        "Worry about things.:Very Accurate;Love life.:Moderately Inaccurate"
    )


def test_persona_lists_are_mostly_the_published_format_and_keep_every_answer() -> None:
    rng, pairs = np.random.default_rng(1), [("Worry about things.", 5), ("Love life.", 2)]
    lists = [wordings.sample_persona_list(rng)(pairs) for _ in range(1000)]
    default = wordings.default_persona_list(pairs)
    assert 0.55 < np.mean([text == default for text in lists]) < 0.65
    for text in lists:
        assert "orry about things" in text and "oderately inaccurate" in text.lower()
    assert len(set(lists)) > 100


def test_neutral_prompts_begin_with_the_products_own() -> None:
    rng = np.random.default_rng(2)
    drawn = [wordings.sample_neutral_system_prompt(rng) for _ in range(1000)]
    assert len(wordings.NEUTRAL_SYSTEM_PROMPTS) >= 40
    assert drawn.count("You are a helpful, honest and concise assistant.") > 350
    assert "" in drawn
