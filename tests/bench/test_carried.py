"""Carried personas in the terminal and as JSON, on made-up figures."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from personalign.bench.carried import carried_json, carried_lines, carried_table
from personalign.evaluation.carried import Moved
from personalign.methods.carry_over import Carried
from personalign.model.persona import Persona

ORIGIN = Persona(provenance={"carried_over": {"from": {"key": "before"}}})
CARRIED = {
    "ann": Carried(ORIGIN, np.array([0.9, 1.0, 1.2]), np.array([0.97, np.nan, 0.99])),
    "b[o]b": Carried(ORIGIN, np.ones(0), np.ones(0)),
    "eve": Carried(ORIGIN, np.array([1.1]), np.array([0.95])),
}
MOVED = {
    "ann": Moved(by_persona=0.6, by_model=0.1, old_sigmas=0.2, new_sigmas=0.15),
    "b[o]b": Moved(by_persona=0.2, by_model=0.1, old_sigmas=0.1, new_sigmas=0.1),
}


def test_the_table_has_a_row_for_everybody_compared() -> None:
    out = io.StringIO()
    Console(file=out, width=104).print(carried_table(CARRIED, MOVED))
    text = out.getvalue()
    assert "2 of 3 personas" in text and "eve" not in text
    (ann,) = [line.split() for line in text.splitlines() if line.startswith("ann")]
    assert ann == [
        "ann",
        "3",
        "1.000",
        "(0.900-1.200)",
        "0.980",
        "(least",
        "0.970)",
        "0.60",
        "0.200",
        "0.150",
    ]
    (bob,) = [line.split() for line in text.splitlines() if line.startswith("b[o]b")]
    assert bob == ["b[o]b", "0", "–", "–", "0.20", "0.100", "0.100"]


def test_sentences_are_about_all_of_them() -> None:
    sigma, answers = carried_lines(CARRIED, MOVED)
    assert "1.050 times" in sigma and "median of 4 pushed heads; 0.900 to 1.200" in sigma
    assert "correlates at 0.970 (least 0.950)" in sigma
    assert "moves them by 0.400" in answers and "quantising the model by 0.100" in answers
    assert "0.150 from what they were with the old sigmas, 0.125 with the new ones" in answers
    assert carried_lines({"b[o]b": CARRIED["b[o]b"]}, {}) == []


def test_json_has_every_number() -> None:
    found = carried_json(CARRIED, MOVED)
    assert found["ann"]["agreement"] == [0.97, None, 0.99]
    assert found["ann"]["answers"]["new_sigmas"] == 0.15 and found["eve"]["answers"] is None
    assert found["eve"]["sigma_ratios"] == [1.1] and found["ann"]["key_before"] == "before"
