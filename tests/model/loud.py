"""Random decoders whose every part matters, and the plain way of asking them.

Freshly initialised weights are so small that a wrong mask hardly moves a logit; drawn ten times
larger, it shows. `plainly` asks one persona one item with one forward pass a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

from personalign.inventory.items import Item, ipip_neo_120
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import PLAIN, Persona
from personalign.model.prompts import Wording, chat_messages
from personalign.model.questions import label_tokens
from personalign.model.steer import row_displacements, steer_heads
from tests.model.conftest import some_shift

ITEMS: tuple[Item, ...] = ipip_neo_120().items[:6]


def make_loud(family: str = "llama", **settings: Any) -> Decoder:
    decoder = fake_decoder(family, **settings)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for parameter in decoder.model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
    return decoder


@cache
def loud(family: str = "llama") -> Decoder:
    """Nobody may change it."""
    return make_loud(family)


def people(decoder: Decoder) -> list[Persona]:
    """Plain and steered, in both scopes, under several prompts; the last two are equal."""
    one, other = some_shift(decoder, seed=1), some_shift(decoder, k=2, seed=2)
    bold = "You are a bold person who loves parties."
    return [
        PLAIN,
        Persona(shift=one, alpha=1.0),
        Persona(shift=other, alpha=-2.0),
        Persona(system_prompt=bold, shift=one, alpha=1.0, scope="generated"),
        Persona(system_prompt=bold),
        Persona(system_prompt="", shift=other, alpha=2.0),
        Persona(system_prompt="", shift=other, alpha=2.0),
    ]


def plainly(
    decoder: Decoder, persona: Persona, items: Sequence[Item], wording: Wording
) -> torch.Tensor:
    """Log-probability (items, labels) of each label's tokens, a forward pass a sequence."""
    scores = torch.zeros(len(items), len(wording.labels))
    pushed = row_displacements(decoder, [persona])
    for place, item in enumerate(items):
        chat = chat_messages(persona.system_prompt, wording.ask(item))
        passes: dict[tuple[int, ...], torch.Tensor] = {}
        begun = decoder.render(chat, reply=wording.reply_prefix)
        # where nothing is begun, the prompt's last token is where the reply is drawn
        reply = len(begun) - max(len(decoder.chat.encode(wording.reply_prefix)), 1)
        steered_from = reply if persona.scope == "generated" else 0
        for number, tokens in enumerate(label_tokens(decoder, wording)):
            ids = begun + list(tokens[:-1])
            if tuple(ids) not in passes:
                passes[tuple(ids)] = one_pass(decoder, pushed, ids, steered_from)
            for step, token in enumerate(tokens):
                scores[place, number] += passes[tuple(ids)][len(begun) - 1 + step, token]
    return scores


def one_pass(
    decoder: Decoder, pushed: dict[int, torch.Tensor], ids: list[int], steered_from: int
) -> torch.Tensor:
    """(time, vocabulary) log-probabilities of one sequence, alone in its batch."""
    where = torch.arange(len(ids))[None] >= steered_from
    with torch.inference_mode(), steer_heads(decoder, pushed, positions=where):
        logits = decoder.model(input_ids=torch.tensor([ids])).logits
    return torch.as_tensor(logits[0].float().log_softmax(-1))
