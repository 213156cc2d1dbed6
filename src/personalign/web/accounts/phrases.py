"""Sign-in phrases: eight random words instead of an e-mail address and a password.

The words are of BIP-39's English list (2,048 words, no two alike in their first four letters), 88
random bits in all. The first three find the account, through a MAC under the site's key; all eight
are checked against Argon2id (RFC 9106; memory and passes as OWASP advises).
"""

from __future__ import annotations

import difflib
import secrets
import threading
from functools import cache
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from mnemonic import Mnemonic

if TYPE_CHECKING:
    from personalign.web.vault import Vault

WORDS, LOOKUP_WORDS = 8, 3

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE = threading.Semaphore(4)
"""Argon2 takes 19 MiB and a core; more at once would only slow down everybody's pages."""


class PhraseError(ValueError):
    """A phrase that cannot be one; `word` is what is wrong with it, if it is one word."""

    def __init__(self, word: str | None = None, near: str | None = None) -> None:
        super().__init__(word)
        self.word, self.near = word, near


def new_phrase() -> str:
    """A fresh phrase."""
    return " ".join(secrets.choice(word_list()) for _ in range(WORDS))


def new_handle() -> str:
    """Random words that others see instead of a name."""
    one, other = secrets.choice(word_list()), secrets.choice(word_list())
    return f"{one}-{other}-{secrets.randbelow(900) + 100}"


def read_phrase(typed: str) -> str:
    """A phrase as somebody typed it, put right: spaces, case, the first four letters of a word.

    Raises PhraseError for a word that is in no phrase, with the nearest one, and for another number
    of words.

    >>> read_phrase("  Abandon ABILITY able abou above absent absorb abst ")
    'abandon ability able about above absent absorb abstract'
    """
    words = typed.replace("-", " ").replace(",", " ").lower().split()
    known = word_list()
    found = []
    for word in words:
        matches = [word] if word in known else [w for w in known if w[:4] == word]
        if not matches:
            near = difflib.get_close_matches(word, known, n=1)
            raise PhraseError(word[:20], near[0] if near else None)
        found += matches
    if len(found) != WORDS:
        raise PhraseError()
    return " ".join(found)


def lookup_of(vault: Vault, phrase: str, key: bytes | None = None) -> bytes:
    """What finds the account of a phrase (32 bytes); key: id of the master key, newest if None."""
    first = " ".join(phrase.split()[:LOOKUP_WORDS])
    return vault.sign("sign-in lookup", first.encode(), key)


def hash_phrase(phrase: str) -> str:
    """Argon2id of a phrase."""
    with _AT_ONCE:
        return HASHER.hash(phrase)


def matches(hashed: str | None, phrase: str) -> bool:
    """Whether a phrase is the one that was hashed; None costs the same time and is False."""
    with _AT_ONCE:
        try:
            return HASHER.verify(hashed or _nobody(), phrase) and hashed is not None
        except VerifyMismatchError:
            return False


@cache
def word_list() -> tuple[str, ...]:
    """The words."""
    return tuple(Mnemonic("english").wordlist)


@cache
def _nobody() -> str:
    """A hash that no phrase has."""
    return HASHER.hash(secrets.token_hex())
