"""The probability of a reply is the product of its tokens', read off a plain forward pass."""

from __future__ import annotations

import math

import pytest

from personalign.errors import ModelError
from personalign.model import likelihood
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.generate import generate, persona_chat
from personalign.model.likelihood import Likelihood, Reply, reply_likelihoods
from personalign.model.persona import PLAIN, Persona
from personalign.model.steer import row_displacements
from tests.model.conftest import CHATS, some_shift
from tests.model.loud import loud, one_pass, people

SAID = ["Very Accurate", "no", "I worry about things; I trust others.", ""]


def replies(decoder: Decoder) -> list[Reply]:
    return [
        Reply(persona, CHATS[place % len(CHATS)], SAID[place % len(SAID)], begun)
        for place, persona in enumerate(people(decoder))
        for begun in ("", "Well, ")
    ]


def plainly(decoder: Decoder, reply: Reply) -> Likelihood:
    """One forward pass, alone."""
    before = decoder.render(persona_chat(reply.persona, reply.messages), reply=reply.begun)
    said = decoder.chat.encode(reply.text)
    begun = len(decoder.chat.encode(reply.begun))
    start = len(before) - max(begun, 1) if reply.persona.scope == "generated" else 0
    pushed = row_displacements(decoder, [reply.persona])
    found = one_pass(decoder, pushed, [*before, *said], start)
    rows = found[len(before) - 1 : len(before) - 1 + len(said)]
    total = sum(float(row[token]) for row, token in zip(rows, said, strict=True))
    greedy = all(int(row.argmax()) == token for row, token in zip(rows, said, strict=True))
    return Likelihood(total, len(said), greedy)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "qwen3"])
def test_it_is_what_a_plain_forward_pass_says(family: str) -> None:
    decoder = loud(family)
    asked = replies(decoder)
    for found, reply in zip(reply_likelihoods(decoder, asked), asked, strict=True):
        expected = plainly(decoder, reply)
        assert found.log_prob == pytest.approx(expected.log_prob, abs=2e-3)
        assert (found.tokens, found.greedy) == (expected.tokens, expected.greedy)


def test_a_batch_equals_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = loud()
    asked = replies(decoder)
    together = reply_likelihoods(decoder, asked)
    alone = [one for reply in asked for one in reply_likelihoods(decoder, [reply])]
    monkeypatch.setattr(likelihood, "LOGITS_AT_ONCE", 512 * 20)
    in_parts = reply_likelihoods(decoder, asked, batch_rows=3)
    for one, other, third in zip(together, alone, in_parts, strict=True):
        assert one.log_prob == pytest.approx(other.log_prob, abs=1e-4)
        assert one.log_prob == pytest.approx(third.log_prob, abs=1e-4)


def test_a_push_changes_it_and_alpha_0_does_not() -> None:
    decoder = loud()
    shift = some_shift(decoder)
    asked = [Reply(p, "Who are you?", "Nobody.") for p in (PLAIN, Persona(shift=shift))]
    plain, still = (reply_likelihoods(decoder, [one])[0] for one in asked)
    assert plain == still
    pushed = Reply(Persona(shift=shift, alpha=2.0), "Who are you?", "Nobody.")
    assert abs(reply_likelihoods(decoder, [pushed])[0].log_prob - plain.log_prob) > 0.1


def test_what_is_written_greedily_is_greedy_and_nothing_else() -> None:
    decoder = loud()
    read_back = 0
    for persona in people(decoder):
        prompt = decoder.render(persona_chat(persona, "Who are you?"))
        start = len(prompt) - 1 if persona.scope == "generated" else 0
        found = one_pass(decoder, row_displacements(decoder, [persona]), prompt, start)
        first = int(found[-1].argmax())
        text = decoder.text([first])
        (written,) = generate(decoder, persona, "Who are you?", max_new_tokens=1)
        assert written == text
        if decoder.chat.encode(text) == [first]:  # some tokens are half a character
            read_back += 1
            assert reply_likelihoods(decoder, [Reply(persona, "Who are you?", text)])[0].greedy
        other = "b" if text == "a" else "a"
        assert not reply_likelihoods(decoder, [Reply(persona, "Who are you?", other)])[0].greedy
    assert read_back >= 3


def test_nothing_is_said_with_certainty_and_too_much_is_refused() -> None:
    decoder = fake_decoder(max_position_embeddings=64)
    empty = reply_likelihoods(decoder, [Reply(Persona(system_prompt=""), "Why?", "")])[0]
    assert empty == Likelihood(0.0, 0, True)
    certain = reply_likelihoods(decoder, [Reply(Persona(system_prompt=""), "Why?", "So.")])[0]
    assert math.isfinite(certain.log_prob) and certain.log_prob < 0
    with pytest.raises(ModelError, match="reads at most 64"):
        reply_likelihoods(decoder, [Reply(PLAIN, "Why? " * 40, "So.")])
