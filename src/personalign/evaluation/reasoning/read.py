"""The questions of the reasoning data sets, read from their files or from the hub.

The files are those of the zero_shot_cot repository (Kojima et al., 2022): GSM8K and CommonsenseQA
as JSON lines, AddSub, MultiArith and SVAMP as a JSON list, BIG-bench date, StrategyQA and coin flip
as a JSON object with `examples`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from personalign.errors import EvaluationError
from personalign.evaluation.reasoning.hub import hub_rows
from personalign.evaluation.reasoning.questions import QuestionSet
from personalign.evaluation.reasoning.rows import question_of
from personalign.evaluation.reasoning.tasks import HubSource, ReasoningTask, get_tasks


def read_questions(
    names: Sequence[str] | None = None,
    folder: str | Path | None = None,
    *,
    hub: bool | Mapping[str, HubSource] = False,
    limit: int | None = None,
    seed: int = 0,
) -> list[QuestionSet]:
    """The questions of the named tasks, all eight where none are named.

    folder: where the files are, either as FOLDER/AddSub/AddSub.json, as the zero_shot_cot
        repository has them, or as FOLDER/AddSub__AddSub.json.
    hub: ask the Hugging Face hub instead; a mapping names other places than `TASKS` does. This
        needs the network, once; `datasets` keeps what it loads.
    limit: only the first so many of each. seed: of the order of the options of the dates.
    Raises EvaluationError where there is neither or both of folder and hub, a file is missing, or a
    row is not of the data set's form; MissingPackageError for the hub without `datasets`.
    """
    if (folder is None) == (not hub):
        raise EvaluationError(
            "Name either the folder of the reasoning data sets or the hub, and not both."
        )
    if limit is not None and limit < 1:
        raise EvaluationError(f"The limit is {limit}; read at least one question.")
    found = []
    for task in get_tasks(names):
        if folder is not None:
            path = _file(Path(folder), task)
            rows, source = _file_rows(path, task), path.name
        else:
            place = hub.get(task.name, task.hub) if isinstance(hub, Mapping) else task.hub
            rows, source = hub_rows(place, task, limit), place.path
        questions = [question_of(task, row, place, seed) for place, row in enumerate(rows[:limit])]
        if not questions:
            raise EvaluationError(f"There is no question of {task.title} in {source}.")
        found.append(QuestionSet(task, tuple(questions), source))
    return found


def _file(folder: Path, task: ReasoningTask) -> Path:
    places = [folder / task.file, folder / task.file.replace("/", "__")]
    for path in places:
        if path.is_file():
            return path
    raise EvaluationError(
        f"There is no file of {task.title} in {folder}: neither {task.file} nor {places[1].name}. "
        "Get the folder 'dataset' of github.com/kojima-takeshi188/zero_shot_cot, or ask the hub."
    )


def _file_rows(path: Path, task: ReasoningTask) -> list[dict[str, Any]]:
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        found = json.loads(text)
        rows = found["examples"] if isinstance(found, dict) else found
        if isinstance(rows, list):
            return rows
    except (ValueError, KeyError) as error:
        raise EvaluationError(f"{path} holds no {task.title}: {error!r}.") from error
    raise EvaluationError(f"{path} holds no {task.title}: a list of questions is expected.")
