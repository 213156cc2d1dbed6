"""The eight reasoning data sets of the paper (Table 3): their names, files and answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from personalign.errors import EvaluationError

Kind = Literal["number", "choice", "yes-no", "date"]
"""What an answer is: a number, a letter among options, yes or no, or MM/DD/YYYY."""


@dataclass(frozen=True)
class HubSource:
    """Where a data set stands on the Hugging Face hub, or in a folder `datasets` can load."""

    path: str
    """Name on the hub, or a folder."""
    split: str
    """Of the data set, as `datasets` takes it: "test", "train+test"."""
    name: str | None = None
    """Its configuration, where it has several."""
    revision: str | None = None
    """The branch or commit on the hub; its main branch where left out."""


@dataclass(frozen=True)
class ReasoningTask:
    """One data set."""

    name: str
    """What it is called on the command line and in results."""
    title: str
    """What the paper calls it."""
    kind: Kind
    """What an answer is, where options are shown."""
    file: str
    """Its file, folder and name joined by two underscores, or inside the folder."""
    samples: int
    """Questions in the file, as in the paper's Table 3."""
    hub: HubSource
    """The same questions on the hub; not in every case the same number."""
    trigger: str
    """What the second stage of a zero-shot reply begins with."""
    exemplars: str
    """Which worked examples of Wei et al. (2022) belong to it."""
    free: Kind | None = None
    """What an answer is where no options are shown; None where showing them makes no difference."""


_ARABIC = "Therefore, the answer (arabic numerals) is"
_YES_OR_NO = "Therefore, the answer (Yes or No) is"

TASKS: dict[str, ReasoningTask] = {
    task.name: task
    for task in (
        ReasoningTask(
            "gsm8k",
            "GSM8K",
            "number",
            "grade-school-math/test.jsonl",
            1319,
            HubSource("openai/gsm8k", "test", "main"),
            _ARABIC,
            "math",
        ),
        ReasoningTask(
            "addsub",
            "AddSub",
            "number",
            "AddSub/AddSub.json",
            395,
            # main has a loading script, which `datasets` no longer runs
            HubSource("allenai/lila", "test", "addsub", "refs/convert/parquet"),
            _ARABIC,
            "math",
        ),
        ReasoningTask(
            "multiarith",
            "MultiArith",
            "number",
            "MultiArith/MultiArith.json",
            600,
            HubSource("ChilleD/MultiArith", "train+test"),
            _ARABIC,
            "math",
        ),
        ReasoningTask(
            "svamp",
            "SVAMP",
            "number",
            "SVAMP/SVAMP.json",
            1000,
            HubSource("ChilleD/SVAMP", "train+test"),
            _ARABIC,
            "math",
        ),
        ReasoningTask(
            "commonsenseqa",
            "CommonsenseQA",
            "choice",
            "CommonsenseQA/dev_rand_split.jsonl",
            1221,
            HubSource("tau/commonsense_qa", "validation"),
            "Therefore, among A through E, the answer is",
            "commonsenseqa",
        ),
        ReasoningTask(
            "date",
            "BIG-bench date",
            "choice",
            "Bigbench_Date/task.json",
            369,
            HubSource("tasksource/bigbench", "train+validation", "date_understanding"),
            "Therefore, among A through F, the answer is",
            "date",
            free="date",
        ),
        ReasoningTask(
            "strategyqa",
            "StrategyQA",
            "yes-no",
            "StrategyQA/task.json",
            2290,
            HubSource("ChilleD/StrategyQA", "train+test"),
            _YES_OR_NO,
            "strategyqa",
        ),
        ReasoningTask(
            "coin",
            "Coin flip",
            "yes-no",
            "coin_flip/coin_flip.json",
            500,
            HubSource("skrishna/coin_flip", "test"),
            _YES_OR_NO,
            "coin",
        ),
    )
}
"""By name, in the order of the paper's Table 3."""


def get_tasks(names: Iterable[str] | None = None) -> list[ReasoningTask]:
    """The tasks of these names, in this order; all eight where none are named.

    Raises EvaluationError for a name that is no task, or stands there twice.

    >>> [task.title for task in get_tasks(["coin", "gsm8k"])]
    ['Coin flip', 'GSM8K']
    """
    wanted = list(TASKS if names is None else names)
    unknown = [name for name in wanted if name not in TASKS]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        raise EvaluationError(
            f"The reasoning tasks {', '.join(wanted) or '(none)'} cannot be run; name at least one "
            f"of {', '.join(TASKS)}, and each only once."
        )
    return [TASKS[name] for name in wanted]
