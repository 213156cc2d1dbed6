"""Costs: every person, every method, shared work apart; made-up numbers come out as they went."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from personalign.bench.cost_figure import cost_figure
from personalign.bench.cost_table import cost_json, cost_notes, cost_table
from personalign.dataset.people import Respondents
from personalign.dataset.plots.style import figure_svg
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation.cost import MethodCost, PersonCost, measure_costs, stored_bytes
from personalign.evaluation.meter import NOTHING, Spent
from personalign.methods.base import Method
from personalign.methods.iti import Iti
from personalign.methods.none import NoPersona
from personalign.model.decoder import Decoder
from personalign.model.fake import fake_decoder
from personalign.model.persona import PLAIN, Persona
from tests.model.conftest import some_shift


class Threes(Method):
    """Answers 3 to everything: a method without personas."""

    name = "threes"
    description = "3."

    def predict(self, respondents: Respondents, items: Any) -> Any:
        assert (respondents.responses != 0).sum() == 120 * len(respondents)
        return np.full((len(respondents), len(items)), 3, np.int8)


def made_up(name: str, seconds: float, peak: int | None, stored: int | None) -> MethodCost:
    making = Spent(seconds, 1000, 0, peak)
    person = PersonCost(making, Spent(0.5, 200, 0, 1), stored)
    return MethodCost(name, {}, NOTHING, (person, person))


COSTS = [
    made_up("pas", 1.5, 2**20, 2048),
    made_up("dpo", 99.5, 10 * 2**20, 2**20),
    made_up("nearest", 0.0, None, None),
]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return fake_decoder("llama")


def test_every_method_is_measured_on_every_person(decoder: Decoder, tmp_path: Any) -> None:
    people = simulate(2, seed=0)
    items = people.inventory.held_out[:6]
    steps: list[Any] = []
    methods = [NoPersona(decoder), Iti(decoder, heads=2, cache=tmp_path), Threes()]
    costs = measure_costs(
        decoder, methods, people, items=items, progress=lambda *step: steps.append(step)
    )
    plain, iti, threes = costs
    assert [len(cost.people) for cost in costs] == [2, 2, 2]
    assert plain.shared == threes.shared == NOTHING
    assert iti.shared.forward_tokens > 0, "the heads are read before anybody is made"
    for person in iti.people:
        assert person.making.forward_tokens == 0, "and for nobody again"
        assert person.answering.forward_tokens > 0 and person.answering.backward_tokens == 0
    assert plain.mean("forward_tokens") > 0
    assert threes.mean("stored_bytes") is None and threes.mean("forward_tokens") == 0
    assert iti.mean("stored_bytes") > plain.mean("stored_bytes") > 0
    assert [name for name, done, _ in steps if done == 2] == ["none", "iti", "threes"]
    assert iti.settings == {"heads": 2, "alpha": 15.0, "seed": 0}


def test_nothing_to_measure_is_refused(decoder: Decoder) -> None:
    with pytest.raises(EvaluationError, match="at least one method and one person"):
        measure_costs(decoder, [], simulate(1, seed=0))


def test_stored_bytes_are_what_the_folder_weighs(decoder: Decoder, tmp_path: Any) -> None:
    persona = Persona(shift=some_shift(decoder), alpha=1.0)
    folder = persona.save(tmp_path / "one")
    assert stored_bytes(persona) == sum(path.stat().st_size for path in folder.iterdir())
    assert stored_bytes(persona) > stored_bytes(PLAIN)


def test_ratios_are_to_the_method_named() -> None:
    pas, dpo, nearest = COSTS
    assert dpo.ratio("seconds", pas) == 50.0
    assert dpo.ratio("making_seconds", pas) == pytest.approx(99.5 / 1.5)
    assert dpo.ratio("peak_bytes", pas) == 10.0
    assert nearest.ratio("stored_bytes", pas) is None
    assert dpo.ratio("backward_tokens", pas) is None, "nothing is no multiple of nothing"
    with pytest.raises(EvaluationError, match="compared with 'ppo', which was not measured"):
        cost_table(COSTS, "ppo")


def test_the_table_the_json_and_the_figure_say_the_same() -> None:
    from io import StringIO

    from rich.console import Console

    console = Console(width=104, record=True, file=StringIO())
    console.print(cost_table(COSTS))
    lines = console.export_text().splitlines()
    assert not any("…" in line for line in lines)
    (line,) = [line for line in lines if line.startswith("dpo ")]
    assert line.split() == "dpo 100 0.50 50 1,200 0 10 10 1,024 512".split()
    (line,) = [line for line in lines if line.startswith("nearest ")]
    assert line.split()[-2:] == ["–", "–"]

    found = cost_json(COSTS)
    assert found["methods"]["dpo"]["times"]["seconds"] == 50.0
    assert found["methods"]["dpo"]["per_person"]["stored_bytes"] == 2**20
    assert found["methods"]["nearest"]["per_person"]["stored_bytes"] is None
    assert len(found["methods"]["pas"]["people"]) == found["people"] == 2

    figure = cost_figure(COSTS, model="a model")
    words = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert "100 · 50×" in words and "2.0" in words
    assert len(figure.axes) == 4, "no panel where nobody has anything"
    assert figure_svg(figure) == figure_svg(cost_figure(COSTS, model="a model"))


def test_shared_work_is_told_apart() -> None:
    assert len(cost_notes(COSTS)) == 1
    shared = MethodCost("pas", {}, Spent(2.0, 4430, 0, None), COSTS[0].people)
    assert "once for everybody: pas 2.0 s and 4,430 tokens." in cost_notes([shared])[1]


@pytest.mark.slow
def test_a_trainers_passes_are_counted(decoder: Decoder, tmp_path: Any) -> None:
    """Two steps of DPO: each reads chosen and rejected replies, and differentiates them."""
    pytest.importorskip("trl")
    from personalign.methods.dpo import Dpo

    method = Dpo(decoder, steps=2, batch=4, work=tmp_path)
    (cost,) = measure_costs(decoder, [method], simulate(1, seed=0))
    (person,) = cost.people
    longest = max(person.making.forward_tokens, 1)
    assert 0 < person.making.backward_tokens <= longest
    assert person.making.backward_tokens >= 2 * 2 * 4 * 10, "two steps, pairs of four, ten tokens"
    assert person.answering.backward_tokens == 0
    assert person.stored_bytes is not None and person.stored_bytes > 1000
