"""PAS, Personality Activation Search: a person's answers to a few heads, directions and alpha.

The paper's section 4, as we build it:

1. X, every head's output at the end of an agreeing and of a disagreeing answer to each tuning
   item, is captured once per model (`activations.py`).
2. A person labels the rows of X: on their side or not; neutral and missing answers label nothing.
   A logistic probe per head is trained on 60% of the items and judged on the rest (`probes.py`).
3. The K heads whose probes judge best are pushed along theta = mean of the person's side minus
   mean of the other, unit length; sigma is the standard deviation of the outputs along theta.
4. alpha is searched on the person's own tuning answers (`search.py`):
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
import torch
from numpy.typing import NDArray

from personalign.errors import MethodError
from personalign.inventory.items import Inventory, ipip_neo_300
from personalign.methods.activations import cache_folder, contrast_outputs
from personalign.methods.base import PersonaMethod, Progress
from personalign.methods.probes import ProbeFitter, Probes, row_labels
from personalign.methods.search import AlphaCurve, search_alphas
from personalign.methods.split import item_split, row_split
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI, Wording, few_shot_prompt
from personalign.model.shift import Shift

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
        direction: Literal["means", "probe"] = "means",
        prompt: Literal["none", "few-shot"] | None = None,
        protocol: Literal["honest", "paper"] = "honest",
        seed: int = 0,
        cache: Path | str | None = None,
    ) -> None:
        """heads: K; 8 unless given. direction: difference of class means, or the probe's weights.

        prompt: the system prompt under which heads are pushed: none of the person's, or their
        answers. protocol: "paper" is the released procedure; its K, prompt and alphas are fixed.
        seed: of the split of items. cache: where the model's head outputs are kept.
        Raises MethodError for a setting that does not exist or more heads than the model has.
        """
        super().__init__(decoder, wording=wording)
        paper = protocol == "paper"
        _one_of("direction", direction, ("means", "probe"))
        _one_of("protocol", protocol, ("honest", "paper"))
        _one_of("prompt", prompt, (None, "none", "few-shot"))
        if paper and (heads, prompt, direction) not in (
            (None, None, "means"),
            (None, "few-shot", "means"),
        ):
            raise MethodError(
                "The paper's protocol fixes the number of heads, the direction and the prompt; "
                "give protocol='paper' without heads, direction or prompt."
            )
        total = decoder.heads.total
        self.heads = min(PAPER_HEADS, total) if paper else (HEADS if heads is None else heads)
        if heads is None:
            self.heads = min(self.heads, total)
        if not 1 <= self.heads <= total:
            raise MethodError(
                f"PAS was asked for {self.heads} heads, but {decoder.name} has {total} "
                f"({decoder.heads.layers} layers of {decoder.heads.heads}); choose 1 to {total}."
            )
        self.direction = direction
        self.prompt = "few-shot" if paper else (prompt or "none")
        self.protocol = protocol
        self.seed = seed
        self.cache = Path(cache) if cache is not None else cache_folder()
        self._ready: dict[tuple[str, ...], tuple[ProbeFitter, torch.Tensor]] = {}

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "heads": self.heads,
            "direction": self.direction,
            "prompt": self.prompt,
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
        for start in range(0, len(respondents), PEOPLE_AT_ONCE):
            some = respondents.select(slice(start, start + PEOPLE_AT_ONCE))

            def advance(part: int, whole: int, done_: int = start, size: int = len(some)) -> None:
                if progress is not None:
                    steps = STEPS * size * part // max(whole, 1)
                    progress(STEPS * done_ + steps, STEPS * len(respondents))

            done += self._personas(some, advance)
        return done

    def prepare(
        self, inventory: Inventory | None = None, *, progress: Progress | None = None
    ) -> None:
        """Do now what does not depend on the person: read the heads, prepare the probes.

        Otherwise the first call of `personas` does it. inventory: whose tuning items are read; the
        300-item form's when left out. progress: called with (chats, all chats)
        while the model reads; nothing is read if a former run has kept the outputs.
        """
        self._prepared((inventory or ipip_neo_300()).tuning, progress)

    def _personas(self, people: Respondents, progress: Progress) -> list[Persona]:
        inventory = people.inventory
        items = inventory.tuning
        responses = people.responses[:, inventory.columns(items)]
        fitter, outputs = self._prepared(items)
        labels = row_labels(responses)
        probes = fitter.fit(labels, self._train_rows(labels), weights=self.direction == "probe")
        chosen = self._ranking(probes)
        shifts = [
            self._shift(outputs, labels[person], probes, person, chosen[person]) if judged else None
            for person, judged in enumerate(_judged(probes))
        ]
        starts = [
            Persona(
                system_prompt=self._prompt(items, responses[person].tolist()),
                shift=shifts[person],
                alpha=0.0,
            )
            for person in range(len(people))
        ]
        curves = self._search(people, starts, items, responses, progress)
        return [
            Persona(
                system_prompt=start.system_prompt,
                shift=start.shift,
                alpha=curve.best if start.shift is not None else 0.0,
                provenance=self._told(inventory, probes, person, start.shift, curve),
            )
            for person, (start, curve) in enumerate(zip(starts, curves, strict=True))
        ]

    def _prepared(
        self, items: Sequence[Item], progress: Progress | None = None
    ) -> tuple[ProbeFitter, torch.Tensor]:
        """What does not depend on the person, computed once for these items."""
        asked = tuple(item.statement for item in items)
        if asked not in self._ready:
            outputs = contrast_outputs(
                self.decoder,
                items,
                self.wording,
                label_only=self.protocol == "paper",
                cache=self.cache,
                progress=progress,
            )
            fitted = None
            if self.protocol == "honest":
                fitted = np.repeat(item_split(len(items), seed=self.seed), 2)
            fitter = ProbeFitter(outputs, fitted, device=self.decoder.device)
            self._ready[asked] = (fitter, outputs)
        return self._ready[asked]

    def _train_rows(self, labels: NDArray[np.int8]) -> NDArray[np.bool_]:
        """(rows,) or (people, rows) which rows train the probes."""
        if self.protocol == "paper":
            return row_split(labels != 0, seed=self.seed)
        return np.repeat(item_split(labels.shape[1] // 2, seed=self.seed), 2)

    def _ranking(self, probes: Probes) -> NDArray[np.int64]:
        """(people, K) flat numbers of the chosen heads, best first; of equals the earlier head."""
        accuracy = probes.validation_accuracy
        if self.protocol == "paper":
            accuracy = (accuracy + probes.train_accuracy) / 2
        flat = np.nan_to_num(accuracy.reshape(len(accuracy), -1), nan=0.0).round(9)
        return np.argsort(-flat, axis=1, kind="stable")[:, : self.heads]

    def _shift(
        self,
        outputs: torch.Tensor,
        labels: NDArray[np.int8],
        probes: Probes,
        person: int,
        chosen: NDArray[np.int64],
    ) -> Shift:
        layers, heads = np.divmod(chosen, self.decoder.heads.heads)
        kept = outputs.numpy()[:, layers, heads][labels != 0].astype(np.float64)
        side = labels[labels != 0]
        if self.direction == "means":
            directions = kept[side > 0].mean(axis=0) - kept[side < 0].mean(axis=0)
        else:
            assert probes.weights is not None, "the probes were fitted with their weights"
            directions = probes.weights[person, layers, heads].astype(np.float64)
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        still = lengths[:, 0] == 0  # a head that says the same to everything is not pushed
        directions = np.where(still[:, None], np.eye(1, directions.shape[1]), directions)
        directions /= np.where(still[:, None], 1.0, lengths)
        sigmas = np.where(still, 0.0, np.einsum("rkd,kd->rk", kept, directions).std(axis=0))
        return Shift(layers, heads, directions, sigmas)

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
        self,
        inventory: Inventory,
        probes: Probes,
        person: int,
        shift: Shift | None,
        curve: AlphaCurve,
    ) -> dict[str, Any]:
        """The provenance of one persona: everything that was found, nothing that was answered."""
        accuracy = probes.validation_accuracy[person]
        return {
            **self.provenance(inventory),
            "protocol": self.protocol,
            "heads": [] if shift is None else [list(pair) for pair in shift.pairs],
            "head_accuracy": [
                [None if np.isnan(value) else round(float(value), 6) for value in layer]
                for layer in accuracy
            ],
            "alpha_curve": {
                "alphas": list(curve.alphas),
                "errors": [round(e, 6) if np.isfinite(e) else None for e in curve.errors],
                "items": "held-out" if self.protocol == "paper" else "tuning",
            },
        }


def _judged(probes: Probes) -> NDArray[np.bool_]:
    """(people,) whether a person agreed or disagreed with items on both sides of the split."""
    both = np.isfinite(probes.train_accuracy) & np.isfinite(probes.validation_accuracy)
    return np.asarray(both.reshape(len(both), -1).all(axis=1))


def _one_of(setting: str, value: object, accepted: Sequence[object]) -> None:
    if value not in accepted:
        raise MethodError(
            f"The {setting} {value!r} does not exist; choose one of "
            f"{', '.join(str(one) for one in accepted)}."
        )
