"""One table in three forms: the same cells, each form's own markup taken for text."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from rich.console import Console

from personalign.bench.export_table import ENDINGS, Table
from personalign.errors import EvaluationError

TABLE = Table(
    title="Effects by trait",
    columns=("method", "people", "effect (95%)", "p"),
    rows=(
        ("pas", 40, "-0.12 (-0.30 to 0.06)", 0.25),
        ("few-shot_all, |old|", 1200, None, float("nan")),
        ("[none] & 100%", 0, "+1.00", 1e-05),
    ),
    notes=("Held-out items only; <0.05 is *not* a proof.", "~5 people left out"),
    command="personalign bench --people people.json",
)


def test_csv_parses_back_to_the_cells() -> None:
    header, *rows = csv.reader(TABLE.to_csv().splitlines())
    assert tuple(header) == TABLE.columns
    for row, own in zip(rows, TABLE.rows, strict=True):
        for text, cell in zip(row, own, strict=True):
            if cell is None or cell != cell:
                assert text == ""
            elif isinstance(cell, str):
                assert text == cell
            else:
                assert type(cell)(text) == cell  # every digit a number has


def test_csv_keeps_commas_quotes_and_lines() -> None:
    cell = 'he said "no, never"\nand left'
    (header, row) = csv.reader(Table("t", ("a,b",), ((cell,),)).to_csv().splitlines(keepends=True))
    assert (header, row) == (["a,b"], [cell])


def test_markdown_has_one_cell_a_column_whatever_is_in_it() -> None:
    lines = [line for line in TABLE.to_markdown().splitlines() if line.startswith("|")]
    assert len(lines) == len(TABLE.rows) + 2
    for line in lines:
        assert len(re.findall(r"(?<!\\)\|", line)) == len(TABLE.columns) + 1
    assert r"few-shot\_all, \|old\|" in lines[3] and lines[3].endswith("| - | - |")
    assert lines[1] == "|:---|---:|---:|---:|"


def test_markdown_tells_notes_and_command() -> None:
    text = TABLE.to_markdown()
    assert r"\<0.05 is \*not\* a proof." in text and r"\~5 people left out" in text
    assert "```sh\npersonalign bench --people people.json\n```" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A & B", r"A \& B"),
        ("50%", r"50\%"),
        ("$5 #1", r"\$5 \#1"),
        ("a_b", r"a\_b"),
        ("{x}", r"\{x\}"),
        ("x^2~y", r"x\textasciicircum{}2\textasciitilde{}y"),
        ("C:\\n", r"C:\textbackslash{}n"),
        ("<0.01 > 0", r"\textless{}0.01 \textgreater{} 0"),
        ("[1]*", "{[}1]{*}"),
        ("-0.12", "$-$0.12"),
        ("0.1 (-0.2 to .3)", "0.1 ($-$0.2 to .3)"),
        ("2.31\u20132.67", "2.31--2.67"),
        ("few-shot 1-5", "few-shot 1-5"),
        ("pas-4", "pas-4"),
        ("two\nlines", "two lines"),
        ("\u03b1 \u2264 8 \u00b1 1", r"$\alpha$ $\leq$ 8 $\pm$ 1"),
    ],
)
def test_latex_escapes(text: str, expected: str) -> None:
    lines = Table("t", ("c",), ((text,),)).to_latex().splitlines()
    assert lines[lines.index(r"\midrule") + 1] == expected + r" \\"


def test_latex_is_a_whole_booktabs_table() -> None:
    lines = TABLE.to_latex().splitlines()
    assert lines[0] == "% personalign bench --people people.json"
    assert lines[1] == r"\begin{table}[t]" and lines[-1] == r"\end{table}"
    assert r"\begin{tabular}{lrrr}" in lines
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert body[0] == r"pas & 40 & $-$0.12 ($-$0.30 to 0.06) & 0.25 \\"
    assert body[1].endswith(r" & 1200 & - & - \\")
    assert all(len(re.findall(r"(?<!\\)&", line)) == 3 for line in body)
    text = "\n".join(lines)
    assert len(re.findall(r"(?<!\\)\{", text)) == len(re.findall(r"(?<!\\)\}", text))


def test_a_command_of_several_lines_stays_a_comment() -> None:
    text = Table("t", ("c",), (), command="personalign bench \\\n  --people p.json").to_latex()
    assert text.splitlines()[:2] == [
        "% personalign bench \\ --people p.json",
        r"\begin{table}[t]",
    ]


def test_a_column_of_words_stands_on_the_left() -> None:
    table = Table("t", ("", "verdict", "n"), (("a", "clear", 1), ("b", "3.4", None)))
    assert table.to_markdown().splitlines()[3] == "|:---|:---|---:|"
    assert Table("t", ("", "n"), ()).to_markdown().splitlines()[3] == "|:---|:---|"


def test_the_terminal_shows_the_cells_as_they_are() -> None:
    console = Console(width=120, record=True, force_terminal=False)
    console.print(TABLE.to_terminal(width=120))
    lines = console.export_text().splitlines()
    assert lines[0].strip() == TABLE.title
    assert lines[1].split() == ["method", "people", "effect", "(95%)", "p"]
    assert lines[-1].split() == ["[none]", "&", "100%", "0", "+1.00", "1e-05"]
    assert lines[-2].split()[-2:] == ["-", "-"]


def test_where_there_is_no_room_brackets_go_below() -> None:
    console = Console(width=50, record=True, force_terminal=False)
    console.print(TABLE.to_terminal(width=50))
    lines = [line.split() for line in console.export_text().splitlines()]
    at = lines.index(["pas", "40", "-0.12", "0.25"])
    assert lines[at + 1] == ["(-0.30", "to", "0.06)"]


def test_every_form_goes_into_a_file(tmp_path: Path) -> None:
    forms = (TABLE.to_markdown(), TABLE.to_latex(), TABLE.to_csv())
    for ending, form in zip(ENDINGS, forms, strict=True):
        path = TABLE.write(tmp_path / f"table{ending}")
        assert path.read_text(encoding="utf-8") == form
    with pytest.raises(EvaluationError, match=r"table\.xls.*\.md, \.tex or \.csv"):
        TABLE.write(tmp_path / "table.xls")
    assert len(list(tmp_path.iterdir())) == 3


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"Row 2 .* has 1 cells and there are 2 columns"):
        Table("t", ("a", "b"), (("x", 1), ("y",)))
    with pytest.raises(EvaluationError, match="holds True"):
        Table("t", ("a",), ((True,),))
    with pytest.raises(EvaluationError, match="no columns"):
        Table("t", (), ())


def test_lists_become_tuples_so_that_nobody_changes_them() -> None:
    rows = [["a", 1]]
    table = Table("t", ["x", "y"], rows)  # type: ignore[arg-type]
    rows[0][1] = 2
    assert table.rows == (("a", 1),) and hash(table) == hash(Table("t", ("x", "y"), (("a", 1),)))
