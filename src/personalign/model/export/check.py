"""Whether an export is the persona: its logits against those of the steered decoder.

Every export is asked the same fixed chats before it gets its name; an engine that writes replies
itself writes one, which has to end where the persona's does. Compared are the logits of
every position and token; beside the difference stands the persona's own effect, what it does to
the plain model's logits. An export that lost its push differs by that much, so it has to come far
closer, however small the persona is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import torch

from personalign.errors import ExportError
from personalign.model.adapters import apply_adapter
from personalign.model.decoding import tokens_left
from personalign.model.generate import persona_chat
from personalign.model.steer import row_displacements, steer_heads

if TYPE_CHECKING:
    from personalign.model.chat import Message
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

CHATS: tuple[tuple[Message, ...], ...] = (
    ({"role": "user", "content": "What would you do with a free Saturday?"},),
    ({"role": "user", "content": "Write two sentences about the sea."},),
    (
        {
            "role": "user",
            "content": 'Given a statement of you: "You worry about things."\nHow accurately does '
            "it describe you?",
        },
    ),
    (
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "Do you trust others?"},
    ),
    (
        {"role": "user", "content": "My sister is ill. What should I tell her?"},
        {"role": "assistant", "content": "That you are there for her."},
        {"role": "user", "content": "And if she does not want to talk?"},
    ),
    ({"role": "user", "content": "Compute 17 * 23, and say naïve in 中文."},),
)
"""What every export is asked: questions, a statement, a system turn, a longer chat, odd letters."""

TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest difference allowed, in units of the largest logit (at least 1), by dtype: the rounding
of the bias and of another order of additions."""

REROUTED = 0.25
"""In float16 and bfloat16 a mixture of experts may differ by more at this part of the positions:
rounding decides there which of two equally good experts is asked, and later positions see it. The
mean difference is then what tells."""

NEARER = 0.25
"""The mean difference may be at most this part of the persona's own mean effect."""

REPLY_TOKENS = 64
"""At most so long is the reply that an engine writes."""

Logits = Callable[[list[int]], torch.Tensor]
"""Token ids -> (time, vocabulary) logits."""


@dataclass(frozen=True)
class Difference:
    """How far an export's logits are from the steered decoder's, over all chats and positions."""

    largest: float
    """Largest absolute difference of a logit."""
    mean: float
    """Mean absolute difference."""
    effect: float
    """Mean absolute difference between the persona and the plain model: what there is to lose."""
    allowed: float
    """What a logit's difference may be."""
    positions: int
    """Token positions compared."""
    beyond: int
    """Positions where it is more; only a mixture of experts in half precision may have some."""


@dataclass(frozen=True)
class Reference:
    """The steered decoder's logits on the fixed chats, and the plain one's distance from them."""

    chats: tuple[tuple[int, ...], ...]
    """Token ids of each chat, up to where the reply begins."""
    logits: tuple[torch.Tensor, ...]
    """(time, vocabulary) float32 on the CPU, one a chat."""
    effect: float
    """Mean absolute difference between the persona and the plain model; 0 if nothing is pushed."""
    dtype: torch.dtype
    """What the decoder computes in."""
    routes: bool
    """Whether the decoder is a mixture of experts."""


def reference(decoder: Decoder, persona: Persona) -> Reference:
    """Ask the decoder as the persona, pushed at all positions, and as nobody."""
    with apply_adapter(decoder, persona.adapter):
        chats = [tuple(decoder.render(persona_chat(persona, chat))) for chat in CHATS]
        steered = tuple(_persona_logits(decoder, persona, ids) for ids in chats)
    changed = persona.steers or persona.adapter is not None
    far = [
        (steered[place] - model_logits(decoder.model, ids)).abs().mean()
        for place, ids in enumerate(chats)
        if changed
    ]
    effect = float(torch.stack(far).mean()) if far else 0.0
    return Reference(tuple(chats), steered, effect, decoder.dtype, _routes(decoder))


def model_logits(model: torch.nn.Module, ids: Sequence[int]) -> torch.Tensor:
    """(time, vocabulary) float32 logits of one sequence, on the CPU."""
    device = model.get_input_embeddings().weight.device  # type: ignore[operator, union-attr]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([list(ids)], device=device)).logits
    return logits[0].float().cpu()  # type: ignore[no-any-return]


def compare(wanted: Reference, logits: Logits, what: str) -> Difference:
    """The difference between the reference and what an export answers.

    logits: the export, asked one chat at a time. what: the export, in words, for the message.
    Raises ExportError where the difference is larger than rounding makes it.
    """
    gaps = []
    for ids, expected in zip(wanted.chats, wanted.logits, strict=True):
        found = logits(list(ids)).float().cpu()
        if found.shape[0] != expected.shape[0]:
            raise ExportError(f"{what} answers {len(found)} positions to {len(ids)} tokens.")
        width = min(found.shape[1], expected.shape[1])  # some engines drop or add padding rows
        gaps.append((found[:, :width] - expected[:, :width]).abs())
    scale = max(1.0, *(float(logits.abs().max()) for logits in wanted.logits))
    allowed = TOLERANCE[wanted.dtype] * scale
    gap = Difference(
        largest=max(float(far.max()) for far in gaps),
        mean=float(torch.stack([far.mean() for far in gaps]).mean()),
        effect=wanted.effect,
        allowed=allowed,
        positions=sum(map(len, gaps)),
        beyond=sum(int((~(far.amax(1) <= allowed)).sum()) for far in gaps),
    )
    rerouted = REROUTED if wanted.routes and wanted.dtype != torch.float32 else 0.0
    if gap.beyond > rerouted * gap.positions:
        raise ExportError(
            f"{what} is not the persona: its logits differ from the steered model's by up to "
            f"{gap.largest:.3g} (mean {gap.mean:.3g}), at {gap.beyond} of {gap.positions} "
            f"positions by more than the {allowed:.3g} that rounding in {_named(wanted.dtype)} "
            "may make. Nothing was written."
        )
    if wanted.effect and not gap.mean <= NEARER * wanted.effect:
        raise ExportError(
            f"{what} cannot be told from the plain model: its logits differ from the steered "
            f"model's by {gap.mean:.3g} on average, and the persona itself moves them by "
            f"{wanted.effect:.3g} only. The push is lost in the rounding of "
            f"{_named(wanted.dtype)}; export it from the model in float32. Nothing was written."
        )
    return gap


def check_reply(
    decoder: Decoder,
    persona: Persona,
    wanted: Reference,
    reply: Callable[[list[int], int], list[int]],
    what: str,
) -> None:
    """Raise ExportError unless an engine's own greedy reply is the persona's, its end included.

    reply: the engine: token ids of a chat and the most tokens -> what it says, without the token
    that ends it. Rounding decides between tokens that are equally probable, so each has to be the
    most probable one within what `compare` allows, given those before it.
    """
    ids = list(wanted.chats[0])
    most = tokens_left(decoder, [ids], REPLY_TOKENS)
    said = reply(ids, most)
    if set(said) & set(decoder.ends[:1]):
        raise ExportError(
            f"{what} goes on after {decoder.tokenizer.convert_ids_to_tokens(decoder.ends[0])!r}, "
            "which ends a turn. Nothing was written."
        )
    # an engine that knows that one alone is told the others by who asks it
    said = list(takewhile(lambda token: token not in decoder.end_ids, said))
    if wanted.routes and wanted.dtype != torch.float32:
        return  # rounding asks other experts: see REROUTED
    logits = _persona_logits(decoder, persona, [*ids, *said])[len(ids) - 1 :]
    slack = 2 * TOLERANCE[wanted.dtype] * max(1.0, float(logits.abs().max()))
    for place, best in enumerate(logits.amax(1)):
        ended = place == len(said)
        if ended and place == most:
            return
        taken = sorted(decoder.end_ids) if ended else [said[place]]
        if not bool((logits[place, taken] >= best - slack).any()):
            raise ExportError(
                f"{what} is not the persona: its reply {decoder.text(said)!r} "
                f"{'ends' if ended else 'differs'} after {place} tokens where the steered model's "
                "does not. Nothing was written."
            )


def _persona_logits(decoder: Decoder, persona: Persona, ids: Sequence[int]) -> torch.Tensor:
    with (
        apply_adapter(decoder, persona.adapter),
        steer_heads(decoder, row_displacements(decoder, [persona])),
    ):
        return model_logits(decoder.model, ids)


def _routes(decoder: Decoder) -> bool:
    text = decoder.model.config.get_text_config(decoder=True)
    names = ("num_experts", "num_local_experts", "n_routed_experts")
    return any((getattr(text, name, None) or 0) > 1 for name in names)


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
