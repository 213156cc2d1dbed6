"""The text of a reply as its tokens come: whole characters, and nothing of a stop string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

HALF = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer gives for bytes that are no whole character yet."""


class ReplyText:
    """Turns tokens into text that is certain, and hears stop strings.

    What `push` and `close` give joins to `decoder.text` of all tokens, cut before the first stop
    string. Only the last few tokens are decoded again each time, so a long reply costs no more a
    token than a short one.
    """

    def __init__(self, decoder: Decoder, stop: Sequence[str] = ()) -> None:
        self.decoder = decoder
        self.stop = tuple(stop)
        self.stopped = False
        """Whether a stop string has been said."""
        self._unfinished = unfinished_tokens(decoder)
        self._tokens: list[int] = []
        self._start = 0  # the tokens from here on are decoded together
        self._read = 0  # of all tokens before this one the text is known
        self._known = ""  # text of the tokens from _start to _read
        self._held = ""  # text that may be the beginning of a stop string

    def push(self, token: int) -> str:
        """One more token; gives the text that became certain with it, often ''."""
        self._tokens.append(token)
        text = self.decoder.text(self._tokens[self._start :])
        if text.endswith(HALF) or token in self._unfinished:
            return ""
        self._held += text[len(self._known) :]
        latest = self.decoder.text(self._tokens[self._read :])
        # a tokenizer may drop a space in front of the first word it decodes, so the next word is
        # always decoded behind another one
        if latest and not latest.isspace():
            self._start, self._known = self._read, latest
        else:
            self._known = text
        self._read = len(self._tokens)
        return self._release()

    def close(self) -> str:
        """No more tokens; gives what was held back."""
        if self.stopped:
            return ""
        self._held += self.decoder.text(self._tokens[self._start :])[len(self._known) :]
        said = self._release()
        if not self.stopped:
            said, self._held = said + self._held, ""
        return said

    def _release(self) -> str:
        found = [at for end in self.stop if (at := self._held.find(end)) >= 0]
        if found:
            self.stopped = True
            said, self._held = self._held[: min(found)], ""
            return said
        keep = max((overlap(self._held, end) for end in self.stop), default=0)
        cut = len(self._held) - keep
        said, self._held = self._held[:cut], self._held[cut:]
        return said


def unfinished_tokens(decoder: Decoder) -> frozenset[int]:
    """Ids after which text is never certain: single bytes, and markers, which are no text.

    What a SentencePiece vocabulary's byte (<0x00> to <0xFF>) is depends on the bytes after it too:
    if they make no character together, all of them become replacement characters.
    """
    if decoder not in _UNFINISHED:
        tokenizer = decoder.tokenizer
        vocabulary = tokenizer.get_vocab()
        names = {f"<0x{byte:02X}>" for byte in range(256)} & set(vocabulary)
        _UNFINISHED[decoder] = frozenset(
            [*(vocabulary[name] for name in names), *tokenizer.all_special_ids]
        )
    return _UNFINISHED[decoder]


_UNFINISHED: WeakKeyDictionary[Decoder, frozenset[int]] = WeakKeyDictionary()


def overlap(text: str, end: str) -> int:
    """Length of the longest end of `text` that begins `end` without being all of it.

    >>> overlap("to be or n", "not"), overlap("nothing", "not")
    (1, 0)
    """
    longest = min(len(text), len(end) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(end[:size])), 0)
