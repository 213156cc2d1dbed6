"""Text as a persona: `generate` for many chats at once, `stream` for one, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, cast

import torch

from personalign.errors import MethodError
from personalign.model.adapter_files import adapter_digest
from personalign.model.adapters import apply_adapter, by_adapter, load_adapter
from personalign.model.decoding import Sampling, next_tokens
from personalign.model.persona import Persona
from personalign.model.prompts import NEUTRAL_SYSTEM_PROMPT

if TYPE_CHECKING:
    from personalign.model.chat import Message
    from personalign.model.decoder import Decoder

BATCH_ROWS = 32
"""Chats continued at once."""

MAX_NEW_TOKENS = 256
"""Length of a reply, in tokens, where nothing else is asked for."""


def generate(
    decoder: Decoder,
    personas: Persona | Sequence[Persona],
    messages: str | Sequence[Message] | Sequence[str | Sequence[Message]],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    begun: str | Sequence[str] = "",
    until: Sequence[str] = (),
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """The assistant's replies, as the personas.

    personas, messages: one persona for all chats, one chat for all personas, or as many of the
        one as of the other. A text is a chat of one user turn.
    temperature: 0 is greedy. top_p: sample among the most probable tokens that reach it together.
    seed: chat i draws from seed + i, so a reply does not depend on its neighbours.
    begun: text the assistant has already said, one for all chats or one a chat; the replies go on
        from there, without it.
    until: texts that end a reply; it goes as far as the first of them, without it.
    batch_rows: chats at once. progress: called with (replies done, replies).
    Returns one text a chat, in order. Raises SteeringError when steering makes logits non-finite.

    >>> from personalign.model.fake import fake_decoder
    >>> from personalign.model.persona import PLAIN
    >>> len(generate(fake_decoder(), PLAIN, ["Hello.", "Who are you?"], max_new_tokens=4))
    2
    """
    if batch_rows < 1:
        raise MethodError(f"batch_rows is {batch_rows}; at least one chat is continued at once.")
    sampling = Sampling(max_new_tokens, temperature, top_p)
    people, chats = paired(personas, messages)
    replies: list[list[int]] = [[] for _ in chats]
    said = [begun] * len(chats) if isinstance(begun, str) else list(begun)
    if len(said) != len(chats):
        raise MethodError(
            f"{len(said)} replies are begun for {len(chats)} chats; begin one a chat, or the same "
            "in all."
        )
    lengths = [len(decoder.chat.encode(text)) for text in said]
    done = 0
    for adapter, members in by_adapter(people):
        with apply_adapter(decoder, adapter):
            prompts = {
                row: decoder.render(persona_chat(people[row], chats[row]), reply=said[row])
                for row in members
            }
            order = sorted(members, key=lambda row: len(prompts[row]))
            for start in range(0, len(order), batch_rows):
                chosen = order[start : start + batch_rows]
                ended: set[int] = set()
                steps = next_tokens(
                    decoder,
                    [prompts[row] for row in chosen],
                    [people[row] for row in chosen],
                    begun=[lengths[row] for row in chosen],
                    seeds=[seed + row for row in chosen],
                    sampling=sampling,
                    ended=ended,
                )
                with torch.inference_mode():
                    for step in steps:
                        for place, token in step.items():
                            replies[chosen[place]].append(token)
                            if until and _ends(decoder, replies[chosen[place]], until):
                                ended.add(place)
                done += len(chosen)
                if progress is not None:
                    progress(done, len(chats))
    return [_cut(decoder.text(reply), until) for reply in replies]


def stream(
    decoder: Decoder,
    persona: Persona,
    messages: str | Sequence[Message],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    begun: str = "",
) -> Iterator[str]:
    """The assistant's reply as it is written, in pieces that join to what `generate` returns.

    A character of several tokens comes whole. Between two pieces the decoder is as it was, adapter
    and all. Arguments as for `generate`.
    """
    adapter = None
    if persona.adapter is not None and decoder.adapter != adapter_digest(persona.adapter):
        adapter = load_adapter(decoder, persona.adapter)
    with nullcontext() if adapter is None else adapter.on():
        prompt = decoder.render(persona_chat(persona, messages), reply=begun)
    steps = next_tokens(
        decoder,
        [prompt],
        [persona],
        begun=[len(decoder.chat.encode(begun))],
        seeds=[seed],
        sampling=Sampling(max_new_tokens, temperature, top_p),
    )
    tokens: list[int] = []
    said = 0  # characters already given
    while True:
        # entered anew each step: a generator may be left for long
        with nullcontext() if adapter is None else adapter.on(), torch.inference_mode():
            step = next(steps, None)
        if step is None:
            break
        tokens.append(step[0])
        text = decoder.text(tokens)
        if not text.endswith("\N{REPLACEMENT CHARACTER}") and len(text) > said:
            yield text[said:]
            said = len(text)
    rest = decoder.text(tokens)[said:]
    if rest:
        yield rest


def persona_chat(persona: Persona, messages: str | Sequence[Message]) -> list[Message]:
    """The chat with the persona's system prompt in front.

    A chat that brings a system turn keeps it, after the persona's own prompt if there is one.
    """
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    if not turns:
        raise MethodError("The chat has no messages; give at least one user turn.")
    system = persona.system_prompt
    if turns[0]["role"] == "system":
        own = turns.pop(0)["content"]
        system = own if system is None else f"{system}\n\n{own}"
    elif system is None:
        system = NEUTRAL_SYSTEM_PROMPT
    return [{"role": "system", "content": system}, *turns] if system else turns


def _ends(decoder: Decoder, reply: Sequence[int], until: Sequence[str]) -> bool:
    """Whether one of the texts has just been said; a token is a byte at least."""
    tail = decoder.text(reply[-max(len(text.encode()) for text in until) - 1 :])
    return any(text in tail for text in until)


def _cut(text: str, until: Sequence[str]) -> str:
    """The text before the first of what ends it.

    >>> _cut("8. Q: And Tom? A: 3", ["Q:", "And"])
    '8. '
    """
    return text[: min((at for end in until if (at := text.find(end)) >= 0), default=len(text))]


def paired(
    personas: Persona | Sequence[Persona],
    messages: str | Sequence[Message] | Sequence[str | Sequence[Message]],
) -> tuple[list[Persona], list[str | Sequence[Message]]]:
    """As many personas as chats, the one or the other repeated."""
    one_chat = isinstance(messages, str) or (len(messages) > 0 and isinstance(messages[0], dict))
    chats = cast("list[str | Sequence[Message]]", [messages] if one_chat else list(messages))
    people = [personas] if isinstance(personas, Persona) else list(personas)
    if isinstance(personas, Persona):
        people = people * len(chats)
    elif one_chat:
        chats = chats * len(people)
    if len(people) != len(chats):
        raise MethodError(
            f"There are {len(people)} personas and {len(chats)} chats; give one of either, or as "
            "many of the one as of the other."
        )
    return people, chats
