"""People turned round: every answer mirrored, for assistants that must not fit (section 5.4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from personalign.dataset.people import Respondents


def mirrored(people: Respondents) -> Respondents:
    """The same people with each response r as 6 - r; missing stays missing.

    What somebody called very accurate of themselves becomes very inaccurate, whichever way the item
    is keyed. Mirroring twice is the identity. The paper makes its value-misaligned assistants so:
    "by inverting the questionnaire responses".

    >>> from personalign.dataset.simulate import simulate
    >>> people = simulate(2, seed=0)
    >>> set((people.responses + mirrored(people).responses)[people.responses > 0].tolist())
    {6}
    """
    given = people.responses
    turned = np.where(given == 0, 0, 6 - given).astype(np.int8)
    return replace(people, responses=turned, source=f"{people.source}; mirrored, 6 - response")
