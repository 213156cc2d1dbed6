"""The laws of writing: like the model's own generation, row by row, streamed or whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from personalign.errors import MethodError, ModelError, SteeringError
from personalign.model import decoding
from personalign.model import generate as generate_module
from personalign.model.decoder import Decoder
from personalign.model.decoding import Sampling, next_tokens
from personalign.model.generate import generate, persona_chat, stream
from personalign.model.persona import PLAIN, Persona
from personalign.model.prompts import NEUTRAL_SYSTEM_PROMPT
from personalign.model.steer import row_displacements
from tests.model.conftest import CHATS, some_shift
from tests.model.loud import loud, make_loud, one_pass, people

FAMILIES = ("llama", "gpt2", "gemma3", "qwen3", "bloom", "mistral")
CHAT = CHATS[2]


def tokens_of(
    decoder: Decoder, prompts: list[list[int]], personas: list[Persona], **settings: Any
) -> list[list[int]]:
    begun = settings.pop("begun", [0] * len(prompts))
    seeds = settings.pop("seeds", [0] * len(prompts))
    found: list[list[int]] = [[] for _ in prompts]
    with torch.inference_mode():
        for step in next_tokens(
            decoder, prompts, personas, begun=begun, seeds=seeds, sampling=Sampling(**settings)
        ):
            for row, token in step.items():
                found[row].append(token)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_text_is_what_the_model_itself_generates(family: str) -> None:
    decoder = loud(family)
    prompt = decoder.render(persona_chat(PLAIN, CHAT))
    expected = decoder.model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=10,
        do_sample=False,
        eos_token_id=sorted(decoder.end_ids),
        pad_token_id=decoder.pad_id,
    )[0, len(prompt) :].tolist()
    ours = tokens_of(decoder, [prompt], [PLAIN], max_new_tokens=10)[0]
    assert ours == [token for token in expected if token not in decoder.end_ids]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_equals_one_by_one(family: str) -> None:
    decoder = make_loud(family, sliding_window=16) if family == "mistral" else loud(family)
    everyone = people(decoder)
    chats = [CHATS[row % 3] for row in range(len(everyone))]
    for settings in ({}, {"temperature": 1.0, "top_p": 0.9, "seed": 3}):
        together = generate(decoder, everyone, chats, max_new_tokens=8, **settings)
        small = generate(decoder, everyone, chats, max_new_tokens=8, batch_rows=2, **settings)
        assert together == small
        assert len(set(together)) > 1
    alone = [
        generate(decoder, persona, chat, max_new_tokens=8)[0]
        for persona, chat in zip(everyone, chats, strict=True)
    ]
    assert alone == generate(decoder, everyone, chats, max_new_tokens=8)


def test_a_common_beginning_read_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = loud()
    questions = ["Do you trust others?", "Do you worry about things?", "Do you like art?"]
    long = "You are a bold person who loves parties. " * 4
    for scope in ("all", "generated"):
        persona = Persona(long, some_shift(decoder), alpha=2.0, scope=scope)  # type: ignore[arg-type]
        monkeypatch.setattr(decoding, "SHARED_FROM", 16)
        shared = generate(decoder, persona, questions, max_new_tokens=8, begun="Option")
        monkeypatch.setattr(decoding, "SHARED_FROM", 10**6)
        assert shared == generate(decoder, persona, questions, max_new_tokens=8, begun="Option")


def test_steering_changes_the_text_and_alpha_0_does_not() -> None:
    decoder = loud()
    shift = some_shift(decoder)
    plain, still, steered = generate(
        decoder,
        [PLAIN, Persona(shift=shift), Persona(shift=shift, alpha=3.0)],
        CHAT,
        max_new_tokens=12,
    )
    assert plain == still != steered


@pytest.mark.parametrize("words", ["", "Well, I"])
def test_generated_scope_begins_where_the_first_token_is_drawn(words: str) -> None:
    """At the prompt's last token, or at a begun reply's first; what lies before is the plain
    model's."""
    decoder = loud()
    persona = Persona(shift=some_shift(decoder), alpha=4.0, scope="generated")
    begun = decoder.chat.encode(words)
    ids = decoder.render(persona_chat(PLAIN, CHAT)) + begun
    written = tokens_of(decoder, [ids], [persona], begun=[len(begun)], max_new_tokens=6)[0]
    first = len(ids) - max(len(begun), 1)
    pushed = row_displacements(decoder, [persona])
    by_hand: list[int] = []
    for _ in range(6):
        log_probs = one_pass(decoder, pushed, ids + by_hand, first)
        by_hand.append(int(log_probs[-1].argmax()))
    assert written == by_hand
    later = one_pass(decoder, pushed, ids, len(ids) + 1)
    assert int(later[-1].argmax()) != by_hand[0]  # one token later, and the first one is another


def test_pieces_join_to_the_whole() -> None:
    decoder = loud()
    for persona in people(decoder)[:4]:
        for settings in ({}, {"temperature": 1.5, "seed": 7}):
            pieces = list(stream(decoder, persona, CHAT, max_new_tokens=20, **settings))
            assert (
                "".join(pieces)
                == generate(decoder, persona, CHAT, max_new_tokens=20, **settings)[0]
            )
            assert len(pieces) > 1


def test_a_character_of_several_tokens_comes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = loud()
    text = "héé €😀 done, 東京"
    steps = [{0: token} for token in decoder.chat.encode(text)]
    assert len(steps) > len(text)
    monkeypatch.setattr(generate_module, "next_tokens", lambda *_, **__: iter(steps))
    pieces = list(stream(decoder, PLAIN, "Hm?"))
    assert "".join(pieces) == text
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)


def test_half_a_character_at_the_end_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = loud()
    tokens = decoder.chat.encode("a😀")[:-1]
    monkeypatch.setattr(
        generate_module, "next_tokens", lambda *_, **__: iter([{0: token} for token in tokens])
    )
    assert "".join(stream(decoder, PLAIN, "Hm?")) == decoder.text(tokens)


def test_rows_end_at_their_own_end_of_turn() -> None:
    decoder = make_loud()
    everyone = [*people(decoder)[:3], Persona("Be brief."), Persona("Be long. " * 9)]
    prompts = [decoder.render(persona_chat(persona, CHAT)) for persona in everyone]
    endless = tokens_of(decoder, prompts, everyone, max_new_tokens=16)
    ends = frozenset({endless[0][2], endless[1][5], endless[3][9]})
    decoder.end_ids = ends  # type: ignore[misc]
    expected = []
    for row in endless:
        place = next((i for i, token in enumerate(row) if token in ends), len(row))
        expected.append(row[:place])
    assert len({len(row) for row in expected}) > 2
    assert tokens_of(decoder, prompts, everyone, max_new_tokens=16) == expected


def test_seeds_belong_to_chats() -> None:
    decoder = loud()
    settings: dict[str, Any] = {"max_new_tokens": 12, "temperature": 1.0}
    first, second, again = (
        generate(decoder, PLAIN, [CHAT, CHAT], seed=seed, **settings) for seed in (0, 1, 0)
    )
    assert first == again
    assert first[0] != first[1]
    assert first[1] == second[0]  # chat i draws from seed + i


def test_top_p_takes_the_most_probable_tokens_only() -> None:
    decoder = loud()
    greedy = generate(decoder, PLAIN, CHAT, max_new_tokens=12)
    narrow = generate(decoder, PLAIN, CHAT, max_new_tokens=12, temperature=1.0, top_p=1e-6)
    assert greedy == narrow


def test_sampling_follows_the_distribution() -> None:
    logits = torch.tensor([0.5, 0.2, 0.2, 0.1]).log()[None].expand(4000, -1)
    generators = [torch.Generator().manual_seed(seed) for seed in range(4000)]
    drawn = decoding._choose(logits, Sampling(temperature=1.0), generators)
    shares = torch.bincount(drawn, minlength=4) / 4000
    torch.testing.assert_close(shares, logits[0].exp(), atol=0.03, rtol=0)
    cut = decoding._choose(logits, Sampling(temperature=1.0, top_p=0.6), generators)
    assert set(cut.tolist()) == {0, 1}


def test_the_context_ends_the_text() -> None:
    decoder = make_loud(max_position_embeddings=96)
    decoder.end_ids = frozenset()  # type: ignore[misc]
    prompt = decoder.render(persona_chat(PLAIN, "Hm?"))
    written = tokens_of(decoder, [prompt], [PLAIN], max_new_tokens=500)[0]
    assert len(prompt) + len(written) == 96
    with pytest.raises(ModelError, match="reads at most 96"):
        generate(decoder, PLAIN, "Why? " * 100)


def test_the_chat_a_persona_answers_in() -> None:
    turn = {"role": "user", "content": "Hm?"}
    house = {"role": "system", "content": "House rules."}
    bold = Persona("Be bold.")
    assert persona_chat(PLAIN, "Hm?") == [
        {"role": "system", "content": NEUTRAL_SYSTEM_PROMPT},
        turn,
    ]
    assert persona_chat(PLAIN, [house, turn]) == [house, turn]
    assert persona_chat(bold, [turn])[0]["content"] == "Be bold."
    assert persona_chat(bold, [house, turn])[0]["content"] == "Be bold.\n\nHouse rules."
    assert persona_chat(Persona(""), "Hm?") == [turn]
    with pytest.raises(MethodError, match="no messages"):
        persona_chat(PLAIN, [])


def test_who_answers_which_chat() -> None:
    decoder = loud()
    pair = [PLAIN, Persona("Be bold.")]
    assert len(generate(decoder, pair, "Hm?", max_new_tokens=2)) == 2
    assert len(generate(decoder, pair, CHAT, max_new_tokens=2)) == 2
    assert len(generate(decoder, PLAIN, ["Hm?", CHAT, "Why?"], max_new_tokens=2)) == 3
    assert generate(decoder, PLAIN, [], max_new_tokens=2) == []
    with pytest.raises(MethodError, match="2 personas and 3 chats"):
        generate(decoder, pair, ["a", "b", "c"])


def test_what_cannot_be_generated() -> None:
    for settings, match in (
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"temperature": -1.0}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"batch_rows": 0}, "batch_rows"),
    ):
        with pytest.raises(MethodError, match=match):
            generate(loud(), PLAIN, "Hm?", **settings)  # type: ignore[arg-type]
    far = Persona(shift=some_shift(loud(), sigma=1e30), alpha=1e30)
    with pytest.raises(SteeringError, match="alpha"):
        generate(loud(), far, "Hm?")


def test_a_reply_ends_before_the_first_text_that_ends_it() -> None:
    decoder = loud()
    everyone = people(decoder)
    whole = generate(decoder, everyone, CHAT, max_new_tokens=24)
    ends = [whole[0][4:7], whole[1][9:11]]
    found = generate(decoder, everyone, CHAT, max_new_tokens=24, until=ends)
    cut = [min([text.find(end) for end in ends if end in text], default=None) for text in whole]
    assert found == [text[:at] for text, at in zip(whole, cut, strict=True)]
    assert len(found[0]) <= 4 and found[1] != whole[1]


def test_a_row_that_was_ended_is_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = loud()
    passes = []
    read = decoding._Batch.read_next

    def counted(batch: Any, tokens: torch.Tensor) -> torch.Tensor:
        passes.append(len(tokens))
        return read(batch, tokens)

    monkeypatch.setattr(decoding._Batch, "read_next", counted)
    (whole,) = generate(decoder, PLAIN, CHAT, max_new_tokens=20)
    assert len(passes) == 19
    passes.clear()
    generate(decoder, PLAIN, CHAT, max_new_tokens=20, until=[whole[:1]])
    assert len(passes) < 19


def test_every_chat_may_have_a_beginning_of_its_own() -> None:
    decoder = loud()
    begun = ["", "Well, ", "I think that parties are"]
    together = generate(decoder, people(decoder)[:3], CHAT, begun=begun, max_new_tokens=8)
    alone = [
        generate(decoder, persona, CHAT, begun=said, max_new_tokens=8)[0]
        for persona, said in zip(people(decoder), begun, strict=False)
    ]
    assert together == alone
    with pytest.raises(MethodError, match="2 replies are begun for 3 chats"):
        generate(decoder, people(decoder)[:3], CHAT, begun=["", ""])
