"""A run's folder: whose it is, what was found of the model, and the raw rows.

    OUT/
      run.toml            the run as it was asked for
      source.txt          where that was read from
      facts.json          digest of the run, version, commit, model, methods, machine, people
      lock                held while a run works here
      pas-3f2a91c04b7d/   raw rows of one evaluation, method and seed (`bench/store.py`)
      finished.json       written last; its absence says that something is still to come
      report/             what `personalign bench report` made of it

A folder belongs to one run: another TOML is refused, for its rows would not be told apart.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from personalign import __version__
from personalign.bench.rows import Described
from personalign.bench.run.plan import Part, parts_of
from personalign.bench.run.spec import RunSpec, parse_spec
from personalign.bench.run.workbench import Facts
from personalign.bench.store import RawBlock, ResultStore, code_digest, people_digest
from personalign.dataset.files import replacing
from personalign.dataset.people import Respondents
from personalign.errors import EvaluationError

SPEC, SOURCE, FACTS = "run.toml", "source.txt", "facts.json"
LOCK, FINISHED = "lock", "finished.json"


_SAME = {"fingerprint": "the model", "people": "the people", "code": "Personalign's source"}
"""What may not change between two sittings of a run, by its digest."""


class RunFolder:
    """The rows of one run, and what says whose they are."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.store = ResultStore(self.folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else works in the folder inside the block.

        The lock is the operating system's: it is free again when its holder ends, however it ends.
        Raises EvaluationError while another process holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise EvaluationError(
                f"Another run is at work in {self.folder}. Wait until it has ended, or choose "
                "another folder with --out."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def claim(self, spec: RunSpec, source: Path) -> None:
        """Make the folder this run's, or see that it is already.

        source: the TOML.
        Raises EvaluationError for a folder of another run.
        """
        if (self.folder / SPEC).exists():
            there = self.spec()
            if there.digest != spec.digest:
                raise EvaluationError(
                    f"{self.folder} holds another run ({there.title!r}, {there.digest[:8]}; this "
                    f"one is {spec.digest[:8]}). Choose another folder with --out, or delete it."
                )
            return
        ours = (LOCK, SOURCE)  # and what a kill between the two left under a temporary name
        if any(path.name not in ours and path.name[0] != "." for path in self.folder.iterdir()):
            raise EvaluationError(
                f"{self.folder} holds other files and no run; choose an empty or new folder."
            )
        self._write(SOURCE, str(source.resolve()) + "\n")
        self._write(SPEC, source.read_text(encoding="utf-8"))

    def spec(self) -> RunSpec:
        """The run. Raises EvaluationError where the folder holds none."""
        path = self.folder / SPEC
        if not path.exists():
            raise EvaluationError(
                f"{self.folder} holds no run: there is no {SPEC}. Give the folder that "
                "`personalign bench RUN.toml` wrote to."
            )
        return parse_spec(path.read_text(encoding="utf-8"), str(path))

    @property
    def source(self) -> Path:
        """Where the TOML was read from; its relative paths begin there."""
        return Path((self.folder / SOURCE).read_text(encoding="utf-8").strip())

    def keep_facts(self, facts: Facts, spec: RunSpec, people: Respondents) -> None:
        """Write what the model and the machine are, or see that they are still the same.

        Raises EvaluationError where the folder's rows are of other people, of another model, or
        were measured by other code.
        """
        told: dict[str, Any] = {
            "digest": spec.digest,
            "version": __version__,
            "code": code_digest(),
            "commit": commit(),
            "model": facts.model,
            "fingerprint": facts.fingerprint,
            "people": people_digest(people),
            "source": people.source,
            "methods": [asdict(method) for method in facts.methods],
            "hardware": facts.hardware,
        }
        if (self.folder / FACTS).exists():
            there = self.facts()
            for name, what in _SAME.items():
                if there[name] != told[name]:
                    raise EvaluationError(
                        f"{self.folder} was begun with {what} {there[name][:12]}, which now is "
                        f"{told[name][:12]}; rows of both are not comparable. Choose another "
                        "folder with --out."
                    )
        self._write(FACTS, json.dumps(told, indent=2, sort_keys=True, default=str) + "\n")

    def facts(self) -> dict[str, Any]:
        """What was found of the model and the machine.

        Raises EvaluationError where the run has not begun.
        """
        path = self.folder / FACTS
        if not path.exists():
            raise EvaluationError(
                f"The run in {self.folder} was never begun: there is no {FACTS}. Run it first: "
                "personalign bench RUN.toml"
            )
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def methods(self) -> tuple[Described, ...]:
        """What tables say of the methods."""
        return tuple(Described(**told) for told in self.facts()["methods"])

    def parts(self, spec: RunSpec, people: Respondents) -> list[Part]:
        """All parts of the run; see `parts_of`."""
        facts = self.facts()
        return parts_of(
            spec, people, self.methods(), facts["fingerprint"], facts["version"], facts["code"]
        )

    def done(self, parts: list[Part]) -> list[tuple[Part, tuple[int, int]]]:
        """The blocks that are there."""
        return [
            (part, block)
            for part in parts
            for block in part.blocks
            if self.store.at(part.key).there(*block)
        ]

    def write(self, part: Part, block: tuple[int, int], raw: RawBlock) -> None:
        """Keep one block's rows; whole or not at all."""
        self.store.open(part.key).write(*block, raw)

    def read(self, part: Part) -> list[RawBlock] | None:
        """All rows of a part, in the order of people; None while some are to come."""
        place = self.store.at(part.key)
        found = [place.read(*block) for block in part.blocks]
        whole = [raw for raw in found if raw is not None]
        return whole if len(whole) == len(found) else None

    def finish(self, parts: list[Part]) -> None:
        """Mark every part, and the run; call it when all blocks are there."""
        for part in parts:
            place = self.store.open(part.key)
            if not place.finished:
                place.finish({"people": part.blocks[-1][1], "blocks": len(part.blocks)})
        self._write(FINISHED, json.dumps({"parts": len(parts)}) + "\n")

    @property
    def finished(self) -> bool:
        """Whether the run is complete."""
        return (self.folder / FINISHED).exists()

    def _write(self, name: str, text: str) -> None:
        with replacing(self.folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def commit() -> str | None:
    """The commit of the source that runs, with a mark where it was changed; None outside git."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout.strip()

    try:
        tracked = git("ls-files", "--error-unmatch", Path(__file__).name)
        if not tracked:
            return None
        return git("rev-parse", "HEAD") + (" and changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None
