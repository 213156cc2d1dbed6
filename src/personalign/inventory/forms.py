"""The questionnaires by name, for files that say which one they hold."""

from __future__ import annotations

from collections.abc import Callable

from personalign.errors import InventoryError
from personalign.inventory.big_five_50 import big_five_50
from personalign.inventory.items import Inventory, ipip_neo_120, ipip_neo_300

FORMS: dict[str, Callable[[], Inventory]] = {
    "IPIP-NEO-300": ipip_neo_300,
    "IPIP-NEO-120": ipip_neo_120,
    "IPIP-Big5-50": big_five_50,
}
"""Name -> what makes the inventory; a new questionnaire is one file and one line here."""


def get_inventory(name: str) -> Inventory:
    """The inventory of this name; InventoryError names those there are.

    >>> len(get_inventory("IPIP-NEO-120"))
    120
    """
    if name not in FORMS:
        raise InventoryError(
            f"There is no questionnaire {name!r}; the questionnaires are {', '.join(FORMS)}."
        )
    return FORMS[name]()
