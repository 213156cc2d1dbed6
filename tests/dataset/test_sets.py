"""The folder of two sets: they share nobody, say who was chosen, and are whole or absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from personalign.dataset import sets
from personalign.dataset.compare import compare
from personalign.dataset.describe import describe
from personalign.dataset.papi import read_people
from personalign.dataset.select import select_representatives
from personalign.dataset.sets import write_selection
from personalign.dataset.simulate import simulate
from personalign.errors import PeopleError

PEOPLE = simulate(60, seed=1)


@pytest.mark.parametrize("parts", [1, 2])
def test_the_sets_are_who_was_chosen_and_share_nobody(tmp_path: Path, parts: int) -> None:
    selection = select_representatives(PEOPLE, 12, parts=parts)  # type: ignore[arg-type]
    written = write_selection(tmp_path / "sets", PEOPLE, selection)
    assert {path.name for path in written} == {p.name for p in (tmp_path / "sets").iterdir()}
    test, dev = (read_people(tmp_path / "sets" / f"{n}-set.parquet") for n in ("test", "dev"))
    assert test.ids == tuple(PEOPLE.ids[row] for row in selection.parts[0])
    assert not set(test.ids) & set(dev.ids)
    assert len(dev) == (12 if parts == 2 else 48)
    record = json.loads((tmp_path / "sets" / "selection.json").read_text(encoding="utf-8"))
    assert [entry["test"]["id"] for entry in record["centroids"]] == list(test.ids)
    assert sum(entry["cluster_size"] for entry in record["centroids"]) == 60
    assert record["dev_set"] == ("matched" if parts == 2 else "rest")


def test_the_comparison_is_kept_and_an_earlier_selection_replaced(tmp_path: Path) -> None:
    first = select_representatives(PEOPLE, 5)
    write_selection(tmp_path, PEOPLE, first, ending="json")
    (tmp_path / "notes.txt").write_text("mine")
    comparison = compare(describe(PEOPLE), describe(PEOPLE.select(first.parts[0])))
    write_selection(tmp_path, PEOPLE, first, comparison=comparison, ending="csv")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"notes.txt", "test-set.csv", "dev-set.csv", "clusters.svg", "selection.json"}
    record = json.loads((tmp_path / "selection.json").read_text(encoding="utf-8"))
    assert record["comparison"] == comparison.as_dict()


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> dict:
        raise RuntimeError("disk")

    monkeypatch.setattr(sets, "_record", fail)
    with pytest.raises(RuntimeError):
        write_selection(tmp_path / "sets", PEOPLE, select_representatives(PEOPLE, 5))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written(tmp_path: Path) -> None:
    everybody = select_representatives(PEOPLE, 60)
    with pytest.raises(PeopleError, match="nobody is left"):
        write_selection(tmp_path / "a", PEOPLE, everybody)
    with pytest.raises(PeopleError, match="60 people and these are 59"):
        write_selection(tmp_path / "a", PEOPLE.select(slice(1, None)), everybody)
    with pytest.raises(PeopleError, match="'xlsx'"):
        write_selection(tmp_path / "a", PEOPLE, everybody, ending="xlsx")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
