"""How probable a reply is, as a persona: the log-probability of given text, token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from personalign.errors import ModelError
from personalign.model.adapters import apply_adapter, by_adapter
from personalign.model.batch import model_inputs
from personalign.model.generate import persona_chat
from personalign.model.memory import tokens_per_pass
from personalign.model.persona import Persona
from personalign.model.questions import context_length
from personalign.model.readout import logits_at
from personalign.model.steer import check_finite, row_displacements, steer_heads

if TYPE_CHECKING:
    from personalign.model.chat import Message
    from personalign.model.decoder import Decoder

LOGITS_AT_ONCE = 2**26
"""Numbers in the logits of one pass, at most: 256 MiB in float32."""


@dataclass(frozen=True)
class Likelihood:
    """How probable one reply is."""

    log_prob: float
    """Sum over its tokens of the natural logarithm; 0 where it has none."""
    tokens: int
    """How many it has."""
    greedy: bool
    """Whether each is the most probable one where it stands."""


@dataclass(frozen=True)
class Reply:
    """A text of which it is asked how probable it is."""

    persona: Persona
    """Who says it."""
    messages: str | Sequence[Message]
    """The chat up to it; a text is one user turn."""
    text: str
    """What is said; its tokens do not depend on what stands before."""
    begun: str = ""
    """What was said in the same turn before it."""


@torch.inference_mode()
def reply_likelihoods(
    decoder: Decoder,
    replies: Sequence[Reply],
    *,
    batch_rows: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> list[Likelihood]:
    """The log-probability of every reply, in order; different personas share batches.

    The scope 'generated' pushes from what was begun on, or from the prompt's last token where
    nothing was: where `generate` pushes too.
    batch_rows: replies in a pass, at most. progress: called with (replies done, replies).
    Raises ModelError where a reply does not fit the model's context, SteeringError where a push
    makes logits non-finite.

    >>> from personalign.model.fake import fake_decoder
    >>> from personalign.model.persona import PLAIN
    >>> found = reply_likelihoods(fake_decoder(), [Reply(PLAIN, "Do you trust others?", "Very.")])
    >>> found[0].log_prob < 0, found[0].tokens > 0
    (True, True)
    """
    found: dict[int, Likelihood] = {}
    for adapter, members in by_adapter([reply.persona for reply in replies]):
        with apply_adapter(decoder, adapter):
            sequences = {place: _Sequence(decoder, replies[place]) for place in members}
            for places in _batches(decoder, sequences, batch_rows):
                batch = [sequences[place] for place in places]
                people = [replies[place].persona for place in places]
                found |= dict(zip(places, _read(decoder, batch, people), strict=True))
                if progress is not None:
                    progress(len(found), len(replies))
    return [found[place] for place in range(len(replies))]


class _Sequence:
    """One reply's token ids, and where in them what happens."""

    def __init__(self, decoder: Decoder, reply: Reply) -> None:
        chat = persona_chat(reply.persona, reply.messages)
        self.said = decoder.chat.encode(reply.text)
        before = decoder.render(chat, reply=reply.begun)
        self.ids = [*before, *self.said]
        self.start = len(before)  # of what is asked about
        self.pushed_from = len(before) - max(len(decoder.chat.encode(reply.begun)), 1)
        context = context_length(decoder)
        if context is not None and len(self.ids) > context:
            raise ModelError(
                f"A chat and its reply are {len(self.ids)} tokens long, but {decoder.name} reads "
                f"at most {context}; shorten the chat or the persona's system prompt."
            )


def _batches(
    decoder: Decoder, sequences: dict[int, _Sequence], batch_rows: int
) -> Iterator[list[int]]:
    """Places of sequences that fit one pass, similar lengths together."""
    vocabulary = decoder.model.get_input_embeddings().weight.shape[0]
    batch: list[int] = []
    read = 0  # tokens asked about in the batch
    for place in sorted(sequences, key=lambda place: len(sequences[place].ids)):
        one = sequences[place]
        tokens = (len(batch) + 1) * len(one.ids)
        logits = (read + len(one.said)) * vocabulary
        full = len(batch) >= batch_rows or tokens > tokens_per_pass(decoder)
        if batch and (full or logits > LOGITS_AT_ONCE):
            yield batch
            batch, read = [], 0
        batch.append(place)
        read += len(one.said)
    if batch:
        yield batch


def _read(
    decoder: Decoder, batch: Sequence[_Sequence], personas: Sequence[Persona]
) -> list[Likelihood]:
    inputs = model_inputs(decoder, [one.ids for one in batch])
    device = decoder.device
    rows = [row for row, one in enumerate(batch) for _ in one.said]
    if not rows:
        return [Likelihood(0.0, 0, True) for _ in batch]
    # a token's probability stands at the position before it
    positions = [one.start - 1 + step for one in batch for step in range(len(one.said))]
    said = torch.tensor([token for one in batch for token in one.said], device=device)
    time = torch.arange(inputs["input_ids"].shape[1])
    begins = torch.tensor([one.pushed_from for one in batch])
    everywhere = torch.tensor([persona.scope == "all" for persona in personas])
    where = (time[None] >= begins[:, None]) | everywhere[:, None]
    with steer_heads(decoder, row_displacements(decoder, personas), positions=where.to(device)):
        logits = logits_at(
            decoder,
            torch.tensor(rows, device=device),
            torch.tensor(positions, device=device),
            **inputs,
            use_cache=False,
        ).float()
    check_finite(logits.logsumexp(-1, keepdim=True), [personas[row] for row in rows])
    log_probs = logits.log_softmax(-1).gather(-1, said[:, None])[:, 0].double().cpu()
    best = (logits.argmax(-1) == said).cpu()
    lengths = [len(one.said) for one in batch]
    return [
        Likelihood(float(part.sum()), len(part), bool(hits.all()))
        for part, hits in zip(log_probs.split(lengths), best.split(lengths), strict=True)
    ]
