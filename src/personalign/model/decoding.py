"""The decoding loop: next tokens of many steered rows at once, with kept keys and values.

One loop for whole texts and for streams. Rows are filled up on the left, each has its own
persona, its own random numbers and its own end; once half the rows of a batch have ended, the
others go on without them. What all rows begin with is read once if they are steered alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from personalign.errors import MethodError, ModelError
from personalign.model.batch import model_inputs
from personalign.model.persona import Persona
from personalign.model.questions import context_length
from personalign.model.readout import logits_and_cache
from personalign.model.route import attention_window
from personalign.model.steer import check_finite, row_displacements, steer_heads

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

SHARED_FROM = 32
"""Shortest common beginning that is worth a pass of its own, in tokens."""

SMALLEST = 2.0**-126
"""The smallest normal float32: what a temperature or a top_p above 0 counts as at least."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen, and how many there may be."""

    max_new_tokens: int = 256
    """At most this many tokens; fewer where the model's context ends."""
    temperature: float = 0.0
    """0 takes the most probable token; 1 samples from the model's own distribution."""
    top_p: float = 1.0
    """Sample among the most probable tokens that together reach this probability."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise MethodError(f"max_new_tokens is {self.max_new_tokens}; it must be at least 1.")
        if not 0 <= self.temperature < float("inf"):
            raise MethodError(f"The temperature is {self.temperature}; it must be 0 or more.")
        if not 0 < self.top_p <= 1:
            raise MethodError(f"top_p is {self.top_p}; it must be above 0 and at most 1.")


def next_tokens(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    personas: Sequence[Persona],
    *,
    begun: Sequence[int],
    seeds: Sequence[int],
    sampling: Sampling,
    ended: set[int] | None = None,
) -> Iterator[dict[int, int]]:
    """Yield {row: next token} step by step, for the rows that have not ended.

    prompts: token ids, begun reply included. begun: how many tokens at the end of each prompt are
    the begun reply; the scope 'generated' starts there, at the prompt's last token at the latest.
    seeds: one a row; a row's text depends on its own seed only. Tokens that end a turn are not
    yielded. ended: the rows that have; between two steps the caller may add those it has heard
    enough of.
    Raises SteeringError when steering makes logits non-finite, ModelError when a prompt is longer
    than the model's context.
    """
    budget = tokens_left(decoder, prompts, sampling.max_new_tokens)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    batch = _Batch(decoder, personas)
    logits = batch.read_prompts(prompts, begun)
    rows = list(range(len(prompts)))  # the prompts still in the batch
    ended = set() if ended is None else ended
    for step in range(budget):
        check_finite(logits.float().logsumexp(-1, keepdim=True), [personas[row] for row in rows])
        tokens = _choose(logits, sampling, [generators[row] for row in rows])
        found = dict(zip(rows, tokens.tolist(), strict=True))
        ended |= {row for row, token in found.items() if token in decoder.end_ids}
        living = [place for place, row in enumerate(rows) if row not in ended]
        if living:
            yield {rows[place]: found[rows[place]] for place in living}
            living = [place for place in living if rows[place] not in ended]
        if not living or step + 1 == budget:
            return
        if len(living) * 2 <= len(rows) and batch.keep(living):
            rows = [rows[place] for place in living]
            tokens = tokens[torch.tensor(living, device=tokens.device)]
        logits = batch.read_next(tokens)


class _Batch:
    """The rows being continued: their keys and values, masks and displacements."""

    def __init__(self, decoder: Decoder, personas: Sequence[Persona]) -> None:
        self.decoder = decoder
        self.personas = personas
        self.displacements = row_displacements(decoder, personas)
        self.cache: Any = None
        self.mask = torch.empty(0)  # (rows, time) of everything read, 1 at real tokens
        self.takes_positions = False

    def read_prompts(self, prompts: Sequence[Sequence[int]], begun: Sequence[int]) -> torch.Tensor:
        """Logits (rows, vocabulary) after each prompt."""
        shared = self._shared_length(prompts, begun)
        if shared:
            self.cache = self._read_shared(prompts[0][:shared], len(prompts))
        rest = [prompt[shared:] for prompt in prompts]
        inputs = model_inputs(self.decoder, rest, side="left")
        self.takes_positions = "position_ids" in inputs
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        self.mask = torch.cat([mask.new_ones(len(prompts), shared), mask], dim=1)
        time = torch.arange(ids.shape[1], device=ids.device)
        starts = torch.tensor([ids.shape[1] - max(count, 1) for count in begun], device=ids.device)
        return self._read(ids, self._where(time[None] >= starts[:, None]))

    def _read_shared(self, tokens: Sequence[int], rows: int) -> DynamicCache:
        """Keys and values of what all rows begin with, none of it generated, read as one row."""
        alike = self.personas[0]  # all rows are steered as it is
        head = {site: pushes[:1] for site, pushes in self.displacements.items()}
        cache = DynamicCache()
        with steer_heads(self.decoder, head if alike.scope == "all" else {}):
            inputs = model_inputs(self.decoder, [tokens])
            self.decoder.body(**inputs, past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(rows)
        return cache

    def read_next(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits (rows, vocabulary) after one more token a row, (rows,) int64."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        return self._read(tokens[:, None], None)

    def keep(self, places: Sequence[int]) -> bool:
        """Go on with some rows only; False where the cache cannot drop rows."""
        if not isinstance(self.cache, DynamicCache):
            return False
        index = torch.tensor(places, device=self.mask.device)
        self.cache.batch_select_indices(index)
        self.mask = self.mask[index]
        self.displacements = {site: d[index] for site, d in self.displacements.items()}
        self.personas = [self.personas[place] for place in places]
        return True

    def _read(self, ids: torch.Tensor, where: torch.Tensor | None) -> torch.Tensor:
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": self.mask}
        if self.takes_positions:
            counted = (self.mask.cumsum(1) - 1).clamp(min=0)
            inputs["position_ids"] = counted[:, -ids.shape[1] :]
        rows = torch.arange(len(ids), device=ids.device)
        last = torch.full_like(rows, ids.shape[1] - 1)
        with steer_heads(self.decoder, self.displacements, positions=where):
            logits, self.cache = logits_and_cache(
                self.decoder, rows, last, past_key_values=self.cache, use_cache=True, **inputs
            )
        return logits

    def _where(self, generated: torch.Tensor) -> torch.Tensor | None:
        """(rows, time) where to push; `generated` counts for the rows of that scope only."""
        if all(persona.scope == "all" for persona in self.personas if persona.steers):
            return None
        everywhere = torch.tensor([p.scope == "all" for p in self.personas])
        return generated | everywhere.to(generated.device)[:, None]

    def _shared_length(self, prompts: Sequence[Sequence[int]], begun: Sequence[int]) -> int:
        """How many tokens all prompts begin with, where reading them once is possible and pays.

        A gap of padding then lies between them and the rest, which windows would count along.
        """
        if len(prompts) == 1 or len({persona.steering_key for persona in self.personas}) > 1:
            return 0
        least = min(
            len(prompt) - max(count, 1) for prompt, count in zip(prompts, begun, strict=True)
        )
        rows = [list(prompt) for prompt in prompts]
        first, last = min(rows), max(rows)  # all others lie between, so share what these share
        shared = next((i for i in range(least) if first[i] != last[i]), least)
        if shared < SHARED_FROM or attention_window(self.decoder) is not None:
            return 0
        kinds = DynamicCache(config=self.decoder.model.config).layers
        return shared if all(type(layer) is DynamicLayer for layer in kinds) else 0


def _choose(
    logits: torch.Tensor, sampling: Sampling, generators: Sequence[torch.Generator]
) -> torch.Tensor:
    """The next token of each row, (rows,) int64, from logits (rows, vocabulary).

    One uniform number a row, drawn on the CPU, is looked up in the sorted distribution, so that
    a seed means the same on every device.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    logits = logits.float()
    heat = torch.tensor(sampling.temperature)
    probabilities, order = distribution(logits - logits.amax(-1, keepdim=True), heat).sort(
        descending=True, stable=True
    )
    total = probabilities.cumsum(-1)
    nucleus = probabilities * (total - probabilities < max(sampling.top_p, SMALLEST))
    reached = nucleus.cumsum(-1)
    draws = torch.stack([torch.rand(1, generator=generator) for generator in generators])
    wanted = draws.to(logits.device) * reached[:, -1:]
    place = (reached <= wanted).sum(-1, keepdim=True)
    last = (nucleus > 0).sum(-1, keepdim=True) - 1
    return order.gather(-1, torch.minimum(place, last))[:, 0]


def distribution(below: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """What the next token is drawn from: probabilities, (rows, vocabulary).

    below: float32 logits less their row's highest, so that the most probable token stays at 0
    however small the temperature. heat: temperatures above 0, (rows, 1) or one for all.
    """
    return (below / heat.clamp(min=SMALLEST)).softmax(-1)


def tokens_left(decoder: Decoder, prompts: Sequence[Sequence[int]], wanted: int) -> int:
    """How many tokens may follow before the longest prompt reaches the end of the context."""
    context = context_length(decoder)
    longest = max(map(len, prompts))
    if context is None:
        return wanted
    if longest >= context:
        raise ModelError(
            f"The prompt is {longest} tokens long, but {decoder.name} reads at most {context}; "
            "shorten the chat or the persona's system prompt."
        )
    return min(wanted, context - longest)
