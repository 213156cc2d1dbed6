"""Effects as tables, JSON and figures: the numbers of the evaluation, and nothing else."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest

from personalign.bench.causal import (
    effects_json,
    effects_notes,
    effects_table,
    matrix_table,
    specificity_table,
)
from personalign.bench.causal_figures import (
    DARK,
    DOWN_TO_UP,
    LIGHT,
    contrast,
    effects_figure,
    matrix_figure,
)
from personalign.bench.export_table import Table
from personalign.dataset.people import Respondents
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError
from personalign.evaluation.causal import Effects, measure_effects, summarise_effects
from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import TRAITS
from personalign.methods.reference import Constant, FacetMean, TraitMean


@pytest.fixture(scope="module")
def found() -> dict[str, Effects]:
    people = simulate(6, seed=3)
    methods = {"constant": Constant(3), "pas": TraitMean(), "<facets>": FacetMean()}
    return {name: summarise_effects(measure_effects(m, people)) for name, m in methods.items()}


def cells(table: Table) -> dict[str, tuple]:
    return {str(row[0]): row[1:] for row in table.rows}


def test_the_table_says_what_was_measured(found: dict[str, Effects]) -> None:
    table = effects_table(found, command="personalign bench")
    shown = cells(table)
    assert list(shown)[-2:] == ["answers seen", "a perfect copy"]
    totals = [found[name].total.mean for name in list(shown)[:-2]]
    assert totals == sorted(totals, reverse=True)
    pas = found["pas"]
    low, high = pas.total.ends
    assert shown["pas"][0] == f"+{pas.total.mean:.2f} ({low:.2f} to {high:.2f})"
    assert shown["pas"][-1] is None  # it is not compared with itself
    assert shown["constant"] == ("0.00 (0.00 to 0.00)",) * 6 + (shown["constant"][-1],)
    assert str(shown["constant"][-1]).startswith(f"-{pas.total.mean:.2f} (")
    for place in range(5):
        assert str(shown["pas"][1 + place]).startswith(f"+{pas.traits[place].mean:.2f} (")
        assert shown["answers seen"][1 + place] == f"+{pas.dose[place]:.2f}"
        assert shown["a perfect copy"][1 + place] == f"+{pas.ceiling[place]:.2f}"
    assert table.columns == ("", "total", *TRAITS, "minus pas") and table.command


def test_without_pas_nothing_is_compared(found: dict[str, Effects]) -> None:
    alone = {"constant": found["constant"]}
    assert effects_table(alone).columns == ("", "total", *TRAITS)
    assert effects_json(alone)["constant"]["total_minus_pas"] is None


def test_specificity_and_matrix(found: dict[str, Effects]) -> None:
    shown = cells(specificity_table(found))
    assert str(shown["pas"][0]).startswith(f"+{found['pas'].own.mean:.2f}")
    assert shown["pas"][1:3] == ("0.00 (0.00 to 0.00)",) * 2
    assert list(shown)[-1] == "constant"
    rows = matrix_table(found["pas"], "pas").rows
    for raised, row in enumerate(rows):
        for measured in range(5):
            mean = found["pas"].matrix[raised][measured].mean
            expected = f"+{mean:.2f}" if raised == measured else "0.00"
            assert str(row[1 + measured]).startswith(expected)


def test_json_holds_every_number(found: dict[str, Effects]) -> None:
    read = json.loads(json.dumps(effects_json(found), allow_nan=False))
    pas = found["pas"]
    assert read["pas"]["total"]["mean"] == pytest.approx(pas.total.mean, abs=1e-6)
    assert read["pas"]["total"]["ci95"] == pytest.approx(pas.total.ends, abs=1e-6)
    for (raised, one), (measured, other) in itertools.product(enumerate(TRAITS), repeat=2):
        value = read["pas"]["one_trait_raised"][one][other]["mean"]
        assert value == pytest.approx(pas.matrix[raised][measured].mean, abs=1e-6)
    minus = read["constant"]["total_minus_pas"]["mean"]
    assert minus == pytest.approx(-pas.total.mean, abs=1e-6)
    assert read["pas"]["total_minus_pas"] is None


def test_one_person_has_no_interval_and_silence_no_number() -> None:
    form = ipip_neo_300()

    class Half(Constant):
        def predict(self, respondents, items):  # type: ignore[no-untyped-def]
            return np.array([[3 * (item.trait != "N") for item in items]] * len(respondents))

    people = Respondents(np.full((1, 300), 3, np.int8), ("p",))
    found = {"half": summarise_effects(measure_effects(Half(), people))}
    assert cells(effects_table(found))["half"] == (None, "0.00", "0.00", "0.00", "0.00", None)
    read = json.loads(json.dumps(effects_json(found), allow_nan=False))["half"]
    assert read["total"] == {"mean": None, "ci95": [None, None]}
    silent = 7 * sum(item.trait == "N" for item in form.held_out)
    assert any(f"half: {silent} of 1,260 answers" in line for line in effects_notes(found))
    assert any("1 of 1 people have no total" in line for line in effects_notes(found))
    assert ">-</text>" in matrix_figure(found["half"], "half")
    assert effects_figure(found).startswith("<svg")


def test_figures_name_methods_and_numbers(found: dict[str, Effects]) -> None:
    drawn = effects_figure(found, "one")
    for name in ("constant", "pas", "&lt;facets&gt;"):
        assert f">{name}</text>" in drawn
    assert f">{found['pas'].total.mean:.2f}</text>" in drawn
    assert f"a perfect copy {found['pas'].total_ceiling:.2f}</text>" in drawn
    heat = matrix_figure(found["pas"], "pas", "two")
    for row in found["pas"].matrix:
        for cell in row:
            text = f"{cell.mean:+.2f}" if round(cell.mean, 2) else "0.00"
            assert f">{text}</text>" in heat
    assert not set(re.findall(r'id="([^"]+)"', drawn)) & set(re.findall(r'id="([^"]+)"', heat))
    assert matrix_figure(found["pas"], "pas", "two") == heat


def test_every_colour_of_the_heat_map_can_be_read_on() -> None:
    """WCAG 2 asks for 4.5; the darker or the lighter text has it on every colour of the map."""
    for share in np.linspace(0, 1, 101):
        colour = DOWN_TO_UP(share)
        assert max(contrast(LIGHT, colour), contrast(DARK, colour)) >= 4.5, share


def test_nothing_measured_is_nothing_to_show() -> None:
    with pytest.raises(EvaluationError, match="measure one method"):
        effects_table({})
