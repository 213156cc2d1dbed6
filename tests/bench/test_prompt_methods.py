"""Methods whose prompt depends on the question, in an evaluation: raw answers, swap, decision."""

from __future__ import annotations

import numpy as np

from personalign.bench.evaluate import evaluate_methods
from personalign.bench.summary import to_json
from personalign.methods.nearest import FewShotFacet


def test_a_method_without_personas_has_its_row_its_swap_and_is_not_asked_twice(
    decoder, people, tmp_path, monkeypatch
) -> None:
    first = people.select(slice(0, 2))
    names = ["none", "few-shot-facet"]
    run = evaluate_methods(decoder, first, names, references=False, out=tmp_path, decision="mean")
    row = run.row("few-shot-facet")
    assert row.settings == {"decision": "mean"}
    assert row.swap is not None and run.row("none").swap is None
    assert not np.array_equal(row.responses, run.row("none").responses)
    assert to_json(run)["api_usage"] is None
    monkeypatch.setattr(FewShotFacet, "predict", None)  # nothing may be asked again
    again = evaluate_methods(decoder, first, names, references=False, out=tmp_path, decision="mean")
    assert np.array_equal(again.row("few-shot-facet").responses, row.responses)
