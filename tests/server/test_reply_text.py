"""Text as it is streamed: it joins to the whole, whatever the tokenizer does at its seams."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.server.reply_text import HALF, ReplyText, overlap
from tests.model.conftest import llama2c_tokenizer


def said(decoder: Decoder, tokens: list[int], stop: tuple[str, ...] = ()) -> list[str]:
    text = ReplyText(decoder, stop)
    pieces = []
    for token in tokens:
        pieces.append(text.push(token))
        if text.stopped:
            return pieces
    return [*pieces, text.close()]


def sentencepiece(released: Path) -> Decoder:
    decoder = fake_decoder("llama")
    tokenizer = llama2c_tokenizer(released / "real_llama" / "tok512.bin")
    return Decoder(decoder.model, tokenizer, "llama with SentencePiece")


@pytest.mark.parametrize(
    "text", ["héé €😀 done, 東京", "one  two   three ", " a", "😀😀", "x" * 60]
)
def test_characters_come_whole_and_join(text: str, released: Path) -> None:
    for decoder in (fake_decoder("llama"), sentencepiece(released)):
        tokens = decoder.chat.encode(text)
        pieces = said(decoder, tokens)
        assert "".join(pieces) == decoder.text(tokens)
        assert not any(HALF in piece for piece in pieces)


def test_any_tokens_join_to_their_text(released: Path) -> None:
    """Random ids: half characters, markers and lone bytes among them."""
    dice = random.Random(1)
    for decoder in (fake_decoder("llama"), sentencepiece(released)):
        for _ in range(150):
            tokens = [dice.randrange(512) for _ in range(dice.randrange(1, 40))]
            assert "".join(said(decoder, tokens)) == decoder.text(tokens)


def test_only_the_last_tokens_are_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = fake_decoder("llama")
    tokens = decoder.chat.encode("I love large parties. " * 40)
    longest = 0
    whole = Decoder.text

    def counted(self: Decoder, ids: list[int]) -> str:
        nonlocal longest
        longest = max(longest, len(ids))
        return whole(self, ids)

    monkeypatch.setattr(Decoder, "text", counted)
    said(decoder, tokens)
    assert longest <= 8 < len(tokens)


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("8. Q: And Tom? A: 3", ("Q:", "And"), "8. "),
        ("to be or not to be", ("not",), "to be or "),
        ("to be or no", ("not",), "to be or no"),
        ("aaab", ("aab",), "a"),
        ("abc", ("abcd", "bc"), "a"),
        ("€€", ("€",), ""),
    ],
)
def test_stop_strings_are_heard_across_tokens(
    text: str, stop: tuple[str, ...], expected: str
) -> None:
    decoder = fake_decoder("llama")
    pieces = said(decoder, decoder.chat.encode(text), stop)
    assert "".join(pieces) == expected


def test_random_stops_cut_where_the_whole_text_would_be_cut() -> None:
    decoder = fake_decoder("llama")
    dice = random.Random(2)
    for _ in range(300):
        text = "".join(dice.choice("ab ") for _ in range(30))
        stop = tuple(
            "".join(dice.choice("ab ") for _ in range(dice.randrange(2, 6))) for _ in range(2)
        )
        expected = text[: min((at for s in stop if (at := text.find(s)) >= 0), default=len(text))]
        pieces = said(decoder, decoder.chat.encode(text), stop)
        # a token may complete two stops at once; the earlier one counts, as in `generate`
        assert "".join(pieces) == expected


def test_overlap_is_the_longest_beginning() -> None:
    assert overlap("aab", "aabc") == 3
    assert overlap("aab", "aab") == 0
    assert overlap("", "x") == 0
    assert overlap("xaa", "aaa") == 2
