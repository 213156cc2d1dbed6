"""What a model answers to the questionnaire, as each of many personas.

`answer_items` reads the probabilities of the five labels after the begun reply: one forward pass
over many rows, no text. `answer_items_by_text` is the paper's way: greedy text, then a parser,
with the answers that cannot be read counted. Both give `Answers`, in response coordinates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from personalign.errors import MethodError
from personalign.model.adapters import apply_adapter, by_adapter
from personalign.model.full import full_scores
from personalign.model.generate import generate
from personalign.model.parse import Parser, parse_reply
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, Wording
from personalign.model.questions import label_tokens, question_tokens
from personalign.model.route import can_share
from personalign.model.shared import shared_scores
from personalign.model.steer import check_finite, row_displacements

if TYPE_CHECKING:
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder

BATCH_ROWS = 512
"""Answers computed at once."""

Decision = Literal["mode", "median", "mean"]
"""How five probabilities become one response."""


@dataclass(frozen=True, eq=False)
class Answers:
    """How probable each response is, for every persona and item."""

    log_probs: NDArray[np.float32]
    """(personas, items, 5), [..., r - 1] is response r; the five sum to 1. NaN where unparsed."""
    mass: NDArray[np.float32]
    """(personas, items) probability of the five labels together among all tokens; where it is
    small, the model would rather say something else. 1 or 0 for answers parsed from text."""
    items: tuple[Item, ...]
    """The items asked."""
    wording: Wording
    """How they were asked."""
    texts: tuple[tuple[str, ...], ...] | None = None
    """[persona][item] the replies that were parsed; None where probabilities were read."""
    shared_prefix: bool = True
    """Whether what all items begin with was read only once (the numbers are the same)."""

    @property
    def unparsed(self) -> NDArray[np.bool_]:
        """(personas, items) whether there is no answer."""
        return np.asarray(np.isnan(self.log_probs).any(axis=-1))

    def label_scores(self) -> NDArray[np.float32]:
        """(personas, items, labels) log-probability of every label, as listed, among all tokens."""
        listed = self.log_probs[..., np.array(self.wording.order) - 1]
        return np.asarray(listed + np.log(self.mass)[..., None], dtype=np.float32)

    def responses(self, decision: Decision = "mode") -> NDArray[np.int8]:
        """(personas, items) int8 responses 1-5, 0 where unparsed.

        mode: the most probable option, as greedy text would say; of equals the one listed first.
        median: the one with the least expected |difference|; of equals the lower.
        mean: the expectation, rounded, halves upwards.
        """
        probabilities = np.exp(np.nan_to_num(self.log_probs.astype(np.float64), nan=-np.inf))
        scale = np.arange(1, 6)  # sums are rounded to what float32 carries, so that ties are ties
        if decision == "mode":
            listed = np.array(self.wording.order)
            chosen = listed[probabilities[..., listed - 1].argmax(axis=-1)]
        elif decision == "median":
            cost = probabilities @ np.abs(scale[:, None] - scale[None])
            chosen = 1 + np.round(cost, 6).argmin(axis=-1)
        elif decision == "mean":
            chosen = np.floor(np.round(probabilities @ scale, 6) + 0.5)
        else:
            raise MethodError(f"There is no decision {decision!r}; choose mode, median or mean.")
        return np.where(self.unparsed, 0, chosen).astype(np.int8)


@torch.inference_mode()
def answer_items(
    decoder: Decoder,
    personas: Sequence[Persona],
    items: Sequence[Item],
    *,
    wording: Wording = PAPI,
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int, int], None] | None = None,
) -> Answers:
    """Ask every item as every persona and read the probabilities of the five labels.

    batch_rows: answers computed at once; memory grows with it, results do not depend on it.
    progress: called with (answers done, answers in all); equal personas are asked once.
    Raises SteeringError, naming alpha, when steering makes the logits non-finite.

    >>> from personalign.inventory.items import ipip_neo_120
    >>> from personalign.model.fake import fake_decoder
    >>> from personalign.model.persona import PLAIN
    >>> answers = answer_items(fake_decoder(), [PLAIN], ipip_neo_120().items[:3])
    >>> answers.log_probs.shape, answers.responses().shape
    ((1, 3, 5), (1, 3))
    """
    items = tuple(items)
    _check(batch_rows)
    places = {key: place for place, key in enumerate(dict.fromkeys(p.key for p in personas))}
    distinct = list({persona.key: persona for persona in personas}.values())
    labels = label_tokens(decoder, wording)
    scores = torch.empty(len(distinct), len(items), len(labels))
    done, total, shared = 0, len(distinct) * len(items), True

    def advance(answers: int) -> None:
        nonlocal done
        done += answers
        if progress is not None:
            progress(done, total)

    for adapter, adapted in by_adapter(distinct) if items else ():
        with apply_adapter(decoder, adapter):
            for system_prompt, kind, members in _alike(distinct, adapted):
                chosen = [distinct[place] for place in members]
                questions = question_tokens(decoder, system_prompt, items, wording)
                sharing = can_share(decoder, questions)
                shared = shared and sharing
                found = (shared_scores if sharing else full_scores)(
                    decoder,
                    questions,
                    labels,
                    row_displacements(decoder, chosen),
                    rows=len(chosen),
                    generated_only=kind == "generated",
                    batch_rows=batch_rows,
                    progress=advance,
                )
                check_finite(found, chosen)
                scores[members] = found
    return answers_from_scores(scores[[places[p.key] for p in personas]], items, wording, shared)


def answer_items_by_text(
    decoder: Decoder,
    personas: Sequence[Persona],
    items: Sequence[Item],
    *,
    wording: Wording = PAPI,
    max_new_tokens: int = 15,
    begun: str = "",
    parser: Parser = parse_reply,
    batch_rows: int = 128,
    progress: Callable[[int, int], None] | None = None,
) -> Answers:
    """Ask every item as every persona, let the model write greedily, and parse what it wrote.

    The released code of the paper begins the assistant's reply with "Option" (`begun`) and parses
    with `parse.parse_reply_as_released`. The texts, without the begun words, are kept in the
    result. Arguments else as for `answer_items`.
    """
    items = tuple(items)
    _check(batch_rows)
    asked = [wording.ask(item) for item in items]
    written: dict[str, list[str]] = {}
    total = len({persona.key for persona in personas}) * len(items)
    for persona in personas:
        if persona.key in written:
            continue
        before = len(written) * len(items)

        def advance(done: int, _total: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        written[persona.key] = generate(
            decoder,
            persona,
            asked,
            max_new_tokens=max_new_tokens,
            begun=begun,
            batch_rows=batch_rows,
            progress=advance,
        )
    return parsed_answers([written[persona.key] for persona in personas], items, wording, parser)


def parsed_answers(
    texts: Sequence[Sequence[str]],
    items: Sequence[Item],
    wording: Wording,
    parser: Parser = parse_reply,
) -> Answers:
    """Answers out of written replies; texts[persona][item]."""
    parsed = np.array([[parser(text, wording) for text in row] for row in texts], dtype=np.int8)
    parsed = parsed.reshape(len(texts), len(items))
    chosen = parsed[..., None] == np.arange(1, 6)
    log_probs = np.where(chosen, 0.0, -np.inf)
    log_probs[parsed == 0] = np.nan
    return Answers(
        log_probs=log_probs.astype(np.float32),
        mass=(parsed > 0).astype(np.float32),
        items=tuple(items),
        wording=wording,
        texts=tuple(map(tuple, texts)),
        shared_prefix=False,
    )


def answers_from_scores(
    scores: torch.Tensor, items: tuple[Item, ...], wording: Wording, shared: bool
) -> Answers:
    """From label log-probabilities (personas, items, labels), top to bottom, to `Answers`."""
    by_response = torch.empty_like(scores)
    by_response[..., torch.tensor(wording.order) - 1] = scores
    mass = by_response.logsumexp(-1, keepdim=True)
    return Answers(
        log_probs=(by_response - mass).numpy(),
        mass=mass[..., 0].exp().numpy(),
        items=items,
        wording=wording,
        shared_prefix=shared,
    )


def _alike(
    personas: Sequence[Persona], places: Sequence[int]
) -> Iterator[tuple[str | None, str, list[int]]]:
    """(system prompt, scope or "plain", places) of personas that can share a batch."""
    groups: dict[tuple[str | None, str], list[int]] = {}
    for place in places:
        persona = personas[place]
        kind: str = persona.scope if persona.steers else "plain"
        groups.setdefault((persona.system_prompt, kind), []).append(place)
    for (system_prompt, kind), members in groups.items():
        yield system_prompt, kind, members


def _check(batch_rows: int) -> None:
    if batch_rows < 1:
        raise MethodError(f"batch_rows is {batch_rows}; at least one answer is computed at once.")
