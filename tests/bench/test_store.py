"""Raw answers come back as they were stored, whole or not at all, and only for the same key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from personalign.bench.store import (
    RawBlock,
    ResultStore,
    RunKey,
    code_digest,
    people_digest,
)
from personalign.dataset.simulate import simulate
from personalign.errors import EvaluationError

KEY = RunKey(
    method="pas",
    settings={"k": 4},
    model="ab" * 32,
    people="cd" * 32,
    items=(7, 8),
    wording={"name": "papi"},
    protocol="honest",
    seed=0,
    version="0.1.0",
    code="ef" * 32,
)
BLOCK = RawBlock(
    arrays={"log_probs": np.random.default_rng(0).normal(size=(3, 2, 5)).astype(np.float32)},
    seconds=(1.5, 0.25),
    peak_bytes=12345,
    records=({"alpha": 2.0, "heads": [[0, 1]], "prompted": False, "provenance": {"é": [0.5]}},) * 3,
)


def test_a_block_comes_back_bit_for_bit(tmp_path: Path) -> None:
    place = ResultStore(tmp_path).open(KEY)
    assert place.read(0, 3) is None
    place.write(0, 3, BLOCK)
    again = ResultStore(tmp_path).open(KEY).read(0, 3)
    assert again is not None
    assert again.arrays["log_probs"].tobytes() == BLOCK.arrays["log_probs"].tobytes()
    assert (again.seconds, again.records) == (BLOCK.seconds, BLOCK.records)
    assert again.peak_bytes == 12345
    assert place.read(3, 6) is None


@pytest.mark.parametrize(
    "change",
    [
        {"method": "none"},
        {"settings": {"k": 8}},
        {"model": "00" * 32},
        {"people": "00" * 32},
        {"items": (7, 9)},
        {"wording": {"name": "papi", "question": "?"}},
        {"protocol": "paper"},
        {"seed": 1},
        {"version": "0.2.0"},
        {"code": "00" * 32},
        {"evaluation": {"name": "aligned", "max_kl": 0.1}},
        {"evaluation": {"name": "causal"}},
        {"layout": 1},
    ],
)
def test_another_key_never_reads_these_answers(tmp_path: Path, change: dict) -> None:
    ResultStore(tmp_path).open(KEY).write(0, 3, BLOCK)
    assert ResultStore(tmp_path).open(replace(KEY, **change)).read(0, 3) is None


def test_the_marker_is_written_last_and_nothing_else_is_left(tmp_path: Path) -> None:
    place = ResultStore(tmp_path).open(KEY)
    place.write(0, 3, BLOCK)
    assert not place.finished
    place.finish({"people": 3})
    assert place.finished
    names = sorted(path.name for path in (tmp_path / KEY.folder).iterdir())
    assert names == [
        "finished.json",
        "key.json",
        "people-00000-00003.json",
        "people-00000-00003.npz",
    ]


def test_the_same_answers_leave_the_same_bytes_however_long_they_took(tmp_path: Path) -> None:
    for name, seconds in (("a", (1.0, 2.0)), ("b", (3.0, 4.0))):
        ResultStore(tmp_path / name).open(KEY).write(0, 3, replace(BLOCK, seconds=seconds))
    a, b = (tmp_path / name / KEY.folder / "people-00000-00003.npz" for name in "ab")
    assert a.read_bytes() == b.read_bytes()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    place = ResultStore(tmp_path).open(KEY)
    with pytest.raises(TypeError, match="no JSON form"):
        place.write(0, 3, replace(BLOCK, records=({"provenance": object()},)))
    assert [path.name for path in (tmp_path / KEY.folder).iterdir()] == ["key.json"]


def test_a_corrupt_file_is_named(tmp_path: Path) -> None:
    place = ResultStore(tmp_path).open(KEY)
    place.write(0, 3, BLOCK)
    path = tmp_path / KEY.folder / "people-00000-00003.npz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(EvaluationError, match=r"people-00000-00003\.npz cannot be read"):
        place.read(0, 3)


def test_without_a_folder_nothing_is_kept() -> None:
    place = ResultStore(None).open(KEY)
    place.write(0, 3, BLOCK)
    place.finish({})
    assert place.read(0, 3) is None and not place.finished


def test_people_are_told_apart_by_their_answers_and_their_order() -> None:
    people = simulate(4, seed=0)
    assert people_digest(people) == people_digest(simulate(4, seed=0))
    assert people_digest(people) != people_digest(simulate(4, seed=1))
    assert people_digest(people) != people_digest(people.select([1, 0, 2, 3]))
    assert people_digest(people) != people_digest(people.select([0, 1, 2]))


def test_the_code_has_one_digest() -> None:
    assert code_digest() == code_digest()
    assert len(code_digest()) == 64
