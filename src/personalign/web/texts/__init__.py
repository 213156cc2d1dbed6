"""Every text people read, by language: one folder a language, one TOML file a room.

A key is room.section.name, its text may have {places}. English is complete; every other language
has the same keys and places, or the site does not start.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any

from personalign.errors import SiteError

LANGUAGES = {"en": "English", "de": "Deutsch"}
"""Code -> what the language calls itself; the first is what a visitor gets who asks for none."""

DEFAULT = next(iter(LANGUAGES))


class Texts:
    """All texts of all languages."""

    def __init__(self, languages: Mapping[str, Mapping[str, str]]) -> None:
        """languages: code -> key -> text. Raises SiteError where they do not have the same."""
        self._languages = languages
        whole = languages[DEFAULT]
        for code, texts in languages.items():
            for key in sorted(whole.keys() ^ texts.keys()):
                has, lacks = (DEFAULT, code) if key in whole else (code, DEFAULT)
                raise SiteError(f"The text {key} is in {has} and not in {lacks}; add it there.")
            for key, text in texts.items():
                if places_of(text) != places_of(whole[key]):
                    raise SiteError(
                        f"The text {key} has the places {sorted(places_of(text))} in {code} and "
                        f"{sorted(places_of(whole[key]))} in {DEFAULT}; give it the same."
                    )

    def say(self, language: str, key: str, **values: object) -> str:
        """The text of a key, its places filled."""
        return self._languages[language][key].format_map(values)

    def keys(self) -> set[str]:
        """Every key."""
        return set(self._languages[DEFAULT])

    def section(self, language: str, prefix: str) -> dict[str, str]:
        """The texts below a prefix, by the rest of their keys."""
        texts = self._languages[language]
        return {k[len(prefix) + 1 :]: v for k, v in texts.items() if k.startswith(f"{prefix}.")}


@cache
def load_texts() -> Texts:
    """The texts this package ships."""
    return Texts({code: _read(code) for code in LANGUAGES})


def choose_language(accepted: str) -> str:
    """The language for a browser's Accept-Language.

    >>> choose_language("fr-CH, de;q=0.9, en;q=0.8"), choose_language("fr")
    ('de', 'en')
    """
    weighed: list[tuple[float, str]] = []
    for part in accepted.split(","):
        code, _, weight = part.strip().partition(";q=")
        primary = code.split("-")[0].lower()
        if primary in LANGUAGES and re.fullmatch(r"[01](\.\d{0,3})?|", weight):
            weighed.append((-float(weight or 1), primary))
    return min(weighed, default=(0.0, DEFAULT), key=lambda pair: pair[0])[1]


def number(say: Callable[..., str], value: float, digits: int = 2) -> str:
    """A number as a language writes it.

    say: key -> text in that language. digits: behind the decimal point.

    >>> number({"base.decimal": ","}.__getitem__, 1.5)
    '1,50'
    """
    return f"{value:.{digits}f}".replace(".", say("base.decimal"))


def places_of(text: str) -> set[str]:
    """Names of the places in a text.

    >>> sorted(places_of("{done} of {total}"))
    ['done', 'total']
    """
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def _read(code: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    folder = files(__package__) / code
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".toml"):
            room = file.name.removesuffix(".toml")
            texts |= _flat(tomllib.loads(file.read_text("utf-8")), room)
    return texts


def _flat(table: Mapping[str, Any], prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in table.items():
        key = f"{prefix}.{name}"
        if isinstance(value, Mapping):
            flat |= _flat(value, key)
        else:
            flat[key] = str(value).strip()
    return flat
