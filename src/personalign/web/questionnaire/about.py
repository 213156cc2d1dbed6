"""Age and sex, which somebody may give for the norms and may leave out: sealed with the sitting."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from personalign.inventory.norms import OLDEST, YOUNGEST, Sex
from personalign.web.database.base import seal, unsealed_text
from personalign.web.questionnaire.tables import Sitting

if TYPE_CHECKING:
    from personalign.web.vault import Vault

SEXES = ("female", "male")
"""What the norm tables know; who says neither is compared with the mean of both."""


@dataclass(frozen=True)
class About:
    """What somebody told of themselves for the norms."""

    age: int | None = None
    """In years."""
    sex: Sex | None = None


class AboutError(ValueError):
    """What was typed cannot be; its text is a key of texts/*/questionnaire.toml."""


def read_about(age: str, sex: str) -> About:
    """What a form says; raises AboutError.

    >>> read_about(" 34 ", "female"), read_about("", "")
    (About(age=34, sex='female'), About(age=None, sex=None))
    """
    years = age.strip()
    if sex not in ("", *SEXES):
        raise AboutError("sex")
    if not years:
        if sex:
            raise AboutError("age_too")
        return About()
    if not years.isdecimal() or not YOUNGEST <= int(years) <= OLDEST:
        raise AboutError("age")
    return About(int(years), cast("Sex", sex) if sex else None)


def compares(sitting: Sitting) -> bool:
    """Whether age and sex are of use: of the adaptive form too little is answered for the norms."""
    return sitting.form != "adaptive"


def about_of(vault: Vault, sitting: Sitting) -> About:
    """What was told with a sitting."""
    text = unsealed_text(vault, sitting, "about")
    return About(**json.loads(text)) if text else About()


def keep_about(vault: Vault, sitting: Sitting, about: About) -> None:
    """Keep it, or take away what was told before."""
    told = None if about.age is None else json.dumps({"age": about.age, "sex": about.sex})
    seal(vault, sitting, "about", told)
