"""Few-shot: a person's answers, listed in the system prompt (the paper's Appendix C.2).

All given answers to the tuning items go in, in the short form's order, in the paper's wording;
missing ones are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from personalign.methods.base import PersonaMethod, Progress
from personalign.model.persona import Persona
from personalign.model.prompts import few_shot_prompt

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents


class FewShot(PersonaMethod):
    """Every person's answers as the model's system prompt."""

    name = "few-shot"
    description = "The person's answers to the tuning items, listed in the system prompt."

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One prompt persona a person."""
        inventory = respondents.inventory
        items = inventory.tuning
        answers = respondents.responses[:, inventory.columns(items)]
        provenance = self.provenance(inventory)
        return [
            Persona(system_prompt=few_shot_prompt(items, person.tolist()), provenance=provenance)
            for person in answers
        ]
