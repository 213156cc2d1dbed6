"""Which of a person's tuning items train the probes, and which judge them.

`item_split` keeps the agree and the disagree chat of an item on one side, for everybody the same:
a probe is judged on statements it has not seen. `row_split` is the released code's: it draws rows
from the pooled chats of each person, so an item's two chats may land on both sides, where the
probe knows one as the other's opposite (accuracies under one half come from there).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRAIN_SHARE = 0.6
"""Share of items, or rows, that train (paper, section 4.2: 60% and 40%)."""


def item_split(items: int, *, seed: int) -> NDArray[np.bool_]:
    """(items,) true where an item trains: 60% of them, drawn by the seed.

    >>> int(item_split(120, seed=0).sum())
    72
    """
    train = np.zeros(items, dtype=bool)
    chosen = np.random.default_rng(seed).permutation(items)[: round(TRAIN_SHARE * items)]
    train[chosen] = True
    return train


def row_split(kept: NDArray[np.bool_], *, seed: int) -> NDArray[np.bool_]:
    """(people, rows) true where a row trains: 60% of each person's kept rows, drawn singly.

    kept: (people, rows) the rows of the items the person agreed or disagreed with.
    """
    train = np.zeros_like(kept)
    for person, rows in enumerate(kept):
        used = np.flatnonzero(rows)
        drawn = np.random.default_rng(seed).permutation(used)[: int(TRAIN_SHARE * len(used))]
        train[person, drawn] = True
    return train
