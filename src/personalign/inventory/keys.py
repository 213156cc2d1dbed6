"""Names of traits and facets, and the one place where responses become keyed values and back.

A *response* is what the person ticked, 1 Very Inaccurate ... 5 Very Accurate. A *keyed* value is
the same answer in the direction of the item's trait: 6 - response for an item whose sign is -1.
Models are asked for responses; scales average keyed values. 0 means missing in both.

Source: Johnson's key of the IPIP-NEO (ipip.ori.org), in the public domain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

TRAITS: dict[str, str] = {
    "O": "Openness",
    "C": "Conscientiousness",
    "E": "Extraversion",
    "A": "Agreeableness",
    "N": "Neuroticism",
}
"""The five traits, letter to name, in the order every table of ours uses."""

FACETS: dict[str, str] = {
    "O1": "Imagination",
    "O2": "Artistic Interests",
    "O3": "Emotionality",
    "O4": "Adventurousness",
    "O5": "Intellect",
    "O6": "Liberalism",
    "C1": "Self-Efficacy",
    "C2": "Orderliness",
    "C3": "Dutifulness",
    "C4": "Achievement-Striving",
    "C5": "Self-Discipline",
    "C6": "Cautiousness",
    "E1": "Friendliness",
    "E2": "Gregariousness",
    "E3": "Assertiveness",
    "E4": "Activity Level",
    "E5": "Excitement-Seeking",
    "E6": "Cheerfulness",
    "A1": "Trust",
    "A2": "Morality",
    "A3": "Altruism",
    "A4": "Cooperation",
    "A5": "Modesty",
    "A6": "Sympathy",
    "N1": "Anxiety",
    "N2": "Anger",
    "N3": "Depression",
    "N4": "Self-Consciousness",
    "N5": "Immoderation",
    "N6": "Vulnerability",
}
"""The thirty facets, code to name; a code's first letter is its trait."""


def to_keyed(responses: ArrayLike, signs: ArrayLike) -> NDArray[Any]:
    """Turn responses into keyed values.

    Arguments:
        responses: (..., items), 1-5, 0 or NaN where missing.
        signs: (items,), +1 or -1.

    Returns:
        (..., items) of the same dtype: 6 - response where the sign is negative; missing stays.

    >>> to_keyed([5, 5, 0], [+1, -1, -1])
    array([5, 1, 0])
    """
    values = np.asarray(responses)
    reverse = (np.asarray(signs) < 0) & (values != 0)
    return np.where(reverse, values.dtype.type(6) - values, values)


def to_responses(keyed: ArrayLike, signs: ArrayLike) -> NDArray[Any]:
    """Turn keyed values back into responses: the inverse of `to_keyed`, and the same arithmetic.

    >>> to_responses(to_keyed([2, 4, 0], [-1, +1, -1]), [-1, +1, -1])
    array([2, 4, 0])
    """
    return to_keyed(keyed, signs)
