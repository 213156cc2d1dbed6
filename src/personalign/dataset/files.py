"""Files that appear whole or not at all, and the folder of those that can be fetched again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE_VARIABLE = "PERSONALIGN_CACHE"
"""Environment variable that names another cache folder."""


def cache_folder() -> Path:
    """Where what can be made again is kept: $PERSONALIGN_CACHE, else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "personalign"


@contextmanager
def replacing(path: str | Path, *, private: bool = False) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it takes the place of `path` when the block ends.

    If the block raises, the temporary file is removed and `path` stays as it was. The temporary
    name keeps the ending of `path`, for writers that go by it. Missing folders are made.
    private: for this user's eyes alone.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "note.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "note.txt").read_text()
    'whole'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}.", suffix=target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if not private:
            temporary.chmod(0o644)  # mkstemp makes it private to this user
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
