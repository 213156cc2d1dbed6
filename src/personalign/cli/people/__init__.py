"""`personalign people`: files of people, from Johnson's raw data to a described, chosen few."""

from __future__ import annotations

import typer

from personalign.cli.people.convert import convert
from personalign.cli.people.describe import describe
from personalign.cli.people.download import download
from personalign.cli.people.plot import plot
from personalign.cli.people.select import select
from personalign.cli.people.simulate import simulate
from personalign.cli.people.split import split

people = typer.Typer(
    name="people",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Files of people: fetch, convert, describe, choose, split, simulate, draw.",
)

people.command()(download)
people.command()(convert)
people.command()(split)
people.command()(simulate)
people.command()(describe)
people.command()(select)
people.command()(plot)
