"""Texts kept on disk by what they are the answer to: asked once, read ever after.

One small JSON file a text, named by a hash of everything the text depends on, so that nothing of
the question (a person's answers, say) is stored beside it. A file is whole or absent; one that
cannot be read counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class TextCache:
    """Records that hold a "text", by their key; without a folder nothing is kept.

    >>> cache = TextCache(None)
    >>> cache.put(content_key("a question"), {"text": "an answer"})
    >>> cache.get(content_key("a question")) is None
    True
    """

    def __init__(self, folder: Path | str | None) -> None:
        self.folder = None if folder is None else Path(folder)

    def get(self, key: str) -> dict[str, Any] | None:
        """The record kept under the key, or None."""
        if self.folder is None:
            return None
        try:
            record = json.loads(self._path(key).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        whole = isinstance(record, dict) and isinstance(record.get("text"), str)
        return record if whole else None

    def put(self, key: str, record: Mapping[str, Any]) -> None:
        """Keep a record, whole or not at all; a disk that is full costs a warning, no more."""
        if self.folder is None:
            return
        try:
            self._write(self._path(key), json.dumps(record, ensure_ascii=False) + "\n")
        except OSError as error:
            log.warning("A text is not kept for the next time: %s.", error)

    def _path(self, key: str) -> Path:
        assert self.folder is not None, "a cache without a folder has no files"
        return self.folder / key[:2] / f"{key}.json"

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-", suffix=".json")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, path)  # stays private to this user: it may be about a person
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def content_key(*parts: Any) -> str:
    """Hex sha256 of JSON values: the same for the same content.

    >>> content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    True
    """
    content = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()
