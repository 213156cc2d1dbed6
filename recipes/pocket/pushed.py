"""The last lesson: a push along what somebody's answers do to the heads is to make that somebody.

PAS reads every head's output at the end of an agreeing and of a disagreeing reply to each item,
takes the mean over a person's side minus the mean over the other as a direction, and pushes the
heads that tell the sides apart best. Whether such a push moves the model towards the person is a
matter of how the model holds what answers say; a model of this size, trained on chats alone, holds
little of it in a way that adds up (dev/log.md). So the push is a training task of its own:

1. Simulated people answer 120 items: the questionnaire's, or any 120 of the 300.
2. The model reads both replies to each; directions, sigmas and the chosen heads are PAS's own.
3. Pushed so, with no persona in the prompt, it is asked any of the items. The target is what the
   ideal observer expects after all 120 answers (an item among them: after the 119 others). And it
   talks as they would. Some are not pushed, and the target is what anybody would answer.

The gradient runs through the push and through what was read, back to where answers are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaForCausalLM

from personalign.dataset.simulate import draw_factors, draw_responses, load_population
from personalign.methods.pas import HEADS
from personalign.methods.probes import ProbeFitter, row_labels
from personalign.methods.split import item_split
from recipes.pocket.corpus import Corpus
from recipes.pocket.observer import after_all

ALPHAS = (1.5, 2.5)
"""How far the heads are pushed, in their standard deviations; drawn for every person."""
TALK = 144
"""Tokens of dialogue a person."""
TALK_WEIGHT = 0.5
"""How much a word of dialogue counts beside an answer."""
NOBODY = 3
"""How many of a batch are not pushed, and are expected to answer as anybody: without them the plain
model drifts away from the population (dev/log.md)."""
FORM_SHARE = 0.7
"""How often the 120 known items are the questionnaire's own."""


@dataclass(frozen=True)
class PushedBatch:
    """Some people, what they answered, and what they are asked."""

    known: np.ndarray
    """(known,) columns of the items whose answers make the push."""
    responses: np.ndarray
    """(people, known) 1-5."""
    asked: np.ndarray
    """(people, asked) columns of the items asked."""
    targets: np.ndarray
    """(people, asked, 5) the ideal observer's probabilities of the responses."""
    alphas: np.ndarray
    """(people,) how far each is pushed."""
    talks: np.ndarray
    """(people, TALK) token ids of dialogue in which they show."""
    words_at: np.ndarray
    """(words, 2) person and position after which a word of a reply comes."""
    words: np.ndarray
    """(words,) its token."""


class PushedLesson:
    """Draws batches of people to be pushed to, and measures how well a push makes them."""

    def __init__(
        self, corpus: Corpus, *, people: int, asked: int, heads: int = HEADS, seed: int = 0
    ) -> None:
        """people, asked: people of one batch, and items each is asked. heads: K."""
        self.population = load_population()
        self.corpus, self.tuning = corpus, corpus.tuning
        self.people, self.asked, self.heads, self.seed = people, asked, heads, seed
        said = [[corpus.reply(column, response) for response in (5, 1)] for column in range(300)]
        self._said = _padded([ids for both in said for ids in both], corpus.pad)
        self._questions = _padded([corpus.question(column) for column in range(300)], corpus.pad)
        self._labels = torch.tensor(corpus.labels)

    def draw(self, step: int) -> PushedBatch:
        """The batch of one step; it depends on (seed, step) only."""
        rng = np.random.default_rng([self.seed, step, 77])
        people = draw_responses(
            self.population, draw_factors(self.population, self.people, rng), rng
        )
        known = self.tuning
        if rng.random() >= FORM_SHARE:
            known = np.sort(rng.permutation(300)[: len(known)])
        asked = np.stack([rng.permutation(300)[: self.asked] for _ in people])
        expected = after_all(self.population, known, people[:, known])
        expected[:NOBODY] = after_all(self.population, known[:0], people[:1, :0])
        alphas = rng.uniform(*ALPHAS, len(people)).astype(np.float32)
        alphas[:NOBODY] = 0.0
        talks = [self.corpus.talk(rng, person, TALK) for person in people]
        words = [(p, at, token) for p, (_, said) in enumerate(talks) for at, token in said]
        return PushedBatch(
            known=known,
            responses=people[:, known],
            asked=asked,
            targets=np.take_along_axis(expected, asked[..., None], axis=1).astype(np.float32),
            alphas=alphas,
            talks=np.array([ids for ids, _ in talks]),
            words_at=np.array([word[:2] for word in words]),
            words=np.array([word[2] for word in words]),
        )

    def losses(self, model: LlamaForCausalLM, batch: PushedBatch) -> dict[str, Tensor]:
        """What to minimise as `pushed`, and its parts: the answers' divergence from their targets
        as `kl/pushed`, the cross-entropy of dialogue as `text/pushed`."""
        outputs = self._head_outputs(model, batch.known)
        with torch.autocast(outputs.device.type, enabled=False):
            pushes = push_along_sides(outputs, batch, self.heads)
        device = outputs.device
        rows = torch.from_numpy(batch.asked.reshape(-1))
        tokens, last = (part[rows] for part in self._questions)
        with _pushed(model, pushes.repeat_interleave(self.asked, dim=0)):
            states = model.model(tokens.to(device), use_cache=False).last_hidden_state
        states = states[torch.arange(len(rows)), last]
        chosen = model.lm_head(states).float().log_softmax(-1)[:, self._labels]
        targets = torch.from_numpy(batch.targets).to(device).reshape(-1, 5)
        answers = -(targets * chosen).sum(-1).mean()
        with _pushed(model, pushes):
            talks = torch.from_numpy(batch.talks).to(device)
            states = model.model(talks, use_cache=False).last_hidden_state
        states = states[tuple(batch.words_at.T)]
        words = torch.from_numpy(batch.words).to(device)
        text = functional.cross_entropy(model.lm_head(states).float(), words)
        return {
            "pushed": answers + TALK_WEIGHT * text,
            "kl/pushed": answers.detach() + (targets * targets.log()).sum(-1).mean(),
            "text/pushed": text.detach(),
        }

    def _head_outputs(self, model: LlamaForCausalLM, known: np.ndarray) -> Tensor:
        """(2 * known, layers, heads, head_dim): rows as `contrast_outputs` has them."""
        rows = torch.from_numpy((2 * known[:, None] + np.arange(2)).reshape(-1))
        tokens, last = (part[rows] for part in self._said)
        kept: list[Tensor] = []

        def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            kept.append(inputs[0][torch.arange(len(rows)), last])

        handles = [p.register_forward_pre_hook(keep) for p in _projections(model)]
        try:
            model.model(tokens.to(next(model.parameters()).device), use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
        heads = model.config.num_attention_heads
        return torch.stack(kept, dim=1).float().unflatten(-1, (heads, -1))


def push_along_sides(outputs: Tensor, batch: PushedBatch, heads: int) -> Tensor:
    """(people, layers, heads * head_dim) what PAS adds to the heads, with its gradient.

    The same as `HeadFinder` finds, in torch; which heads are pushed has no gradient.
    outputs: (2 * known, layers, heads, head_dim).
    """
    labels = row_labels(batch.responses)
    train = np.repeat(item_split(len(batch.known), seed=0), 2)
    probes = ProbeFitter(outputs.detach(), train).fit(labels, train)
    accuracy = np.nan_to_num(probes.validation_accuracy).reshape(len(labels), -1).round(9)
    chosen = torch.from_numpy(np.argsort(-accuracy, axis=1, kind="stable")[:, :heads].copy())

    flat = outputs.flatten(1, 2)  # (rows, all heads, head_dim)
    sides = torch.from_numpy(labels).to(flat)
    agree, other, kept = (sides > 0).float(), (sides < 0).float(), (sides != 0).float()
    means = [
        torch.einsum("pr,rhd->phd", side / side.sum(1, keepdim=True), flat)
        for side in (agree, other)
    ]
    directions = functional.normalize(means[0] - means[1], dim=-1)
    along = torch.einsum("rhd,phd->prh", flat, directions)
    shares = (kept / kept.sum(1, keepdim=True))[..., None]
    centre = (along * shares).sum(1, keepdim=True)
    sigmas = ((along - centre).square() * shares).sum(1).clamp_min(1e-12).sqrt()
    pushed = torch.zeros_like(sigmas).scatter_(1, chosen.to(flat.device), 1.0)
    size = torch.from_numpy(batch.alphas).to(flat)[:, None] * sigmas * pushed
    return (size[..., None] * directions).reshape(len(labels), outputs.shape[1], -1)


@contextmanager
def _pushed(model: LlamaForCausalLM, pushes: Tensor) -> Iterator[None]:
    """Every row's heads pushed, at all positions. pushes: (rows, layers, heads * head_dim)."""

    def pusher(layer: int):
        def push(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
            return (inputs[0] + pushes[:, layer, None].to(inputs[0].dtype),)

        return push

    handles = [
        projection.register_forward_pre_hook(pusher(layer))
        for layer, projection in enumerate(_projections(model))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _projections(model: LlamaForCausalLM) -> list[nn.Module]:
    return [layer.self_attn.o_proj for layer in model.model.layers]


def _padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """(rows, longest) token ids, padded on the right, and the place of each row's last."""
    tokens = torch.full((len(rows), max(map(len, rows))), pad)
    for row, ids in enumerate(rows):
        tokens[row, : len(ids)] = torch.tensor(ids)
    return tokens, torch.tensor([len(ids) - 1 for ids in rows])
