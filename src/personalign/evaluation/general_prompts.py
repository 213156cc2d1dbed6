"""General prompts for an assistant, from files: what people ask that says nothing of themselves.

    MT-Bench         {"question_id": 81, "category": "writing", "turns": ["...", "..."]}
    self-instruct    {"id": "user_oriented_task_0", "instruction": "...",
                      "instances": [{"input": "...", "output": "..."}]}
    LIMA             {"conversations": ["...", "..."], "source": "..."}
    our own          {"id": "...", "prompt": "..."}
    plain text       one prompt a line, in a .txt

Of several turns the first is taken, since the next ones are about the reply. The paper uses LIMA's
300 test prompts (section 5.4).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personalign.errors import EvaluationError, InputRefused
from personalign.evaluation.text_files import no_json, read_text

ENDINGS = (".jsonl", ".txt")


@dataclass(frozen=True)
class Prompt:
    """One thing an assistant is asked."""

    id: str
    """What it is called in its file; the line's number where it has no name."""
    text: str
    """What the user says."""


def read_prompts(path: str | Path) -> tuple[Prompt, ...]:
    """All prompts of a .jsonl or .txt file, in its order.

    Raises EvaluationError, naming the line, for a record that is none of the known kinds, an empty
    prompt, an id given twice, a file without prompts, or another ending.
    """
    source = Path(path)
    if source.suffix not in ENDINGS:
        raise EvaluationError(
            f"A file of prompts ends in .jsonl or .txt, and {source.name!r} does not; rename it."
        )
    if not source.is_file():
        raise EvaluationError(f"There is no file of prompts at {source}; check the path.")
    return prompts_in(read_text(source), source.name)


def prompts_in(text: str, name: str) -> tuple[Prompt, ...]:
    """All prompts of a text; its name's ending says which kind it is. Errors as `read_prompts`.

    >>> [prompt.text for prompt in prompts_in("What now?\\n\\nAnd then?", "prompts.txt")]
    ['What now?', 'And then?']
    """
    prompts: dict[str, Prompt] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        prompt = Prompt(str(number), line.strip())
        if name.endswith(".jsonl"):
            prompt = _prompt(line, number, name)
        if prompt.id in prompts:
            raise InputRefused(
                "prompt_twice",
                f"Line {number} of {name} has the id {prompt.id!r}, which an earlier line "
                "has too; give every prompt its own.",
                line=number,
                file=name,
                prompt=prompt.id,
            )
        prompts[prompt.id] = prompt
    if not prompts:
        raise InputRefused("no_prompts", f"{name} holds no prompts; give at least one.", file=name)
    return tuple(prompts.values())


def spread(prompts: Sequence[Prompt], number: int) -> tuple[Prompt, ...]:
    """So many of the prompts, evenly over the file, which often goes from topic to topic.

    >>> [prompt.id for prompt in spread([Prompt(str(n), "x") for n in range(10)], 3)]
    ['0', '3', '6']
    """
    taken = min(number, len(prompts))
    return tuple(prompts[place * len(prompts) // taken] for place in range(taken))


def _prompt(line: str, number: int, name: str) -> Prompt:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise no_json(number, name, error) from error
    try:
        text = _text(record)
    except (KeyError, IndexError, TypeError, AttributeError):
        text = None
    if text is None or not text.strip():
        raise InputRefused(
            "no_prompt",
            f'Line {number} of {name} is no prompt; a line has "turns" (MT-Bench), "instruction" '
            '(self-instruct), "conversations" (LIMA) or "prompt", and a text in it.',
            line=number,
            file=name,
        )
    named = record.get("question_id", record.get("id"))
    return Prompt(str(number) if named is None else str(named), text.strip())


def _text(record: dict[str, Any]) -> str | None:
    """What the user says first, or None; raises KeyError and the like for a strange record."""
    if "turns" in record:
        text = record["turns"][0]
    elif "conversations" in record:
        text = record["conversations"][0]
    elif "instruction" in record:
        instances = record.get("instances") or [{"input": record.get("input", "")}]
        given = (instances[0]["input"] or "").strip()
        text = record["instruction"] + (f"\n\n{given}" if given else "")
    else:
        text = record.get("prompt")
    return text if isinstance(text, str) else None
