"""What is kept of people is sealed: AES-256-GCM under a key that is not in the database.

The master keys come from the environment (PERSONALIGN_SITE_KEY) or a file, the newest first. A
file that changes is read again: a running site knows a new key at once. Each purpose has its own
key, derived by HKDF-SHA256, so that what signs a form opens no answer. A sealed value names its
master key and is bound to its place (table, column, row): moved elsewhere, it does not open.

A master key that seals nothing any more is dropped: what stays of it (`SigningKey`) finds accounts
by their phrase and checks audit entries of its time, and opens nothing.

    sealed = 1 byte format | 4 bytes id of the master key | 12 bytes nonce | ciphertext and tag
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from personalign.dataset.files import replacing
from personalign.errors import SiteError

KEY_VARIABLE = "PERSONALIGN_SITE_KEY"
"""Environment variable with the master keys, newest first, base64, separated by commas; what stays
of a dropped one is ID:BASE64."""

log = logging.getLogger("personalign.web")

KEY_BYTES, ID_BYTES, NONCE_BYTES = 32, 4, 12
_FORMAT = b"\x01"

About = str | int


@dataclass(frozen=True)
class MasterKey:
    """One master key."""

    secret: bytes = field(repr=False)
    """32 random bytes."""

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise SiteError(
                f"A site key has {len(self.secret)} bytes; it must have {KEY_BYTES}. Make one "
                "with: personalign site new-key FILE"
            )

    @property
    def id(self) -> bytes:
        """4 bytes that name it and tell nothing of it."""
        return hashlib.sha256(b"personalign site key" + self.secret).digest()[:ID_BYTES]

    @property
    def sealing(self) -> bytes:
        """The key that seals (32 bytes)."""
        return _derive(self.secret, "seal")

    @property
    def signing(self) -> SigningKey:
        """What stays when it is dropped."""
        return SigningKey(self.id, _derive(self.secret, "sign"))


@dataclass(frozen=True)
class SigningKey:
    """The part of a master key that signs, and opens nothing."""

    id: bytes
    """The master key's."""
    root: bytes = field(repr=False)
    """32 bytes; keys of purposes are derived from it."""

    def __post_init__(self) -> None:
        if len(self.id) != ID_BYTES or len(self.root) != KEY_BYTES:
            raise SiteError(
                f"What stays of a dropped key has {len(self.id)} bytes of id and {len(self.root)} "
                f"of key; they are {ID_BYTES} and {KEY_BYTES}. Take it from a copy of the file."
            )

    @property
    def signing(self) -> SigningKey:
        """Itself."""
        return self


Keys = Sequence[MasterKey | SigningKey]


class Vault:
    """Seals and opens, signs and checks, with the master keys of a site."""

    def __init__(self, keys: Keys, file: Path | None = None) -> None:
        """keys: newest first; the newest seals, all that are whole open, all sign.

        file: where they came from; it is read again when it changes.
        """
        self._file, self._stamp = file, _stamp(file)
        self._lock = threading.Lock()
        self._take(keys)

    def _take(self, keys: Keys) -> None:
        if not keys or not isinstance(keys[0], MasterKey):
            raise SiteError("There is no site key. Make one with: personalign site new-key FILE")
        whole = [key for key in keys if isinstance(key, MasterKey)]
        self._sealing = {key.id: AESGCM(key.sealing) for key in whole}
        self._signing: dict[tuple[bytes, str], bytes] = {}
        self._known = {key.id for key in keys}
        self.keys = tuple(keys)

    def seal(self, data: bytes, *about: About) -> bytes:
        """Encrypt data; it opens only with the same `about`."""
        self._look()
        nonce = secrets.token_bytes(NONCE_BYTES)
        newest = self.keys[0].id
        sealed = self._sealing[newest].encrypt(nonce, data, _place(about))
        return sealed_by(newest) + nonce + sealed

    def open(self, sealed: bytes, *about: About) -> bytes:
        """Decrypt what was sealed for this place.

        Raises SiteError where its key is not among this site's, or it was changed or moved.
        """
        head = len(_FORMAT) + ID_BYTES
        number, nonce = key_of(sealed), sealed[head : head + NONCE_BYTES]
        if number not in self._sealing:
            self._look()
        if sealed[: len(_FORMAT)] != _FORMAT or number not in self._sealing:
            raise SiteError(
                f"Something was sealed with the key {number.hex()}, and this site has "
                f"{', '.join(key.hex() for key in self._sealing)}; give that key as well "
                f"({KEY_VARIABLE} or --site-key)."
            )
        try:
            return self._sealing[number].decrypt(nonce, sealed[head + NONCE_BYTES :], _place(about))
        except (InvalidTag, ValueError) as error:  # ValueError: cut short
            raise SiteError(
                f"What is kept at {'/'.join(map(str, about))} was changed or moved, and is not "
                "opened. Restore a backup of the database."
            ) from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether the newest key sealed it."""
        return key_of(sealed) == self.keys[0].id

    def sign(self, purpose: str, data: bytes, key: bytes | None = None) -> bytes:
        """HMAC-SHA256 for a purpose (32 bytes); key: id of a master key, the newest if left out."""
        if key not in self._known:
            self._look()
        number = self.keys[0].id if key is None else key
        if (number, purpose) not in self._signing:
            found = [one.signing for one in self.keys if one.id == number]
            if not found:
                raise SiteError(f"This site has no key {number.hex()}; give it as well.")
            self._signing[number, purpose] = _derive(found[0].root, purpose)
        return hmac.digest(self._signing[number, purpose], data, "sha256")

    def ids(self) -> Iterator[bytes]:
        """The ids of all keys that sign, newest first."""
        self._look()
        return (key.id for key in self.keys)

    def _look(self) -> None:
        """Take the file's keys where it has changed, unless they are another site's."""
        if self._file is None or _stamp(self._file) == self._stamp:
            return
        with self._lock:
            if (stamp := _stamp(self._file)) == self._stamp:
                return
            self._stamp = stamp
            try:
                keys = read_keys(self._file)
            except SiteError as error:
                log.error("The keys in use stay. %s", error)
                return
            if self.keys[0].id in (key.id for key in keys):
                self._take(keys)
            else:
                log.error("The keys in use stay: %s holds another site's.", self._file)


def sealed_by(key: bytes) -> bytes:
    """What begins everything a master key sealed; key: its id."""
    return _FORMAT + key


def key_of(sealed: bytes) -> bytes:
    """The id of the master key that sealed something."""
    return sealed[len(_FORMAT) : len(_FORMAT) + ID_BYTES]


def vault_from(path: Path | None) -> Vault:
    """The vault of the environment's keys, or else of a file's.

    Raises SiteError where neither is there, or one cannot be read.
    """
    given = os.environ.get(KEY_VARIABLE)
    if given:
        return Vault([_decoded(part.strip(), KEY_VARIABLE) for part in given.split(",")])
    if path is None or not path.is_file():
        raise SiteError(
            f"There is no site key: neither {KEY_VARIABLE} nor {path or 'a file'}. Make one with: "
            "personalign site new-key FILE"
        )
    return Vault(read_keys(path), path)


def read_keys(path: Path) -> list[MasterKey | SigningKey]:
    """The keys of a file, newest first; SiteError for a file that is none."""
    try:
        listed = json.loads(path.read_text("utf-8"))["keys"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SiteError(
            f"The key file {path} cannot be read ({error}); it is a JSON file that "
            "`personalign site new-key` writes."
        ) from error
    return [_decoded(str(text), str(path)) for text in listed]


def write_keys(path: Path, keys: Keys) -> None:
    """Write a file of keys, newest first, readable by its owner alone."""
    listed = [encoded(key) for key in keys]
    with replacing(path, private=True) as temporary:
        temporary.write_text(json.dumps({"format": 1, "keys": listed}, indent=2) + "\n", "utf-8")


def encoded(key: MasterKey | SigningKey) -> str:
    """A key as the file and the environment have it."""
    if isinstance(key, MasterKey):
        return base64.b64encode(key.secret).decode()
    return f"{key.id.hex()}:{base64.b64encode(key.root).decode()}"


def new_key() -> MasterKey:
    """A fresh master key."""
    return MasterKey(secrets.token_bytes(KEY_BYTES))


def _decoded(text: str, where: str) -> MasterKey | SigningKey:
    number, _, secret = text.rpartition(":")
    try:
        key = base64.b64decode(secret, validate=True)
        return SigningKey(bytes.fromhex(number), key) if number else MasterKey(key)
    except ValueError as error:
        raise SiteError(
            f"A key in {where} is no base64 ({error}). Make one with: personalign site new-key FILE"
        ) from error


def _derive(secret: bytes, purpose: str) -> bytes:
    """A key of its own for one purpose (32 bytes)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(secret)


def _stamp(file: Path | None) -> tuple[int, int] | None:
    """What changes when a file does."""
    try:
        found = None if file is None else file.stat()
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_ino)


def _place(about: Sequence[About]) -> bytes:
    """Unambiguous bytes of where a value stands."""
    return json.dumps(list(about), ensure_ascii=False).encode()
