"""The judge without a network is the likelihood it is named after."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.errors import EvaluationError
from personalign.evaluation.likelihood import READING, LikelihoodJudge, level
from personalign.inventory.big_five_50 import big_five_50
from personalign.inventory.items import ipip_neo_300
from personalign.model.persona import Persona
from personalign.model.prompts import PAPI
from tests.model.loud import loud, plainly


def text(item: int, said: str, target: int = 5, method: str = "pas", person: str = "ann") -> dict:
    statement = {one.number: one.statement for one in ipip_neo_300()}[item]
    return {
        "person": person,
        "item": item,
        "statement": statement,
        "target": target,
        "method": method,
        "text": said,
    }


ROWS = [
    text(3, "I worry a lot."),
    text(7, "Never did I.", target=1),
    text(3, "I am calm.", target=2),
    text(3, "I worry a lot.", target=1, method="none"),
]


def test_it_is_the_probability_of_the_persons_answer_after_the_text() -> None:
    decoder = loud()
    items = {item.number: item for item in ipip_neo_300()}
    for row, verdict in zip(ROWS, LikelihoodJudge(decoder).score(ROWS), strict=True):
        prompt = READING.format(statement=row["statement"], text=row["text"])
        (scores,) = plainly(decoder, Persona(prompt), [items[row["item"]]], PAPI)
        by_label = scores.double().softmax(-1)
        expected = float(by_label[PAPI.order.index(row["target"])])
        assert verdict["likelihood"] == pytest.approx(expected, abs=1e-4)
        assert verdict["score"] == level(verdict["likelihood"])
        assert (verdict["requests"], verdict["reason"]) == (0, None)


def test_the_text_and_the_target_matter() -> None:
    verdicts = LikelihoodJudge(loud()).score(ROWS)
    assert len({verdict["likelihood"] for verdict in verdicts}) == 4


def test_its_name_says_what_it_is() -> None:
    verdict = LikelihoodJudge(loud()).score(ROWS[:1])[0]
    assert verdict["judge"] == "likelihood of the answer under fake llama"
    assert "gpt" not in verdict["judge"].lower()


def test_a_text_alone_gets_what_it_gets_in_company() -> None:
    judge = LikelihoodJudge(loud())
    alone = [judge.score([row])[0]["likelihood"] for row in ROWS]
    np.testing.assert_allclose(
        alone, [verdict["likelihood"] for verdict in judge.score(ROWS)], atol=1e-5
    )


def test_progress_counts_different_texts() -> None:
    steps: list[tuple[int, int]] = []
    LikelihoodJudge(loud()).score(ROWS, progress=lambda *step: steps.append(step))
    assert steps == [(2, 3), (3, 3)]


def test_an_item_of_another_questionnaire_is_refused() -> None:
    with pytest.raises(EvaluationError, match="Item 290 is not in the inventory"):
        LikelihoodJudge(loud(), inventory=big_five_50()).score([text(290, "Yes.")])
