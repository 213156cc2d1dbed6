"""Reading what people hand in: text files, of which some are not UTF-8."""

from __future__ import annotations

from pathlib import Path

from personalign.errors import InputRefused


def read_text(path: Path) -> str:
    """A UTF-8 file, with or without its mark; InputRefused for another coding."""
    return decoded(path.read_bytes(), path.name)


def decoded(data: bytes, name: str) -> str:
    """The text of a file's bytes, its lines ended by \\n; `name` is what errors call the file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputRefused(
            "no_text",
            f"{name} is no UTF-8 text ({error.reason} at byte {error.start}); save it as such.",
            file=name,
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def no_json(line: int, name: str, error: Exception) -> InputRefused:
    """What is wrong with a line that a parser of JSON refused."""
    sentence = f"Line {line} of {name} is no JSON: {error}."
    return InputRefused("no_json", sentence, line=line, file=name)


def is_text(value: object) -> bool:
    """Whether a value of JSON is text that can be written as UTF-8: JSON can hold half characters.

    >>> is_text("yes"), is_text(1), is_text("\\ud800")
    (True, False, False)
    """
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
