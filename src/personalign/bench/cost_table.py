"""The costs of methods as a table and as JSON values, beside a method to compare them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from personalign.bench.table import AGAINST, plain_table, scaled_text, seconds_text
from personalign.dataset.plots.style import people_count
from personalign.errors import EvaluationError
from personalign.evaluation.cost import QUANTITIES, MethodCost

if TYPE_CHECKING:
    from personalign.evaluation.meter import Spent

HEADINGS = (
    "s to\nmake",
    "s to\nanswer",
    "s, times\n{against}",
    "tokens\nforward",
    "tokens\nbackward",
    "peak\nMiB",
    "times\n{against}",
    "stored\nKiB",
    "times\n{against}",
)


def cost_table(costs: Sequence[MethodCost], against: str = AGAINST) -> Table:
    """One row a method, per person; cheapest in wall time first.

    against: the method of the "times" columns. Raises EvaluationError if it is not among them.
    """
    base = compared(costs, against)
    people = people_count(len(costs[0].people))
    shown = plain_table(f"What one more person costs, mean of {people}")
    shown.add_column("", overflow="fold", min_width=10)
    for heading in HEADINGS:
        text = heading.format(against=against)
        shown.add_column(text, justify="right", vertical="bottom", no_wrap=True)
    for cost in sorted(costs, key=lambda cost: cost.mean("seconds") or 0.0):
        shown.add_row(
            escape(cost.name),
            seconds_text(cost.mean("making_seconds") or 0.0),
            seconds_text(cost.mean("answering_seconds") or 0.0),
            times_text(cost.ratio("seconds", base)),
            count_text(cost.mean("forward_tokens")),
            count_text(cost.mean("backward_tokens")),
            scaled_text(cost.mean("peak_bytes"), 2**20),
            times_text(cost.ratio("peak_bytes", base)),
            scaled_text(cost.mean("stored_bytes"), 2**10),
            times_text(cost.ratio("stored_bytes", base)),
            style="bold" if cost is base else "",
        )
    return shown


def cost_notes(costs: Sequence[MethodCost]) -> list[str]:
    """Lines that belong under the table."""
    lines = [
        "Per person, made alone. Tokens are those computed, padding included; peak memory is what "
        "was needed beyond the loaded model; stored is the persona's folder.",
    ]
    once = [cost for cost in costs if cost.shared.seconds > 0]
    if once:
        listed = ", ".join(
            f"{cost.name} {seconds_text(cost.shared.seconds)} s"
            + (
                f" and {count_text(cost.shared.forward_tokens)} tokens"
                if cost.shared.forward_tokens
                else ""
            )
            for cost in once
        )
        lines.append(f"Beside this, once for everybody: {listed}.")
    return lines


def cost_json(costs: Sequence[MethodCost], against: str = AGAINST) -> dict[str, Any]:
    """Everything measured: `methods.NAME.{per_person, times, shared, people, settings}`."""
    base = compared(costs, against)
    return {
        "against": against,
        "people": len(costs[0].people),
        "methods": {
            cost.name: {
                "per_person": {name: _number(cost.mean(name)) for name in QUANTITIES},
                "times": {name: _number(cost.ratio(name, base)) for name in QUANTITIES},
                "shared": _spent(cost.shared),
                "settings": cost.settings,
                "people": [
                    {
                        "making": _spent(person.making),
                        "answering": _spent(person.answering),
                        "stored_bytes": person.stored_bytes,
                    }
                    for person in cost.people
                ],
            }
            for cost in costs
        },
    }


def compared(costs: Sequence[MethodCost], against: str) -> MethodCost:
    """The method the others are compared with."""
    for cost in costs:
        if cost.name == against:
            return cost
    raise EvaluationError(
        f"Costs are to be compared with {against!r}, which was not measured; the methods are "
        f"{', '.join(cost.name for cost in costs)}."
    )


def times_text(ratio: float | None) -> str:
    """ "0.31", "12", "1,240"; a dash without one.

    >>> [times_text(r) for r in (None, 0.312, 1.0, 12.3, 1240.7)]
    ['–', '0.31', '1.0', '12', '1,241']
    """
    if ratio is None:
        return "–"
    return f"{ratio:.2f}" if ratio < 1 else f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"


def count_text(count: float | None) -> str:
    """ "0", "940", "12,300" (three digits that matter).

    >>> [count_text(c) for c in (None, 0, 940, 12345, 5200100)]
    ['–', '0', '940', '12,300', '5,200,000']
    """
    if count is None:
        return "–"
    digits = max(0, len(str(int(count))) - 3)
    return f"{round(count, -digits):,.0f}"


def _spent(spent: Spent) -> dict[str, Any]:
    return {**asdict(spent), "seconds": _number(spent.seconds)}


def _number(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)
