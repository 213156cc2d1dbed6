"""`personalign study` as somebody meets it: answers in, packs out, votes in, preferences out."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from personalign.cli.study import study
from personalign.dataset.answers import write_answers
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError, MethodError
from personalign.evaluation.blind import read_key


@pytest.fixture
def answers(tmp_path: Path) -> list[Path]:
    people = simulate(2, seed=3)
    paths = [tmp_path / "ann.json", tmp_path / "ben.csv"]
    for number, path in enumerate(paths):
        write_answers(path, people.select([number]).only(people.inventory.tuning))
    return paths


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("What now?\nWhere to?\nWho?\nWhy?\n")
    return path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(study, [str(argument) for argument in arguments])


def packed(folder: Path, answers: list[Path], prompts: Path, model: Path, *more: Any) -> Result:
    where = ("-o", folder / "packs", "--key", folder / "key.json")
    return run("pack", *answers, "--prompts", prompts, "--model", model, "--method", "facet-prompt",
               "--max-tokens", 6, *where, *more)  # fmt: skip


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_each_rater_gets_a_pack_that_tells_nothing_and_the_key_tells_all(
    tmp_path: Path, answers: list[Path], prompts: Path, model: Path
) -> None:
    result = packed(tmp_path, answers, prompts, model, "--limit", 3)
    assert result.exit_code == 0, result.output
    packs = {name: lines(tmp_path / "packs" / f"{name}.jsonl") for name in ("ann", "ben")}
    key = read_key(tmp_path / "key.json")
    behind = {entry.pair: entry for entry in key.entries}
    for name, pairs in packs.items():
        assert len(pairs) == 3
        for pair in pairs:
            assert list(pair) == ["pair", "prompt", "A", "B"]
            entry = behind[pair["pair"]]
            assert entry.person == name and {entry.A, entry.B} == {"aligned", "misaligned"}
    assert sorted(path.name for path in (tmp_path / "packs").iterdir()) == [
        "ann.jsonl",
        "ben.jsonl",
    ]
    assert key.about["method"] == "facet-prompt" and key.about["max_tokens"] == 6
    assert "Which answer best satisfies your needs?" in result.stdout


def test_the_seed_is_kept_where_it_is_given_and_drawn_where_it_is_not(
    tmp_path: Path, answers: list[Path], prompts: Path, model: Path
) -> None:
    found = []
    for number, more in enumerate([("--seed", 4), ("--seed", 4), (), ()]):  # the last two: drawn
        folder = tmp_path / str(number)
        assert packed(folder, answers[:1], prompts, model, "--limit", 1, *more).exit_code == 0
        found.append(read_key(folder / "key.json"))
    assert found[0] == found[1] and found[0].seed == 4
    assert len({found[2].seed, found[3].seed, 4}) == 3


def test_contrasts_can_be_chosen(
    tmp_path: Path, answers: list[Path], prompts: Path, model: Path
) -> None:
    chosen = ("--contrast", "aligned:original", "--contrast", "misaligned:original")
    assert packed(tmp_path, answers, prompts, model, *chosen).exit_code == 0
    key = read_key(tmp_path / "key.json")
    assert key.contrasts == (("aligned", "original"), ("misaligned", "original"))
    assert {frozenset((e.A, e.B)) for e in key.entries} == set(map(frozenset, key.contrasts))


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        (("--contrast", "aligned:original:x"), EvaluationError, "no replies of 'original:x'"),
        (("--contrast", "aligned"), EvaluationError, "write ONE:OTHER"),
        (("--contrast", "aligned:aligned"), EvaluationError, "with itself"),
        (("--method", "pas,dpo"), EvaluationError, "names 2"),
        (("--method", "few-shot-nearest"), EvaluationError, "makes no assistant"),
        (("--set", "facet-prompt.nothing=1"), MethodError, "no setting 'nothing'"),
    ],
)
def test_what_cannot_be_packed_is_refused_and_nothing_is_written(
    tmp_path: Path, answers: list[Path], prompts: Path, model: Path, more, error, said
) -> None:
    result = packed(tmp_path, answers, prompts, model, *more)
    assert isinstance(result.exception, error) and said in str(result.exception)
    assert not (tmp_path / "packs").exists() and not (tmp_path / "key.json").exists()


def test_a_key_among_the_packs_and_two_raters_of_one_name_are_refused(
    tmp_path: Path, answers: list[Path], prompts: Path, model: Path
) -> None:
    result = packed(tmp_path, answers, prompts, model, "--key", tmp_path / "packs" / "key.json")
    assert isinstance(result.exception, EvaluationError) and "raters get" in str(result.exception)
    again = tmp_path / "other" / "ann.json"
    again.parent.mkdir()
    again.write_text(answers[0].read_text())
    result = packed(tmp_path, [*answers, again], prompts, model)
    assert isinstance(result.exception, EvaluationError) and "called ann" in str(result.exception)


def test_the_key_of_another_study_is_never_replaced(
    tmp_path: Path, answers: list[Path], prompts: Path, model: Path
) -> None:
    (tmp_path / "key.json").write_text("another study's")
    result = packed(tmp_path, answers, prompts, model)
    assert isinstance(result.exception, EvaluationError) and "already" in str(result.exception)
    assert (tmp_path / "key.json").read_text() == "another study's"


def test_votes_are_counted_against_the_key(
    tmp_path: Path, answers: list[Path], prompts: Path, model: Path
) -> None:
    """A rater who always finds the aligned answer, and one who never does."""
    pytest.importorskip("krippendorff")
    assert packed(tmp_path, answers, prompts, model).exit_code == 0
    key = read_key(tmp_path / "key.json")
    paths = []
    for rater in ("finds", "misses"):
        path = tmp_path / f"{rater}.csv"
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["rater", "pair", "vote"])
            for entry in key.entries:
                aligned = "A" if entry.A == "aligned" else "B"
                other = "B" if aligned == "A" else "A"
                table.writerow([rater, entry.pair, aligned if rater == "finds" else other])
        paths.append(path)
    facts, figure = tmp_path / "facts.json", tmp_path / "votes.svg"
    given = ("--key", tmp_path / "key.json", "--json", facts, "--figure", figure)
    result = run("votes", paths[0], *given)
    assert result.exit_code == 0, result.output
    (found,) = json.loads(facts.read_text())
    assert (found["wins"], found["ties"], found["losses"]) == (8, 0, 0)
    assert found["sign_test_p"] == pytest.approx(2 / 2**8)
    assert "100%" in result.stdout and "aligned over misaligned" in result.stdout
    assert figure.read_text().count("<svg") == 1
    assert run("votes", *paths, *given).exit_code == 0
    (both,) = json.loads(facts.read_text())
    assert (both["wins"], both["losses"], both["sign_test_p"]) == (8, 8, 1.0)
    assert both["krippendorff_alpha"] < 0 and both["over_raters"]["win"]["mean"] == 0.5


def test_a_vote_on_another_studys_pair_is_refused(
    tmp_path: Path, answers: list[Path], prompts: Path, model: Path
) -> None:
    assert packed(tmp_path, answers, prompts, model).exit_code == 0
    votes = tmp_path / "votes.csv"
    votes.write_text("rater,pair,vote\nann,pair-999,A\n")
    result = run("votes", votes, "--key", tmp_path / "key.json")
    assert isinstance(result.exception, EvaluationError) and "pair-999" in str(result.exception)


def test_open_ended_texts_are_packed_too(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    rows = [
        {"person": "ann", "item": item, "statement": "Do it.", "target": 5, "method": method,
         "text": f"{method} {item}"}
        for item in (1, 2)
        for method in ("pas", "dpo")
    ]  # fmt: skip
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    where = ("-o", tmp_path / "packs", "--key", tmp_path / "key.json")
    result = run("pack-texts", texts, "--contrast", "pas:dpo", *where)
    assert result.exit_code == 0, result.output
    assert "Which text agrees better" in result.stdout
    pairs = lines(tmp_path / "packs" / "ann.jsonl")
    behind = {entry.pair: entry for entry in read_key(tmp_path / "key.json").entries}
    for pair in pairs:
        entry = behind[pair["pair"]]
        assert pair["A"] == f"{entry.A} {entry.prompt}" and "Very Accurate" in pair["prompt"]
    texts.write_text(texts.read_text() + '{"person": "ann"}\n')
    (tmp_path / "key.json").unlink()
    result = run("pack-texts", texts, "--contrast", "pas:dpo", *where)
    assert isinstance(result.exception, EvaluationError) and "Line 5" in str(result.exception)
