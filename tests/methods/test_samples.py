"""What is trained on: the tokens that answers are read from, and pairs with their opposites."""

from __future__ import annotations

import pytest

from personalign.inventory.items import ipip_neo_120
from personalign.methods.samples import pairs, reply_ids, samples
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.prompts import PAPI, REWORDED, SHUFFLED, Wording, chat_messages
from personalign.model.questions import label_tokens, question_tokens

ITEMS = ipip_neo_120().items[:6]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder()


@pytest.mark.parametrize("wording", [PAPI, REWORDED, SHUFFLED])
def test_a_sample_is_the_question_as_asked_and_the_reply(
    decoder: Decoder, wording: Wording
) -> None:
    found = samples(decoder, ITEMS, [5, 4, 3, 2, 1, 0], wording)
    assert len(found) == 5, "a missing answer is no sample"
    for sample, item, response in zip(found, ITEMS, (5, 4, 3, 2, 1), strict=False):
        messages = chat_messages(None, wording.ask(item))
        whole = decoder.render(messages, reply=wording.reply_to(response), close=True)
        assert [*sample.prompt, *sample.reply] == whole
        assert decoder.text(sample.reply).startswith(wording.reply_to(response))
        assert sample.reply[-1] in decoder.end_ids


@pytest.mark.parametrize("chat", ["system", "no-system", "none"])
def test_an_answer_is_read_after_tokens_that_were_trained(chat: str) -> None:
    decoder = fake_decoder(chat=chat)  # type: ignore[arg-type]
    questions = question_tokens(decoder, None, ITEMS, PAPI)
    labels = label_tokens(decoder, PAPI)
    for place, sample in enumerate(samples(decoder, ITEMS, [1] * 6, PAPI)):
        whole = (*sample.prompt, *sample.reply)
        asked = questions.whole(place)
        label = labels[PAPI.order.index(1)]
        assert whole[: len(asked)] == asked
        assert whole[len(asked) : len(asked) + len(label)] == label


def test_a_reply_that_would_merge_is_cut_where_it_is_read(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = type(decoder.chat).encode

    def merging(self: object, text: str) -> list[int]:
        ids = real(self, text)  # type: ignore[arg-type]
        return [511, *ids[2:]] if text.startswith("(A") else ids

    begun = real(decoder.chat, "(") + real(decoder.chat, "A")
    monkeypatch.setattr(type(decoder.chat), "encode", merging)
    ids = reply_ids(decoder, 5, PAPI)
    assert list(ids[: len(begun)]) == begun and 511 not in ids
    assert decoder.text(ids) == PAPI.reply_to(5)


def test_pairs_against_hand_made_ones(decoder: Decoder) -> None:
    found = pairs(decoder, ITEMS, [5, 4, 3, 2, 1, 0], PAPI)
    expected = [
        (0, "(A). Very Accurate", "(E). Very Inaccurate"),
        (1, "(B). Moderately Accurate", "(D). Moderately Inaccurate"),
        (3, "(D). Moderately Inaccurate", "(B). Moderately Accurate"),
        (4, "(E). Very Inaccurate", "(A). Very Accurate"),
    ]
    assert len(found) == len(expected)
    for pair, (item, chosen, rejected) in zip(found, expected, strict=True):
        messages = chat_messages(None, PAPI.ask(ITEMS[item]))
        assert list(pair.prompt) == decoder.render(messages, reply="")
        assert [decoder.text(pair.chosen), decoder.text(pair.rejected)] == [chosen, rejected]


def test_the_opposite_follows_the_response_not_the_letter(decoder: Decoder) -> None:
    [pair] = pairs(decoder, ITEMS[:1], [4], SHUFFLED)  # 2, 5, 1, 3, 4 from A to E
    assert decoder.text(pair.chosen) == "(E). Moderately Accurate"
    assert decoder.text(pair.rejected) == "(A). Moderately Inaccurate"


def test_nothing_to_prefer(decoder: Decoder) -> None:
    assert pairs(decoder, ITEMS, [3, 0, 3, 0, 3, 0], PAPI) == []
