"""Replies side by side: all of them there, as they were written, with what they cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from personalign.bench.alpha_case import (
    MEANINGS,
    alpha_html,
    alpha_notes,
    alpha_tables,
    write_alpha_html,
)

COST = {
    "kl": 0.0512,
    "perplexity": 21.4,
    "plain_perplexity": 66070.2,
    "unparsed": 0.25,
    "repeats": 0.125,
    "plain_repeats": 0.0,
}


def row(alpha: float, text: str, **more: Any) -> dict[str, Any]:
    return {
        "persona": "pas",
        "alpha": alpha,
        "best": alpha == 2.5,
        "prompted": False,
        "prompt": "How do I [bold]prepare[/bold]?",
        "text": text,
        "tokens": 3,
        "repeats": 0.5,
        "cost": COST,
        **more,
    }


ROWS = [
    row(0.0, "plainly [red]so[/red]"),
    row(2.5, "thoroughly & <b>alone</b>"),
    row(7.0, " "),
    row(1.0, "told", persona="dials", prompted=True, best=True),
]


def printed(width: int) -> str:
    console = Console(width=width, record=True, force_terminal=False)
    for table in alpha_tables(ROWS, width=width):
        console.print(table)
    return console.export_text()


@pytest.mark.parametrize("width", [60, 120])
def test_the_terminal_shows_every_reply_as_it_is(width: int) -> None:
    text = " ".join(printed(width).split())
    for part in ("[red]so[/red]", "<b>alone</b>", "(no words)", "told", "alpha 2.5, its own"):
        assert part in text
    assert "pas: How do I [bold]prepare[/bold]?" in text
    assert text.count("KL 0.051") == 4 and text.count("unparsed 25%") == 4
    assert text.count("repeats here 50%") == 4 and text.count("repeats 12% (0%)") == 4
    assert text.count("perplexity 21.4 (66,070)") == 4


def test_replies_stand_beside_each_other_where_there_is_room() -> None:
    def beside(text: str) -> bool:
        return any("alpha 0" in line and "alpha 7" in line for line in text.splitlines())

    assert beside(printed(120)) and not beside(printed(60))


def test_the_page_is_whole_and_asks_for_nothing() -> None:
    page = alpha_html(ROWS, model="tiny <model>")
    assert "http" not in page and "<script" not in page and "src=" not in page
    assert "prefers-color-scheme: dark" in page
    assert "thoroughly &amp; &lt;b&gt;alone&lt;/b&gt;" in page and "tiny &lt;model&gt;" in page
    assert page.count('class="after"') == 2  # the own alpha of either persona
    assert page.count("<dt>KL</dt><dd>0.051</dd>") == 4
    assert "{{" not in page and "{%" not in page
    for tag in ("div", "section", "dl", "p", "span"):
        opened = re.findall(rf"<{tag}[ >]", page)
        assert len(opened) == page.count(f"</{tag}>"), tag


def test_what_has_a_prompt_says_so() -> None:
    assert alpha_notes(ROWS)[0].startswith("dials: has a system prompt too")
    assert len(alpha_notes(ROWS[:3])) == len(MEANINGS)
    assert "has a system prompt" in alpha_html(ROWS, model="m")
    assert "has a system prompt" not in alpha_html(ROWS[:3], model="m")


def test_the_page_goes_into_a_file(tmp_path: Path) -> None:
    path = write_alpha_html(tmp_path / "alphas.html", ROWS, model="m")
    assert path.read_text(encoding="utf-8") == alpha_html(ROWS, model="m")
