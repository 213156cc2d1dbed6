"""What is kept of people is sealed: AES-256-GCM under a key that is not in the database.

The master keys come from the environment (PERSONALIGN_SITE_KEY) or a file, the newest first. Each
purpose has its own key, derived by HKDF-SHA256, so that what signs a form opens no answer. A sealed
value names its master key and is bound to its place (table, column, row): moved elsewhere, it does
not open.

    sealed = 1 byte format | 4 bytes id of the master key | 12 bytes nonce | ciphertext and tag
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from personalign.dataset.files import replacing
from personalign.errors import SiteError

KEY_VARIABLE = "PERSONALIGN_SITE_KEY"
"""Environment variable with the master keys, newest first, base64, separated by commas."""

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

    def derived(self, purpose: str) -> bytes:
        """A key of its own for one purpose (32 bytes)."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(self.secret)


class Vault:
    """Seals and opens, signs and checks, with the master keys of a site."""

    def __init__(self, keys: Sequence[MasterKey]) -> None:
        """keys: newest first; the newest seals, all open."""
        if not keys:
            raise SiteError("There is no site key. Make one with: personalign site new-key FILE")
        self.keys = tuple(keys)
        self._sealing = {key.id: AESGCM(key.derived("seal")) for key in keys}
        self._signing: dict[tuple[bytes, str], bytes] = {}

    def seal(self, data: bytes, *about: About) -> bytes:
        """Encrypt data; it opens only with the same `about`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        newest = self.keys[0].id
        sealed = self._sealing[newest].encrypt(nonce, data, _place(about))
        return _FORMAT + newest + nonce + sealed

    def open(self, sealed: bytes, *about: About) -> bytes:
        """Decrypt what was sealed for this place.

        Raises SiteError where its key is not among this site's, or it was changed or moved.
        """
        head = len(_FORMAT) + ID_BYTES
        number, nonce = sealed[len(_FORMAT) : head], sealed[head : head + NONCE_BYTES]
        if sealed[: len(_FORMAT)] != _FORMAT or number not in self._sealing:
            raise SiteError(
                f"Something was sealed with the key {number.hex()}, and this site has "
                f"{', '.join(key.id.hex() for key in self.keys)}; give that key as well "
                f"({KEY_VARIABLE} or --site-key)."
            )
        try:
            return self._sealing[number].decrypt(nonce, sealed[head + NONCE_BYTES :], _place(about))
        except InvalidTag as error:
            raise SiteError(
                f"What is kept at {'/'.join(map(str, about))} was changed or moved, and is not "
                "opened. Restore a backup of the database."
            ) from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether the newest key sealed it."""
        return sealed[len(_FORMAT) : len(_FORMAT) + ID_BYTES] == self.keys[0].id

    def sign(self, purpose: str, data: bytes, key: bytes | None = None) -> bytes:
        """HMAC-SHA256 for a purpose (32 bytes); key: id of a master key, the newest if left out."""
        number = self.keys[0].id if key is None else key
        if (number, purpose) not in self._signing:
            found = [master for master in self.keys if master.id == number]
            if not found:
                raise SiteError(f"This site has no key {number.hex()}; give it as well.")
            self._signing[number, purpose] = found[0].derived(purpose)
        return hmac.digest(self._signing[number, purpose], data, "sha256")


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
    return Vault(read_keys(path))


def read_keys(path: Path) -> list[MasterKey]:
    """The master keys of a file, newest first; SiteError for a file that is none."""
    try:
        listed = json.loads(path.read_text("utf-8"))["keys"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SiteError(
            f"The key file {path} cannot be read ({error}); it is a JSON file that "
            "`personalign site new-key` writes."
        ) from error
    return [_decoded(str(text), str(path)) for text in listed]


def write_keys(path: Path, keys: Sequence[MasterKey]) -> None:
    """Write a file of keys, newest first, readable by its owner alone."""
    listed = [base64.b64encode(key.secret).decode() for key in keys]
    with replacing(path, private=True) as temporary:
        temporary.write_text(json.dumps({"format": 1, "keys": listed}, indent=2) + "\n", "utf-8")


def new_key() -> MasterKey:
    """A fresh master key."""
    return MasterKey(secrets.token_bytes(KEY_BYTES))


def _decoded(text: str, where: str) -> MasterKey:
    try:
        return MasterKey(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise SiteError(
            f"A key in {where} is no base64 ({error}). Make one with: personalign site new-key FILE"
        ) from error


def _place(about: Sequence[About]) -> bytes:
    """Unambiguous bytes of where a value stands."""
    return json.dumps(list(about), ensure_ascii=False).encode()
