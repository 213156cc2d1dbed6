"""The items of a sitting in the language it was begun in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.translations import languages_of, translation
from personalign.model.prompts import OPTIONS
from personalign.web.questionnaire.sheets import form_of
from personalign.web.questionnaire.tables import Sitting


@dataclass(frozen=True)
class ItemTexts:
    """What a person reads."""

    language: str
    """Of statements and options."""
    statements: Mapping[int, str]
    """Item's number among the 300 -> its statement."""
    options: Mapping[int, str]
    """Response 1-5 -> its text."""


def language_for(form: str, wanted: str) -> str:
    """The language a form is put in to somebody who reads `wanted`: English where it has no other.

    >>> language_for("120", "de"), language_for("300", "de")
    ('de', 'en')
    """
    whole = ipip_neo_300() if form == "300" else ipip_neo_120()
    return wanted if wanted in languages_of(whole) else "en"


def texts_of(sitting: Sitting) -> ItemTexts:
    """The statements and options of a sitting."""
    if sitting.language != "en":
        found = translation(sitting.language)
        return ItemTexts(found.language, found.statements, found.options)
    statements = {item.number: item.statement for item in form_of(sitting)}
    return ItemTexts("en", statements, dict(sorted(OPTIONS.items())))
