"""A file is replaced whole, or stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from personalign.dataset.files import replacing


def test_new_content_arrives_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "note.txt"
    for content in ("first", "second"):
        with replacing(target) as temporary:
            assert temporary.suffix == ".txt"
            temporary.write_text(content)
        assert target.read_text() == content
    assert list(target.parent.iterdir()) == [target]


def test_an_interruption_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "note.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(target) as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
