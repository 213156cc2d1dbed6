"""Raw answers on disk: one folder a method, one file a block of people, the marker last.

    OUT/pas-3f2a91c04b7d/
      key.json                  what was run: model, settings, people, wording, seed, versions
      people-00000-00016.npz    the raw answers of 16 people, and what their personas were
      people-00000-00016.json   the seconds and the memory they took
      finished.json             written last; its absence says that people are still to come

What something took is kept apart from what it gave, so that two runs of the same thing leave the
same bytes. The folder's name ends in a digest of its key, so another model, setting, seed or
release of Personalign never reads these answers. Files are written under a temporary name and
renamed, so an interrupted run leaves whole blocks only, and the next run skips the people that are
there. The people's own answers are not stored, only a digest of them.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from personalign.dataset.files import replacing
from personalign.errors import EvaluationError

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents


@dataclass(frozen=True)
class RunKey:
    """Everything that the raw answers of one method depend on."""

    method: str
    """The method's name."""
    settings: dict[str, Any]
    """The method's settings, as JSON values."""
    model: str
    """Fingerprint of the model, or "" for a method without one."""
    people: str
    """Digest of the people's answers, in order (`people_digest`)."""
    items: tuple[int, ...]
    """Numbers of the items asked."""
    wording: dict[str, Any]
    """The question's wording, whole."""
    protocol: str
    """"honest" or "paper"."""
    seed: int
    """The run's seed."""
    version: str
    """Personalign's version."""
    code: str
    """Digest of the source that answers depend on (`code_digest`)."""
    inventory: str = "IPIP-NEO-300"
    """Name of the questionnaire."""
    evaluation: dict[str, Any] = field(default_factory=lambda: {"name": "aligned"})
    """What was measured: the evaluation's name, and its settings."""
    layout: int = 3
    """What a block holds; 3 since seconds and memory have a file of their own."""

    @property
    def digest(self) -> str:
        """Hex sha256 of the whole key."""
        return hashlib.sha256(_json(asdict(self)).encode()).hexdigest()

    @property
    def folder(self) -> str:
        """Name of the folder that holds these answers."""
        evaluation = self.evaluation["name"]
        named = self.method if evaluation == "aligned" else f"{evaluation}-{self.method}"
        return f"{named}-{self.digest[:12]}"


@dataclass(frozen=True)
class RawBlock:
    """What one method said about some consecutive people, or what was measured of it."""

    arrays: dict[str, NDArray]
    """Named arrays, one row a person: "log_probs" and "mass", or "responses"; "tuning_log_probs"
    or "tuning" for the items learnt from, where they were asked."""
    seconds: tuple[float, float]
    """Seconds spent making the personas, and answering."""
    records: tuple[dict[str, Any], ...] = field(default=())
    """JSON values; of answers, one a person: its persona's alpha, heads and provenance."""
    peak_bytes: int | None = None
    """Highest memory while they were made and answered, above what was held before."""


class ResultStore:
    """Raw answers of many methods under one folder; without a folder, nothing is kept."""

    def __init__(self, folder: Path | str | None) -> None:
        self.folder = None if folder is None else Path(folder)

    def open(self, key: RunKey) -> MethodStore:
        """The place for this key's answers, created where it is not there yet."""
        if self.folder is None:
            return MethodStore(None)
        place = self.folder / key.folder
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "key.json").exists():
            _write_json(place / "key.json", asdict(key))
        return MethodStore(place)

    def at(self, key: RunKey) -> MethodStore:
        """As `open`, for reading: nothing is created."""
        return MethodStore(None if self.folder is None else self.folder / key.folder)


class MethodStore:
    """The blocks of one method's answers."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @property
    def finished(self) -> bool:
        """Whether every block of the run was written."""
        return self.folder is not None and (self.folder / "finished.json").exists()

    def there(self, start: int, stop: int) -> bool:
        """Whether the answers of people start to stop - 1 are stored."""
        return self.folder is not None and self._path(start, stop).exists()

    def read(self, start: int, stop: int) -> RawBlock | None:
        """The answers of people start to stop - 1, or None where they are still to be made.

        Raises:
            EvaluationError: the file is there and cannot be read.
        """
        if not self.there(start, stop):
            return None
        path = self._path(start, stop)
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            records = tuple(json.loads(arrays.pop("records").tobytes().decode()))
            took = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            make, answer = took["seconds"]
            peak = took["peak_bytes"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise EvaluationError(
                f"The stored answers in {path} cannot be read ({error}). Delete that file and run "
                f"the same command again; only its {stop - start} people are asked again."
            ) from error
        return RawBlock(arrays, (float(make), float(answer)), records, peak)

    def write(self, start: int, stop: int, block: RawBlock) -> None:
        """Store the answers of people start to stop - 1, whole or not at all."""
        if self.folder is None:
            return
        path = self._path(start, stop)
        records = np.frombuffer(_json(block.records).encode(), dtype=np.uint8)
        packed = {**block.arrays, "records": records}
        took = {"seconds": block.seconds, "peak_bytes": block.peak_bytes}
        _write_json(path.with_suffix(".json"), took)
        with replacing(path) as temporary:  # last: where it is, the block is whole
            np.savez_compressed(temporary, **packed)  # type: ignore[arg-type]

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the marker; call it when every block is there."""
        if self.folder is not None:
            _write_json(self.folder / "finished.json", summary)

    def _path(self, start: int, stop: int) -> Path:
        assert self.folder is not None, "a store without a folder has no files"
        return self.folder / f"people-{start:05d}-{stop:05d}.npz"


def people_digest(people: Respondents) -> str:
    """Hex sha256 of the people's answers, in order; says nothing about any one answer."""
    responses = np.ascontiguousarray(people.responses, dtype=np.int8)
    return hashlib.sha256(repr(responses.shape).encode() + responses.tobytes()).hexdigest()


@cache
def code_digest() -> str:
    """Hex sha256 of the Python source that decides what is measured.

    A change to the code between two runs of one version would otherwise go unseen, and old answers
    be taken for new ones.
    """
    package = files("personalign")
    total = hashlib.sha256()
    for room in ("dataset", "inventory", "methods", "model", "evaluation"):
        root = Path(str(package / room))
        for path in sorted(root.rglob("*.py")):
            total.update(path.relative_to(root.parent).as_posix().encode() + b"\0")
            total.update(path.read_bytes())
    return total.hexdigest()


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    """A JSON value for numpy's numbers and arrays and for paths."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _write_json(path: Path, value: Any) -> None:
    with replacing(path) as temporary:
        temporary.write_text(_json(value, indent=2) + "\n", encoding="utf-8")
