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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from personalign.dataset.simulate import draw_factors, draw_responses, load_population
from personalign.methods.pas import HEADS
from personalign.methods.probes import ProbeFitter, row_labels
from personalign.methods.split import item_split
from personalign.model.batch import model_inputs
from personalign.model.decoder import Decoder
from personalign.model.prompts import PAPI, chat_messages
from personalign.model.questions import label_tokens, question_tokens
from personalign.model.steer import steer_heads
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
        self,
        decoder: Decoder,
        corpus: Corpus,
        *,
        people: int,
        asked: int,
        heads: int = HEADS,
        seed: int = 0,
    ) -> None:
        """decoder: the model in training, with its tokenizer. people, asked: people of one batch,
        and items each is asked. heads: K.
        """
        self.decoder, self.corpus, self.tuning = decoder, corpus, corpus.tuning
        self.population = load_population()
        self.people, self.asked, self.heads, self.seed = people, asked, heads, seed
        questions = question_tokens(decoder, None, corpus.items, PAPI)
        self._questions = [questions.whole(item) for item in range(len(corpus.items))]
        self._replies = [
            decoder.render(chat_messages(None, PAPI.ask(item)), reply=PAPI.reply_to(response))
            for item in corpus.items
            for response in (5, 1)
        ]
        labels = [ids[0] for ids in label_tokens(decoder, PAPI)]
        self._labels = torch.tensor([labels[PAPI.order.index(r)] for r in range(1, 6)])

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

    def losses(self, batch: PushedBatch) -> dict[str, Tensor]:
        """What to minimise as `pushed`, and its parts: the answers' divergence from their targets
        as `kl/pushed`, the cross-entropy of dialogue as `text/pushed`."""
        outputs = self.head_outputs(batch.known)
        with torch.autocast(outputs.device.type, enabled=False):
            pushes = push_along_sides(outputs, batch, self.heads)
        device = outputs.device
        sequences = [self._questions[column] for column in batch.asked.reshape(-1)]
        with self._pushed(pushes.repeat_interleave(self.asked, dim=0)):
            states = self._states(sequences)
        states = states[torch.arange(len(sequences)), _last(sequences)]
        chosen = self.decoder.model.lm_head(states).float().log_softmax(-1)[:, self._labels]
        targets = torch.from_numpy(batch.targets).to(device).reshape(-1, 5)
        answers = -(targets * chosen).sum(-1).mean()
        with self._pushed(pushes):
            states = self._states(batch.talks.tolist())
        states = states[tuple(batch.words_at.T)]
        words = torch.from_numpy(batch.words).to(device)
        text = functional.cross_entropy(self.decoder.model.lm_head(states).float(), words)
        return {
            "pushed": answers + TALK_WEIGHT * text,
            "kl/pushed": answers.detach() + (targets * targets.log()).sum(-1).mean(),
            "text/pushed": text.detach(),
        }

    def head_outputs(self, known: np.ndarray) -> Tensor:
        """(2 * known, layers, heads, head_dim): rows as `contrast_outputs` has them, with their
        gradient, which `capture_heads` leaves out."""
        sequences = [self._replies[2 * column + side] for column in known for side in (0, 1)]
        kept: list[Tensor] = []

        def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            kept.append(inputs[0][torch.arange(len(sequences)), _last(sequences)])

        heads = self.decoder.heads
        handles = [place.register_forward_pre_hook(keep) for place in heads.projections]
        try:
            self._states(sequences)
        finally:
            for handle in handles:
                handle.remove()
        return torch.stack(kept, dim=1).float().unflatten(-1, (heads.heads, heads.head_dim))

    def _pushed(self, pushes: Tensor):
        """Every row's heads pushed. pushes: (rows, layers, heads * head_dim)."""
        return steer_heads(self.decoder, dict(enumerate(pushes.unbind(dim=1))))

    def _states(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """(rows, time, hidden) after the last layer."""
        inputs = model_inputs(self.decoder, sequences)
        return self.decoder.body(**inputs, use_cache=False).last_hidden_state


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


def _last(sequences: Sequence[Sequence[int]]) -> Tensor:
    """(rows,) the place of each row's last token."""
    return torch.tensor([len(ids) - 1 for ids in sequences])
