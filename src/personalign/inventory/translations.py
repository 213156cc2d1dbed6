"""The questionnaire in other languages than English: statements and options.

`translation("de")` has the 120 statements of the short form in German. They come from the npm
package @alheimsins/b5-johnson-120-ipip-neo-pi-r 6.0.13 (MIT, the licence beside the data). Its
items have the order, facets and signs of ours, and were matched by their English texts, all equal
but for an "and" where ours has "or" (item 58). Two statements are not as they are there: one had a
misspelt word, and one said that people *notice when* they are unable to deal with things rather
than that they *feel* unable. The file keeps what stood there. Some others are free ("Love a good
fight." became lively debates); they were left alone, because nobody has shown a better one to
measure the same.

The translation was made by volunteers and has no norms of its own. The other 180 statements are not
translated.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from personalign.errors import InventoryError
from personalign.inventory.items import Inventory, ipip_neo_120

OPTIONS_DE = {
    1: "Sehr unzutreffend",
    2: "Unzutreffend",
    3: "Weder zutreffend noch unzutreffend",
    4: "Zutreffend",
    5: "Sehr zutreffend",
}
"""The five options, of the same package."""


@dataclass(frozen=True)
class Translation:
    """What a person reads instead of the English form."""

    language: str
    """Its code, such as "de"."""
    statements: Mapping[int, str]
    """Item's number among the 300 -> its statement."""
    options: Mapping[int, str]
    """Response 1-5 -> its text."""

    def covers(self, form: Inventory) -> bool:
        """Whether every item of a form has a statement here."""
        return all(item.number in self.statements for item in form)


@cache
def translation(language: str) -> Translation:
    """The translation into a language; InventoryError where there is none.

    >>> translation("de").statements[1]
    'Ich mache mir oft Sorgen.'
    """
    if language != "de":
        raise InventoryError(
            f"The items are not translated into {language!r}; there is de, and the English form."
        )
    text = (files("personalign.inventory") / "data" / "ipip_neo_120_de.csv").read_text("utf-8")
    statements: dict[int, str] = {}
    for row in csv.DictReader(text.splitlines()):
        item = ipip_neo_120().item(int(row["number"]))
        assert item.statement == row["english"], f"item {item.number} is another one in German"
        statements[item.number] = row["german"]
    return Translation(language, statements, OPTIONS_DE)


def languages_of(form: Inventory) -> tuple[str, ...]:
    """The languages a whole form can be taken in, English first.

    >>> languages_of(ipip_neo_120())
    ('en', 'de')
    """
    return ("en", *(code for code in ("de",) if translation(code).covers(form)))
