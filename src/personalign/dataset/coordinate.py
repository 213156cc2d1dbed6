"""What answers themselves say about their coordinate.

Within a facet, a '+' and a '-' item ask opposite things. As responses they correlate negatively; as
keyed values, with the '-' item reverse-scored, positively. So the sign of that correlation shows
which of the two a table holds, once there are a few dozen people.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import FACETS


def opposite_key_correlation(values: NDArray[np.int8]) -> float:
    """Mean correlation over all pairs of items of one facet with opposite signs.

    Arguments:
        values: (people, 300), 1-5, 0 missing (counted as the item's mean).

    Returns about -0.42 for people's responses and +0.42 for their keyed values (PAPI's Test-Set);
    NaN if no such pair varies.
    """
    form = ipip_neo_300()
    numbers = values.astype(np.float64)
    answered = numbers > 0
    means = numbers.sum(axis=0) / np.maximum(answered.sum(axis=0), 1)
    deviations = np.where(answered, numbers - means, 0.0)
    spread = np.sqrt((deviations**2).sum(axis=0))
    varies = spread > 1e-9
    scaled = deviations / np.where(varies, spread, 1.0)
    pairs = []
    for code in FACETS:
        members = (form.facets == code) & varies
        plus, minus = (scaled[:, members & (form.signs == sign)] for sign in (1, -1))
        pairs.append((plus.T @ minus).ravel())
    correlations = np.concatenate(pairs)
    return float(correlations.mean()) if len(correlations) else float("nan")
