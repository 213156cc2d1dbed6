"""Folders appear whole or not at all, whatever happens while they are filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from personalign.model.files import fresh_folder, replace_folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_fresh_folder_takes_its_name_when_it_is_full(tmp_path: Path) -> None:
    with fresh_folder(tmp_path / "deep" / "out") as fresh:
        (fresh / "a").write_text("a")
        assert not (tmp_path / "deep" / "out").exists()
    assert names(tmp_path) == ["deep", "deep/out", "deep/out/a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_folder_that_was_not_finished(
    error: type[BaseException], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with pytest.raises(error), fresh_folder(tmp_path / "out") as fresh:
        (fresh / "half").write_text("half")
        raise error
    assert names(tmp_path) == ["out", "out/old"]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    replace_folder(tmp_path / "out", {"a": b"1", "b/c": b"2"}, ours={"a", "b"})
    (tmp_path / "out" / "theirs").write_text("3")
    replace_folder(tmp_path / "out", {"a": b"4"}, ours={"a", "b"})
    assert names(tmp_path / "out") == ["a", "theirs"]
    assert (tmp_path / "out" / "a").read_bytes() == b"4"
