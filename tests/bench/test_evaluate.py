"""An evaluation shows methods the tuning answers alone, and a resumed one is the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personalign.bench.evaluate import evaluate_methods
from personalign.bench.rows import Evaluation
from personalign.bench.summary import to_json
from personalign.dataset.people import Respondents
from personalign.errors import EvaluationError, MethodError
from personalign.evaluation.aligned import aligned_score
from personalign.inventory.items import ipip_neo_300
from personalign.model.answer import answer_items
from personalign.model.decoder import Decoder
from tests.bench.sketch import Plain, Sketch

INVENTORY = ipip_neo_300()


def without_seconds(value: object) -> object:
    """JSON values without what a clock measured."""
    if isinstance(value, dict):
        measured = ("seconds", "peak_memory")
        return {k: without_seconds(v) for k, v in value.items() if not k.startswith(measured)}
    return value


def test_a_method_sees_the_tuning_answers_and_nothing_else(
    decoder: Decoder, people: Respondents
) -> None:
    method, steps = Sketch(decoder), []
    evaluate_methods(
        decoder,
        people.select([0, 1, 2]),
        [method],
        references=False,
        block=2,
        progress=lambda *step: steps.append(step),
    )
    shown = people.only(INVENTORY.tuning).responses[:3]
    assert method.seen == [person.tobytes() for person in shown]
    assert (shown[:, INVENTORY.columns(INVENTORY.held_out)] == 0).all()
    assert steps == [("sketch", 2, 3), ("sketch", 3, 3)]


def test_the_papers_protocol_alone_shows_everything(decoder: Decoder, people: Respondents) -> None:
    method = Sketch(decoder)
    method.protocol = "paper"  # type: ignore[attr-defined]
    one = people.select([1])
    evaluation = evaluate_methods(decoder, one, [method], references=False, protocol="paper")
    assert method.seen == [one.responses[0].tobytes()]
    assert evaluation.methods[0].protocol == "paper"


def test_scores_are_the_aligned_scores_of_the_models_own_answers(
    evaluation: Evaluation, decoder: Decoder, people: Respondents
) -> None:
    personas = Sketch(decoder).personas(people.only(INVENTORY.tuning))
    answers = answer_items(decoder, personas, INVENTORY.held_out).responses()
    row = evaluation.row("sketch")
    assert (row.responses == answers).all()
    direct = aligned_score(answers, people, INVENTORY.held_out, seed=1)
    assert row.score.interval == direct.interval
    assert row.score.missing == (evaluation.own == 0).sum() > 0


def test_only_methods_with_personas_of_ones_own_have_a_swap_control(
    evaluation: Evaluation,
) -> None:
    assert evaluation.row("none").swap is None
    swap = evaluation.row("sketch").swap
    assert swap is not None and (swap.donors != np.arange(4)).all()
    assert all(row.swap is None for row in evaluation.references)


def test_every_method_is_paired_with_every_other_row(evaluation: Evaluation) -> None:
    names = {row.name for row in (*evaluation.methods, *evaluation.references)}
    for row in evaluation.methods:
        assert set(row.paired) == names - {row.name}
        other = evaluation.row("facet mean")
        assert row.paired["facet mean"].mean == pytest.approx(
            row.score.composite - other.score.composite
        )


def test_an_interrupted_run_goes_on_and_equals_an_uninterrupted_one(
    evaluation: Evaluation,
    decoder: Decoder,
    people: Respondents,
    population: Respondents,
    tmp_path: Path,
) -> None:
    def run(stop_at: int | None) -> tuple[Evaluation, Sketch]:
        method = Sketch(decoder, stop_at=stop_at)
        made = evaluate_methods(
            decoder,
            people,
            [Plain(decoder), method],
            population=population,
            seed=1,
            out=tmp_path,
            block=2,
        )
        return made, method

    with pytest.raises(KeyboardInterrupt):
        run(stop_at=3)
    finished = [path.parent.name for path in tmp_path.glob("*/finished.json")]
    assert [name.split("-")[0] for name in finished] == ["none"]
    assert len(list(tmp_path.glob("sketch-*/people-*.npz"))) == 1

    resumed, method = run(stop_at=None)
    assert len(method.seen) == 2, "the first block of two people was asked again"
    assert without_seconds(to_json(resumed)) == without_seconds(to_json(evaluation))
    for here, there in zip(resumed.methods, evaluation.methods, strict=True):
        assert (here.responses == there.responses).all()
        assert here.records == there.records

    again, untouched = run(stop_at=0)
    assert not untouched.seen, "a finished run asks nobody"
    assert to_json(again)["methods"] == to_json(resumed)["methods"]

    # Another decision reads the same raw answers.
    mean = evaluate_methods(
        decoder,
        people,
        [Sketch(decoder, stop_at=0)],
        references=False,
        seed=1,
        out=tmp_path,
        block=2,
        decision="mean",
    )
    kept = np.load(next(tmp_path.glob("sketch-*/people-00000-00002.npz")))
    expected = np.rint(np.exp(kept["log_probs"].astype(float)) @ np.arange(1, 6))
    assert (mean.methods[0].responses[:2] == expected).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"methods": []}, "at least one method"),
        ({"protocol": "lenient"}, "There is no protocol 'lenient'"),
    ],
)
def test_what_cannot_be_run_is_refused(
    decoder: Decoder, people: Respondents, changes: dict, words: str
) -> None:
    arguments = {"methods": [Sketch(decoder)], **changes}
    with pytest.raises(EvaluationError, match=words):
        evaluate_methods(decoder, people, **arguments)


def test_a_method_named_twice_is_refused(decoder: Decoder, people: Respondents) -> None:
    with pytest.raises(EvaluationError, match="each only once; got sketch, sketch"):
        evaluate_methods(decoder, people, [Sketch(decoder), Sketch(decoder)])


def test_one_person_has_scores_and_no_intervals(decoder: Decoder, people: Respondents) -> None:
    one = people.select([0])
    alone = evaluate_methods(decoder, one, [Sketch(decoder)], references=False)
    row = alone.methods[0]
    assert row.score.people == 1 and np.isnan(row.score.ci95).all() and row.swap is None
    assert to_json(alone)["methods"]["sketch"]["ci95"] == [None, None]


def test_an_unknown_row_is_named_with_those_there_are(evaluation: Evaluation) -> None:
    with pytest.raises(EvaluationError, match="no row 'dpo'; its rows are none, sketch, constant"):
        evaluation.row("dpo")


def test_the_items_learnt_from_are_asked_again_and_scored_apart(
    evaluation: Evaluation, decoder: Decoder, people: Respondents
) -> None:
    personas = Sketch(decoder).personas(people.only(INVENTORY.tuning))
    answers = answer_items(decoder, personas, INVENTORY.tuning).responses()
    row = evaluation.row("sketch")
    assert row.tuning is not None
    expected = aligned_score(answers, people, INVENTORY.tuning, seed=1)
    assert row.tuning.interval == expected.interval
    assert all(reference.tuning is None for reference in evaluation.references)


def test_a_method_of_one_at_a_time_loses_one_person_at_most(
    decoder: Decoder, people: Respondents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sketch, "people_at_once", 1)
    with pytest.raises(KeyboardInterrupt):
        evaluate_methods(decoder, people, [Sketch(decoder, stop_at=3)], out=tmp_path)
    assert len(list(tmp_path.glob("sketch-*/people-*.npz"))) == 3


def test_progress_tells_parts_of_a_person(
    decoder: Decoder, people: Respondents, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Sketch.personas

    def halfway(self: Sketch, respondents: Respondents, *, progress: Any = None) -> Any:
        progress(1, 2)
        return made(self, respondents)

    monkeypatch.setattr(Sketch, "personas", halfway)
    monkeypatch.setattr(Sketch, "people_at_once", 1)
    steps: list[tuple[str, float, int]] = []
    evaluate_methods(
        decoder,
        people.select([0, 1]),
        [Sketch(decoder)],
        references=False,
        progress=lambda *step: steps.append(step),
    )
    assert [done for _, done, _ in steps] == [0.5, 1, 1.5, 2]


def test_settings_reach_the_method_they_are_for(decoder: Decoder, people: Respondents) -> None:
    made = evaluate_methods(
        decoder,
        people.select([0]),
        ["none", "iti"],
        references=False,
        settings={"iti": {"alpha": 2, "heads": 1}},
    )
    assert made.row("iti").settings == {"heads": 1, "alpha": 2.0, "seed": 0}
    assert made.row("iti").records[0]["alpha"] == 2.0
    with pytest.raises(MethodError, match="none has no setting 'alpha'"):
        evaluate_methods(decoder, people, ["none"], settings={"none": {"alpha": 2}})


def test_a_budget_holds_every_persona_and_is_part_of_the_result(
    decoder: Decoder, people: Respondents, tmp_path: Path
) -> None:
    from personalign.evaluation.side_effects import neutral_cost
    from personalign.methods.iti import Iti

    some = people.select([0, 1])
    made = Iti(decoder, heads=2, cache=tmp_path / "cache").personas(some.only(INVENTORY.tuning))
    budget = float(neutral_cost(decoder, made)[0].min()) / 2
    out = tmp_path / "out"
    runs = [
        evaluate_methods(
            decoder,
            some,
            ["iti"],
            references=False,
            out=out,
            settings={"iti": {"heads": 2}},
            max_kl=bound,
        )
        for bound in (None, budget)
    ]
    free, held = (run.row("iti") for run in runs)
    assert "max_kl" not in free.settings and held.settings["max_kl"] == budget
    for before, after in zip(free.records, held.records, strict=True):
        assert after["alpha"] < before["alpha"] == after["provenance"]["alpha_unbounded"]
        assert after["provenance"]["kl"] <= budget + 1e-6  # it is kept rounded
