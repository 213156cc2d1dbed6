"""Made-up people who stand at one end of a trait, and say nothing about the others.

"Extreme conscientiousness" of the paper's section 5.3 and Appendix C.4. Every item of the trait is
answered at its end in the direction of the trait, 5 or 1 as a keyed value, so a minus-keyed item is
answered the other way round. The paper does not say what such a person answers to the other items;
here they are missing, and every method leaves missing answers out.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from personalign.dataset.people import Respondents
from personalign.errors import PeopleError
from personalign.inventory.items import Inventory, ipip_neo_300
from personalign.inventory.keys import TRAITS, to_responses

ENDS = {"high": 5, "low": 1}
"""Keyed value at either end."""


def people_at_poles(
    traits: Iterable[str] = TRAITS,
    ends: Iterable[str] = ENDS,
    *,
    inventory: Inventory | None = None,
) -> Respondents:
    """One person a trait and end, called "C high", "C low" and so on.

    traits: letters. ends: "high", "low". inventory: the questionnaire; the 300 items if left out.
    Raises PeopleError for a trait or an end there is not.

    >>> people_at_poles("CN", ["high"]).ids
    ('C high', 'N high')
    """
    form = inventory or ipip_neo_300()
    wanted = [(trait, end) for trait in traits for end in ends]
    wrong = [f"{trait} {end}" for trait, end in wanted if trait not in TRAITS or end not in ENDS]
    if wrong or not wanted:
        raise PeopleError(
            f"There is nobody called {wrong[0] if wrong else 'nothing'}; traits are "
            f"{', '.join(TRAITS)}, and ends are {' and '.join(ENDS)}."
        )
    keyed = np.zeros((len(wanted), len(form)), np.int8)
    for row, (trait, end) in enumerate(wanted):
        keyed[row, form.traits == trait] = ENDS[end]
    return Respondents(
        responses=to_responses(keyed, form.signs).astype(np.int8),
        ids=tuple(f"{trait} {end}" for trait, end in wanted),
        source="made up: one end of one trait, all other items missing",
        inventory=form,
    )
