"""Few-shot lists that depend on the question: the answers that say most about it, and no others.

`few-shot-nearest` lists the answers to the statements nearest in meaning to the one asked about,
`few-shot-facet` those to statements of the same facet. Shorter prompts than the whole list, and a
different one for every question; so these methods make no persona, they answer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from personalign.errors import MethodError
from personalign.methods.activations import cache_folder
from personalign.methods.base import Method, model_for
from personalign.methods.meaning import similarities
from personalign.model.any_model import answers_of_each
from personalign.model.prompts import PAPI, Wording, few_shot_prompt

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Inventory, Item
    from personalign.model.answer import Decision
    from personalign.model.any_model import Model

NEAREST = 20
"""Answers listed by `few-shot-nearest`; tried on simulated people (dev/log.md)."""


class _ListPerQuestion(Method):
    """A few-shot prompt written anew for every person and question."""

    black_box = True

    def __init__(
        self, decoder: Model, *, wording: Wording = PAPI, decision: Decision = "mode"
    ) -> None:
        """decision: how option probabilities become a response, of a model that shows them."""
        self.decoder = model_for(self, decoder)
        """The model that answers."""
        self.wording = wording
        """How items are put to the model."""
        self.decision: Decision = decision

    @property
    def settings(self) -> dict[str, Any]:
        return {"decision": self.decision}

    @abstractmethod
    def telling(self, inventory: Inventory, item: Item) -> list[Item]:
        """Tuning items whose answers say something about an item, the most telling first."""

    def prompts(self, respondents: Respondents, items: Sequence[Item]) -> list[list[str | None]]:
        """[person][item] the system prompt; None, the neutral one, where no answer tells anything.

        The most telling answer comes last, next to the question.
        """
        inventory = respondents.inventory
        telling = [self.telling(inventory, item) for item in items]
        written: list[list[str | None]] = []
        for person in respondents.responses:
            given = dict(zip((item.number for item in inventory), person.tolist(), strict=True))
            row: list[str | None] = []
            for ranked in telling:
                listed = self._listed([item for item in ranked if given[item.number]])[::-1]
                answers = [given[item.number] for item in listed]
                row.append(few_shot_prompt(listed, answers) if listed else None)
            written.append(row)
        return written

    def predict(self, respondents: Respondents, items: Sequence[Item]) -> NDArray[np.int8]:
        """(people, items) responses, each asked under its own prompt."""
        prompts = self.prompts(respondents, items)
        answers = answers_of_each(self.decoder, prompts, items, wording=self.wording)
        return answers.responses(self.decision)

    def _listed(self, answered: list[Item]) -> list[Item]:
        return answered


class FewShotNearest(_ListPerQuestion):
    """The answers to the statements nearest in meaning to the one asked about."""

    name = "few-shot-nearest"
    description = "For each question, the answers to the statements nearest to it in meaning."

    def __init__(
        self,
        decoder: Model,
        *,
        wording: Wording = PAPI,
        decision: Decision = "mode",
        answers: int = NEAREST,
        cache: Path | str | None = "default",
    ) -> None:
        """answers: how many are listed. cache: where what statements mean to the model is kept;
        None keeps nothing, and "default" is the user's cache folder.
        """
        super().__init__(decoder, wording=wording, decision=decision)
        if answers < 1:
            raise MethodError(
                f"few-shot-nearest is to list {answers} answers; it lists at least one."
            )
        self.answers = answers
        self._cache = cache
        self._close: dict[str, NDArray[np.float32]] = {}

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "answers": self.answers}

    def telling(self, inventory: Inventory, item: Item) -> list[Item]:
        """All tuning items but the one itself, the nearest in meaning first."""
        if inventory.name not in self._close:
            kept = cache_folder() if self._cache == "default" else self._cache
            self._close[inventory.name] = similarities(
                self.decoder, inventory, self.wording, cache=None if kept is None else Path(kept)
            )
        others = [other for other in inventory.tuning if other.number != item.number]
        row = self._close[inventory.name][inventory.columns([item])[0], inventory.columns(others)]
        return [others[place] for place in np.argsort(-row, kind="stable")]

    def _listed(self, answered: list[Item]) -> list[Item]:
        return answered[: self.answers]


class FewShotFacet(_ListPerQuestion):
    """The answers to statements of the facet that the question belongs to."""

    name = "few-shot-facet"
    description = "For each question, the answers to statements of the same facet."

    def telling(self, inventory: Inventory, item: Item) -> list[Item]:
        """Tuning items of the item's facet, or of its trait where there are no facets."""
        scale = "facet" if inventory.has_facets else "trait"
        return [
            other
            for other in inventory.tuning
            if getattr(other, scale) == getattr(item, scale) and other.number != item.number
        ]
