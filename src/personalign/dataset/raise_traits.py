"""The same people with some traits raised: what a causal question asks a method to follow.

Paper Appendix D: "increasing each OCEAN dimension score by one". A raised answer is one more in its
trait's direction: response + 1 on a plus-keyed item, response - 1 on a minus-keyed one. An answer
that is already at that end stays there (it is *clipped*) and one that is missing stays missing, so
a raised person moves by less than one: by the share of answers that could still move. The paper
does not say what it does at the ends; nothing else is possible on a scale of 1 to 5.

In answers this is more than a shift. Raised by one, a 3 on a plus-keyed item becomes an agreement
and a 2 becomes neutral. A method that learns from agreement and disagreement alone (PAS) sees new
labels where people were neutral and loses labels where they mildly disagreed, whereas a clipped 5
is for it the same agreement as before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from personalign.dataset.people import Respondents
from personalign.errors import PeopleError
from personalign.inventory.keys import TRAITS, to_responses

VERSIONS = ("base", "all", *TRAITS)
"""Everybody as they are, with all five traits raised, and with each trait raised alone."""


def raise_traits(people: Respondents, traits: Iterable[str] = TRAITS, by: int = 1) -> Respondents:
    """The people with every answer to items of these traits moved by `by` in the trait's direction.

    traits: letters of O C E A N. by: how far, in answers; negative lowers, 0 changes nothing.
    Answers are kept in 1-5 and missing ones (0) stay missing; demographics, ids and split stay.
    Raises PeopleError for a trait there is not.

    >>> from personalign.dataset.simulate import simulate
    >>> people = simulate(3)
    >>> bool((raise_traits(people, "E").keyed >= people.keyed).all())
    True
    """
    wanted = _known(traits)
    form = people.inventory
    moves = np.isin(form.traits, wanted)
    keyed = people.keyed.astype(np.int16)
    raised = np.where(moves & (keyed > 0), np.clip(keyed + by, 1, 5), keyed)
    return replace(people, responses=to_responses(raised, form.signs).astype(np.int8))


def versions(people: Respondents) -> Respondents:
    """Every version of everybody, one group: all of `VERSIONS[0]`, then all of `VERSIONS[1]`, ...

    Returns Respondents of 7 times as many people; those of version v are
    `slice(v * len(people), (v + 1) * len(people))`. Ids of raised people end in "+" and what was
    raised: "17", "17+OCEAN", "17+O", ...
    """
    raised = {"base": "", "all": "".join(TRAITS), **{trait: trait for trait in TRAITS}}
    parts = []
    for version in VERSIONS:
        traits = raised[version]
        ids = tuple(f"{name}+{traits}" if traits else name for name in people.ids)
        parts.append(replace(raise_traits(people, traits), ids=ids))
    return Respondents.concat(parts)


def moved_and_clipped(
    people: Respondents, items: Iterable[int], by: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What raising all traits does to the answers to some items, trait by trait.

    items: numbers of the items counted. by: as for `raise_traits`.
    Returns two (people, 5) arrays of answers, traits in the order O C E A N: those given, and
    those of them that could not move all the way.
    """
    columns = people.inventory.columns(items)
    traits = people.inventory.traits[columns]
    keyed = people.keyed[:, columns].astype(np.int16)
    given = keyed > 0
    short = given & (np.clip(keyed + by, 1, 5) != keyed + by)
    belongs = np.stack([traits == trait for trait in TRAITS], axis=1).astype(np.int64)
    return given.astype(np.int64) @ belongs, short.astype(np.int64) @ belongs


def _known(traits: Iterable[str]) -> list[str]:
    wanted = list(traits)
    for trait in wanted:
        if trait not in TRAITS:
            raise PeopleError(
                f"There is no trait {trait!r} to raise; name some of {', '.join(TRAITS)} by their "
                "letters."
            )
    return wanted
