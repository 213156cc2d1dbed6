"""Questions as token ids: what all items share, what each adds, and the tokens of the labels.

Under one system prompt every item's chat begins with the same tokens (system prompt, chat header,
the beginning of the question). `question_tokens` splits them off once, so that the model need
read them once; `label_tokens` gives the tokens an answer is read from. Ids are only ever
concatenated: tokenised jointly, "(" and "A" may become one token that no reply would contain.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from personalign.errors import ModelError
from personalign.model.heads import text_config
from personalign.model.prompts import Wording, chat_messages

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder

KEPT_PROMPTS = 16
"""Tokenised question sets kept per decoder; alpha search asks the same one again and again."""


@dataclass(frozen=True)
class QuestionTokens:
    """The token ids of every item's question under one system prompt, begun reply included."""

    prefix: tuple[int, ...]
    """What all the items begin with; possibly empty."""
    suffixes: tuple[tuple[int, ...], ...]
    """What each item adds; at least one token, and always the whole begun reply."""
    reply: int
    """How many tokens at the end of each suffix are the reply the assistant has begun."""

    @property
    def replying(self) -> int:
        """How many tokens at the end of each suffix the scope 'generated' pushes.

        The begun reply, or the question's last token where none is begun: the first token of the
        reply is drawn there.
        """
        return max(self.reply, 1)

    @property
    def longest(self) -> int:
        """Tokens of the longest question."""
        return len(self.prefix) + max(map(len, self.suffixes))

    def whole(self, item: int) -> tuple[int, ...]:
        """All token ids of one item, by its place."""
        return self.prefix + self.suffixes[item]


def question_tokens(
    decoder: Decoder, system_prompt: str | None, items: Sequence[Item], wording: Wording
) -> QuestionTokens:
    """Tokenise every item's question under a system prompt; kept for the next call.

    Equal to rendering each chat on its own. Where a special token of the chat template stands
    between the system prompt and the items, the items are tokenised once for all system prompts,
    for nothing reaches across such a token.
    """
    questions = tuple(wording.ask(item) for item in items)
    return _tokenise(decoder, system_prompt, questions, wording.reply_prefix)


def label_tokens(decoder: Decoder, wording: Wording) -> tuple[tuple[int, ...], ...]:
    """The token ids of the five labels, top to bottom, as they follow the begun reply.

    A label is tokenised by itself, unless the tokenizer splits the begun reply and the label
    exactly where the one ends: SentencePiece gives a word at the beginning of a text another
    token than one after a bracket.
    """
    encode = decoder.chat.encode
    begun = encode(wording.reply_prefix)
    found = []
    for label in wording.labels:
        joint, alone = encode(wording.reply_prefix + label), encode(label)
        follows = joint[: len(begun)] == begun and len(joint) > len(begun)
        found.append(tuple(joint[len(begun) :] if follows else alone))
    if not all(found) or len(set(found)) != len(found):
        raise ModelError(
            f"The tokenizer of {decoder.name} cannot tell the labels {', '.join(wording.labels)} "
            f"of wording {wording.name!r} apart; choose a wording with other labels."
        )
    return tuple(found)


def context_length(decoder: Decoder) -> int | None:
    """The most tokens the model was made to read, or None where its config does not say."""
    length = getattr(text_config(decoder.model), "max_position_embeddings", None)
    return length if isinstance(length, int) else None


_KEPT: WeakKeyDictionary[Decoder, OrderedDict[Hashable, QuestionTokens]] = WeakKeyDictionary()


def _tokenise(
    decoder: Decoder, system_prompt: str | None, questions: tuple[str, ...], begun: str
) -> QuestionTokens:
    kept = _KEPT.setdefault(decoder, OrderedDict())
    key = (system_prompt, questions, begun, decoder.virtual)
    if key not in kept:
        rows = _rows(decoder, system_prompt, questions, begun)
        kept[key] = _split(rows, len(decoder.chat.encode(begun)))
        check_length(decoder, kept[key])
        while len(kept) > KEPT_PROMPTS:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]


def _rows(
    decoder: Decoder, system_prompt: str | None, questions: tuple[str, ...], begun: str
) -> list[list[int]]:
    """Every question's token ids; see `question_tokens` for the shortcut."""

    def render(question: str) -> list[int]:
        return decoder.render(chat_messages(system_prompt, question), reply=begun)

    if system_prompt is not None and len(questions) > 2:
        neutral = _tokenise(decoder, None, questions, begun)
        hard = _hard_tokens(decoder)
        boundary = max((i for i, t in enumerate(neutral.prefix) if t in hard), default=None)
        if boundary is not None:
            tails = [list(neutral.prefix[boundary:] + suffix) for suffix in neutral.suffixes]
            first, last = render(questions[0]), render(questions[-1])
            head = first[: max(len(first) - len(tails[0]), 0)]
            if head + tails[0] == first and head + tails[-1] == last:
                return [head + tail for tail in tails]
    return [render(question) for question in questions]


def _split(rows: list[list[int]], reply: int) -> QuestionTokens:
    """Split off the longest common beginning, leaving each row its begun reply and a token."""
    limit = min(map(len, rows)) - max(reply, 1)
    first, last = min(rows), max(rows)  # all others lie between them, so share what these share
    shared = 0
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    return QuestionTokens(
        prefix=tuple(first[:shared]),
        suffixes=tuple(tuple(row[shared:]) for row in rows),
        reply=reply,
    )


def _hard_tokens(decoder: Decoder) -> set[int]:
    """Special tokens: cut out of a text before anything else is tokenised."""
    added = getattr(decoder.tokenizer, "added_tokens_decoder", {})
    return {
        number
        for number, token in added.items()
        if token.special and not (token.lstrip or token.rstrip or token.normalized)
    }


def check_length(decoder: Decoder, questions: QuestionTokens) -> None:
    """Raise ModelError where a question is longer than what the model reads."""
    context = context_length(decoder)
    if context is not None and questions.longest > context:
        raise ModelError(
            f"The longest question is {questions.longest} tokens with its system prompt, but "
            f"{decoder.name} reads at most {context}; shorten the system prompt."
        )
