"""No personalisation: the model as it is, under the neutral system prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personalign.methods.base import PersonaMethod, Progress
from personalign.model.persona import Persona

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents


class NoPersona(PersonaMethod):
    """The plain model for everybody: what personalisation starts from."""

    name = "none"
    description = "The plain model, the same for everybody."
    black_box = True

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """The plain persona, once a person."""
        return [
            Persona(provenance=self.provenance(respondents.inventory))
            for _ in range(len(respondents))
        ]
