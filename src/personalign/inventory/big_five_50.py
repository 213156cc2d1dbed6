"""The 50-item IPIP markers of the Big Five: ten items a trait, no facets.

Goldberg's (1992) markers in the International Personality Item Pool, scales of ten items; items and
key are in the public domain (ipip.ori.org, "Big-Five Factor Markers"). The pool prints a statement
without its subject, "Am the life of the party."; the open data of openpsychometrics.org were
collected with it, "I am the life of the party." Numbers go by that data's codebook: E1-E10 are
1-10, then N, A, C and O.

Two names differ from the key's. Its fourth factor is Emotional Stability; here it is N, the other
way round, as everywhere in this package, so its signs are the key's reversed. Its fifth, Intellect
or Imagination, is O.

Methods learn from 30 items, six a trait, and are scored on the other 20. Nobody chose them: of the
n '+' items of a trait round(0.4 n) are held out, and of its '-' items as many as make four; which
ones, says the order of the SHA-256 of their statements, the last being held out. A test draws them
again.
"""

from __future__ import annotations

from functools import cache

from personalign.inventory.items import Inventory, read_items


@cache
def big_five_50() -> Inventory:
    """The 50 markers by number.

    >>> form = big_five_50()
    >>> len(form), len(form.tuning), len(form.held_out), form.has_facets
    (50, 30, 20, False)
    >>> form.item(1).statement, form.item(1).trait, form.item(1).sign
    ('Am the life of the party.', 'E', 1)
    """
    return Inventory("IPIP-Big5-50", read_items("ipip_big5_50.csv"))
