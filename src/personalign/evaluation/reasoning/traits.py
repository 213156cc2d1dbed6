"""Personas of one trait: "conscientiousness +1 and -1", as in the paper's section 5.3.

**By alpha**, the paper's way (Appendix C.4): one persona of somebody who answers every item of the
trait at its high end, pushed with alpha +1 and with alpha -1. The method's own search for alpha
counts for nothing then.

**By answers**, ours: two people, at either end of the trait, each as the method makes them, alpha
and all. This works for methods that push nothing, and shows what the method would do for a user
who answered so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from personalign.dataset.poles import people_at_poles
from personalign.errors import EvaluationError
from personalign.inventory.items import Inventory
from personalign.model.persona import Persona

if TYPE_CHECKING:
    from personalign.methods.base import PersonaMethod, Progress

Way = Literal["alpha", "answers"]
"""How the two ends of a trait are told apart."""

ALPHAS = (1.0, -1.0)
"""The paper's."""


def trait_personas(
    method: PersonaMethod,
    traits: Sequence[str] = ("C",),
    *,
    way: Way = "alpha",
    alphas: Sequence[float] = ALPHAS,
    inventory: Inventory | None = None,
    progress: Progress | None = None,
) -> dict[str, Persona]:
    """Personas by name: "C+1", "C-1" by alpha; "C high", "C low" by answers.

    traits: letters. alphas: by alpha, how far the persona of the high end is pushed.
    Raises EvaluationError, by alpha, where the method pushes nothing for alpha to scale.
    """
    ends = ["high"] if way == "alpha" else ["high", "low"]
    people = people_at_poles(traits, ends, inventory=inventory)
    made = method.personas(people.only(people.inventory.tuning), progress=progress)
    if way == "answers":
        return dict(zip(people.ids, made, strict=True))
    still = [name for name, persona in zip(people.ids, made, strict=True) if not persona.pushes]
    if still:
        raise EvaluationError(
            f"{method.name} makes a persona of {still[0]} that pushes nothing, so there is no "
            "alpha to change. Make both ends from answers instead, or take a method that pushes."
        )
    return {
        f"{trait}{alpha:+g}": persona.with_alpha(alpha)
        for trait, persona in zip(traits, made, strict=True)
        for alpha in alphas
    }
