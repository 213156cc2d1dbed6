"""`personalign take`: the questionnaire in the terminal, one item at a time, resumable.

After every key the sheet is written beside the wanted file, as NAME.partial.json, whole or not at
all. When the last item is done it becomes the wanted file; until then, the same command goes on.
Which item is the last, and which comes next, is up to the `Questions`: the form's own order, or
an adaptive test (`take_adaptive.py`).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

if TYPE_CHECKING:
    from personalign.dataset.answers import AnswerSheet

_INTERRUPTED = "\x03"
_ENDED = "\x04"


class Length(StrEnum):
    """The forms a person can fill in here."""

    SHORT = "120"
    FULL = "300"


class Questions(Protocol):
    """Which items are put, and in what order."""

    total: int
    """At most so many."""

    def first(self, sheet: AnswerSheet) -> int | None:
        """The place of the item to begin with; None where the form is done."""

    def after(self, sheet: AnswerSheet, place: int) -> int | None:
        """The item after this one; None at the end."""

    def before(self, sheet: AnswerSheet, place: int | None) -> int | None:
        """The item before this one, or before the end; the same one at the beginning."""

    def count(self, sheet: AnswerSheet, place: int) -> int:
        """Which one it is, from 1."""

    def filled(self, sheet: AnswerSheet, place: int, answer: int) -> AnswerSheet:
        """The sheet with this answer."""

    def farewell(self, sheet: AnswerSheet) -> None:
        """Print what the person should know at the end."""


def take(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the answers go, .json or .csv.")
    ] = Path("answers.json"),
    form: Annotated[
        Length | None,
        typer.Option(help="The 120-item form (15 minutes; the default) or all 300 (40 minutes)."),
    ] = None,
    adaptive: Annotated[
        bool,
        typer.Option(
            "--adaptive",
            help="Ask those of the 120 items that tell most, given the answers so far.",
        ),
    ] = False,
    items: Annotated[
        int | None,
        typer.Option(
            "--items",
            metavar="N",
            min=10,
            max=120,
            help="With --adaptive: stop after N answers. Default: 30, or 120 with "
            "--standard-error.",
        ),
    ] = None,
    standard_error: Annotated[
        float | None,
        typer.Option(
            "--standard-error",
            metavar="X",
            help="With --adaptive: stop (after 10 answers at least) when no trait's standard error "
            "is above X, in standard deviations between people; such as 0.5.",
        ),
    ] = None,
) -> None:
    """Answer the questionnaire in the terminal.

    Each statement takes one key: [bold]1[/bold] very inaccurate, [bold]2[/bold] moderately
    inaccurate, [bold]3[/bold] neither, [bold]4[/bold] moderately accurate, [bold]5[/bold] very
    accurate; [bold]s[/bold] skips, [bold]b[/bold] goes back, [bold]q[/bold] saves and quits.

    The same command goes on where you stopped. Nothing leaves this computer. With --adaptive,
    about five minutes are enough for a usable persona.

      personalign take -o me.json
      personalign take --form 300 -o me.json
      personalign take --adaptive --items 25 -o me.json
    """
    from personalign.cli.take_adaptive import Adaptive
    from personalign.dataset.answers import ENDINGS, read_sheet, write_sheet
    from personalign.errors import AnswersError

    _fit_together(form, adaptive, items, standard_error)
    if output.suffix not in ENDINGS:
        raise AnswersError(
            f"An answers file ends in .json or .csv, and {output.name!r} does not; name another."
        )
    if output.exists():
        raise AnswersError(
            f"{output} exists already, and answers are never overwritten. Name another file with "
            "-o, or remove that one to start again."
        )
    partial = output.with_name(f"{output.stem}.partial.json")
    if partial.exists():
        sheet = read_sheet(partial)
        if form is not None and len(sheet.inventory) != int(form.value):
            raise AnswersError(
                f"{partial} was begun with the {len(sheet.inventory)}-item form, and --form asks "
                f"for {form.value}. Leave --form out to go on, or remove that file to start again."
            )
        if sheet.adaptive != adaptive:
            begun, add = ("with", "Add") if sheet.adaptive else ("without", "Leave out")
            raise AnswersError(
                f"{partial} was begun {begun} --adaptive. {add} --adaptive to go on, or remove "
                "that file to start again."
            )
    else:
        sheet = _empty(form or Length.SHORT, adaptive)
    questions: Questions = InOrder(len(sheet.answers))
    if adaptive:
        questions = Adaptive(items=items, standard_error=standard_error)
    sheet, finished = _fill_in(sheet, partial, questions)
    if not finished:
        if partial.exists():
            _say(f"Saved in {partial}. The same command goes on from there.")
        else:
            _say("Nothing was answered, so nothing was saved.")
        return
    if sheet.tuning_answered < sheet.minimum:
        raise AnswersError(
            f"{sheet.tuning_answered} of the 120 short-form items are answered, and at least "
            f"{sheet.minimum} are needed. Nothing is lost: the same command goes on with the "
            f"skipped ones, from {partial}."
        )
    write_sheet(output, sheet)
    partial.unlink(missing_ok=True)
    answered = sum(1 for answer in sheet.answers if answer)
    _say(f"Wrote {answered} answers to {output}.")
    _say(f"See what they add up to: personalign profile {output}")


class InOrder:
    """Every item, in the form's order."""

    def __init__(self, total: int) -> None:
        self.total = total

    def first(self, sheet: AnswerSheet) -> int | None:
        """The first item not reached; where all were, the first one skipped; else the end."""
        for state in (None, 0):
            if state in sheet.answers:
                return sheet.answers.index(state)
        return None

    def after(self, sheet: AnswerSheet, place: int) -> int | None:
        return place + 1 if place + 1 < self.total else None

    def before(self, sheet: AnswerSheet, place: int | None) -> int | None:
        return max((self.total if place is None else place) - 1, 0)

    def count(self, sheet: AnswerSheet, place: int) -> int:
        return place + 1

    def filled(self, sheet: AnswerSheet, place: int, answer: int) -> AnswerSheet:
        answers = (*sheet.answers[:place], answer, *sheet.answers[place + 1 :])
        return replace(sheet, answers=answers)

    def farewell(self, sheet: AnswerSheet) -> None:
        from personalign.cli.console import console

        answered = sum(1 for answer in sheet.answers if answer)
        skipped = len(sheet.answers) - answered
        console.print(f"That was the last item: {answered} answered, {skipped} skipped.")


def _fit_together(
    form: Length | None, adaptive: bool, items: int | None, standard_error: float | None
) -> None:
    """AnswersError where the options contradict each other."""
    from personalign.errors import AnswersError

    if not adaptive and (items is not None or standard_error is not None):
        raise AnswersError(
            "--items and --standard-error say when an adaptive test stops. Add --adaptive, or "
            "leave them out."
        )
    if adaptive and form is Length.FULL:
        raise AnswersError(
            "--adaptive asks items of the 120-item form, the ones methods learn from, and --form "
            "asks for 300. Leave one of the two out."
        )
    if standard_error is not None and not 0.2 <= standard_error < 1:
        raise AnswersError(
            f"--standard-error {standard_error:g} cannot be: 1 is knowing nothing, and all 120 "
            "answers reach about 0.3. Give a number from 0.2 up to 1, such as 0.5."
        )


def _say(sentence: str) -> None:
    """Print a sentence with a path in it as it is: no markup, no breaks to copy by mistake."""
    from personalign.cli.console import console

    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _empty(form: Length, adaptive: bool) -> AnswerSheet:
    from personalign.dataset.answers import AnswerSheet
    from personalign.inventory.items import ipip_neo_120, ipip_neo_300

    inventory = ipip_neo_120() if form is Length.SHORT else ipip_neo_300()
    return AnswerSheet(inventory, (None,) * len(inventory), () if adaptive else None)


def _fill_in(sheet: AnswerSheet, partial: Path, questions: Questions) -> tuple[AnswerSheet, bool]:
    """Ask until the form is done (True) or the person quits (False), saving after every key."""
    from personalign.dataset.answers import write_sheet

    place = questions.first(sheet)
    note = ""
    while True:
        if place is None:
            _show_end(sheet, questions)
        else:
            _show(sheet, place, note, questions)
        note = ""
        key = _read_key()
        if key == "b":
            place = questions.before(sheet, place)
        elif key in ("q", _INTERRUPTED):
            return sheet, False
        elif place is None:
            return sheet, True
        elif key == _ENDED:
            return sheet, False
        elif key in ("1", "2", "3", "4", "5", "s"):
            answer = (sheet.answers[place] or 0) if key == "s" else int(key)
            sheet = questions.filled(sheet, place, answer)
            write_sheet(partial, sheet)
            place = questions.after(sheet, place)
        else:
            note = "That key does nothing here; press 1-5, s, b or q."


def _show(sheet: AnswerSheet, place: int, note: str, questions: Questions) -> None:
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    from personalign.cli.console import console
    from personalign.model.prompts import OPTIONS

    total, count = questions.total, questions.count(sheet, place)
    given = sheet.answers[place]
    if console.is_terminal:
        console.clear()
    console.print(f"{sheet.inventory.name}   {count} of {total}", highlight=False)
    console.print(ProgressBar(total=total, completed=count - 1, width=60))
    if console.is_terminal:
        console.print()  # a bar on a terminal ends without a new line
    statement = Text(sheet.inventory.items[place].statement, style="bold")
    console.print(Panel(statement, title="How well does this describe you?", width=60, padding=1))
    for number, words in sorted(OPTIONS.items()):
        mark = "●" if given == number else " "
        console.print(f"  {mark} [bold]{number}[/bold]  {words}", highlight=False)
    console.print("  s skip    b back    q save and quit", style="dim", highlight=False)
    if note:
        console.print(note, style="yellow", highlight=False)


def _show_end(sheet: AnswerSheet, questions: Questions) -> None:
    from personalign.cli.console import console

    if console.is_terminal:
        console.clear()
    questions.farewell(sheet)
    console.print("Press Enter to finish, b to go back, q to save and go on later.", style="dim")


def _read_key() -> str:
    """One key from the terminal; one non-blank character from anything else that is piped in."""
    if sys.stdin.isatty():
        try:
            return typer.getchar().lower()
        except KeyboardInterrupt:
            return _INTERRUPTED
        except EOFError:
            return _ENDED
    while character := sys.stdin.read(1):
        if not character.isspace():
            return character.lower()
    return _ENDED
