"""One question to one persona at several alphas: how each reads, and what it costs.

Paper Appendix F shows one user's advice on a job interview at alpha 0, 1, 4 (the optimum) and 7.
Texts alone persuade; so beside each stands what that strength does to the rest of the model, as
`side_effects` measures it, and how much of this very reply repeats itself.

Rows are raw and plain JSON values; nothing is averaged, so there is nothing to summarise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from personalign.errors import EvaluationError
from personalign.evaluation.side_effects import repeated_share, side_effects
from personalign.model.generate import generate
from personalign.model.prompts import PAPI, Wording

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

Strength = float | Literal["best"]
"""An alpha, or the one the persona was made with."""

PAPER_PROMPT = (
    "I have a job interview next week for a software developer position at a large tech company. "
    "I\u2019m feeling nervous and unsure how to prepare. Can you give me some advice on how to get "
    "ready for this interview?"
)
"""What the user of Appendix F asks."""

PAPER_STRENGTHS: tuple[Strength, ...] = (0.0, 1.0, "best", 7.0)
"""The alphas of Appendix F, where the best was 4."""

REPLY_TOKENS = 256
"""Longest reply, in tokens; the paper does not say."""


def alpha_case(
    decoder: Decoder,
    personas: Mapping[str, Persona],
    prompt: str,
    *,
    strengths: Sequence[Strength] = PAPER_STRENGTHS,
    max_new_tokens: int = REPLY_TOKENS,
    temperature: float = 0.0,
    seed: int = 0,
    wording: Wording = PAPI,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Every persona's reply to the prompt at every strength, with its cost.

    personas: by the name they go by, such as the method's; each must push something.
    strengths: alphas, and "best" for the persona's own; one that comes up twice is asked once, and
    they are answered from weak to strong. temperature, seed: every reply is drawn from the same
    seed, so that replies differ by alpha alone. wording: in which statements are asked for the
    share of unparsed answers. progress: called with (replies and neutral texts read, in all).

    Returns a row a persona and strength: `persona`, `alpha`, `best` (whether it is the persona's
    own), `prompted` (whether a system prompt comes with it, at alpha 0 too), `prompt`, `text`,
    `tokens` of the text, `repeats` in it (share of runs of three tokens that came before), and
    `cost`: `kl`, `perplexity`, `plain_perplexity`, `unparsed`, `repeats`, `plain_repeats`, as in
    `SideEffects`.
    Raises EvaluationError where there is no persona, no strength, or a persona that pushes nothing;
    SteeringError where a strength makes the logits non-finite.
    """
    cases = _cases(personas, strengths)
    asked = [personas[name].with_alpha(alpha) for name, alpha in cases]
    # One chat a call where it is drawn at random: a batch's chats have seeds of their own.
    batches = [asked] if temperature == 0 else [[one] for one in asked]
    texts = [
        text
        for some in batches
        for text in generate(
            decoder,
            some,
            [prompt] * len(some),
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            seed=seed,
        )
    ]
    effects = side_effects(decoder, asked, wording=wording, progress=progress)
    rows = []
    for (name, alpha), persona, text, cost in zip(cases, asked, texts, effects, strict=True):
        tokens = decoder.chat.encode(text)
        rows.append(
            {
                "persona": name,
                "alpha": alpha,
                "best": alpha == personas[name].alpha,
                "prompted": persona.system_prompt is not None,
                "prompt": prompt,
                "text": text,
                "tokens": len(tokens),
                "repeats": repeated_share(tokens),
                "cost": cost.told(),
            }
        )
    return rows


def read_strengths(text: str) -> tuple[Strength, ...]:
    """Strengths out of a list such as "0,1,best,7".

    Raises EvaluationError for anything that is neither a finite number nor "best".

    >>> read_strengths("0, 1.5, best")
    (0.0, 1.5, 'best')
    """
    return tuple(_strength(part.strip(), text) for part in text.split(","))


def _strength(part: str, text: str) -> Strength:
    if part == "best":
        return "best"
    try:
        alpha = float(part)
    except ValueError:
        alpha = float("nan")
    if not abs(alpha) < float("inf"):
        raise EvaluationError(
            f"{part!r} in the alphas {text!r} is neither a number nor 'best'; separate alphas by "
            "commas, as in 0,1,best,7."
        )
    return alpha


def _cases(
    personas: Mapping[str, Persona], strengths: Sequence[Strength]
) -> list[tuple[str, float]]:
    """(name, alpha) of everything to ask, each once, from weak to strong."""
    if not personas or not strengths:
        raise EvaluationError(
            f"There are {len(personas)} personas and {len(strengths)} alphas to show; give one of "
            "each at least."
        )
    for name, persona in personas.items():
        if not persona.pushes:
            raise EvaluationError(
                f"The persona {name} pushes nothing inside the model, so it reads the same at "
                "every alpha; give one of pas, dials, iti or caa."
            )
    return [
        (name, alpha)
        for name, persona in personas.items()
        for alpha in sorted({persona.alpha if s == "best" else float(s) for s in strengths})
    ]
