"""One person's own answers file: 120 or 300 answers, json or csv.

    {"inventory": "IPIP-NEO-120", "answers": {"1": 4, "2": null, ...}}      json, by item number
    [4, 0, 5, ...]                                                          json, in form order
    item,answer                                                             csv

Answers are responses, 1 Very Inaccurate ... 5 Very Accurate. 0, null and blank are missing. Items
go by their number *in the form*: 1-120 in the short form, 1-300 in the full one. A file that does
not name its form is of the 300 if a number is above 120, else of the 120. That is no guess: only 57
of the 120 short-form items have a number up to 120 in the full form, and a person needs 60.

A sheet of an adaptive test says so ("adaptive": true, or a column adaptive with "yes") and lists
its answers in the order they were asked. Its items were chosen to tell much, so fewer are enough.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from personalign.dataset.files import replacing
from personalign.dataset.people import Respondents
from personalign.errors import AnswersError
from personalign.inventory.items import Inventory, ipip_neo_120, ipip_neo_300

MINIMUM = 60
"""Of the 120 short-form items, how many a person has to have answered."""

ADAPTIVE_MINIMUM = 10
"""How many of them where an adaptive test chose which to ask."""

ENDINGS = (".json", ".csv")


@dataclass(frozen=True)
class AnswerSheet:
    """A form as far as a person has filled it in."""

    inventory: Inventory
    """The form: the 120 or the 300 items."""
    answers: tuple[int | None, ...]
    """One an item, in form order: 1-5, 0 where left out on purpose, None where not reached."""
    asked: tuple[int, ...] | None = None
    """Of an adaptive test: the 0-based places of the items in the order they were asked, those
    answered or skipped. None for an ordinary sheet."""

    def __post_init__(self) -> None:
        if len(self.answers) != len(self.inventory):
            raise AnswersError(
                f"There are {len(self.answers)} answers to the {len(self.inventory)} items of "
                f"{self.inventory.name}; give one an item, 0 where missing."
            )
        for place, answer in enumerate(self.answers, 1):
            if answer not in (None, 0, 1, 2, 3, 4, 5):
                raise AnswersError(_out_of_range(place, answer))
        reached = [place for place, answer in enumerate(self.answers) if answer is not None]
        assert self.asked is None or sorted(self.asked) == reached, "asked lists what was reached"

    @property
    def adaptive(self) -> bool:
        """Whether an adaptive test chose the items."""
        return self.asked is not None

    @property
    def minimum(self) -> int:
        """How many short-form answers a person needs on such a sheet."""
        return ADAPTIVE_MINIMUM if self.adaptive else MINIMUM

    @property
    def tuning_answered(self) -> int:
        """How many of the 120 short-form items have an answer."""
        pairs = zip(self.inventory, self.answers, strict=True)
        return sum(1 for item, answer in pairs if item.is_tuning and answer)

    def respondents(self, name: str = "answers") -> Respondents:
        """The sheet as one person; items without an answer, and of no form, are missing."""
        responses = np.zeros((1, len(ipip_neo_300())), dtype=np.int8)
        columns = ipip_neo_300().columns(self.inventory)
        responses[0, columns] = [answer or 0 for answer in self.answers]
        return Respondents(
            responses, (name,), source=f"{name} (responses; {self.inventory.name} answers file)"
        )


def read_answers(path: str | Path, *, minimum: int | None = None) -> Respondents:
    """Read one person's answers from a .json or .csv file.

    Arguments:
        minimum: how many of the 120 short-form items must be answered; 60 when left out, 10 on the
            sheet of an adaptive test.

    Returns Respondents of one person, named after the file.

    Raises AnswersError for answers that are not 1-5, too few of them, duplicate or unknown items,
    a list of another length than 120 or 300, or a file that cannot be read.
    """
    return _known_person(read_sheet(path), Path(path), minimum)


def parse_answers(text: str, *, name: str = "answers", minimum: int | None = None) -> Respondents:
    """One person's answers out of the text of a .json file, as `read_answers` reads it.

    name: what the person and, in errors, the text is called.
    """
    source = Path(name)
    return _known_person(_filled_in(_from_json(text, source), source), source, minimum)


def read_sheet(path: str | Path) -> AnswerSheet:
    """Read a form, however little of it is filled in; errors as for `read_answers`."""
    source = Path(path)
    _known_ending(source)
    if not source.is_file():
        raise AnswersError(
            f"There is no answers file at {source}; make one with: personalign take -o {source}"
        )
    try:
        text = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnswersError(f"{source.name} is no UTF-8 text; save it as such.") from error
    parsed = _from_csv(text, source) if source.suffix == ".csv" else _from_json(text, source)
    return _filled_in(parsed, source)


def _known_person(sheet: AnswerSheet, source: Path, minimum: int | None) -> Respondents:
    """The person of a sheet, if it says enough of them."""
    needed = sheet.minimum if minimum is None else minimum
    if sheet.tuning_answered < needed:
        raise AnswersError(
            f"{source.name} answers {sheet.tuning_answered} of the 120 short-form items; at "
            f"least {needed} are needed to know a person. Answer more of them, for instance with: "
            f"personalign take{' --adaptive' if sheet.adaptive else ''}"
        )
    return sheet.respondents(source.stem)


def _filled_in(parsed: _Parsed, source: Path) -> AnswerSheet:
    """The form with the answers in their places."""
    pairs, form, adaptive = parsed
    if form is None:
        numbers = [number for number, _ in pairs]
        form = ipip_neo_300() if max(numbers, default=0) > 120 else ipip_neo_120()
    answers: list[int | None] = [None] * len(form)
    seen: set[int] = set()
    for number, answer in pairs:
        if not 1 <= number <= len(form):
            raise AnswersError(
                f"Item {number} in {source.name} is unknown; items of {form.name} are numbered "
                f"1-{len(form)} in the form's order. Correct the number, or name the form the "
                'numbers are of: "IPIP-NEO-120" or "IPIP-NEO-300".'
            )
        if number in seen:
            raise AnswersError(
                f"Item {number} is answered twice in {source.name}; each item takes one answer. "
                "Remove one of the two."
            )
        seen.add(number)
        answers[number - 1] = answer
    asked = tuple(number - 1 for number, _ in pairs) if adaptive else None
    return AnswerSheet(form, tuple(answers), asked)


def write_answers(path: str | Path, person: Respondents) -> None:
    """Write one person's answers, as the 120-item form if no other item is answered.

    Missing answers are left out. `read_answers` gives the same responses back.

    Raises AnswersError for more or fewer than one person, or another ending than .json or .csv.
    """
    if len(person) != 1:
        raise AnswersError(
            f"An answers file holds one person and there are {len(person)}; select one, or write "
            "people with Respondents.write."
        )
    full = ipip_neo_300()
    held_out = person.responses[0, full.columns(full.held_out)]
    form = full if held_out.any() else ipip_neo_120()
    answers = person.responses[0, full.columns(form)]
    write_sheet(path, AnswerSheet(form, tuple(int(answer) or None for answer in answers)))


def write_sheet(path: str | Path, sheet: AnswerSheet) -> None:
    """Write a form as far as it is filled in; items left out on purpose are kept as such."""
    target = Path(path)
    _known_ending(target)
    order = range(len(sheet.answers)) if sheet.asked is None else sheet.asked
    given = [(place + 1, sheet.answers[place]) for place in order]
    given = [(number, answer) for number, answer in given if answer is not None]
    if target.suffix == ".csv":
        mark = ",yes" if sheet.adaptive else ""
        rows = [f"{sheet.inventory.name},{number},{answer or ''}{mark}" for number, answer in given]
        head = "inventory,item,answer" + (",adaptive" if sheet.adaptive else "")
        text = "\n".join([head, *rows]) + "\n"
    else:
        answers = {str(number): answer or None for number, answer in given}
        marked = {"adaptive": True} if sheet.adaptive else {}
        whole = {"inventory": sheet.inventory.name, **marked, "answers": answers}
        text = json.dumps(whole, indent=1) + "\n"
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _known_ending(path: Path) -> None:
    if path.suffix not in ENDINGS:
        raise AnswersError(
            f"An answers file ends in .json or .csv, and {path.name!r} does not; rename it."
        )


def _out_of_range(number: object, answer: object) -> str:
    return (
        f"The answer to item {number} is {answer!r}; answers are whole numbers from 1 (Very "
        "Inaccurate) to 5 (Very Accurate), 0 or blank where missing. Correct it."
    )


def _form_named(name: object, source: Path) -> Inventory:
    """The form of a name such as "IPIP-NEO-120", "ipip_neo_120" or 120."""
    length = re.fullmatch(r"(ipip[-_ ]?neo[-_ ]?)?(120|300)", str(name).strip().lower())
    if not length:
        raise AnswersError(
            f"{source.name} names the inventory {name!r}, which is unknown; name IPIP-NEO-120 or "
            "IPIP-NEO-300."
        )
    return ipip_neo_120() if length[2] == "120" else ipip_neo_300()


def _number(text: str, source: Path) -> int:
    if not re.fullmatch(r"\s*\d{1,9}\s*", text, re.ASCII):
        raise AnswersError(
            f"Item {text!r} in {source.name} is unknown; items go by their number in the form, "
            "1-120 or 1-300. Correct the number."
        )
    return int(text)


_Parsed = tuple[list[tuple[int, int]], Inventory | None, bool]
"""Item numbers and answers in the file's order; the form if named; whether it was adaptive."""


def _from_json(text: str, source: Path) -> _Parsed:
    try:  # objects stay lists of pairs, so that a key given twice is seen
        data = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise AnswersError(
            f"{source.name} is no complete JSON ({error}); write it again or repair it there."
        ) from error
    form: Inventory | None = None
    adaptive = False
    if isinstance(data, _Pairs) and any(key == "answers" for key, _ in data):
        for key, value in data:
            if key == "inventory":
                form = _form_named(value, source)
            if key == "adaptive":
                adaptive = _yes_or_no(value, source)
        wholes = [value for key, value in data if key == "answers"]
        if len(wholes) > 1:
            raise AnswersError(f'{source.name} has "answers" twice; keep one of the two.')
        data = wholes[0]
    if isinstance(data, _Pairs):
        given: list[tuple[int, Any]] = [(_number(key, source), value) for key, value in data]
    elif isinstance(data, list):
        if len(data) not in (120, 300) or (form is not None and len(data) != len(form)):
            wanted = "120 or 300" if form is None else str(len(form))
            raise AnswersError(
                f"{source.name} lists {len(data)} answers; a list in form order has {wanted}. Put "
                "0 where an answer is missing, or give answers by item number."
            )
        form = ipip_neo_120() if len(data) == 120 else ipip_neo_300()
        given = list(enumerate(data, 1))
    else:
        raise AnswersError(
            f"{source.name} holds no answers; it needs a list of 120 or 300, or "
            '{"inventory": "IPIP-NEO-120", "answers": {"1": 4, ...}}.'
        )
    return [(number, _answer(number, value)) for number, value in given], form, adaptive


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs."""


def _answer(number: int, value: object) -> int:
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= 5:
        shown = dict(value) if isinstance(value, _Pairs) else value
        raise AnswersError(_out_of_range(number, shown))
    return value


def _yes_or_no(value: object, source: Path) -> bool:
    words = {
        "true": True,
        "yes": True,
        "false": False,
        "no": False,
        "": False,
    }
    word = str("" if value is None else value).strip().lower()
    if word not in words:
        raise AnswersError(
            f'{source.name} says adaptive {value!r}; it is true or false (in a .csv file, "yes" or '
            "blank). Correct it, or leave it out for an ordinary sheet."
        )
    return words[word]


def _from_csv(text: str, source: Path) -> _Parsed:
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    if not {"item", "answer"} <= set(names):
        raise AnswersError(
            f"{source.name} has the columns {', '.join(names) or '(none)'}; it needs item and "
            "answer, with a first line that says so."
        )
    reader.fieldnames = names
    pairs: list[tuple[int, int]] = []
    forms: set[str] = set()
    adaptive: set[bool] = set()
    for row in reader:
        if None in row:
            raise AnswersError(
                f"Line {reader.line_num} of {source.name} has more fields than the first line has "
                f"columns ({', '.join(names)}). Remove the extra ones."
            )
        number = _number(row["item"] or "", source)
        value = (row["answer"] or "").strip()
        if not re.fullmatch(r"[0-5]?", value, re.ASCII):
            raise AnswersError(_out_of_range(number, value))
        pairs.append((number, int(value or 0)))
        forms.add((row.get("inventory") or "").strip())
        adaptive.add(_yes_or_no(row.get("adaptive"), source))
    if len(forms) > 1:
        raise AnswersError(
            f"{source.name} names more than one inventory ({', '.join(sorted(forms))}); a sheet is "
            "of one form. Name the same one in every row."
        )
    name = forms.pop() if forms else ""
    return pairs, _form_named(name, source) if name else None, adaptive == {True}
