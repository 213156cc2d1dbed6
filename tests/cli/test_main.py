"""The command line as a whole: help that teaches, errors in one sentence, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from personalign import __version__
from personalign.cli.main import _Commands, app
from personalign.errors import ModelError

COMMANDS = (
    "demo",
    "take",
    "profile",
    "align",
    "ask",
    "chat",
    "evaluate",
    "methods",
    "model",
    "inventory",
)
runner = CliRunner()


def failing(error: BaseException) -> typer.Typer:
    """An app of the same kind as ours whose one command raises the error."""
    tiny = typer.Typer(cls=_Commands)

    @tiny.callback()
    def _group() -> None:
        """A group, so that the command keeps its name."""

    @tiny.command()
    def work() -> None:
        raise error

    return tiny


def test_help_lists_every_command() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    assert [name for name in COMMANDS if f" {name} " not in result.stdout] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_example(command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    body = result.stdout.split("Usage:", 1)[1].split("\n", 1)[1]
    assert "personalign " in body


def test_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"personalign {__version__}\n")


def test_a_misspelt_command_is_exit_2() -> None:
    assert runner.invoke(app, ["algin"]).exit_code == 2


def test_an_expected_error_is_one_sentence_on_stderr_and_exit_1() -> None:
    sentence = "The model 'gpt[x]' hides its heads; name a causal decoder. " * 3
    result = runner.invoke(failing(ModelError(sentence)), ["work"])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", sentence + "\n")


def test_a_file_that_cannot_be_written_is_one_sentence() -> None:
    error = PermissionError(13, "Permission denied", "/answers.json")
    result = runner.invoke(failing(error), ["work"])
    assert result.exit_code == 1
    assert result.stderr == "Permission denied: /answers.json\n"


def test_an_interrupted_command_is_exit_130() -> None:
    result = runner.invoke(failing(KeyboardInterrupt()), ["work"])
    assert result.exit_code == 130
    assert result.stderr.startswith("Interrupted")


def test_a_bug_keeps_its_traceback() -> None:
    result = runner.invoke(failing(ZeroDivisionError("a bug")), ["work"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_the_entry_point_runs() -> None:
    program = "import sys; sys.argv = ['personalign', '--version']; "
    program += "from personalign.cli.main import run; run()"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, f"personalign {__version__}\n")
