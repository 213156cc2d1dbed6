"""`--set METHOD.SETTING=VALUE`: settings of single methods, as several commands take them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from personalign.errors import EvaluationError, MethodError

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="METHOD.SETTING=VALUE",
        help="A setting of one method, the value as JSON: pas.heads=4, dpo@small.steps=100, "
        "pas.direction=probe. May be given several times.",
    ),
]

N = TypeVar("N", int, float)

_FORM = re.compile(r"([^.=\s]+)\.([A-Za-z_]\w*)=(.*)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z][\w@-]*")


def method_names(listed: str) -> list[str]:
    """The methods of a list separated by commas, each of which exists.

    Raises EvaluationError for none, or one named twice; MethodError for one there is not.

    >>> method_names("none, pas")
    ['none', 'pas']
    """
    from personalign.methods.settings import settings_taken

    names = [name.strip() for name in listed.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise EvaluationError(
            f"Name at least one method, and each only once; got {', '.join(names) or 'nothing'}."
        )
    for name in names:
        settings_taken(name)
    return names


def method_settings(given: Sequence[str] | None, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What was set, by method. names: the methods of the run.

    A bare word is a text; true, false, null, numbers, lists and "texts" are JSON.
    Raises MethodError for what is not of the form, names a method that does not run, or a setting
    the method does not take.

    >>> method_settings(["pas.heads=4", "pas.direction=probe"], ["none", "pas"])
    {'pas': {'heads': 4, 'direction': 'probe'}}
    """
    from personalign.methods.settings import settings_taken

    found: dict[str, dict[str, Any]] = {}
    for text in given or ():
        match = _FORM.fullmatch(text)
        if match is None:
            raise MethodError(
                f"--set {text} is not understood; write METHOD.SETTING=VALUE, such as pas.heads=4."
            )
        method, setting, value = match.groups()
        if method not in names:
            raise MethodError(
                f"--set {text} is for {method}, which does not run; the methods are "
                f"{', '.join(names)}."
            )
        known = settings_taken(method)
        if setting not in known:
            raise MethodError(
                f"The method {method} has no setting {setting!r}; "
                f"{'its settings are ' + ', '.join(known) if known else 'it has none'}."
            )
        found.setdefault(method, {})[setting] = _value(text, value)
    return found


def numbers(text: str, option: str, kind: Callable[[str], N]) -> list[N]:
    """The numbers of a list separated by commas. option: its name, without the dashes.

    Raises EvaluationError for what is no finite number.

    >>> numbers("1,-1", "alphas", float)
    [1.0, -1.0]
    """
    try:
        found = [kind(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(map(math.isfinite, found)):
        raise EvaluationError(
            f"--{option} {text} is no list of numbers; separate them by commas, as in 1,2,4."
        )
    return found


def _value(text: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        if _WORD.fullmatch(value):
            return value
    raise MethodError(
        f"The value of --set {text} is no JSON: give a number, true, false, null, a list, or a "
        "text in double quotes."
    )
