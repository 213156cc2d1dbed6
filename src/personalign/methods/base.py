"""The seam every method has: from what people answered to what they would answer.

`Method.predict` is all a score needs, so predictors without a model fit. A `PersonaMethod` makes a
`Persona` for each person and lets the model answer as it. Callers hand over people whose answers
to the tuning items alone are visible: `respondents.only(inventory.tuning)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from personalign.errors import MethodError
from personalign.model.prompts import PAPI, Wording

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Inventory, Item
    from personalign.model.any_model import Model
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona

Progress = Callable[[int, int], None]
"""Called as progress(done, total)."""


class Method(ABC):
    """Something that says what people would answer."""

    name: str
    """What the method is called in tables and on the command line."""
    description: str
    """One line on what it does."""
    black_box: ClassVar[bool] = False
    """Whether it works by prompts alone, and so on a model behind an API too."""
    people_at_once: ClassVar[int] = 16
    """People between two writes of a benchmark: enough to fill batches, few enough to lose."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that changes the method's answers, as it goes into results."""
        return {}

    def visible(self, respondents: Respondents) -> Respondents:
        """The people as the method may see them: with their answers to the tuning items alone,
        unless it follows the paper's released protocol, which looks at all."""
        if getattr(self, "protocol", "honest") == "paper":
            return respondents
        return respondents.only(respondents.inventory.tuning)

    @abstractmethod
    def predict(self, respondents: Respondents, items: Sequence[Item]) -> NDArray[np.int8]:
        """(people, items) predicted responses 1-5; 0 where there is none.

        respondents: people of whom the method sees the answers it may learn from.
        """


class PersonaMethod(Method):
    """A method that turns each person into a persona of one model."""

    def __init__(self, decoder: Model, *, wording: Wording = PAPI) -> None:
        self.decoder = model_for(self, decoder)
        """The model the personas are made for and answer with."""
        self.wording = wording
        """How items are put to the model."""

    @abstractmethod
    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One persona a person, in their order; progress counts people or finer steps."""

    def predict(self, respondents: Respondents, items: Sequence[Item]) -> NDArray[np.int8]:
        """(people, items) the most probable options, asked of the model as each persona."""
        from personalign.model.any_model import answers_of

        personas = self.personas(respondents)
        return answers_of(self.decoder, personas, items, wording=self.wording).responses()

    def provenance(self, inventory: Inventory | None = None) -> dict[str, Any]:
        """What every persona of this method records of where it comes from.

        inventory: the questionnaire it learnt from; the 300-item form when left out.
        """
        from personalign import __version__
        from personalign.inventory.items import ipip_neo_300

        return {
            **self.decoder.provenance,
            "method": self.name,
            "settings": {**self.settings, "wording": self.wording.name},
            "inventory": (inventory or ipip_neo_300()).name,
            "version": __version__,
        }


def model_for(method: Method | type[Method], model: Model) -> Decoder:
    """The model, once it is sure that the method can work with it.

    A model behind an API is no `Decoder`; a method that works by prompts alone never looks inside
    it, and is told it is one. Raises MethodError for a method that does look.
    """
    if not method.black_box and not hasattr(model, "heads"):
        from personalign.methods.registry import METHODS

        able = ", ".join(name for name, known in METHODS.items() if known.black_box)
        raise MethodError(
            f"{method.name} works inside the model, and {model.name} is behind an API, where "
            f"nothing can be seen or changed. Methods that work there are {able}; for "
            f"{method.name}, load the model's weights."
        )
    return cast("Decoder", model)
