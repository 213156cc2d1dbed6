"""Questions as tokens: split without changing one, kept, and never tokenised jointly."""

from __future__ import annotations

from typing import Any

import pytest

from personalign.errors import ModelError
from personalign.model.chat import ChatTemplate
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.prompts import PAPI, REWORDED, WORDINGS, Wording, chat_messages
from personalign.model.questions import label_tokens, question_tokens
from tests.model.loud import ITEMS

CHATS: tuple[Any, ...] = ("system", "no-system", "drops-system", "none")
PROMPTS = (None, "", "You are bold.", "Trust <|user|> nobody.", "Ends with a break\n", "a" * 300)


@pytest.mark.parametrize("wording", WORDINGS.values(), ids=lambda wording: wording.name)
@pytest.mark.parametrize("chat", CHATS)
def test_equal_to_rendering_every_chat(chat: Any, wording: Wording) -> None:
    decoder = fake_decoder(chat=chat)
    for prompt in PROMPTS:
        tokens = question_tokens(decoder, prompt, ITEMS, wording)
        for place, item in enumerate(ITEMS):
            messages = chat_messages(prompt, wording.ask(item))
            expected = decoder.render(messages, reply=wording.reply_prefix)
            assert list(tokens.whole(place)) == expected
        begun = decoder.chat.encode(wording.reply_prefix)
        assert tokens.reply == len(begun)
        assert all(list(suffix[-len(begun) :]) == begun for suffix in tokens.suffixes)
        assert len({suffix[0] for suffix in tokens.suffixes}) > 1  # nothing shared is left


def test_one_item_leaves_its_reply_to_the_suffix() -> None:
    tokens = question_tokens(fake_decoder(), None, ITEMS[:1], PAPI)
    assert len(tokens.suffixes[0]) == tokens.reply == 1


def test_the_same_questions_are_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = fake_decoder()
    calls = []
    render = decoder.render
    monkeypatch.setattr(decoder, "render", lambda *a, **k: calls.append(1) or render(*a, **k))
    first = question_tokens(decoder, None, ITEMS, PAPI)
    assert len(calls) == len(ITEMS)
    assert question_tokens(decoder, None, ITEMS, PAPI) is first
    question_tokens(decoder, "You are bold.", ITEMS, PAPI)
    assert len(calls) == len(ITEMS) + 2  # the first and the last are enough under another prompt
    question_tokens(decoder, None, ITEMS, REWORDED)
    assert len(calls) == 2 * len(ITEMS) + 2


def test_labels_are_tokenised_by_themselves() -> None:
    decoder = fake_decoder()
    expected = tuple(tuple(decoder.chat.encode(label)) for label in PAPI.labels)
    assert label_tokens(decoder, PAPI) == expected


def test_a_label_after_a_bracket_has_no_space_before_it(real_llama: Decoder) -> None:
    """SentencePiece encodes a text "A" as " A", which is not how a reply "(A" goes on."""
    begun = real_llama.chat.encode("(")
    (first, *_) = label_tokens(real_llama, PAPI)
    assert list(first) != real_llama.chat.encode("A")
    assert real_llama.text([*begun, *first]) == "(A"


def test_labels_a_tokenizer_cannot_tell_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = fake_decoder()
    monkeypatch.setattr(ChatTemplate, "encode", lambda _, text: [3] * len(text))
    with pytest.raises(ModelError, match="apart"):
        label_tokens(decoder, PAPI)
