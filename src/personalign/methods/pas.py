"""PAS, Personality Activation Search: a person's answers to a few heads, directions and alpha.

The paper's section 4, as we build it:

1. The K heads that best tell the person's yes from their no, each with a direction theta and the
   spread sigma along it (`head_directions.py`).
2. alpha is searched on the person's own tuning answers (`search.py`):
   head output += alpha * sigma * theta (Eq. 5).

`protocol="paper"` repeats the released procedure instead, for comparison only: 24 heads by the mean
of training and validation accuracy, outputs read at the bare label, rows split singly, all answers
in the system prompt while steering, and alpha out of {0, 1, 2, 4, 6, 8} *by the held-out answers
themselves*. Its personas and every number made with them carry that name. Two things are not
repeated: answers are compared as responses (the released code compares minus-keyed items with
reverse-scored values), and read from the options' probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from personalign.errors import MethodError
from personalign.inventory.items import Inventory, ipip_neo_300
from personalign.methods.base import PersonaMethod, Progress
from personalign.methods.head_directions import Direction, FoundHeads, HeadFinder, one_of
from personalign.methods.search import AlphaCurve, search_alphas
from personalign.model.persona import Persona, Scope
from personalign.model.prompts import PAPI, Wording, few_shot_prompt
from personalign.model.questions import question_tokens
from personalign.model.readings import kept_readings

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.inventory.items import Item
    from personalign.model.decoder import Decoder

HEADS = 8
"""K, how many heads are pushed; chosen on simulated people and the pocket model (dev/log.md)."""

PAPER_HEADS = 24
"""K of the released code."""

PAPER_ALPHAS = (0.0, 1.0, 2.0, 4.0, 6.0, 8.0)
"""The alphas the released code tries on the held-out items."""

PEOPLE_AT_ONCE = 16
"""People whose candidates share a batch: enough to fill it, few enough for its memory."""

STEPS = 100
"""Steps of progress a person."""


class Pas(PersonaMethod):
    """Personality Activation Search; see the module's text."""

    name = "pas"
    description = "Pushes the few attention heads that tell the person's yes from no."

    def __init__(
        self,
        decoder: Decoder,
        *,
        wording: Wording = PAPI,
        heads: int | None = None,
        direction: Direction = "means",
        prompt: Literal["none", "few-shot"] | None = None,
        scope: Scope = "all",
        protocol: Literal["honest", "paper"] = "honest",
        seed: int = 0,
        cache: Path | str | None = None,
    ) -> None:
        """heads: K; 8 unless given. direction: difference of class means, or the probe's weights.

        prompt: the system prompt under which heads are pushed: none of the person's, or their
        answers. scope: where they are pushed: at "all" positions, or at the "generated" ones only,
        which leaves questions unpushed, to be read once for all people and alphas.
        protocol: "paper" is the released procedure; its K, prompt and alphas are fixed.
        seed: of the split of items. cache: where the model's head outputs are kept.
        Raises MethodError for a setting that does not exist or more heads than the model has.
        """
        super().__init__(decoder, wording=wording)
        paper = protocol == "paper"
        one_of("protocol", protocol, ("honest", "paper"))
        one_of("prompt", prompt, (None, "none", "few-shot"))
        one_of("scope", scope, ("all", "generated"))
        if paper and (heads, prompt, direction, scope) not in (
            (None, None, "means", "all"),
            (None, "few-shot", "means", "all"),
        ):
            raise MethodError(
                "The paper's protocol fixes the number of heads, the direction, the prompt and the "
                "scope; give protocol='paper' without heads, direction, prompt or scope."
            )
        usual = min(PAPER_HEADS if paper else HEADS, decoder.heads.total)
        self.heads = usual if heads is None else heads
        self.finder = HeadFinder(
            decoder,
            wording,
            heads=self.heads,
            direction=direction,
            released=paper,
            seed=seed,
            cache=cache,
        )
        """Finds the heads; what it captured of the model is kept."""
        self.direction = direction
        self.prompt = "few-shot" if paper else (prompt or "none")
        self.scope: Scope = scope
        self.protocol = protocol
        self.seed = seed

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "heads": self.heads,
            "direction": self.direction,
            "prompt": self.prompt,
            "scope": self.scope,
            "protocol": self.protocol,
            "seed": self.seed,
        }

    def personas(
        self, respondents: Respondents, *, progress: Progress | None = None
    ) -> list[Persona]:
        """One persona a person; whoever is neutral on (nearly) everything gets the plain model.

        Raises MethodError where the paper's protocol is asked for and held-out answers are missing.
        """
        done: list[Persona] = []
        with kept_readings(self.decoder):  # everybody is asked the same questions
            for start in range(0, len(respondents), PEOPLE_AT_ONCE):
                some = respondents.select(slice(start, start + PEOPLE_AT_ONCE))

                def advance(
                    part: int, whole: int, done_: int = start, size: int = len(some)
                ) -> None:
                    if progress is not None:
                        steps = STEPS * size * part // max(whole, 1)
                        progress(STEPS * done_ + steps, STEPS * len(respondents))

                done += self._personas(some, advance)
        return done

    def prepare(
        self, inventory: Inventory | None = None, *, progress: Progress | None = None
    ) -> None:
        """Do now what does not depend on the person: read the heads, prepare probes and questions.

        Otherwise the first call of `personas` does it. inventory: whose tuning items are read; the
        300-item form's when left out. progress: called with (chats, all chats)
        while the model reads; nothing is read if a former run has kept the outputs.
        """
        self.finder.prepare_form(inventory, progress)
        if self.prompt == "none":
            items = (inventory or ipip_neo_300()).tuning
            question_tokens(self.decoder, None, items, self.wording)

    def _personas(self, people: Respondents, progress: Progress) -> list[Persona]:
        inventory = people.inventory
        items = inventory.tuning
        responses = people.responses[:, inventory.columns(items)]
        found = self.finder.find(responses, items)
        starts = [
            Persona(
                system_prompt=self._prompt(items, responses[person].tolist()),
                shift=found.shifts[person],
                alpha=0.0,
                scope=self.scope,
            )
            for person in range(len(people))
        ]
        curves = self._search(people, starts, items, responses, progress)
        return [
            Persona(
                system_prompt=start.system_prompt,
                shift=start.shift,
                alpha=curve.best if start.shift is not None else 0.0,
                scope=self.scope,
                provenance=self._told(inventory, found, person, curve),
            )
            for person, (start, curve) in enumerate(zip(starts, curves, strict=True))
        ]

    def _prompt(self, items: Sequence[Item], responses: Sequence[int]) -> str | None:
        return few_shot_prompt(items, responses) if self.prompt == "few-shot" else None

    def _search(
        self,
        people: Respondents,
        personas: Sequence[Persona],
        items: Sequence[Item],
        responses: NDArray[np.int8],
        progress: Progress,
    ) -> list[AlphaCurve]:
        if self.protocol == "honest":
            return search_alphas(
                self.decoder, personas, responses, items, wording=self.wording, progress=progress
            )
        held_out = people.inventory.held_out
        answers = people.responses[:, people.inventory.columns(held_out)]
        if not answers.any(axis=1).all():
            raise MethodError(
                "The paper's protocol chooses alpha by the held-out answers, and some people have "
                "none. Give people who answered every item, or use protocol='honest'."
            )
        return search_alphas(
            self.decoder,
            personas,
            answers,
            held_out,
            wording=self.wording,
            grid=PAPER_ALPHAS,
            refinements=0,
            progress=progress,
        )

    def _told(
        self, inventory: Inventory, found: FoundHeads, person: int, curve: AlphaCurve
    ) -> dict[str, Any]:
        """The provenance of one persona: everything that was found, nothing that was answered."""
        return {
            **self.provenance(inventory),
            "protocol": self.protocol,
            **found.told(person),
            "alpha_curve": curve.told("held-out" if self.protocol == "paper" else "tuning"),
        }
