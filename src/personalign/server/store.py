"""A directory of personas, by name: loaded in the background, changed while they are served.

Each sub-folder with a `persona.json` is a persona, named by the folder. `get` looks whether that
file is still the one that was read, so what any process adds, replaces or deletes counts at once,
also where several servers share the directory; the list of names follows within seconds, by a look
at the whole directory. What a request began with it keeps: a `Persona` never changes, and the
engine's caches go by its content. A folder that cannot be read is named in `broken`, and the
persona that was there before is served on until any of the folder's files changes: a folder that is
copied in by hand is half there for a while.
"""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from personalign.errors import PersonaError, UnknownPersonaError
from personalign.model.persona import PERSONA_FILE, Persona

if TYPE_CHECKING:
    from personalign.model.decoder import Decoder
    from personalign.server.keys import Key

log = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What a persona may be called: no separator of paths, nor one of `base:persona@alpha`."""

REPLACING_SECONDS = 0.05
"""How long a folder that is being replaced may be missing between two renames."""

SETTLED_SECONDS = 2.0
"""A file that changed within so many seconds may change again without its times telling: some
file systems count in whole or in two seconds."""

Stamp = tuple[int, int, int]


class Personas(Protocol):
    """The personas of a server, by name; `PersonaStore` is one."""

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until they were read once; False if it takes longer."""

    def __contains__(self, name: str) -> bool: ...

    def visible(self, key: Key) -> list[str]:
        """Names of those a key may know of."""

    def seen_by(self, key: Key, name: str) -> bool:
        """Whether a key may know of one of this name, if there is one."""

    def get(self, name: str) -> Persona:
        """A persona; UnknownPersonaError, PersonaError."""

    def written(self, name: str) -> int:
        """When it was last written, in seconds since 1970; UnknownPersonaError."""

    def put(self, name: str, persona: Persona) -> Persona:
        """Keep one; PersonaError."""

    def delete(self, name: str) -> None:
        """Delete one; UnknownPersonaError."""

    def close(self) -> None:
        """End what runs in the background."""


class PersonaStore:
    """The personas of a directory, for one decoder; a background thread keeps it true."""

    def __init__(
        self,
        folder: str | Path,
        decoder: Decoder | None = None,
        *,
        look_every: float = 2.0,
    ) -> None:
        """folder: made if it is missing. decoder: personas of another model are refused.

        look_every: seconds between two looks at the directory; 0 looks only when `refresh` is
        called, and once at the beginning.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.decoder = decoder
        self.look_every = look_every
        self.broken: dict[str, str] = {}
        """Name -> why its folder cannot be read."""
        self._personas: dict[str, Persona] = {}
        self._stamps: dict[str, Stamp] = {}  # of those in _personas
        self._failed: dict[str, tuple[object, ...]] = {}  # the files that make one broken
        self._lock = threading.RLock()
        self._loaded, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="persona store", daemon=True)
        self._thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the directory was read once; False if it takes longer."""
        return self._loaded.wait(seconds)

    def __len__(self) -> int:
        return len(self._personas)

    def __contains__(self, name: str) -> bool:
        return name in self._personas or self._stamp(name) is not None

    def names(self) -> list[str]:
        """The names of the personas loaded so far, sorted."""
        with self._lock:
            return sorted(self._personas)

    def visible(self, key: Key) -> list[str]:
        """Names of the personas a key may know of, sorted."""
        return [name for name in self.names() if key.sees(name)]

    def seen_by(self, key: Key, name: str) -> bool:
        """Whether a key may know of a persona of this name."""
        return key.sees(name)

    def get(self, name: str) -> Persona:
        """A persona by name, as its folder has it now.

        Raises UnknownPersonaError where there is none, PersonaError where it cannot be read.
        """
        stamp, persona = self._stamps.get(name), self._personas.get(name)  # written the other way
        now = self._stamp(name)
        if persona is not None and stamp == now:
            return persona
        if persona is not None or now is not None:
            with self._lock:
                self._look_at(name)
                if name in self._personas:
                    return self._personas[name]
                if name in self.broken:
                    raise PersonaError(self.broken[name])
        raise UnknownPersonaError(f"There is no persona {name!r} here.")

    def written(self, name: str) -> int:
        """When a persona was last written, in seconds since 1970.

        Raises UnknownPersonaError where there is none.
        """
        stamp = self._stamps.get(name) or self._stamp(name)
        if stamp is None:
            raise UnknownPersonaError(f"There is no persona {name!r} here.")
        return stamp[0] // 10**9

    def put(self, name: str, persona: Persona, *, keep_answers: bool = False) -> Persona:
        """Write a persona and serve it from now on; one of the same name is replaced.

        Raises PersonaError for a name that cannot be a folder's here, or a persona that is of
        another model or cannot be written.
        """
        if not NAME.fullmatch(name):
            raise PersonaError(
                f"A persona cannot be called {name!r}: its name is 1 to 128 letters, digits, dots, "
                "hyphens and underscores, and begins with a letter or digit."
            )
        with self._lock:
            persona.save(self.folder / name, keep_answers=keep_answers)
            self._look_at(name)
            if name in self.broken:
                raise PersonaError(self.broken[name])
            return self._personas[name]

    def delete(self, name: str) -> None:
        """Delete a persona's folder; replies that it is giving are finished.

        Raises UnknownPersonaError where there is none.
        """
        with self._lock:
            unknown = UnknownPersonaError(f"There is no persona {name!r} here to delete.")
            if self._stamp(name) is None:
                self._forget(name)
                raise unknown
            away = Path(tempfile.mkdtemp(prefix=f".{name}.deleted-", dir=self.folder))
            try:
                (self.folder / name).rename(away / name)  # gone at once, whatever reads it
            except FileNotFoundError:  # somebody else was quicker
                raise unknown from None
            finally:
                self._forget(name)
                shutil.rmtree(away, ignore_errors=True)

    def refresh(self) -> None:
        """Look at the directory now: load what is new or replaced, forget what is gone."""
        found = {path.name for path in self.folder.iterdir() if NAME.fullmatch(path.name)}
        for name in sorted(found):
            if self._closed.is_set():
                return
            with self._lock:
                self._look_at(name)
        with self._lock:
            for name in {*self._stamps, *self.broken} - found:
                self._look_at(name)

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.is_set():
            try:
                self.refresh()
            except OSError as error:
                log.warning("The personas in %s cannot be listed: %s", self.folder, error)
            if not self._loaded.is_set():
                found = len(self._personas), self.folder, len(self.broken)
                log.info("%d personas of %s are ready; %d cannot be read.", *found)
            self._loaded.set()
            if self.look_every <= 0:
                return
            self._closed.wait(self.look_every)

    def _look_at(self, name: str) -> None:
        """Load one persona if its folder has changed, forget it if it is gone."""
        stamp = self._stamp(name)
        if stamp is None and name in self._personas:  # deleted, or about to be there again
            time.sleep(REPLACING_SECONDS)
            stamp = self._stamp(name)
        if stamp is None:
            self._forget(name)
        elif stamp != self._stamps.get(name):
            self._load(name, stamp)
        else:  # what is served is there again
            self._mend(name)

    def _load(self, name: str, stamp: Stamp) -> None:
        files, settled = self._files(name)
        if files == self._failed.get(name):
            return
        try:
            persona = Persona.load(self.folder / name, self.decoder)
        except (PersonaError, OSError) as error:
            if self.broken.get(name) != str(error) and self._stamp(name) == stamp:
                log.warning("The persona %s cannot be served. %s", name, error)
            self.broken[name] = str(error)
            if settled:  # else it is tried again at the next look
                self._failed[name] = files
            return
        self._personas[name], self._stamps[name] = persona, stamp
        self._mend(name)

    def _forget(self, name: str) -> None:
        self._personas.pop(name, None)
        self._stamps.pop(name, None)
        self._mend(name)

    def _mend(self, name: str) -> None:
        self.broken.pop(name, None)
        self._failed.pop(name, None)

    def _stamp(self, name: str) -> Stamp | None:
        """What changes when a persona is written anew; None where there is none."""
        if not NAME.fullmatch(name):
            return None
        try:
            found = (self.folder / name / PERSONA_FILE).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _files(self, name: str) -> tuple[tuple[object, ...], bool]:
        """What changes when any file of a persona does, and whether the last change is a while ago.

        A change of who may read a file counts, too.
        """
        files: list[object] = []
        latest = 0
        for path in sorted((self.folder / name).rglob("*")):
            try:
                found = path.stat()
            except OSError:
                return (), False
            latest = max(latest, found.st_mtime_ns, found.st_ctime_ns)
            files.append((path, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size))
        return tuple(files), latest < time.time_ns() - SETTLED_SECONDS * 10**9
