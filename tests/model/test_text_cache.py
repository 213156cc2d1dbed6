"""Texts on disk: whole or absent, never in the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from personalign.model import text_cache
from personalign.model.text_cache import TextCache, content_key


def test_what_was_put_is_got(tmp_path: Path) -> None:
    TextCache(tmp_path).put(content_key("q"), {"text": "ä", "more": 1})
    assert TextCache(tmp_path).get(content_key("q")) == {"text": "ä", "more": 1}
    assert TextCache(tmp_path).get(content_key("another")) is None


@pytest.mark.parametrize("content", ["", '{"text": "cu', "[]", '{"text": 3}', "\udcff"])
def test_a_file_that_is_not_whole_counts_as_absent(tmp_path: Path, content: str) -> None:
    cache = TextCache(tmp_path)
    cache.put(content_key("q"), {"text": "a"})
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(content.encode(errors="surrogateescape"))
    assert cache.get(content_key("q")) is None


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(text_cache.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        TextCache(tmp_path).put(content_key("q"), {"text": "a"})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path: Path, caplog) -> None:
    (tmp_path / "file").write_text("in the way")
    TextCache(tmp_path / "file").put(content_key("q"), {"text": "a"})
    assert "not kept" in caplog.text
    assert (tmp_path / "file").read_text() == "in the way"


def test_keys_tell_contents_apart() -> None:
    contents = [("a", "b"), ("ab",), ("a", ["b"]), (json.dumps(["a", "b"]),)]
    assert len({content_key(*content) for content in contents}) == len(contents)
