"""One table in every form: for the terminal, and as Markdown, LaTeX (booktabs) and CSV to paste.

`Table` holds texts and numbers and knows nothing of what they mean. Numbers with a fixed number of
digits, and intervals, are formatted by whoever makes the table and passed as texts; a number that
is passed as a number is written with every digit it has. What is not there is None: "-" on a page,
an empty cell in a CSV file.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table as TerminalTable
from rich.text import Text

from personalign.bench.table import plain_table
from personalign.dataset.files import replacing
from personalign.errors import EvaluationError

Cell = str | float | int | None
"""One cell; None where there is nothing to write."""

ENDINGS = (".md", ".tex", ".csv")
"""Files a table can be written to, by the name's ending."""

_NUMBER = re.compile(r"^[<+\-\u2212\u2013]?\s?[\d.]")  # a dash alone is no number
_MINUS = re.compile(r"(?<![\w.)])-(?=[\d.])")  # the sign of a number, not a hyphen between two

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # after the \\ of the row before, a bare [ or * would be taken for its argument
    "*": "{*}",
    "\u2212": "$-$",
    "\u2013": "--",
    "\u2014": "---",
    "\u00b1": r"$\pm$",
    "\u00d7": r"$\times$",
    "\u2264": r"$\leq$",
    "\u2265": r"$\geq$",
    "\u03b1": r"$\alpha$",
    "\u03ba": r"$\kappa$",
    "\u03c3": r"$\sigma$",
    "\u2020": r"\textdagger{}",
}


@dataclass(frozen=True)
class Table:
    """Rows under named columns, with what belongs around them.

    >>> print(Table("Scores", ("", "composite"), (("pas", "2.39"), ("none", None))).to_markdown())
    **Scores**
    <BLANKLINE>
    |  | composite |
    |:---|---:|
    | pas | 2.39 |
    | none | - |
    <BLANKLINE>
    """

    title: str
    """What the table shows, one line."""
    columns: tuple[str, ...]
    """The columns' headings; "" for a column of names that needs none."""
    rows: tuple[tuple[Cell, ...], ...]
    """The cells, a tuple a row."""
    notes: tuple[str, ...] = ()
    """Lines that belong under it."""
    command: str | None = None
    """The command that makes it again, where there is one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "rows", tuple(tuple(row) for row in self.rows))
        object.__setattr__(self, "notes", tuple(self.notes))
        if not self.columns:
            raise EvaluationError(f"The table {self.title!r} has no columns; name one at least.")
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise EvaluationError(
                    f"Row {number} of the table {self.title!r} has {len(row)} cells and there are "
                    f"{len(self.columns)} columns; give one cell a column, None where there is "
                    "nothing."
                )
            for cell in row:
                if isinstance(cell, bool) or not isinstance(cell, str | int | float | None):
                    raise EvaluationError(
                        f"Row {number} of the table {self.title!r} holds {cell!r}; a cell is a "
                        "text, a number or None. Write it as a text."
                    )

    @classmethod
    def of_rich(
        cls, shown: TerminalTable, notes: Sequence[str] = (), command: str | None = None
    ) -> Table:
        """The cells of a table for the terminal; its first line of title is the title, further
        ones are notes."""
        title, *below = _said(shown.title).split("\n")
        return cls(
            title=title,
            columns=tuple(_said(column.header).replace("\n", " ") for column in shown.columns),
            rows=tuple(
                zip(
                    *([_cell(cell) for cell in column.cells] for column in shown.columns),
                    strict=True,
                )
            ),
            notes=(*below, *notes),
            command=command,
        )

    def to_markdown(self) -> str:
        """The title in bold, the table, then notes and command."""
        aligned = ["---:" if right else ":---" for right in self._right]
        lines = [
            f"**{_markdown(self.title)}**",
            "",
            _piped([_markdown(name) for name in self.columns]),
            "|" + "|".join(aligned) + "|",
            *(_piped([_markdown(_text(cell)) for cell in row]) for row in self.rows),
        ]
        for note in self.notes:
            lines += ["", _markdown(note)]
        if self.command is not None:
            lines += ["", "```sh", self.command, "```"]
        return "\n".join(lines) + "\n"

    def to_latex(self) -> str:
        """A floating table in the booktabs style (`\\usepackage{booktabs}`, `[T1]{fontenc}`).

        The title is its caption; the notes stand below in small print; the command is a comment.
        """
        layout = "".join("r" if right else "l" for right in self._right)
        lines = [
            *([] if self.command is None else [f"% {' '.join(self.command.split())}"]),
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{_latex(self.title)}}}",
            rf"\begin{{tabular}}{{{layout}}}",
            r"\toprule",
            _row([_latex(name) for name in self.columns]),
            r"\midrule",
            *(_row([_latex(_text(cell)) for cell in row]) for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        for note in self.notes:
            lines += ["", rf"{{\small {_latex(note)}\par}}"]
        return "\n".join([*lines, r"\end{table}"]) + "\n"

    def to_csv(self) -> str:
        """Headings and rows alone, for a program: None is an empty cell, texts as they are."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self.columns)
        for row in self.rows:
            writer.writerow(["" if _missing(cell) else _text(cell) for cell in row])
        return buffer.getvalue()

    def to_terminal(self, *, width: int | None = None) -> TerminalTable:
        """The table in the house's look; whoever prints it prints the notes below.

        width: characters there are; where one line a row needs more, what a cell has in brackets
        goes below the rest of it.
        """
        cells = [[_text(cell) for cell in row] for row in self.rows]
        columns = zip(self.columns, *cells, strict=True)
        needed = sum(2 + max(map(len, column)) for column in columns)
        if width is not None and needed > width:
            cells = [[cell.replace(" (", "\n(") for cell in row] for row in cells]
        shown = plain_table(escape(self.title))
        for name, right in zip(self.columns, self._right, strict=True):
            shown.add_column(Text(name), justify="right" if right else "left")
        for row in cells:
            shown.add_row(*map(Text, row))
        return shown

    def write(self, path: str | Path) -> Path:
        """Write a .md, .tex or .csv file, whole or not at all; EvaluationError for another ending.

        Returns the path.
        """
        target = Path(path)
        written = dict(zip(ENDINGS, (self.to_markdown, self.to_latex, self.to_csv), strict=True))
        if target.suffix not in written:
            raise EvaluationError(
                f"A table cannot be written as {target.name!r}; its name ends in "
                f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}."
            )
        with replacing(target) as temporary:
            temporary.write_text(written[target.suffix](), encoding="utf-8")
        return target

    @property
    def _right(self) -> list[bool]:
        """By column, whether everything in it is a number and so stands on the right."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        return [
            bool(there := [cell for cell in column if not _missing(cell)])
            and all(not isinstance(cell, str) or _NUMBER.match(cell) for cell in there)
            for column in columns
        ]


def _missing(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _text(cell: Cell) -> str:
    return "-" if _missing(cell) else str(cell)


def _piped(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _markdown(text: str) -> str:
    """The text with what would be markup taken for itself, on one line.

    >>> _markdown("a|b_c")
    'a\\\\|b\\\\_c'
    """
    return re.sub(r"([\\|*_`<>\[\]~])", r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    """The text as LaTeX prints it, on one line; a minus before a number is a minus.

    >>> print(_latex("50% of A&B, -0.12"))
    50\\% of A\\&B, $-$0.12
    """
    line = _MINUS.sub("\u2212", " ".join(text.split()))
    return "".join(_LATEX.get(character, character) for character in line)


def _said(shown: object) -> str:
    """A heading or a cell of a table for the terminal, without its markup."""
    return shown.plain if isinstance(shown, Text) else Text.from_markup(str(shown or "")).plain


def _cell(shown: object) -> Cell:
    said = _said(shown).replace("\n", " ")
    return None if said in ("", "–", "-") else said
