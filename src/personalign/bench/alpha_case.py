"""One persona at several alphas, side by side: in the terminal, and as one HTML file.

Takes the rows of `evaluation/alpha_case.py`. The page asks for nothing outside itself and follows
the reader's light or dark setting, as the report does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from personalign.bench.table import plain_table
from personalign.dataset.files import replacing

Row = Mapping[str, Any]
"""A row of `alpha_case`."""

COLUMN = 32
"""Characters a reply needs to be read in a column; below, replies stand under each other."""

MEANINGS = {
    "KL": "mean divergence of the next-token distribution from the plain model\u2019s, in nats, at "
    "the tokens of plain answers to plain questions; 0 is the plain model.",
    "perplexity": "of those plain answers; in brackets, the plain model\u2019s.",
    "unparsed": "share of twelve statements whose answer in text names no option.",
    "repeats here": "share of runs of three tokens that came before in this reply.",
    "repeats": "the same over replies to four open questions; in brackets, the plain model\u2019s.",
}
"""What each figure means."""


def alpha_tables(rows: Sequence[Row], *, width: int) -> list[Table]:
    """One table a persona: its replies side by side where `width` characters allow it.

    Else under each other, alpha and cost on the left.
    """
    return [
        _columns(name, some) if width >= COLUMN * len(some) else _stacked(name, some)
        for name, some in by_persona(rows).items()
    ]


def alpha_notes(rows: Sequence[Row]) -> list[str]:
    """Lines that belong under the tables."""
    lines = [f"{name}: {meaning}" for name, meaning in MEANINGS.items()]
    prompted = [name for name, some in by_persona(rows).items() if some[0]["prompted"]]
    if prompted:
        lines.insert(
            0,
            f"{', '.join(prompted)}: has a system prompt too, at every alpha; alpha 0 is the "
            "prompt alone.",
        )
    return lines


def write_alpha_html(path: str | Path, rows: Sequence[Row], *, model: str) -> Path:
    """Write `alpha_html` to a file, whole or not at all, and return its path."""
    text = alpha_html(rows, model=model)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def alpha_html(rows: Sequence[Row], *, model: str) -> str:
    """The rows as one HTML page. model: its name."""
    from jinja2 import Environment

    folder = files("personalign.bench") / "templates"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["heading"] = heading
    environment.filters["cost"] = cost_texts
    template = environment.from_string((folder / "alphas.html").read_text(encoding="utf-8"))
    return template.render(
        style=(folder / "report.css").read_text(encoding="utf-8"),
        prompt=rows[0]["prompt"],
        personas=by_persona(rows),
        meanings=MEANINGS,
        notes=alpha_notes(rows)[: -len(MEANINGS)],
        model=model,
    )


def by_persona(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each persona, in their order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["persona"], []).append(row)
    return found


def heading(row: Row) -> str:
    """ "alpha 4, its own"."""
    return f"alpha {row['alpha']:g}" + (", its own" if row["best"] else "")


def cost_texts(row: Row) -> dict[str, str]:
    """What this strength costs, figure by figure, as written."""
    cost = row["cost"]
    return {
        "KL": f"{cost['kl']:.3f}",
        "perplexity": f"{large_text(cost['perplexity'])} ({large_text(cost['plain_perplexity'])})",
        "unparsed": f"{cost['unparsed']:.0%}",
        "repeats here": f"{row['repeats']:.0%}",
        "repeats": f"{cost['repeats']:.0%} ({cost['plain_repeats']:.0%})",
    }


def large_text(value: float) -> str:
    """ "21.4", "68,937"."""
    return f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def _columns(name: str, rows: Sequence[Row]) -> Table:
    shown = plain_table(_title(name, rows))
    for row in rows:
        shown.add_column(Text(heading(row)), ratio=1)
    shown.add_row(*(_reply(row) for row in rows), end_section=True)
    shown.add_row(*(_cost(row) for row in rows))
    return shown


def _stacked(name: str, rows: Sequence[Row]) -> Table:
    shown = plain_table(_title(name, rows))
    shown.add_column("", no_wrap=True)
    shown.add_column("", ratio=1)
    for row in rows:
        left = Text(heading(row), style="bold")
        shown.add_row(Text("\n").join([left, _cost(row)]), _reply(row), end_section=True)
    shown.show_header = False
    return shown


def _title(name: str, rows: Sequence[Row]) -> str:
    return escape(f"{name}: {rows[0]['prompt']}")


def _reply(row: Row) -> Text:
    """The reply as it is: it may contain what looks like markup."""
    return Text(row["text"].strip() or "(no words)")


def _cost(row: Row) -> Text:
    lines = [f"{name} {value}" for name, value in cost_texts(row).items()]
    return Text("\n".join(lines), style="dim")
