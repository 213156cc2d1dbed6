"""Replies in OpenAI's form: whole objects, and the chunks of a stream.

Two shapes of one thing, chat and text; `ChatWire` and `TextWire` differ in where text and
log-probabilities stand and in nothing else. A reply's id, time and model are the same in all its
chunks.
"""

from __future__ import annotations

import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

from personalign.server.requests import Piece, Usage

DONE = b"data: [DONE]\n\n"
"""What ends a stream."""

Spell = Callable[[int], tuple[str, list[int] | None]]
"""Gives a token's text and bytes."""


@dataclass
class Wire(ABC):
    """One reply on its way out."""

    prefix: ClassVar[str]
    """How its id begins."""
    kind: ClassVar[str]
    """What it is called as a whole."""
    chunk_kind: ClassVar[str]
    """What a chunk of it is called."""
    opens: ClassVar[bool]
    """Whether a stream begins with a chunk that only names the role."""

    model: str
    """The name under which it was asked for."""
    fingerprint: str
    """OpenAI's system_fingerprint: which weights."""
    spell: Spell
    ends: Callable[[int], bool]
    """Whether a token only ends a turn: it has no log-probability in OpenAI's form."""
    logprobs: bool
    """Whether log-probabilities were asked for."""
    created: int = field(default_factory=lambda: int(time.time()))
    """Seconds since 1970."""
    id: str = ""
    """Its own, drawn where none is given."""

    def __post_init__(self) -> None:
        self.id = self.id or f"{self.prefix}-{secrets.token_hex(14)}"

    def whole(self, pieces: Sequence[Piece], finish: str, usage: Usage) -> dict[str, Any]:
        """The reply as one object, from all its pieces."""
        text = "".join(piece.text for piece in pieces)
        logprobs = self._logprobs(self._tokens(pieces)) if self.logprobs else None
        choice = {**self._said(text), "logprobs": logprobs, "finish_reason": finish, "index": 0}
        return {**self._head(self.kind), "choices": [choice], "usage": counted(usage)}

    def chunk(
        self,
        pieces: Sequence[Piece] = (),
        *,
        finish: str | None = None,
        first: bool = False,
        usage: Usage | None = None,
        counts: bool = False,
    ) -> bytes:
        """One event of a stream.

        first: whether it opens the reply. usage: what was used, in the last chunk, which then has
        no choices. counts: whether the client asked for that, so that other chunks have null.
        """
        body = self._head(self.chunk_kind)
        if usage is not None:
            return event({**body, "choices": [], "usage": counted(usage)})
        text = "".join(piece.text for piece in pieces)
        tokens = self._tokens(pieces) if self.logprobs else []
        logprobs = self._logprobs(tokens) if tokens else None
        delta = self._delta(text, first=first, said=bool(pieces))
        choice = {"index": 0, **delta, "logprobs": logprobs, "finish_reason": finish}
        return event({**body, "choices": [choice], **({"usage": None} if counts else {})})

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }

    def _tokens(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces whose tokens are part of the reply."""
        return [
            piece
            for piece in pieces
            if piece.token >= 0 and not (piece.finish == "stop" and self.ends(piece.token))
        ]

    @abstractmethod
    def _said(self, text: str) -> dict[str, Any]:
        """The whole text, in a choice."""

    @abstractmethod
    def _delta(self, text: str, *, first: bool, said: bool) -> dict[str, Any]:
        """What a chunk adds to it."""

    @abstractmethod
    def _logprobs(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """The log-probabilities of the pieces' tokens."""


@final
@dataclass
class ChatWire(Wire):
    """A reply in a chat."""

    prefix = "chatcmpl"
    kind = "chat.completion"
    chunk_kind = "chat.completion.chunk"
    opens = True

    def _said(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def _delta(self, text: str, *, first: bool, said: bool) -> dict[str, Any]:
        if first:
            return {"delta": {"role": "assistant", "content": "", "refusal": None}}
        return {"delta": {"content": text} if said else {}}

    def _logprobs(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        return {
            "content": [
                {
                    **self._entry(piece.token, piece.logprob),
                    "top_logprobs": [self._entry(token, value) for token, value in piece.top],
                }
                for piece in pieces
            ],
            "refusal": None,
        }

    def _entry(self, token: int, logprob: float | None) -> dict[str, Any]:
        text, raw = self.spell(token)
        return {"token": text, "logprob": logprob, "bytes": raw}


@final
@dataclass
class TextWire(Wire):
    """A text that goes on."""

    prefix = "cmpl"
    kind = "text_completion"
    chunk_kind = "text_completion"
    opens = False

    offset: int = 0
    """Characters said so far, for text_offset."""

    def _said(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _delta(self, text: str, *, first: bool, said: bool) -> dict[str, Any]:
        return {"text": text}

    def _logprobs(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        tokens, offsets = [], []
        for piece in pieces:
            tokens.append(self.spell(piece.token)[0])
            offsets.append(self.offset)
            self.offset += len(piece.text)
        return {
            "tokens": tokens,
            "token_logprobs": [piece.logprob for piece in pieces],
            "top_logprobs": [
                # of two tokens that read alike the more probable one, which comes first, stays
                {self.spell(token)[0]: value for token, value in reversed(piece.top)}
                for piece in pieces
            ],
            "text_offset": offsets,
        }


def counted(usage: Usage) -> dict[str, Any]:
    """Usage as OpenAI counts it."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return (
        b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    )
