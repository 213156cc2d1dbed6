"""`Respondents`: people and what they ticked, as one small array.

Everything after this room reads responses (1 Very Inaccurate ... 5 Very Accurate, 0 missing),
never keyed values: readers convert on the way in, scales convert on the way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from personalign.errors import PeopleError
from personalign.inventory.items import Inventory, Item, ipip_neo_300
from personalign.inventory.keys import to_keyed

if TYPE_CHECKING:
    import polars as pl

DEMOGRAPHICS = ("sex", "age", "country")
"""Columns `Respondents.demographics` has: "male"/"female"/null, years/null, text/null. It may have
more, such as `time` (pl.Datetime), when the form was filled in."""


@dataclass(frozen=True, eq=False)
class Respondents:
    """Some people's answers to one questionnaire."""

    responses: NDArray[np.int8]
    """(people, items) int8, 1-5 as ticked, 0 missing; one column an item, in order. Read-only."""
    ids: tuple[str, ...]
    """(people,) what each is called in the file or simulation they came from."""
    demographics: pl.DataFrame | None = None
    """(people, 3 or more) sex, age, country and what else is known; None when nothing is."""
    source: str = "made in memory"
    """Where they came from, and the coordinate that was read there."""
    inventory: Inventory = field(default_factory=ipip_neo_300)
    """The questionnaire whose columns `responses` has; the 300-item form unless said otherwise."""
    split: str | None = None
    """The part of a split these people are, such as "tuning" or "reported"; None when never split,
    names joined by "+" where parts were put together again."""

    def __post_init__(self) -> None:
        responses = np.asarray(self.responses)
        items = len(self.inventory)
        if responses.ndim != 2 or responses.shape[1] != items:
            raise PeopleError(
                f"Responses have the shape {responses.shape}; they need (people, {items}), one "
                f"column an item of {self.inventory.name}, 0 where it was not answered."
            )
        if responses.dtype.kind not in "iu":
            raise PeopleError(
                f"Responses are stored as {responses.dtype}; they need whole numbers 1-5, or 0 "
                "where missing. Convert them to int8."
            )
        if responses.size and (responses.min() < 0 or responses.max() > 5):
            wrong = np.argwhere((responses < 0) | (responses > 5))
            row, column = (int(place) for place in wrong[0])
            raise PeopleError(
                f"Person {row + 1} has {responses[row, column]} at item "
                f"{self.inventory.numbers[column]}; responses are 1-5, or 0 where missing. "
                "Correct or blank that answer."
            )
        if len(self.ids) != len(responses):
            raise PeopleError(
                f"There are {len(self.ids)} ids for {len(responses)} people; give one id each."
            )
        if self.demographics is not None and self.demographics.height != len(responses):
            raise PeopleError(
                f"There are {self.demographics.height} rows of demographics for {len(responses)} "
                "people; give one row each."
            )
        read_only = responses.astype(np.int8, copy=False).view()
        read_only.flags.writeable = False
        object.__setattr__(self, "responses", read_only)
        object.__setattr__(self, "ids", tuple(str(name) for name in self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def keyed(self) -> NDArray[np.int8]:
        """(people, items) int8 keyed values, 0 missing."""
        return to_keyed(self.responses, self.inventory.signs).astype(np.int8, copy=False)

    def select(self, which: NDArray | Sequence[int] | Sequence[bool] | slice) -> Respondents:
        """The people at these indices (kept in the order given), or where this mask is true."""
        if isinstance(which, slice):
            rows = np.arange(len(self))[which]
        else:
            chosen = np.asarray(which)
            if chosen.dtype == bool:
                if chosen.shape != (len(self),):
                    raise PeopleError(
                        f"The mask has the shape {chosen.shape} and there are {len(self)} people; "
                        "give one true or false each."
                    )
                rows = np.flatnonzero(chosen)
            else:
                rows = chosen.astype(np.int64).reshape(-1)
        outside = rows[(rows < -len(self)) | (rows >= len(self))]
        if len(outside):
            raise PeopleError(
                f"There is no person at index {int(outside[0])}; these {len(self)} people have "
                f"the indices 0-{len(self) - 1}."
            )
        rows = rows % max(len(self), 1)
        return replace(
            self,
            responses=self.responses[rows],
            ids=tuple(self.ids[row] for row in rows),
            demographics=None if self.demographics is None else self.demographics[rows.tolist()],
        )

    def only(self, items: Iterable[Item | int]) -> Respondents:
        """The same people with every other item's answer taken away (set to 0, missing)."""
        columns = self.inventory.columns(items)
        kept = np.zeros_like(self.responses)
        kept[:, columns] = self.responses[:, columns]
        return replace(self, responses=kept)

    @staticmethod
    def concat(parts: Sequence[Respondents]) -> Respondents:
        """All people of all parts, in order; demographics are null where a part has none.

        Parts of a split are remembered: "tuning" and "reported" together are "tuning+reported".

        Raises PeopleError for no parts, and for parts that answered different questionnaires.
        """
        import polars as pl

        if not parts:
            raise PeopleError("There are no people to put together; give at least one group.")
        forms = list(dict.fromkeys(part.inventory.name for part in parts))
        if len(forms) > 1:
            raise PeopleError(
                f"These people answered different questionnaires, {' and '.join(forms)}, and one "
                "array holds one. Keep them apart."
            )
        tables = None
        if any(part.demographics is not None for part in parts):
            tables = pl.concat([_demographics(part) for part in parts], how="diagonal_relaxed")
        return Respondents(
            responses=np.concatenate([part.responses for part in parts]),
            ids=tuple(name for part in parts for name in part.ids),
            demographics=tables,
            source="; ".join(dict.fromkeys(part.source for part in parts)),
            inventory=parts[0].inventory,
            split=join_splits([part.split for part in parts]),
        )

    def write(self, path: str | Path) -> None:
        """Write a .json, .csv or .parquet file that says that it holds responses.

        `personalign.dataset.papi.read_people` gives the same people back. The file appears
        whole or not at all. Raises PeopleError for another ending.
        """
        from personalign.dataset.papi import write_people

        write_people(self, path)


def demographics_table(
    sex: Sequence[str | None], age: Sequence[int | None], country: Sequence[str | None]
) -> pl.DataFrame:
    """(people, 3) demographics in the one layout we use."""
    import polars as pl

    schema = {"sex": pl.String, "age": pl.Int16, "country": pl.String}
    return pl.DataFrame({"sex": sex, "age": age, "country": country}, schema=schema)


def join_splits(parts: Iterable[str | None]) -> str | None:
    """The split that people of all these parts together are; None only where none is of a split.

    >>> join_splits(["tuning", None, "reported", "tuning"])
    'tuning+reported'
    """
    names = [name for part in parts if part is not None for name in part.split("+")]
    return "+".join(dict.fromkeys(names)) or None


def _demographics(people: Respondents) -> pl.DataFrame:
    """Their demographics with sex, age and country in our layout, and every further column."""
    import polars as pl

    known = people.demographics
    table = pl.DataFrame({"row": range(len(people))}) if known is None else known
    types = {"sex": pl.String, "age": pl.Int16, "country": pl.String}
    named = [
        (pl.col(name).cast(kind) if name in table.columns else pl.lit(None, dtype=kind)).alias(name)
        for name, kind in types.items()
    ]
    more = [] if known is None else [name for name in known.columns if name not in types]
    return table.select(*named, *more)
