"""Rows of a data set on the Hugging Face hub, through `datasets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from personalign.errors import EvaluationError, MissingPackageError

if TYPE_CHECKING:
    from personalign.evaluation.reasoning.tasks import HubSource, ReasoningTask


def hub_rows(source: HubSource, task: ReasoningTask, limit: int | None) -> list[dict[str, Any]]:
    """The rows as dictionaries, the first `limit` of them.

    source: a name on the hub, or a folder of files that `datasets` reads.
    Raises MissingPackageError without `datasets`, EvaluationError where it cannot load the rows.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingPackageError("datasets", "eval", "Reading data sets of the hub") from error
    try:
        rows = datasets.load_dataset(
            source.path, source.name, split=source.split, revision=source.revision
        )
    except Exception as error:  # the hub, the network and the data set's own files all may fail
        raise EvaluationError(
            f"{task.title} cannot be loaded from {source.path} ({type(error).__name__}: {error}). "
            "Name the folder of its files instead."
        ) from error
    wanted = rows if limit is None else rows.select(range(min(limit, len(rows))))
    return [dict(row) for row in wanted]
