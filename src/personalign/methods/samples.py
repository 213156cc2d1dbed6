"""Samples to train on, out of one person's answers: chats and replies as token ids.

A sample is the question as it is always put, under the neutral system prompt, and the person's
reply with what ends the turn. A pair adds the opposite reply, 6 - response (the paper's Appendix
C.2: "Very Accurate" against "Very Inaccurate"); neutral answers have no opposite and are left out.
Ids come from `decoder.render`, and a reply's are those after which an answer is read, so training
moves the very probabilities that are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from personalign.model.prompts import Wording, chat_messages
from personalign.model.questions import label_tokens

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder


@dataclass(frozen=True)
class Sample:
    """One answered question."""

    prompt: tuple[int, ...]
    """Token ids up to where the reply begins."""
    reply: tuple[int, ...]
    """Token ids of the reply and of what ends the turn."""


@dataclass(frozen=True)
class Pair:
    """One question with the person's reply and its opposite."""

    prompt: tuple[int, ...]
    """Token ids up to where the reply begins."""
    chosen: tuple[int, ...]
    """The person's reply, and what ends the turn."""
    rejected: tuple[int, ...]
    """The opposite reply, and what ends the turn."""


def samples(
    decoder: Decoder, items: Sequence[Item], responses: Sequence[int], wording: Wording
) -> list[Sample]:
    """One sample an answered item, in the items' order; missing answers (0) are left out."""
    replies = _replies(decoder, wording)
    return [
        Sample(_prompt(decoder, item, wording), replies[response])
        for item, response in zip(items, responses, strict=True)
        if response
    ]


def pairs(
    decoder: Decoder, items: Sequence[Item], responses: Sequence[int], wording: Wording
) -> list[Pair]:
    """One pair an item that was agreed or disagreed with; neutral and missing ones are left out."""
    replies = _replies(decoder, wording)
    return [
        Pair(_prompt(decoder, item, wording), replies[response], replies[6 - response])
        for item, response in zip(items, responses, strict=True)
        if has_opposite(response)
    ]


def has_opposite(response: int) -> bool:
    """Whether 6 - response is another answer: true of 1, 2, 4 and 5."""
    return response in (1, 2, 4, 5)


def reply_ids(decoder: Decoder, response: int, wording: Wording) -> tuple[int, ...]:
    """A reply's token ids, cut after the begun reply and after the label.

    Most tokenizers cut there by themselves. Where one would merge "(" and "A" into a token that
    reading the answer never sees, the parts are tokenised one by one.
    """
    encode, text = decoder.chat.encode, wording.reply_to(response)
    place = wording.order.index(response)
    begun = (*encode(wording.reply_prefix), *label_tokens(decoder, wording)[place])
    joint = tuple(encode(text))
    if joint[: len(begun)] == begun:
        return joint
    rest = text[len(wording.reply_prefix + wording.labels[place]) :]
    return (*begun, *encode(rest))


def _prompt(decoder: Decoder, item: Item, wording: Wording) -> tuple[int, ...]:
    return tuple(decoder.render(chat_messages(None, wording.ask(item)), reply=""))


def _replies(decoder: Decoder, wording: Wording) -> dict[int, tuple[int, ...]]:
    """Each response's reply and what ends the turn."""
    closing = decoder.chat.encode(decoder.chat.reply_closing)
    return {
        response: (*reply_ids(decoder, response, wording), *closing) for response in range(1, 6)
    }
