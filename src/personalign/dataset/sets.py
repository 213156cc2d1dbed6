"""Test-Set and Dev-Set as a folder: two files of people, who was chosen and why, the picture.

    test-set.parquet    whom the centroids chose (or .json, .csv)
    dev-set.parquet     whom they chose next, or everybody else
    selection.json      settings, and for each centroid its cluster's size, the people's ids and
                        distances; how the Test-Set compares with all
    clusters.svg        k-means on two principal components

Everything is written beside the folder first, and selection.json is put in its place last.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

from personalign.dataset.compare import Comparison
from personalign.dataset.people import Respondents
from personalign.dataset.select import Selection
from personalign.errors import PeopleError

ENDINGS = ("parquet", "json", "csv")


def write_selection(
    folder: str | Path,
    people: Respondents,
    selection: Selection,
    *,
    comparison: Comparison | None = None,
    ending: Literal["parquet", "json", "csv"] = "parquet",
) -> list[Path]:
    """Write the two sets of a selection.

    Arguments:
        folder: made if missing; other files in it are kept, an earlier selection is replaced.
        people: those the selection was made from.
        selection: with one part, the Dev-Set is everybody who was not chosen; with two, the second.
        comparison: of the Test-Set with all, for selection.json.
        ending: of the two sets' files.

    Returns the paths written. Raises PeopleError for another ending, or other people, and for a
    Dev-Set without people.
    """
    from personalign.dataset.plots import cluster_map, write_figure

    if ending not in ENDINGS:
        raise PeopleError(f"Sets cannot be written as {ending!r}; take {', '.join(ENDINGS)}.")
    if len(people) != len(selection.cluster_of):
        raise PeopleError(
            f"The selection was made from {len(selection.cluster_of):,} people and these are "
            f"{len(people):,}; give the people it was made from."
        )
    dev = selection.parts[1] if len(selection.parts) > 1 else selection.rest
    if not len(dev):
        raise PeopleError(
            f"All {len(people):,} people are in the Test-Set, so nobody is left for a Dev-Set; "
            "lower k."
        )
    target = Path(folder).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        people.select(selection.parts[0]).write(fresh / f"test-set.{ending}")
        people.select(dev).write(fresh / f"dev-set.{ending}")
        write_figure(cluster_map(people, selection), fresh / "clusters.svg")
        record = json.dumps(_record(people, selection, comparison), indent=1, ensure_ascii=False)
        (fresh / "selection.json").write_text(record + "\n", encoding="utf-8")
        target.mkdir(exist_ok=True)
        (target / "selection.json").unlink(missing_ok=True)  # it says that the sets belong together
        for name in ("test-set", "dev-set"):
            for other in ENDINGS:
                (target / f"{name}.{other}").unlink(missing_ok=True)
        names = [f"test-set.{ending}", f"dev-set.{ending}", "clusters.svg", "selection.json"]
        for name in names:
            os.replace(fresh / name, target / name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return [Path(folder) / name for name in names]


def _record(
    people: Respondents, selection: Selection, comparison: Comparison | None
) -> dict[str, Any]:
    settings = selection.as_dict()
    rows, distances = settings.pop("rows"), settings.pop("distances")
    sizes = settings.pop("cluster_sizes")
    matched = len(selection.parts) > 1
    chosen = []
    for centroid in range(selection.k):
        entry: dict[str, Any] = {"cluster_size": sizes[centroid]}
        for name, own, far in zip(("test", "dev"), rows, distances, strict=False):
            entry[name] = {"id": people.ids[own[centroid]], "row": own[centroid]}
            entry[name]["distance"] = far[centroid]
        chosen.append(entry)
    record = {"source": people.source, **settings, "dev_set": "matched" if matched else "rest"}
    if comparison is not None:
        record["comparison"] = comparison.as_dict()
    return {**record, "centroids": chosen}
