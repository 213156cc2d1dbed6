"""The pages tell the truth: their commands exist, their links resolve, their examples run."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from personalign.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "dev").glob("*.md")])
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HELP_EXAMPLE = re.compile(r"\s+personalign [a-z-]")
GROUP: Any = typer.main.get_command(app)
MAKE_TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language on a page."""
    return [body for name, body in FENCE.findall(page.read_text("utf-8")) if name == language]


def command_lines() -> list[str]:
    """Every shell line of the pages, and every example in the commands' own help."""
    lines = [line for page in PAGES for body in blocks(page, "sh") for line in body.splitlines()]
    texts = [command.help or "" for command in all_commands(GROUP)]
    lines += [line for text in texts for line in text.splitlines() if HELP_EXAMPLE.match(line)]
    return sorted({line.split("#")[0].strip() for line in lines} - {""})


def all_commands(command: Any) -> list[Any]:
    """The command, and where it is a group, every command below it."""
    below = getattr(command, "commands", {}).values()
    return [command, *(one for child in below for one in all_commands(child))]


def unknown_options(line: str) -> list[str]:
    """What the command line would refuse of `personalign COMMAND ...`, without running it."""
    words = shlex.split(line)[1:]
    command = GROUP
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        default = getattr(command, "default", None)  # the command meant where none is named
        named = words.pop(0) if words[0] in command.commands or default is None else default
        command = command.commands.get(named)
        if command is None:
            return [line]
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    return [word for word in words if word.startswith("-") and word not in options]


@pytest.mark.parametrize("line", command_lines())
def test_the_commands_on_the_pages_exist(line: str) -> None:
    program, *rest = shlex.split(line)
    if program == "personalign":
        assert unknown_options(line) == []
    elif program == "make":
        targets = MAKE_TARGET.findall((ROOT / "Makefile").read_text("utf-8"))
        assert set(rest) <= set(targets)
    else:
        assert program in {"git", "cd", "export", "source", "pip", "pytest", "python"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_links_resolve(page: Path) -> None:
    links = [link.split("#")[0] for link in LINK.findall(page.read_text("utf-8"))]
    local = [link for link in links if link and "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.slow
def test_the_example_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = blocks(ROOT / "README.md", "python")
    exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})


@pytest.mark.slow
@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.name)
def test_the_examples_run(
    script: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out.strip()
