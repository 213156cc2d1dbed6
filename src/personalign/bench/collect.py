"""One method asked about many people, block by block: raw answers, kept in a store.

Nothing is scored here. A run that stops in the middle leaves whole blocks; the same call skips them
and goes on. Only the tuning answers reach a method, unless the method itself follows the
paper's released protocol, which looks at the held-out answers when it picks alpha.

Beside the items that are scored, a model that is here is asked the tuning items again: how far a
method moved it towards the answers it was shown. (An API is not: it would charge for them.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from personalign.bench.store import MethodStore, RawBlock
from personalign.evaluation.meter import peak_memory
from personalign.evaluation.side_effects import bound_alpha

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Item
    from personalign.methods.base import Method
    from personalign.model.answer import Decision
    from personalign.model.persona import Persona
    from personalign.model.prompts import Wording

Progress = Callable[[float, int], None]
"""Called as progress(people done, people in all); part of a person counts as that part."""


@dataclass(frozen=True)
class Collected:
    """What one method said about everybody."""

    responses: NDArray[np.int8]
    """(people, items) responses 1-5, 0 where an answer could not be parsed."""
    mass: NDArray[np.float32] | None = field(repr=False)
    """(people, items) probability of the five labels among all tokens; None without a model."""
    seconds: tuple[float, float]
    """Seconds of making the personas and of answering, over all people."""
    records: tuple[dict[str, Any], ...] = field(repr=False)
    """One a person: alpha, heads, provenance; empty for a method without personas."""
    peak_bytes: int | None = None
    """Highest memory of any block, above what was held before it; None where nothing tells."""
    tuning: NDArray[np.int8] | None = field(default=None, repr=False)
    """(people, tuning items) responses to the items the method learnt from; None if not asked."""


@dataclass(frozen=True)
class Made:
    """The personas of some people, and what making them took."""

    personas: list[Persona]
    """One a person."""
    seconds: float
    """Seconds of making them all."""
    peak_bytes: int | None
    """Highest memory meanwhile, above what was held before."""


def collect(
    method: Method,
    people: Respondents,
    items: Sequence[Item],
    store: MethodStore,
    *,
    decision: Decision = "mode",
    block: int | None = None,
    max_kl: float | None = None,
    progress: Progress | None = None,
) -> Collected:
    """Ask the method about everybody, skipping the blocks the store already has.

    Args:
        method: what answers; a `PersonaMethod` makes personas, which the model then answers with.
        people: with all their answers; what the method may not see is taken away here.
        items: the items to answer.
        store: where blocks go and come from (`ResultStore(None).open(...)` keeps nothing).
        decision: how option probabilities become a response; the raw answers do not depend on it.
        block: people a block, at most; as many as the method makes at once if left out.
        max_kl: a budget for every persona, nats a token of plain text (`bound_alpha`).
        progress: called with (people done, all people).
    """
    blocks = []
    for start, stop in chunks(
        len(people), min(block or method.people_at_once, method.people_at_once)
    ):
        done = store.read(start, stop)
        if done is None:
            some = people.select(slice(start, stop))
            part = _within(progress, start, stop, len(people))
            made = make_personas(method, some, progress=part)
            done = ask(method, some, items, made, max_kl)
            store.write(start, stop, done)
        blocks.append(done)
        if progress is not None:
            progress(stop, len(people))
    if not store.finished:
        store.finish({"people": len(people), "items": len(items), "blocks": len(blocks)})
    return joined(blocks, decision, getattr(method, "wording", None))


def chunks(people: int, size: int) -> list[tuple[int, int]]:
    """(start, stop) of blocks of so many people.

    >>> chunks(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(start, min(start + size, people)) for start in range(0, people, size)]


def make_personas(
    method: Method, people: Respondents, *, progress: Progress | None = None
) -> Made | None:
    """The people's personas, from what the method may learn from; None if it makes none."""
    from personalign.methods.base import PersonaMethod

    if not isinstance(method, PersonaMethod):
        return None
    with peak_memory(getattr(method.decoder, "device", "cpu")) as peak:
        began = time.perf_counter()
        personas = method.personas(method.visible(people), progress=progress)
        return Made(personas, time.perf_counter() - began, peak())


def ask(
    method: Method,
    people: Respondents,
    items: Sequence[Item],
    made: Made | None,
    max_kl: float | None = None,
) -> RawBlock:
    """What the method answers for these people, raw.

    made: their personas, for a method that makes them. Arguments else as for `collect`.
    """
    from personalign.methods.base import PersonaMethod
    from personalign.model.any_model import answers_of

    model = getattr(method, "decoder", None)
    learnt = people.inventory.tuning if hasattr(model, "heads") else ()
    with peak_memory(getattr(model, "device", "cpu"), tidy=made is None) as peak:
        began = time.perf_counter()
        if made is None or not isinstance(method, PersonaMethod):
            known = method.visible(people)
            arrays = {"responses": np.asarray(method.predict(known, items), dtype=np.int8)}
            seconds, highest = (0.0, time.perf_counter() - began), peak()
            if learnt:
                arrays["tuning"] = np.asarray(method.predict(known, learnt), dtype=np.int8)
            return RawBlock(arrays, seconds, peak_bytes=highest)
        personas = made.personas
        if max_kl is not None:
            personas = bound_alpha(method.decoder, personas, max_kl)
        bounded = time.perf_counter()
        answers = answers_of(method.decoder, personas, items, wording=method.wording)
        answered = time.perf_counter()
        highest = peak()
    arrays = {
        "log_probs": np.asarray(answers.log_probs, dtype=np.float32),
        "mass": np.asarray(answers.mass, dtype=np.float32),
    }
    if learnt:
        again = answers_of(method.decoder, personas, learnt, wording=method.wording)
        arrays["tuning_log_probs"] = np.asarray(again.log_probs, dtype=np.float32)
    return RawBlock(
        arrays,
        (made.seconds + bounded - began, answered - bounded),
        tuple(persona_record(persona) for persona in personas),
        max((one for one in (made.peak_bytes, highest) if one is not None), default=None),
    )


def _within(progress: Progress | None, start: int, stop: int, people: int) -> Progress | None:
    """Progress of any unit inside one block, told in people."""
    if progress is None:
        return None
    return lambda done, total: progress(start + (stop - start) * done / max(total, 1), people)


def persona_record(persona: Persona) -> dict[str, Any]:
    """What is worth keeping of a persona beside its answers: nothing of what the person said."""
    from personalign.model.persona import ANSWERS_KEY

    told = {name: value for name, value in persona.provenance.items() if name != ANSWERS_KEY}
    heads = (
        [] if persona.shift is None else zip(persona.shift.layers, persona.shift.heads, strict=True)
    )
    return {
        "alpha": float(persona.alpha),
        "heads": [[int(layer), int(head)] for layer, head in heads],
        "prompted": persona.system_prompt is not None,
        "stream": [] if persona.residual is None else persona.residual.layers.tolist(),
        "adapted": persona.adapter is not None,
        "provenance": told,
    }


def joined(blocks: Sequence[RawBlock], decision: Decision, wording: Wording | None) -> Collected:
    """The blocks of everybody, put together.

    wording: in which probabilities were read; None where no model was asked by probabilities.
    """
    make, answer = (sum(block.seconds[i] for block in blocks) for i in (0, 1))
    peaks = [block.peak_bytes for block in blocks if block.peak_bytes is not None]
    arrays = {
        name: np.concatenate([block.arrays[name] for block in blocks]) for name in blocks[0].arrays
    }
    tuning = arrays.get("tuning")
    if "tuning_log_probs" in arrays:
        tuning = _responses(arrays["tuning_log_probs"], decision, wording)
    responses = arrays.get("responses")
    if responses is None:
        responses = _responses(arrays["log_probs"], decision, wording)
    return Collected(
        responses,
        arrays.get("mass"),
        (make, answer),
        tuple(record for block in blocks for record in block.records),
        max(peaks, default=None),
        tuning,
    )


def _responses(
    log_probs: NDArray[np.float32], decision: Decision, wording: Wording | None
) -> NDArray[np.int8]:
    """(people, items) responses from the options' log-probabilities (people, items, 5)."""
    from personalign.model.answer import Answers

    assert wording is not None, "only personas are asked by option probabilities, in some wording"
    mass = np.ones(log_probs.shape[:2], np.float32)
    return Answers(log_probs, mass, (), wording).responses(decision)
