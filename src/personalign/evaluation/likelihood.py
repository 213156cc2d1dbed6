"""A judge without a network: how likely a text makes the person's own answer, to a local decoder.

The decoder reads the text as something it wrote about itself and is asked the statement, with no
persona. The probability it gives the option the person ticked is the likelihood; cut into six equal
steps it is a level, so that what is derived from levels can be derived from it. It is a stand-in
for smoke runs, and a weak judge where the decoder is one: it is named after what it is everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from personalign.errors import EvaluationError
from personalign.evaluation.judge import Progress, Verdict
from personalign.inventory.items import ipip_neo_300
from personalign.model.answer_each import answer_each
from personalign.model.prompts import PAPI, Wording

if TYPE_CHECKING:
    from personalign.inventory.items import Inventory
    from personalign.model.decoder import Decoder

READING = 'This is what you wrote about the statement "{statement}":\n\n{text}'
"""The system prompt under which the statement is asked."""


@final
class LikelihoodJudge:
    """The likelihood of the person's answer under a decoder that has read the text.

    >>> from personalign.model.fake import fake_decoder
    >>> LikelihoodJudge(fake_decoder()).name
    'likelihood of the answer under fake llama'
    """

    def __init__(
        self, decoder: Decoder, *, inventory: Inventory | None = None, wording: Wording = PAPI
    ) -> None:
        """decoder: read without a persona. inventory: where the statements are from; the 300-item
        form where left out. wording: how they are asked."""
        self.decoder = decoder
        self.wording = wording
        self._items = {item.number: item for item in inventory or ipip_neo_300()}

    @property
    def name(self) -> str:
        """What it is, and under which model."""
        return f"likelihood of the answer under {self.decoder.name}"

    def score(
        self, texts: Sequence[Mapping[str, Any]], *, progress: Progress | None = None
    ) -> list[Verdict]:
        """One verdict a text, in their order; every text gets one.

        progress: called with (different texts read, different texts).
        Raises EvaluationError for an item the inventory does not have.
        """
        found: dict[tuple[int, str], Any] = {}
        by_item: dict[int, list[str]] = {}
        for text in texts:
            if text["item"] not in self._items:
                raise EvaluationError(
                    f"Item {text['item']} is not in the inventory of this judge; give it the one "
                    "the texts are about."
                )
            if (text["item"], text["text"]) not in found:
                found[text["item"], text["text"]] = None
                by_item.setdefault(text["item"], []).append(text["text"])
        done = 0
        for number, written in by_item.items():
            item = self._items[number]
            prompts = [[READING.format(statement=item.statement, text=said)] for said in written]
            answers = answer_each(self.decoder, prompts, [item], wording=self.wording)
            for said, log_probs in zip(written, answers.log_probs[:, 0], strict=True):
                found[number, said] = log_probs
            done += len(written)
            if progress is not None:
                progress(done, len(found))
        verdicts = []
        for text in texts:
            likelihood = _probability(found[text["item"], text["text"]], text["target"])
            verdicts.append(
                Verdict(
                    person=text["person"],
                    item=text["item"],
                    method=text["method"],
                    judge=self.name,
                    score=level(likelihood),
                    reason=None,
                    requests=0,
                    likelihood=likelihood,
                )
            )
        return verdicts


def level(likelihood: float) -> int:
    """The level of a probability: six equal steps.

    >>> [level(p) for p in (0.0, 0.2, 0.5, 0.99, 1.0)]
    [1, 2, 4, 6, 6]
    """
    return min(6, 1 + int(6 * likelihood))


def _probability(log_probs: Any, target: int) -> float:
    return round(math.exp(float(log_probs[target - 1])), 6)
