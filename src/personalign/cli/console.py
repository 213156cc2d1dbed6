"""What every command shares: two consoles, a progress bar, a JSON file that is whole or absent.

Tables and answers go to stdout, so that they can be piped; progress and errors go to stderr.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

console = Console()
"""Stdout: tables, answers, the paths of files written."""

errors = Console(stderr=True)
"""Stderr: progress, warnings and the one sentence of an error."""


class Advance(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


@contextmanager
def progress(description: str) -> Iterator[Advance]:
    """Show one bar on stderr while the block runs; nothing where stderr is no terminal.

    Yields a function of (done, total), both counts of the same unit, to be called with each step;
    it is what the library's ``progress=`` arguments take. A note stands beside the description
    until another is given. The bar disappears with the block.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(description, total=None)
        noted = description

        def advance(done: int, total: int, note: str = "") -> None:
            nonlocal noted
            noted = f"{description}, {note}" if note else noted
            bar.update(task, completed=done, total=total, description=noted)

        yield advance


def write_json(path: Path | str, data: Any) -> Path:
    """Write data as indented JSON under a temporary name, then rename it into place.

    Values JSON has no form for raise TypeError before anything is written, NaN included
    (ValueError): a missing number is None. Returns the path written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_json(Path(folder) / "scores.json", {"composite": 2.5}).read_text()
    '{\\n  "composite": 2.5\\n}\\n'
    """
    from personalign.dataset.files import replacing  # here, so that --help loads no numpy

    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)
