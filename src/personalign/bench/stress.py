"""Methods under stress: other ways of asking, and what a persona costs the rest of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table

from personalign.bench.summary import number
from personalign.bench.table import plain_table
from personalign.dataset.plots.style import CHOSEN, INK, MUTED, bare, below, framed, people_count
from personalign.evaluation.robustness import Moved, TradeOff, asked_otherwise, trade_off
from personalign.evaluation.side_effects import SideEffects, bound_alpha, side_effects

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents
    from personalign.methods.base import PersonaMethod
    from personalign.model.decoder import Decoder

COLOURS = ("#2f72b8", CHOSEN, "#2f9567", "#7b5aa6", "#cf7f14", "#cc4758")
"""One a method, in their order."""

MARKS = "os^Dv*"


EFFECTS = (
    "KL, nats\na token",
    "perplexity\nbefore",
    "\nafter",
    "unparsed\nanswers",
    "repeated\nbefore",
    "\nafter",
)
"""Columns of the second table."""


@dataclass(frozen=True)
class Stressed:
    """One method."""

    name: str
    asked: tuple[Moved, ...]
    """By way of asking; the first is as the personas were made."""
    effects: tuple[SideEffects, ...]
    """By person."""
    trade: TradeOff | None
    """Over alpha; None where nothing is pushed."""

    def effect(self, name: str) -> float:
        """Mean over people of a figure of `SideEffects`."""
        return float(np.mean([getattr(one, name) for one in self.effects]))


def stress(
    decoder: Decoder,
    methods: Sequence[PersonaMethod],
    people: Respondents,
    *,
    max_kl: float | None = None,
    seed: int = 0,
    progress: Callable[[str, float, int], None] | None = None,
) -> list[Stressed]:
    """Every method on the same people; see `robustness.py` and `side_effects.py`.

    max_kl: a budget for every persona, nats a token. progress: called with (method, people done,
    people), parts counted.
    """
    found = []
    known = people.only(people.inventory.tuning)
    for method in methods:

        def advance(part: float, name: str = method.name) -> None:
            if progress is not None:
                progress(name, part * len(people), len(people))

        advance(0.0)
        personas = method.personas(known, progress=lambda done, all_: advance(done / all_ / 4))
        if max_kl is not None:
            personas = bound_alpha(decoder, personas, max_kl)
        effects = side_effects(decoder, personas, wording=method.wording)
        advance(0.4)
        asked = asked_otherwise(
            decoder,
            personas,
            people,
            seed=seed,
            progress=lambda done, all_: advance(0.4 + 0.4 * done / all_),
        )
        pushes = any(persona.steers for persona in personas)
        trade = trade_off(decoder, personas, people) if pushes else None
        advance(1.0)
        found.append(Stressed(method.name, tuple(asked), tuple(effects), trade))
    return found


def asking_table(found: Sequence[Stressed]) -> Table:
    """One row a way of asking, one column a method: composite, and how far it moved."""
    people = people_count(len(found[0].effects))
    shown = plain_table(f"Asked in other ways, {people}: composite, and how far it moved (95%)")
    shown.add_column("", min_width=10, no_wrap=True)
    for one in found:
        shown.add_column(escape(one.name), justify="right", no_wrap=True)
    for number_, moved in enumerate(found[0].asked):
        shown.add_row(moved.asking, *(_moved(one.asked[number_]) for one in found))
    return shown


def effects_table(found: Sequence[Stressed]) -> Table:
    """One row a method: what its personas cost the rest of the model, mean over people."""
    shown = plain_table("What a persona costs the rest of the model, mean over people")
    shown.add_column("", min_width=10, no_wrap=True)
    for heading in (
        "KL, nats\na token",
        "perplexity\nbefore",
        "after",
        "unparsed",
        "repeated",
        "by\nnobody",
    ):
        shown.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for one in found:
        shown.add_row(
            escape(one.name),
            f"{one.effect('kl'):.3f}",
            f"{one.effect('plain_perplexity'):.1f}",
            f"{one.effect('perplexity'):.1f}",
            f"{one.effect('unparsed'):.1%}",
            f"{one.effect('plain_repeats'):.1%}",
            f"{one.effect('repeats'):.1%}",
        )
    return shown


def notes() -> list[str]:
    """Lines that belong under the tables."""
    return [
        "Personas are made in the paper's wording and asked the held-out items. The KL is that of "
        "the persona's next-token distribution from the plain model's, at the tokens of plain "
        "answers to plain questions.",
    ]


def stress_json(found: Sequence[Stressed]) -> dict[str, Any]:
    """Every number, by method."""
    return {
        one.name: {
            "asked": {moved.asking: _asked_json(moved) for moved in one.asked},
            "side_effects": [effects.told() for effects in one.effects],
            "trade_off": None
            if one.trade is None
            else {
                "shares_of_alpha": list(one.trade.shares),
                "composites": [number(value) for value in one.trade.composites],
                "kl": [number(value) for value in one.trade.kls],
            },
        }
        for one in found
    }


def trade_off_figure(found: Sequence[Stressed], *, model: str, people: int) -> Figure:
    """Composite against KL: a line over alpha for what is pushed, a mark for what is not."""
    figure = framed(
        7.6,
        5.0,
        "What a persona costs plain text, and what it gains",
        f"Mean of {people_count(people)} on {model}. Lines: 0 to 2 times each persona's own alpha, "
        "which is the large mark.",
    )
    axes = figure.add_axes((0.1, 0.13, 0.86, below(figure) - 0.15))
    bare(axes, grid="y")
    for number_, one in enumerate(found):
        colour, mark = COLOURS[number_ % len(COLOURS)], MARKS[number_ % len(MARKS)]
        assert one.asked[0].score is not None, "probabilities of labels can always be read"
        composite, kl = one.asked[0].score.composite, one.effect("kl")
        if one.trade is not None:
            axes.plot(
                one.trade.kls, one.trade.composites, "-", color=colour, lw=1.6, marker=mark, ms=3.5
            )
        axes.plot(kl, composite, mark, ms=10, color=colour, mec="white")
        axes.annotate(
            one.name,
            (kl, composite),
            (8, -12),
            textcoords="offset points",
            size=9.5,
            color=INK,
        )
    axes.set_xlabel("KL of plain text from the plain model, nats a token", color=MUTED)
    axes.set_ylabel("composite (lower is closer)", color=MUTED)
    return figure


def _asked_json(moved: Moved) -> dict[str, Any]:
    score, difference = moved.score, moved.difference
    return {
        "composite": None if score is None else number(score.composite),
        "ci95": None if score is None else [number(end) for end in score.ci95],
        "unparsed": int((moved.responses == 0).sum()),
        "difference": None
        if difference is None
        else {
            "mean": number(difference.mean),
            "ci95": [number(end) for end in difference.interval.ends],
        },
    }


def _moved(moved: Moved) -> str:
    if moved.score is None:
        return "no reply readable"
    text = f"{moved.score.composite:.2f}"
    if moved.score.unparsed:
        text += f" ({moved.score.unparsed} unparsed)"
    if moved.difference is None:
        return text
    low, high = moved.difference.interval.ends
    return f"{text} {moved.difference.mean:+.2f} ({low:+.2f} to {high:+.2f})"
