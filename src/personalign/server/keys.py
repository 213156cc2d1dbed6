"""API keys: a file of hashes, what each key may do, and how much.

A key is `pa-ID-SECRET`: an id of 12 hexadecimal digits, which may be seen, and 256 random bits,
which are shown once, when the key is made. The file keeps the secret's plain SHA-256. A slow,
salted hash (scrypt, argon2) protects passwords, because people choose them out of few; nobody can
search 2^256 secrets, so here it would protect nothing, and cost each request its milliseconds.

The file is JSON, written all or nothing, readable by its owner alone. A running server reads it
again when it changes, so keys made or revoked count at once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from filelock import FileLock

from personalign.dataset.files import replacing
from personalign.errors import ServingError

log = logging.getLogger("personalign.server")

Scope = Literal["chat", "personas:read", "personas:write", "admin"]
"""What a key may do: write replies; see personas; make and delete them; everything, and look at
the metrics."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
FORMAT = 1
_KEY = re.compile(r"pa-([0-9a-f]{12})-([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class Key:
    """One key, without its secret."""

    id: str
    """12 hexadecimal digits, part of the key itself."""
    name: str
    """Whose it is, in words."""
    hash: str
    """Hex SHA-256 of the secret."""
    scopes: tuple[Scope, ...] = ("chat",)
    personas: tuple[str, ...] = ("*",)
    """Patterns (`*`, `?`, `[...]`) of the personas it may see, use, make and delete."""
    requests_per_minute: int | None = None
    """None is as many as the server takes."""
    concurrency: int | None = None
    """Requests under way at once; None is as many as the server takes."""
    created: int = 0
    """Seconds since 1970."""

    def __post_init__(self) -> None:
        for what, words, example in (
            ("scopes", self.scopes, '["chat"]'),
            ("personas", self.personas, '["acme-*"]'),
        ):
            # a text alone would be taken apart, and its * would be a pattern that is all personas
            if not isinstance(words, tuple) or not all(isinstance(word, str) for word in words):
                raise ServingError(
                    f"The key {self.name!r} has the {what} {words!r}; write a list of texts, such "
                    f"as {example}."
                )
        unknown = sorted(set(self.scopes) - set(SCOPES))
        if unknown or not self.scopes:
            raise ServingError(
                f"The key {self.name!r} has the scopes {', '.join(self.scopes) or '(none)'}; "
                f"choose from {', '.join(SCOPES)}."
            )
        for what, value in (
            ("requests per minute", self.requests_per_minute),
            ("requests at once", self.concurrency),
        ):
            if value is not None and value < 1:
                raise ServingError(
                    f"The key {self.name!r} may send {value} {what}; it must be at least 1, or "
                    "left out for no limit of its own."
                )

    def may(self, scope: Scope) -> bool:
        """Whether it may do that."""
        return scope in self.scopes or "admin" in self.scopes

    def sees(self, persona: str) -> bool:
        """Whether a persona of this name is among those it may know of."""
        return any(fnmatchcase(persona, pattern) for pattern in self.personas)


class Keys(Protocol):
    """Where a server looks keys up; `KeyRing` is one."""

    def find(self, given: str) -> Key | None:
        """The key that was given, or None where there is no such key; may be called in threads."""

    def holds(self, key: Key) -> bool:
        """Whether a key that was found is still there; may be called in threads."""


ANYONE = Key("", "anyone", "", scopes=("admin",))
"""Who asks a server that has no keys."""


def create_key(
    path: str | Path,
    name: str,
    *,
    scopes: Sequence[Scope] = ("chat",),
    personas: Sequence[str] = ("*",),
    requests_per_minute: int | None = None,
    concurrency: int | None = None,
) -> str:
    """Make a key, add it to the file (made where there is none), and return it, this once.

    Raises ServingError for an unknown scope, a limit below 1, or a file that is no file of keys.
    """
    number, secret, given = new_secret()
    key = Key(
        number,
        name,
        secret,
        _listed(scopes),
        _listed(personas),
        requests_per_minute,
        concurrency,
        int(time.time()),
    )
    with _changing(Path(path)) as keys:
        keys.append(key)
    return given


def new_secret() -> tuple[str, str, str]:
    """A fresh key's id, the hash that is kept of its secret, and the key itself."""
    number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return number, _hash(secret), f"pa-{number}-{secret}"


def read_key(given: str) -> tuple[str, str] | None:
    """The id and the secret's hash of what was given, or None where it looks like no key."""
    match = _KEY.fullmatch(given)
    return None if match is None else (match[1], _hash(match[2]))


def revoke_key(path: str | Path, which: str) -> Key:
    """Take a key out of the file; which: its id, or its name where only one has it."""
    with _changing(Path(path), must_exist=True) as keys:
        found = [key for key in keys if which in (key.id, key.name)]
        if len(found) != 1:
            known = ", ".join(f"{key.id} ({key.name})" for key in keys) or "none"
            count = "No key has" if not found else f"{len(found)} keys have"
            raise ServingError(f"{count} the id or name {which!r}; the keys are {known}.")
        keys.remove(found[0])
    return found[0]


def read_keys(path: str | Path) -> list[Key]:
    """The keys of a file, in the order they were made.

    Raises ServingError where the file is missing or not what `create_key` writes.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ServingError(
            f"The keys file {path} cannot be read: {error.strerror}. Make a key with: personalign "
            f"keys create {path} --name NAME"
        ) from error
    except ValueError as error:
        raise ServingError(f"The keys file {path} is no JSON: {error}.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ServingError(
            f"{path} is no keys file of format {FORMAT}; make one with: personalign keys create."
        )
    try:
        return [Key(**{n: _listed(v) for n, v in entry.items()}) for entry in data["keys"]]
    except (TypeError, KeyError, AttributeError) as error:
        names = ", ".join(field.name for field in fields(Key))
        raise ServingError(
            f"A key in {path} is not understood ({error}); its fields are {names}."
        ) from error


class KeyRing:
    """The keys of a running server: the file, read again when it changes.

    A file that is gone or spoilt for a while leaves the keys as they were last read, and says so
    in the log: a slip of an editor is not to lock everybody out.
    """

    def __init__(self, path: str | Path) -> None:
        """Raises ServingError where the file cannot be read at the start."""
        self._path = Path(path)
        self._lock = threading.Lock()
        self._stamp = self._stamped()
        self._keys = {key.id: key for key in read_keys(self._path)}

    def find(self, given: str) -> Key | None:
        """The key that was given, or None where there is no such key."""
        self._refresh()
        read = read_key(given)
        key = None if read is None else self._keys.get(read[0])
        if read is None or key is None or not hmac.compare_digest(key.hash, read[1]):
            return None
        return key

    def holds(self, key: Key) -> bool:
        """Whether a key that was found is still there."""
        self._refresh()
        kept = self._keys.get(key.id)
        return kept is not None and kept.hash == key.hash

    def _refresh(self) -> None:
        with self._lock:
            stamp = self._stamped()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._keys = {key.id: key for key in read_keys(self._path)}
            except ServingError as error:
                log.error("The keys stay as they were. %s", error)

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _listed(value: Any) -> Any:
    """Lists as tuples; whatever else is given, `Key` refuses."""
    return tuple(value) if isinstance(value, list | tuple) else value


@contextmanager
def _changing(path: Path, *, must_exist: bool = False) -> Iterator[list[Key]]:
    """The file's keys, to be changed; written when the block ends well, one process at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", mode=0o600):
        keys = read_keys(path) if must_exist or path.exists() else []
        yield keys
        entries = [asdict(key) for key in keys]
        text = json.dumps({"format": FORMAT, "keys": entries}, indent=2) + "\n"
        with replacing(path, private=True) as temporary:
            temporary.write_text(text, encoding="utf-8")
