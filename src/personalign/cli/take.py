"""`personalign take`: the questionnaire in the terminal, one item at a time, resumable.

After every key the sheet is written beside the wanted file, as NAME.partial.json, whole or not at
all. When the last item is done it becomes the wanted file; until then, the same command goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personalign.cli.inventory import Form

if TYPE_CHECKING:
    from personalign.dataset.answers import AnswerSheet

_INTERRUPTED = "\x03"
_ENDED = "\x04"


def take(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the answers go, .json or .csv.")
    ] = Path("answers.json"),
    form: Annotated[
        Form | None,
        typer.Option(help="The 120-item form (15 minutes; the default) or all 300 (40 minutes)."),
    ] = None,
) -> None:
    """Answer the questionnaire in the terminal.

    Each statement takes one key: [bold]1[/bold] very inaccurate, [bold]2[/bold] moderately
    inaccurate, [bold]3[/bold] neither, [bold]4[/bold] moderately accurate, [bold]5[/bold] very
    accurate; [bold]s[/bold] skips, [bold]b[/bold] goes back, [bold]q[/bold] saves and quits.

    The same command goes on where you stopped. Nothing leaves this computer.

      personalign take -o me.json
      personalign take --form 300 -o me.json
    """
    from personalign.dataset.answers import ENDINGS, MINIMUM, read_sheet, write_sheet
    from personalign.errors import AnswersError

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
    else:
        sheet = _empty(form or Form.SHORT)
    sheet, finished = _fill_in(sheet, partial)
    if not finished:
        if partial.exists():
            _say(f"Saved in {partial}. The same command goes on from there.")
        else:
            _say("Nothing was answered, so nothing was saved.")
        return
    if sheet.tuning_answered < MINIMUM:
        raise AnswersError(
            f"{sheet.tuning_answered} of the 120 short-form items are answered, and at least "
            f"{MINIMUM} are needed. Nothing is lost: the same command goes on with the skipped "
            f"ones, from {partial}."
        )
    write_sheet(output, sheet)
    partial.unlink(missing_ok=True)
    answered = sum(1 for answer in sheet.answers if answer)
    _say(f"Wrote {answered} answers to {output}.")
    _say(f"See what they add up to: personalign profile {output}")


def _say(sentence: str) -> None:
    """Print a sentence with a path in it as it is: no markup, no breaks to copy by mistake."""
    from personalign.cli.console import console

    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _empty(form: Form) -> AnswerSheet:
    from personalign.dataset.answers import AnswerSheet
    from personalign.inventory.items import ipip_neo_120, ipip_neo_300

    inventory = ipip_neo_120() if form is Form.SHORT else ipip_neo_300()
    return AnswerSheet(inventory, (None,) * len(inventory))


def _fill_in(sheet: AnswerSheet, partial: Path) -> tuple[AnswerSheet, bool]:
    """Ask until the form is done (True) or the person quits (False), saving after every key."""
    from dataclasses import replace

    from personalign.dataset.answers import write_sheet

    place = _first_open(sheet)
    note = ""
    while True:
        done = place == len(sheet.answers)
        _show_end(sheet) if done else _show(sheet, place, note)
        note = ""
        key = _read_key()
        if key == "b":
            place = max(place - 1, 0)
        elif key in ("q", _INTERRUPTED):
            return sheet, False
        elif done:
            return sheet, True
        elif key == _ENDED:
            return sheet, False
        elif key in ("1", "2", "3", "4", "5", "s"):
            before = sheet.answers[place]
            answer = (before or 0) if key == "s" else int(key)
            answers = (*sheet.answers[:place], answer, *sheet.answers[place + 1 :])
            sheet = replace(sheet, answers=answers)
            write_sheet(partial, sheet)
            place += 1
        else:
            note = "That key does nothing here; press 1-5, s, b or q."


def _first_open(sheet: AnswerSheet) -> int:
    """The first item not reached; where all were, the first one skipped; else the end."""
    for state in (None, 0):
        if state in sheet.answers:
            return sheet.answers.index(state)
    return len(sheet.answers)


def _show(sheet: AnswerSheet, place: int, note: str) -> None:
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    from personalign.cli.console import console
    from personalign.model.prompts import OPTIONS

    total = len(sheet.answers)
    given = sheet.answers[place]
    if console.is_terminal:
        console.clear()
    console.print(f"{sheet.inventory.name}   {place + 1} of {total}", highlight=False)
    console.print(ProgressBar(total=total, completed=place, width=60))
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


def _show_end(sheet: AnswerSheet) -> None:
    from personalign.cli.console import console

    answered = sum(1 for answer in sheet.answers if answer)
    skipped = len(sheet.answers) - answered
    if console.is_terminal:
        console.clear()
    console.print(f"That was the last item: {answered} answered, {skipped} skipped.")
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
