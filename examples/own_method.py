"""A method of one's own, scored like any other: those who answered alike, answer for you.

    python examples/own_method.py

`Method` asks for one function, `predict`. This one needs no language model: in a crowd of simulated
people it looks for those nearest to a respondent on the 120 items and averages their other 180.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import personalign as pa


class Neighbours(pa.Method):
    """The average answer of the people of a crowd who answered most alike."""

    name = "neighbours"
    description = "The average answer of the most similar people of a crowd."

    def __init__(self, crowd: pa.Respondents, *, count: int) -> None:
        self.crowd = crowd
        self.count = count

    def predict(self, respondents: pa.Respondents, items: Sequence[pa.Item]) -> NDArray[np.int8]:
        crowd = self.crowd.responses.astype(np.float32)
        wanted = self.crowd.responses[:, respondents.inventory.columns(items)]
        predicted = []
        for row in respondents.responses:
            answered = row > 0
            distance = np.abs(crowd[:, answered] - row[answered]).mean(axis=1)
            nearest = np.argsort(distance)[: self.count]
            predicted.append(wanted[nearest].mean(axis=0).round())
        return np.stack(predicted).astype(np.int8)


people = pa.simulate(100, seed=1)
items = people.inventory.held_out
known = people.only(people.inventory.tuning)
crowd = pa.simulate(10_000, seed=2)

for count in (1, 10, 100):
    method = Neighbours(crowd, count=count)
    score = pa.aligned_score(method.predict(known, items), people, items)
    low, high = score.ci95
    print(f"{count:>3} neighbours: composite {score.composite:.2f} ({low:.2f} to {high:.2f})")
