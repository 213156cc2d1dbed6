"""What a persona costs the rest of the model: how far plain text moves, and what breaks.

Three looks, each on text that has nothing to do with anybody's personality:

1. **kl, perplexity**: a dozen plain questions with plain answers (`data/neutral_chats.json`). At
   every token of an answer, the divergence of the persona's next-token distribution from the plain
   model's, KL(plain || persona), in nats; and the perplexity of the answers.
2. **unparsed**: statements answered in greedy text, and how many of the replies name no option.
3. **repeats**: greedy replies to open questions, and the share of their runs of three tokens that
   the same reply has had before.

The plain model is the decoder with no persona at all, so that prompts are measured like pushes.
`bound_alpha` brings alpha back to where the divergence keeps within a budget.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from personalign.errors import EvaluationError
from personalign.inventory.items import ipip_neo_120
from personalign.model.adapters import apply_adapter, by_adapter
from personalign.model.answer import answer_items_by_text
from personalign.model.batch import model_inputs
from personalign.model.generate import generate, persona_chat
from personalign.model.persona import PLAIN, Persona
from personalign.model.prompts import PAPI, Wording
from personalign.model.readout import logits_at
from personalign.model.steer import row_displacements, steer_heads

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder

OPEN_QUESTIONS = (
    "What did you do last weekend?",
    "A friend asks you for help with moving house. What do you say?",
    "What makes a good day?",
    "Tell me about a trip you would like to take.",
)
"""What free text is written about."""

REPLY_TOKENS = 48
"""Tokens of a free reply, at most."""

RUN = 3
"""Tokens in a row that count as a repetition when they come again."""

STATEMENTS = 12
"""Statements answered in text: every tenth of the short form."""

TOKENS_AT_ONCE, LOGITS_AT_ONCE = 16_384, 2**26
"""Bounds on one forward pass: tokens read, and numbers in its logits."""

HALVINGS = 7
"""Halvings of the interval in which the largest allowed alpha lies: to 1/128 of it."""

Progress = Callable[[int, int], None]
"""Called with (replies read, replies in all)."""


@dataclass(frozen=True)
class SideEffects:
    """What one persona does to the rest of the model."""

    kl: float
    """Mean KL(plain || persona) at the tokens of neutral answers, nats."""
    perplexity: float
    """Perplexity of the neutral answers as the persona."""
    plain_perplexity: float
    """The same as the plain model."""
    unparsed: float
    """Share of statements whose answer in text names no option."""
    repeats: float
    """Share of runs of three tokens that a free reply has had before, mean over replies."""
    plain_repeats: float
    """The same as the plain model."""

    def told(self) -> dict[str, float]:
        """The figures as a persona's provenance keeps them."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


@torch.inference_mode()
def side_effects(
    decoder: Decoder,
    personas: Sequence[Persona],
    *,
    wording: Wording = PAPI,
    progress: Progress | None = None,
) -> list[SideEffects]:
    """Measure every persona; see the module's text.

    wording: in which statements are asked. progress: called with (replies read, in all).
    Raises SteeringError where a push makes the logits non-finite.
    """
    distinct = list({persona.key: persona for persona in (PLAIN, *personas)}.values())
    kl, surprise = neutral_cost(decoder, distinct, progress=progress)
    items = ipip_neo_120().items[:: 120 // STATEMENTS]
    answers = answer_items_by_text(decoder, distinct, items, wording=wording)
    unparsed = answers.unparsed.mean(axis=1)
    asked = [(persona, question) for persona in distinct for question in OPEN_QUESTIONS]
    replies = generate(
        decoder,
        [persona for persona, _ in asked],
        [question for _, question in asked],
        max_new_tokens=REPLY_TOKENS,
    )
    repeated = [repeated_share(decoder.chat.encode(reply)) for reply in replies]
    repeats = np.array(repeated).reshape(len(distinct), len(OPEN_QUESTIONS)).mean(axis=1)
    place = {persona.key: number for number, persona in enumerate(distinct)}
    perplexity = np.exp(surprise)
    plain = place[PLAIN.key]
    return [
        SideEffects(
            kl=float(kl[at]),
            perplexity=float(perplexity[at]),
            plain_perplexity=float(perplexity[plain]),
            unparsed=float(unparsed[at]),
            repeats=float(repeats[at]),
            plain_repeats=float(repeats[plain]),
        )
        for at in (place[persona.key] for persona in personas)
    ]


def neutral_cost(
    decoder: Decoder, personas: Sequence[Persona], *, progress: Progress | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(personas,) mean KL(plain || persona) and (personas,) mean surprise, nats a reply token.

    All personas of one system prompt and adapter are rows of one batch.
    """
    return _NeutralText(decoder).cost(personas, progress)


def bound_alpha(
    decoder: Decoder,
    personas: Sequence[Persona],
    max_kl: float,
    *,
    progress: Progress | None = None,
) -> list[Persona]:
    """The personas, pushed no farther than costs `max_kl` nats a token of neutral text.

    Where a persona costs more, the largest alpha that does not is found by halving, all personas
    as rows of one batch. If the persona's provenance has an error curve over alpha, the best alpha
    tried below it is taken instead. What was found stands in the provenance as 'max_kl' and 'kl'.
    A system prompt is never taken away: where it alone costs more, alpha is 0.
    Raises EvaluationError for a budget that is no number, or below 0.
    """
    if not (np.isfinite(max_kl) and max_kl >= 0):
        raise EvaluationError(
            f"The budget is {max_kl}; give a number of nats a token, 0 or more, for example 0.1."
        )
    text = _NeutralText(decoder)
    cost = text.cost(personas, progress)[0]
    over = [place for place, kl in enumerate(cost) if kl > max_kl and personas[place].steers]
    low = dict.fromkeys(over, 0.0)
    high = {place: personas[place].alpha for place in over}
    for _ in range(HALVINGS if over else 0):
        middle = [(low[place] + high[place]) / 2 for place in over]
        tried = [personas[place].with_alpha(a) for place, a in zip(over, middle, strict=True)]
        kls = text.cost(tried)[0]
        for place, alpha, kl in zip(over, middle, kls, strict=True):
            (low if kl <= max_kl else high)[place] = alpha
    bounded = list(personas)
    for alphas in ({place: _best_below(personas[place], low[place]) for place in over}, low):
        # A smaller alpha of the curve may cost more than a larger one; then `low` itself it is.
        again = [place for place in over if cost[place] > max_kl]
        for place in again:
            bounded[place] = personas[place].with_alpha(alphas[place])
        if again:
            cost[again] = text.cost([bounded[place] for place in again])[0]
    return [
        replace(
            persona,
            provenance={
                **persona.provenance,
                "max_kl": max_kl,
                "kl": round(float(kl), 6),
                "alpha_unbounded": personas[place].alpha,
            },
        )
        for place, (persona, kl) in enumerate(zip(bounded, cost, strict=True))
    ]


def repeated_share(tokens: Sequence[int]) -> float:
    """Share of runs of three tokens that came before in the same text.

    >>> repeated_share([1, 2, 3, 1, 2, 3]), repeated_share([1, 2, 3, 4])
    (0.25, 0.0)
    """
    runs = [tuple(tokens[start : start + RUN]) for start in range(len(tokens) - RUN + 1)]
    return 1 - len(set(runs)) / len(runs) if len(runs) > 1 else 0.0


@cache
def neutral_chats() -> tuple[tuple[str, str], ...]:
    """(question, answer) pairs that say nothing of anybody."""
    text = (files("personalign.evaluation") / "data" / "neutral_chats.json").read_text("utf-8")
    return tuple((chat["user"], chat["assistant"]) for chat in json.loads(text))


class _NeutralText:
    """The neutral chats as one decoder reads them, and what it expects there as nobody."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.pairs = neutral_chats()
        self.replies = [decoder.chat.encode(answer) for _, answer in self.pairs]
        self._plain: dict[int, torch.Tensor] = {}

    @torch.inference_mode()
    def cost(
        self, personas: Sequence[Persona], progress: Progress | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """As `neutral_cost`."""
        kl, surprise = np.zeros(len(personas)), np.zeros(len(personas))
        done, whole = 0, len(personas) * len(self.pairs)
        for number, reply in enumerate(self.replies):
            plain = self.plain(number)
            for adapter, members in by_adapter(personas):
                with apply_adapter(self.decoder, adapter):
                    for some in self.batches(number, [personas[place] for place in members]):
                        places = [members[place] for place in some]
                        found = self.log_probs(number, [personas[place] for place in places])
                        differs = (plain.exp() * (plain - found)).sum((1, 2))
                        said = torch.tensor(reply, device=found.device)
                        lost = -found[:, torch.arange(len(said)), said].sum(-1)
                        kl[places] += differs.double().cpu().numpy()
                        surprise[places] += lost.double().cpu().numpy()
                        done += len(places)
                        if progress is not None:
                            progress(done, whole)
        tokens = sum(map(len, self.replies))
        return np.maximum(kl / tokens, 0.0), surprise / tokens

    def plain(self, number: int) -> torch.Tensor:
        """(reply tokens, vocabulary) log-probabilities of the plain model; kept."""
        if number not in self._plain:
            self._plain[number] = self.log_probs(number, [PLAIN])[0]
        return self._plain[number]

    def sequence(self, number: int, persona: Persona) -> list[int]:
        question, answer = self.pairs[number]
        return self.decoder.render(persona_chat(persona, question), reply=answer)

    def batches(self, number: int, personas: Sequence[Persona]) -> list[list[int]]:
        """Places of personas that fit one pass each, their prompts of one length."""
        lengths: dict[int, list[int]] = {}
        for place, persona in enumerate(personas):
            lengths.setdefault(len(self.sequence(number, persona)), []).append(place)
        vocabulary = self.decoder.model.get_input_embeddings().weight.shape[0]  # type: ignore[union-attr]
        logits = max(1, LOGITS_AT_ONCE // (vocabulary * len(self.replies[number])))
        found = []
        for length, places in lengths.items():
            size = max(1, min(TOKENS_AT_ONCE // length, logits))
            found += [places[start : start + size] for start in range(0, len(places), size)]
        return found

    def log_probs(self, number: int, personas: Sequence[Persona]) -> torch.Tensor:
        """(personas, reply tokens, vocabulary) log-probabilities of each reply token."""
        sequences = [self.sequence(number, persona) for persona in personas]
        length, time = len(self.replies[number]), len(sequences[0])
        inputs = model_inputs(self.decoder, sequences)
        device = self.decoder.device
        rows = torch.arange(len(personas), device=device).repeat_interleave(length)
        positions = torch.arange(time - length - 1, time - 1, device=device).repeat(len(personas))
        generated = torch.zeros(len(personas), time, dtype=torch.bool, device=device)
        generated[:, time - length - 1 :] = True  # the first token is drawn from the prompt's last
        everywhere = torch.tensor([p.scope == "all" for p in personas], device=device)
        where = None if bool(everywhere.all()) else generated | everywhere[:, None]
        with steer_heads(self.decoder, row_displacements(self.decoder, personas), positions=where):
            logits = logits_at(self.decoder, rows, positions, **inputs, use_cache=False)
        return logits.float().log_softmax(-1).view(len(personas), length, -1)


def _best_below(persona: Persona, alpha: float) -> float:
    """The alpha of least error that was tried up to `alpha`, or `alpha` if none but 0 was tried."""
    curve: dict[str, Any] = persona.provenance.get("alpha_curve") or {"alphas": [], "errors": []}
    tried = [
        (error, one)
        for one, error in zip(curve["alphas"], curve["errors"], strict=True)
        if error is not None and abs(one) <= abs(alpha)
    ]
    return float(min(tried)[1]) if any(one for _, one in tried) else alpha
