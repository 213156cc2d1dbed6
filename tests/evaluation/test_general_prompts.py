"""Files of general prompts, of every known kind, and lines that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from personalign.errors import EvaluationError
from personalign.evaluation.general_prompts import Prompt, read_prompts, spread


def written(folder: Path, *records: Any, name: str = "prompts.jsonl") -> Path:
    path = folder / name
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("record", "prompt"),
    [
        ({"question_id": 81, "category": "w", "turns": ["One?", "Two?"]}, Prompt("81", "One?")),
        (
            {
                "id": "task_0",
                "instruction": "Rewrite.",
                "instances": [{"input": "A b.", "output": "c"}],
            },
            Prompt("task_0", "Rewrite.\n\nA b."),
        ),
        (
            {
                "id": "task_1",
                "instruction": "Write a poem.",
                "instances": [{"input": "", "output": "c"}],
            },
            Prompt("task_1", "Write a poem."),
        ),
        ({"conversations": ["Why?", "Because."], "source": "x"}, Prompt("1", "Why?")),
        ({"id": "own", "prompt": " What now? "}, Prompt("own", "What now?")),
    ],
)
def test_what_the_user_says_first_is_read(tmp_path: Path, record: Any, prompt: Prompt) -> None:
    assert read_prompts(written(tmp_path, record)) == (prompt,)


def test_plain_text_is_one_prompt_a_line(tmp_path: Path) -> None:
    path = written(tmp_path, "One?", "", "  Two? {x}", "", name="prompts.txt")
    assert read_prompts(path) == (Prompt("1", "One?"), Prompt("3", "Two? {x}"))


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([{"prompt": "a"}, "{"], "Line 2 of prompts.jsonl is no JSON"),
        ([{"turns": []}], "Line 1 of prompts.jsonl is no prompt"),
        ([{"turns": [3]}], "is no prompt"),
        ([["a"]], "is no prompt"),
        ([{"question": "a"}], "is no prompt"),
        ([{"prompt": "  "}], "is no prompt"),
        ([{"instruction": "a", "instances": [{}]}], "is no prompt"),
        ([{"id": "x", "prompt": "a"}, {"id": "x", "prompt": "b"}], "Line 2 .* has the id 'x'"),
        ([""], "holds no prompts"),
    ],
)
def test_what_is_no_prompt_is_refused_by_its_line(tmp_path: Path, records, said) -> None:
    with pytest.raises(EvaluationError, match=said):
        read_prompts(written(tmp_path, *records))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"ends in .jsonl or .txt"):
        read_prompts(tmp_path / "prompts.csv")
    with pytest.raises(EvaluationError, match="There is no file of prompts"):
        read_prompts(tmp_path / "prompts.txt")


@pytest.mark.parametrize("number", [1, 4, 7, 20, 100])
def test_spread_takes_so_many_different_ones_in_order(number: int) -> None:
    prompts = [Prompt(str(n), "x") for n in range(20)]
    taken = [int(prompt.id) for prompt in spread(prompts, number)]
    assert len(taken) == min(number, 20) and taken == sorted(set(taken))


def test_the_released_files_are_read(released: Path) -> None:
    bench = read_prompts(released / "open_ended" / "mt_bench_question.jsonl")
    assert (
        len(bench) == 80 and bench[0].id == "81" and bench[0].text.startswith("Compose an engaging")
    )
    tasks = read_prompts(released / "open_ended" / "user_oriented_instructions.jsonl")
    assert len(tasks) == 252 and tasks[0].text.endswith("this project, please let me know.")
    assert len({prompt.text for prompt in spread(bench, 8)}) == 8
