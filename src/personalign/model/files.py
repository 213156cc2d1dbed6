"""Writing a folder all or nothing: to a temporary name beside it first, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def replace_folder(
    folder: Path, files: Mapping[str, bytes | Path], *, ours: Collection[str]
) -> None:
    """Make `folder` hold `files`; a reader sees the old folder or the new one, nothing between.

    files: name, or path inside the folder -> content, or a file to copy. ours: names that belong to
    us; in a folder that exists already they are replaced or removed, and everything else is kept.
    Raises OSError, and then the old folder is as it was.
    """
    with fresh_folder(folder, ours=ours) as fresh:
        for name, content in files.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            with open(fresh / name, "wb") as file:
                if isinstance(content, Path):
                    with open(content, "rb") as source:
                        shutil.copyfileobj(source, file)
                else:
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())


@contextmanager
def fresh_folder(folder: Path, *, ours: Collection[str] = ()) -> Iterator[Path]:
    """An empty folder beside `folder` to fill; it takes that name when the block ends well.

    ours: as for `replace_folder`. Whatever the block raises, the new folder goes and the old one
    stays as it was.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
    try:
        yield fresh
        fresh.chmod(0o777 & ~_umask())
        if not folder.exists():
            os.rename(fresh, folder)
            return
        for entry in folder.iterdir():
            if entry.name not in ours:
                _copy(entry, fresh / entry.name)
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old-", dir=folder.parent))
        os.rename(folder, old)  # onto the empty folder just made
        try:
            os.rename(fresh, folder)
        except OSError:
            os.rename(old, folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _umask() -> int:
    """The process's umask; mkdtemp makes folders only their owner may read."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
