"""Push a model towards one trait by hand: capture heads, build a shift, turn alpha.

    python examples/steer_by_hand.py

This is PAS without a person: the two sides are not somebody's yes and no, but the extraverted and
the introverted answer to each extraversion item.
"""

from __future__ import annotations

import numpy as np

import personalign as pa
from personalign.model.capture import head_outputs
from personalign.model.prompts import PAPI, chat_messages

TRAIT = "E"

decoder = pa.Decoder.load("pocket")
items = [item for item in pa.ipip_neo_120() if item.trait == TRAIT]


def outputs_after(response: int) -> np.ndarray:
    """(items, layers, heads, head_dim): every head at the end of this answer to every item."""
    chats = [
        decoder.render(chat_messages(None, PAPI.ask(item)), reply=PAPI.reply_to(response))
        for item in items
    ]
    return head_outputs(decoder, chats).numpy()


agree, disagree = outputs_after(5), outputs_after(1)
plus = np.array([item.sign > 0 for item in items])[:, None, None, None]
high, low = np.where(plus, agree, disagree), np.where(plus, disagree, agree)

# Per head: the direction from the low to the high side, and how well it separates the two.
direction = (high - low).mean(axis=0)  # (layers, heads, head_dim)
direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
along_high, along_low = ((side * direction).sum(-1) for side in (high, low))
spread = np.concatenate([along_high, along_low]).std(axis=0)  # (layers, heads)
separation = (along_high - along_low).mean(axis=0) / spread

layers, heads = np.unravel_index(np.argsort(-separation, axis=None)[:4], separation.shape)
shift = pa.Shift(layers, heads, direction[layers, heads], spread[layers, heads])

print("alpha   mean keyed answer to the extraversion items")
held_out = [item for item in pa.ipip_neo_300().held_out if item.trait == TRAIT]
signs = np.array([item.sign for item in held_out])
alphas = (-4.0, -2.0, 0.0, 2.0, 4.0)
personas = [pa.Persona(shift=shift, alpha=alpha) for alpha in alphas]
responses = pa.answer_items(decoder, personas, held_out).responses("mean")
for alpha, row in zip(alphas, responses, strict=True):
    print(f"{alpha:5.1f}   {np.where(signs > 0, row, 6 - row).mean():.2f}")
