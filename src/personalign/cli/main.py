"""The command line, put together: one typer app, one file a command.

``personalign`` (the entry point ``run``) exits with 0 when the work is done, 1 with one sentence on
stderr when Personalign or the file system refused it, 2 when the command was misspelt, 130 when it
was interrupted. Command files import torch and the like inside their functions, so that
``personalign --help`` answers at once.
"""

from __future__ import annotations

import errno
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from personalign import __version__
from personalign.cli.align import align
from personalign.cli.alphas import alphas
from personalign.cli.ask import ask
from personalign.cli.bench import bench
from personalign.cli.carry import carry
from personalign.cli.chat import chat
from personalign.cli.console import console, errors
from personalign.cli.cost import cost
from personalign.cli.demo import demo
from personalign.cli.evaluate import evaluate
from personalign.cli.export import export
from personalign.cli.heads import heads
from personalign.cli.inventory import inventory
from personalign.cli.keys import keys
from personalign.cli.methods import methods
from personalign.cli.model import model
from personalign.cli.people import people
from personalign.cli.profile import profile
from personalign.cli.reason import reason
from personalign.cli.serve import serve
from personalign.cli.site import site
from personalign.cli.stress import stress
from personalign.cli.study import study
from personalign.cli.take import take
from personalign.errors import PersonalignError


class _Commands(TyperGroup):
    """The group of commands, with the errors a user can cause turned into one sentence each."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except PersonalignError as error:
            raise _refused(str(error)) from error
        except OSError as error:
            if error.filename is None or error.errno == errno.EPIPE:
                raise
            raise _refused(f"{error.strerror}: {error.filename}") from error
        except KeyboardInterrupt as error:
            errors.print("Interrupted; nothing half-written was left behind.")
            raise typer.Exit(130) from error


def _refused(sentence: str) -> typer.Exit:
    """Print the sentence in red on stderr; the exit to raise."""
    errors.print(sentence, style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(1)


app = typer.Typer(
    name="personalign",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(f"personalign {__version__}", highlight=False)
        raise typer.Exit()


@app.callback()
def _personalign(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """From a person's questionnaire answers to a language model that answers like that person.

    [bold]See it work[/bold], on twelve simulated people and the model that comes with Personalign:

      personalign demo

    [bold]Do it with yourself[/bold]: answer the questionnaire, make a persona, talk to it:

      personalign take -o me.json
      personalign profile me.json
      personalign align me.json -o me
      personalign chat me

    [bold]Measure it[/bold] on a file of people, beside reference rows that use no model at all:

      personalign evaluate --people people.json --methods none,few-shot,pas

    Every command explains itself: personalign align --help.
    """


START = "Start here"
PERSON = "One person"
MEASURE = "Measure"
LOOK = "Look up"
SERVE = "Serve"
PEOPLE = "Many people"

app.command(rich_help_panel=START)(demo)
app.command(rich_help_panel=PERSON)(take)
app.command(rich_help_panel=PERSON)(profile)
app.command(rich_help_panel=PERSON)(align)
app.command(rich_help_panel=PERSON)(ask)
app.command(rich_help_panel=PERSON)(chat)
app.command(rich_help_panel=PERSON)(export)
app.command(rich_help_panel=MEASURE)(evaluate)
app.add_typer(bench, rich_help_panel=MEASURE)
app.command(rich_help_panel=MEASURE)(stress)
app.command(rich_help_panel=MEASURE)(heads)
app.command(rich_help_panel=MEASURE)(alphas)
app.command(rich_help_panel=MEASURE)(reason)
app.command(rich_help_panel=MEASURE)(cost)
app.add_typer(study, rich_help_panel=MEASURE)
app.add_typer(people, rich_help_panel=PEOPLE)
app.command(rich_help_panel=SERVE)(serve)
app.command(rich_help_panel=SERVE)(carry)
app.add_typer(keys, name="keys", rich_help_panel=SERVE)
app.add_typer(site, name="site", rich_help_panel=SERVE)
app.command(rich_help_panel=LOOK)(methods)
app.command(rich_help_panel=LOOK)(model)
app.command(rich_help_panel=LOOK)(inventory)


def run() -> None:
    """The entry point ``personalign``."""
    app()


if __name__ == "__main__":
    run()
