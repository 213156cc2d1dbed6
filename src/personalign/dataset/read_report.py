"""What a reader met in a file of people: lines, people, and what was wrong, by kind and line.

A file of hundreds of thousands of lines has bad ones. The reader leaves out what it cannot read,
keeps the rest, and says so here; `strict=True` makes the first of them an error instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LEFT_OUT: dict[str, str] = {
    "blank": "is blank",
    "short": "is shorter than a record",
    "long": "is longer than a record",
    "answers": "has answers other than the digits 0-5",
}
"""Kinds of lines that are left out, and the words for one of them."""

FIELDS: dict[str, str] = {
    "case": "has no case number, so that the line's number stands for it",
    "sex": "has a sex other than 1 or 2, taken as unknown",
    "age": "has an age that is no number, taken as unknown",
    "time": "has a time that does not exist, taken as unknown",
}
"""Kinds of lines that are kept without a field that could not be read."""

NOTES: dict[str, str] = {"latin-1": "has a country that is no UTF-8, read as Latin-1"}
"""Kinds of lines that are kept whole."""

_KINDS = LEFT_OUT | FIELDS | NOTES
_EXAMPLES = 5  # line numbers kept of each kind


@dataclass(frozen=True)
class ReadReport:
    """What was read and what was not."""

    lines: int
    """Lines (or rows) of the file, bad ones included."""
    people: int
    """People read."""
    problems: Mapping[str, int] = field(default_factory=dict)
    """Lines of each kind that was met; the kinds are those of LEFT_OUT, FIELDS and NOTES."""
    examples: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The first line numbers of each kind, counted from 1."""

    @property
    def left_out(self) -> int:
        """Lines that became nobody."""
        return self.lines - self.people

    def first_fault(self) -> tuple[int, str] | None:
        """The first line that lost something, and what is wrong with it; None where none did."""
        faults = [(self.examples[kind][0], kind) for kind in self.problems if kind not in NOTES]
        if not faults:
            return None
        line, kind = min(faults)
        return line, _KINDS[kind]

    def sentences(self) -> list[str]:
        """One sentence a kind of problem, those that cost people first.

        >>> ReadReport(10, 9, {"short": 1}, {"short": (4,)}).sentences()
        ['1 line is shorter than a record: left out (line 4).']
        """
        return [self._sentence(kind) for kind in _KINDS if kind in self.problems]

    def _sentence(self, kind: str) -> str:
        count, first = self.problems[kind], self.examples[kind]
        words = _KINDS[kind]
        if count > 1:
            words = words.replace("is ", "are ", 1) if words.startswith("is ") else words
            words = words.replace("has ", "have ", 1) if words.startswith("has ") else words
        where = ", ".join(map(str, first)) + (", ..." if count > len(first) else "")
        noun = "line" if count == 1 else "lines"
        outcome = ": left out" if kind in LEFT_OUT else ""
        return f"{count:,} {noun} {words}{outcome} ({noun} {where})."

    def as_dict(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return {
            "lines": self.lines,
            "people": self.people,
            "left_out": self.left_out,
            "problems": dict(self.problems),
            "examples": {kind: list(lines) for kind, lines in self.examples.items()},
        }


def report_of(lines: int, people: int, found: Mapping[str, NDArray[np.int64]]) -> ReadReport:
    """The report of line numbers by kind; kinds without lines are dropped."""
    met = {kind: np.sort(found[kind]) for kind in _KINDS if kind in found and len(found[kind])}
    return ReadReport(
        lines=lines,
        people=people,
        problems={kind: len(numbers) for kind, numbers in met.items()},
        examples={kind: tuple(map(int, numbers[:_EXAMPLES])) for kind, numbers in met.items()},
    )
