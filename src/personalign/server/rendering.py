"""Chats and texts as token ids, beside the running engine.

Rendering has threads of its own, each with a copy of the tokenizer: tokenizers change their
settings while they encode, and cannot be asked anything else meanwhile. Everybody's prompts wait
for one thread, and the long ones for another, so that they hold up nobody else. What cannot fit the
model's context is refused unread, by its characters, and no more may wait than takes some seconds.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from personalign.errors import EngineFull
from personalign.model.chat import ChatTemplate, Message
from personalign.model.generate import persona_chat
from personalign.model.questions import context_length
from personalign.server.refusals import Refusal

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

LONG = 2**16
"""Characters from which on a prompt waits in line with its like."""

MOST_WAITING = 4 * 2**20
"""Characters that may wait in a line; a tokenizer takes about a second for a million."""

TURN = 100
"""Characters that a message counts beside its own, for the template's work."""


class Renderer:
    """Turns what was sent into prompts."""

    def __init__(self, decoder: Decoder) -> None:
        self._short, self._long = _Line(decoder.tokenizer), _Line(decoder.tokenizer)
        self._speller = copy.deepcopy(decoder.tokenizer)  # for the event loop's own thread
        self._name = decoder.name
        self._vocabulary = int(decoder.model.get_input_embeddings().weight.shape[0])
        self._longest = max(map(len, decoder.tokenizer.get_vocab()))
        self._end_ids = decoder.end_ids
        self.context = context_length(decoder)
        """Tokens the model reads at most; None where nothing says so."""

    async def chat(self, persona: Persona, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of a chat under the persona's system prompt, up to where the reply begins.

        As `generate` renders it; an adapter's virtual tokens are the engine's to add.
        Raises ModelError where the model's template refuses the messages, Refusal where they are
        longer than its context, EngineFull where too much waits to be rendered.
        """
        turns = persona_chat(persona, messages)
        characters = sum(len(turn["content"]) for turn in turns)
        self._check_characters(characters, "messages")
        if self.context is not None and len(turns) > self.context:  # each is a token at least
            raise _too_long(f"The chat has {len(turns)} messages", self.context, "messages")
        size = characters + TURN * len(turns)
        line = self._line(size)
        ids = await line.run(lambda: line.chat.ids(turns), size)
        return self._checked(ids, "messages")

    async def text(self, persona: Persona, prompt: str | list[int]) -> tuple[int, ...]:
        """Token ids of a plain text to be continued; there is no chat and no template.

        A persona's system prompt stands in front of the text, a blank line between them.
        Raises Refusal for ids that the model does not have, for ids under a persona that has a
        system prompt, for no tokens at all, and for more than its context; EngineFull where too
        much waits to be rendered.
        """
        if not isinstance(prompt, str):
            if persona.system_prompt:
                raise Refusal(
                    400,
                    "This persona's system prompt is put in front of the text, and the prompt is "
                    "token ids; give it as a text.",
                    param="prompt",
                    code="invalid_value",
                )
            if max(prompt) >= self._vocabulary:
                raise Refusal(
                    400,
                    f"The prompt holds the token id {max(prompt)}; the model's ids go up to "
                    f"{self._vocabulary - 1}.",
                    param="prompt",
                    code="invalid_value",
                )
            return self._checked(prompt, "prompt")
        text = f"{persona.system_prompt}\n\n{prompt}" if persona.system_prompt else prompt
        self._check_characters(len(text), "prompt")
        line = self._line(len(text))
        ids = await line.run(lambda: list(line.tokenizer(text)["input_ids"]), len(text))
        return self._checked(ids, "prompt")

    def token(self, number: int) -> tuple[str, list[int] | None]:
        """A token as text, and its bytes, None where they cannot be told.

        Part of a character is written as OpenAI does: bytes:\\xf0\\x9f.
        """
        # said twice and the first taken off: tokenizers drop the space a text begins with
        once = self._speller.decode([number])
        text = str(self._speller.decode([number, number]))[len(once) :]
        if "\N{REPLACEMENT CHARACTER}" not in text:
            return text, list(text.encode())
        raw = raw_bytes(str(self._speller.convert_ids_to_tokens(number)))
        if raw is None:
            return f"token:{number}", None
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw), list(raw)

    def ends(self, number: int) -> bool:
        """Whether a token ends a turn rather than saying anything."""
        return number in self._end_ids

    def close(self) -> None:
        """End the threads."""
        for line in (self._short, self._long):
            line.thread.shutdown(wait=False, cancel_futures=True)

    def _line(self, size: int) -> _Line:
        return self._long if size >= LONG else self._short

    def _check_characters(self, characters: int, field: str) -> None:
        if self.context is not None and characters > self.context * self._longest:
            said = f"The prompt has {characters:,} characters with the persona's system prompt"
            raise _too_long(said, self.context, field)

    def _checked(self, ids: Sequence[int], field: str) -> tuple[int, ...]:
        if not ids:
            raise Refusal(
                400,
                "The prompt is empty; give at least one token.",
                param=field,
                code="invalid_value",
            )
        if self.context is not None and len(ids) >= self.context:
            said = f"The prompt is {len(ids)} tokens long with the persona's system prompt"
            raise _too_long(said, self.context, field)
        return tuple(ids)


class _Line:
    """Prompts that wait for one thread, and its tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = copy.deepcopy(tokenizer)
        self.chat = ChatTemplate(self.tokenizer)
        self.waiting = 0
        """Characters; changed in the event loop only."""
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="personalign-render")

    async def run(self, render: Callable[[], list[int]], size: int) -> list[int]:
        """Render in the thread, in turn. size: the work, in characters.

        Raises EngineFull where too much waits.
        """
        if self.waiting and self.waiting + size > MOST_WAITING:
            raise EngineFull(
                f"Prompts of {self.waiting:,} characters wait to be read already, and no more than "
                f"{MOST_WAITING:,} may; ask again in a moment."
            )
        self.waiting += size
        try:
            return await asyncio.get_running_loop().run_in_executor(self.thread, render)
        finally:
            self.waiting -= size


def _too_long(said: str, context: int, field: str) -> Refusal:
    return Refusal(
        400,
        f"{said}, but the model reads at most {context} tokens; shorten it.",
        param=field,
        code="context_length_exceeded",
    )


def raw_bytes(piece: str) -> bytes | None:
    """The bytes of a vocabulary's entry: of a byte-level BPE's, or of a SentencePiece's byte.

    >>> list(raw_bytes("<0xE2>")), list(raw_bytes("ðŁ"))
    ([226], [240, 159])
    """
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return bytes.fromhex(piece[3:5])
    found = [_BYTE_OF.get(character) for character in piece]
    return None if None in found else bytes(byte for byte in found if byte is not None)


def _byte_letters() -> dict[str, int]:
    """Character -> byte in byte-level BPE: printable bytes as they are, the others from 256 on.

    The table of GPT-2's encoder, which all byte-level tokenizers keep.
    """
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {chr(byte): byte for byte in plain}
    return letters | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTE_OF = _byte_letters()
