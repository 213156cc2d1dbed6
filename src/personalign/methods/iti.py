"""ITI, inference-time intervention: PAS's heads and directions, pushed one fixed, large distance.

Li et al. (2023), "Inference-Time Intervention: Eliciting Truthful Answers from a Language Model",
is what PAS improves on. Heads are ranked by the same probes and pushed along the same directions,
the difference of class means in standard deviations (their "mass mean shift"); but nothing is
searched: their alpha = 15 and K = 48 of LLaMA-7B's 1,024 heads (section 4 and the command of the
released code, `--num_heads 48 --alpha 15 --use_center_of_mass`) serve everybody.

K keeps the share, 4.7% of the model's heads: 48 of 1,024, 1 of the pocket model's 25. So far a
push can make answers worse than the plain model's, and in half precision overflow, which stops
with a SteeringError. That is how it compares, and why PAS searches.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from personalign.errors import MethodError
from personalign.methods.base import PersonaMethod, Progress
from personalign.methods.head_directions import HeadFinder
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, Wording

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Inventory
    from personalign.model.decoder import Decoder

ALPHA = 15.0
"""Li et al.'s distance on LLaMA-7B, in standard deviations."""

SHARE = 48 / 1024
"""Share of the heads that are pushed: Li et al.'s K = 48 of LLaMA-7B's 1,024."""


class Iti(PersonaMethod):
    """Inference-time intervention; see the module's text."""

    name = "iti"
    description = "Pushes such heads one fixed, large distance, the same for everybody."

    def __init__(
        self,
        decoder: Decoder,
        *,
        wording: Wording = PAPI,
        heads: int | None = None,
        alpha: float = ALPHA,
        seed: int = 0,
        cache: Path | str | None = None,
    ) -> None:
        """heads: K; 48 of every 1,024 unless given. alpha: the distance, the same for everybody.

        seed: of the split of items. cache: where the model's head outputs are kept.
        Raises MethodError for more heads than the model has, or an alpha that is no number.
        """
        super().__init__(decoder, wording=wording)
        if not isinstance(alpha, int | float):
            raise MethodError(f"The alpha of iti is {alpha!r}; give a number, such as 15.")
        self.heads = max(1, round(SHARE * decoder.heads.total)) if heads is None else heads
        self.alpha = float(alpha)
        self.seed = seed
        self.finder = HeadFinder(decoder, wording, heads=self.heads, seed=seed, cache=cache)
        """Finds the heads; what it captured of the model is kept."""

    @property
    def settings(self) -> dict[str, Any]:
        return {"heads": self.heads, "alpha": self.alpha, "seed": self.seed}

    def prepare(
        self, inventory: Inventory | None = None, *, progress: Progress | None = None
    ) -> None:
        """Do now what does not depend on the person; arguments as `Pas.prepare`."""
        self.finder.prepare_form(inventory, progress)

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One persona a person; whoever is neutral on (nearly) everything gets the plain model."""
        inventory = respondents.inventory
        items = inventory.tuning
        found = self.finder.find(respondents.responses[:, inventory.columns(items)], items)
        if progress is not None:
            progress(len(respondents), len(respondents))
        return [
            Persona(
                shift=shift,
                alpha=self.alpha if shift is not None else 0.0,
                provenance={**self.provenance(inventory), **found.told(person)},
            )
            for person, shift in enumerate(found.shifts)
        ]
