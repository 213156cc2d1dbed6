"""One method asked about many people, block by block: raw answers, kept in a store.

Nothing is scored here. A run that stops in the middle leaves whole blocks; the same call skips them
and goes on. Only the tuning answers reach a method, unless the method itself follows the
paper's released protocol, which looks at the held-out answers when it picks alpha.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from personalign.bench.store import MethodStore, RawBlock

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Item
    from personalign.methods.base import Method
    from personalign.model.answer import Decision
    from personalign.model.persona import Persona

PEOPLE_PER_BLOCK = 16
"""People between two writes to the store: enough to fill batches, few enough to lose."""

Progress = Callable[[int, int], None]
"""Called as progress(people done, people in all)."""


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


def collect(
    method: Method,
    people: Respondents,
    items: Sequence[Item],
    store: MethodStore,
    *,
    decision: Decision = "mode",
    block: int = PEOPLE_PER_BLOCK,
    progress: Progress | None = None,
) -> Collected:
    """Ask the method about everybody, skipping the blocks the store already has.

    Args:
        method: what answers; a `PersonaMethod` makes personas, which the model then answers with.
        people: with all their answers; what the method may not see is taken away here.
        items: the items to answer.
        store: where blocks go and come from (`ResultStore(None).open(...)` keeps nothing).
        decision: how option probabilities become a response; the raw answers do not depend on it.
        block: people a block.
        progress: called with (people done, all people).
    """
    blocks = []
    for start in range(0, len(people), block):
        stop = min(start + block, len(people))
        done = store.read(start, stop)
        if done is None:
            some = _visible(method, people.select(slice(start, stop)))
            done = _ask(method, some, items, _within(progress, start, stop, len(people)))
            store.write(start, stop, done)
        blocks.append(done)
        if progress is not None:
            progress(stop, len(people))
    if not store.finished:
        store.finish({"people": len(people), "items": len(items), "blocks": len(blocks)})
    return _join(blocks, items, decision, method)


def _visible(method: Method, people: Respondents) -> Respondents:
    """The answers the method may learn from."""
    if getattr(method, "protocol", "honest") == "paper":
        return people
    return people.only(people.inventory.tuning)


def _within(progress: Progress | None, start: int, stop: int, people: int) -> Progress | None:
    """Progress of any unit inside one block, told in people."""
    if progress is None:
        return None
    return lambda done, total: progress(start + (stop - start) * done // max(total, 1), people)


def _ask(
    method: Method, people: Respondents, items: Sequence[Item], progress: Progress | None
) -> RawBlock:
    from personalign.methods.base import PersonaMethod
    from personalign.model.any_model import answers_of

    began = time.perf_counter()
    if not isinstance(method, PersonaMethod):
        responses = np.asarray(method.predict(people, items), dtype=np.int8)
        return RawBlock({"responses": responses}, (0.0, time.perf_counter() - began))
    personas = method.personas(people, progress=progress)
    made = time.perf_counter()
    answers = answers_of(method.decoder, personas, items, wording=method.wording)
    answered = time.perf_counter()
    return RawBlock(
        {
            "log_probs": np.asarray(answers.log_probs, dtype=np.float32),
            "mass": np.asarray(answers.mass, dtype=np.float32),
        },
        (made - began, answered - made),
        tuple(persona_record(persona) for persona in personas),
    )


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
        "provenance": told,
    }


def _join(
    blocks: Sequence[RawBlock], items: Sequence[Item], decision: Decision, method: Method
) -> Collected:
    from personalign.methods.base import PersonaMethod
    from personalign.model.answer import Answers

    make, answer = (sum(block.seconds[i] for block in blocks) for i in (0, 1))
    records = tuple(record for block in blocks for record in block.records)
    if "responses" in blocks[0].arrays:
        responses = np.concatenate([block.arrays["responses"] for block in blocks])
        return Collected(responses, None, (make, answer), records)
    assert isinstance(method, PersonaMethod), "only personas are asked by option probabilities"
    log_probs = np.concatenate([block.arrays["log_probs"] for block in blocks])
    mass = np.concatenate([block.arrays["mass"] for block in blocks])
    answers = Answers(log_probs, mass, tuple(items), method.wording)
    return Collected(answers.responses(decision), mass, (make, answer), records)
