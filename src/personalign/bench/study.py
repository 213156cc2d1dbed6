"""The votes of a study shown: a table, JSON, and the figure of preferences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table

from personalign.bench.open_ended import shares_json
from personalign.bench.outcomes import Bar, outcomes_figure, outcomes_svg, share_text
from personalign.bench.summary import number
from personalign.bench.table import plain_table
from personalign.evaluation.human import Preference


def votes_table(found: Sequence[Preference]) -> Table:
    """One row a contrast and kind of interval: preferred, neither, the other preferred."""
    shown = plain_table("What raters preferred, in blind pairs")
    shown.add_column("", min_width=10, overflow="fold")
    for heading in ("95% over", "preferred", "neither", "other preferred", "sign test p", "alpha"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        for counted, shares in ((one.raters, one.over_raters), (one.pairs, one.over_pairs)):
            first = shares is one.over_raters
            shown.add_row(
                escape(f"{one.condition} over {one.other}") if first else "",
                f"{counted:,} {_unit(counted, 'rater' if first else 'pair')}",
                share_text(shares.win),
                share_text(shares.tie),
                share_text(shares.loss),
                "" if first else f"{one.p:.3g}",
                "" if not first else "–" if one.alpha is None else f"{one.alpha:.2f}",
            )
        shown.add_section()
    return shown


def notes(found: Sequence[Preference]) -> list[str]:
    """What belongs under the table: counts, and what is missing."""
    lines = []
    for one in found:
        text = (
            f"{one.condition} against {one.other}: {one.wins} votes for the first, {one.ties} for "
            f"neither, {one.losses} for the second, by {one.raters} "
            f"{_unit(one.raters, 'rater')} on {one.pairs} {_unit(one.pairs, 'pair')}"
        )
        if one.without_votes:
            text += f"; nobody voted on {one.without_votes} more"
        if one.same:
            text += f"; in {one.same} both answers were the same text"
        lines.append(text + ".")
    lines.append(
        "Intervals over raters say what other raters would find, those over pairs what these "
        "raters would find on other prompts. Alpha is Krippendorff's, of ordered votes."
    )
    return lines


def votes_svg(found: Sequence[Preference], name: str = "study") -> str:
    """Preferences as the paper's Figure 8, with intervals over pairs."""
    return outcomes_svg(_bars(found), name, axis="votes, mean over pairs")


def votes_figure(found: Sequence[Preference]) -> Figure:
    """The same as a figure of its own, for a file."""
    counts = "; ".join(
        f"{one.pairs:,} {_unit(one.pairs, 'pair')}, {one.raters:,} {_unit(one.raters, 'rater')}"
        for one in found
    )
    return outcomes_figure(
        _bars(found),
        "What raters preferred, in blind pairs",
        f"{counts}. Lines: 95% intervals over pairs of the shares won and lost.",
        axis="votes, mean over pairs",
    )


def votes_json(found: Sequence[Preference]) -> list[dict[str, Any]]:
    """Every number."""
    return [
        {
            "condition": one.condition,
            "other": one.other,
            "wins": one.wins,
            "ties": one.ties,
            "losses": one.losses,
            "over_raters": shares_json(one.over_raters),
            "over_pairs": shares_json(one.over_pairs),
            "sign_test_p": float(f"{one.p:.6g}"),  # as small as it may be
            "krippendorff_alpha": None if one.alpha is None else number(one.alpha),
            "raters": one.raters,
            "pairs": one.pairs,
            "pairs_without_votes": one.without_votes,
            "pairs_with_equal_answers": one.same,
        }
        for one in found
    ]


def _bars(found: Sequence[Preference]) -> list[Bar]:
    return [Bar(f"{one.condition} over {one.other}", one.over_pairs) for one in found]


def _unit(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
