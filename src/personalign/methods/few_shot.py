"""Few-shot: a person's answers, listed in the system prompt (the paper's Appendix C.2).

By default all given answers to the tuning items go in, in the short form's order, in the paper's
wording; missing ones are left out. How many are listed, and in which order, can be set, since both
change what a model makes of a list. Lists that depend on the question asked are in `nearest.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from personalign.errors import MethodError
from personalign.inventory.keys import FACETS, TRAITS
from personalign.methods.base import PersonaMethod, Progress
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, Wording, few_shot_prompt

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Inventory, Item
    from personalign.model.any_model import Model

Order = Literal["form", "random", "facet"]
"""The short form's order, a shuffled one, or the answers of each facet together."""


class FewShot(PersonaMethod):
    """Every person's answers as the model's system prompt."""

    name = "few-shot"
    description = "The person's answers to the tuning items, listed in the system prompt."
    black_box = True

    def __init__(
        self,
        decoder: Model,
        *,
        wording: Wording = PAPI,
        answers: int | None = None,
        order: Order = "form",
        seed: int = 0,
    ) -> None:
        """answers: how many are listed at most; all when left out. The form goes round the facets,
        so the first 30 are one of each; with the order "random" they are drawn.
        order: "form", "random" (the same for everybody) or "facet". seed: of the random order.
        """
        super().__init__(decoder, wording=wording)
        if answers is not None and answers < 1:
            raise MethodError(f"few-shot is to list {answers} answers; it lists at least one.")
        if order not in get_args(Order):
            raise MethodError(
                f"few-shot knows no order {order!r}; choose {', '.join(get_args(Order))}."
            )
        self.answers = answers
        self.order: Order = order
        self.seed = seed

    @property
    def settings(self) -> dict[str, Any]:
        drawn = {"seed": self.seed} if self.order == "random" else {}
        return {"answers": self.answers, "order": self.order, **drawn}

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One prompt persona a person."""
        inventory = respondents.inventory
        provenance = self.provenance(inventory)
        return [
            Persona(system_prompt=self._prompt(inventory, person), provenance=provenance)
            for person in respondents.responses
        ]

    def _prompt(self, inventory: Inventory, responses: np.ndarray) -> str:
        given = dict(zip(inventory.tuning, responses[inventory.columns(inventory.tuning)].tolist(),
                         strict=True))  # fmt: skip
        listed = list(inventory.tuning)
        if self.order == "random":
            drawn = np.random.default_rng(self.seed).permutation(len(listed))
            listed = [listed[place] for place in drawn]
        listed = [item for item in listed if given[item]][: self.answers]
        if self.order == "facet":
            listed = by_facet(listed)
        return few_shot_prompt(listed, [given[item] for item in listed])


def by_facet(items: Sequence[Item]) -> list[Item]:
    """The items of each facet together, in the order of `FACETS`; by trait where there are none."""
    facets, traits = list(FACETS), list(TRAITS)
    return sorted(
        items,
        key=lambda item: (
            traits.index(item.trait),
            -1 if item.facet is None else facets.index(item.facet),
        ),
    )
