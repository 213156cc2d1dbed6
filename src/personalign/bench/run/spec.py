"""`RunSpec`: one TOML file that says what is measured, of whom, with which model and methods.

    title = "How close methods come"

    [model]
    name = "pocket"

    [people]
    file = "$PERSONALIGN_DATA/papi/respondents_dev.json"
    first = 40

    [methods]
    names = ["none", "few-shot", "pas"]
    settings.pas.heads = 8

    [evaluations.aligned]
    [evaluations.causal]

Everything that may change a number is in it, so its digest names the run. What only says where the
work is done (processes, a cluster) is not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from personalign.errors import EvaluationError

if TYPE_CHECKING:
    from personalign.dataset.people import Respondents

_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")


class Part(BaseModel):
    """A table of the TOML: unknown keys are refused, nothing is changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSpec(Part):
    """Which model answers."""

    name: str = "pocket"
    """'pocket', a folder, a hub name, or api:NAME."""
    dtype: str | None = None
    """'float32', 'bfloat16', 'float16'; the checkpoint's own if left out."""
    device: str | None = None
    """'cpu', 'cuda', ...; the GPU where there is one if left out."""
    quantise: Literal["4bit", "8bit"] | None = None
    """Load quantised weights."""
    base_url: str | None = None
    """api: models: the endpoint."""
    key_variable: str | None = None
    """api: models: the environment variable that holds the key."""
    concurrency: int | None = Field(default=None, ge=1)
    """api: models: requests under way at once."""


class PeopleSpec(Part):
    """Whose answers: a file's people, or simulated ones."""

    file: str | None = None
    """A .json, .csv or .parquet file; $VARIABLES are those of the environment, and a relative
    path begins at the TOML's folder."""
    coordinate: Literal["auto", "response", "keyed"] = "auto"
    """What the file holds."""
    simulated: int | None = Field(default=None, ge=1)
    """So many simulated people instead of a file."""
    seed: int = Field(default=0, ge=0)
    """Of the simulation."""
    first: int | None = Field(default=None, ge=1)
    """Only the first so many."""
    on_tuning_people: bool = False
    """Score people of the tuning part of `personalign people split` all the same."""

    @model_validator(mode="after")
    def _one_source(self) -> PeopleSpec:
        if (self.file is None) == (self.simulated is None):
            raise ValueError("give either a file of people or how many are simulated")
        return self


class MethodsSpec(Part):
    """Which methods, and settings of single ones.

    The same method may run several times under names of its own:

        names = ["pas", "pas-2"]
        settings.pas-2 = {method = "pas", heads = 2}
    """

    names: tuple[str, ...] = Field(min_length=1)
    """As `personalign methods` lists them, with METHOD@PRESET for those that train; or any other
    name whose settings say which `method` it is."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By name, its own settings."""

    def kind(self, name: str) -> str:
        """Which method a name stands for."""
        return str(self.settings.get(name, {}).get("method", name))

    def own(self, name: str) -> dict[str, Any]:
        """The settings of the method that a name stands for."""
        return {key: value for key, value in self.settings.get(name, {}).items() if key != "method"}

    @model_validator(mode="after")
    def _known(self) -> MethodsSpec:
        from personalign.errors import MethodError
        from personalign.methods.settings import settings_taken

        if len(set(self.names)) < len(self.names):
            raise ValueError(f"each name stands there once; got {', '.join(self.names)}")
        for name in self.names:
            if not re.fullmatch(r"[\w@.+=-]+", name):
                raise ValueError(
                    f"{name!r} is no name: letters, digits and @ . + = - _ may stand in it"
                )
            kind = self.kind(name)
            try:
                known = settings_taken(kind)
            except MethodError as error:
                raise ValueError(str(error)) from error
            for setting in self.own(name):
                if setting not in known:
                    raise ValueError(
                        f"the method {kind} has no setting {setting!r}; "
                        f"{'its settings are ' + ', '.join(known) if known else 'it has none'}"
                    )
        for name in self.settings:
            if name not in self.names:
                raise ValueError(
                    f"settings.{name} is for a method that does not run; those are "
                    f"{', '.join(self.names)}"
                )
        return self


class RunSpec(Part):
    """One run."""

    title: str
    """Heading of its report."""
    about: str = ""
    """What it repeats or asks, in sentences, for the report."""
    model: ModelSpec = ModelSpec()
    people: PeopleSpec
    methods: MethodsSpec
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    """Seeds of everything random; scores are averaged over them, other evaluations take the
    first."""
    wording: Literal["papi", "reworded", "shuffled"] = "papi"
    """How items are put."""
    decision: Literal["mode", "median", "mean"] = "mode"
    """How five probabilities become one answer."""
    protocol: Literal["honest", "paper"] = "honest"
    """"paper" tunes on the scored items, as the released code does, and marks its rows."""
    block: int = Field(default=16, ge=1)
    """People a unit of work, at most."""
    threads: int = Field(default=1, ge=1)
    """Threads a process computes with on CPUs. Sums in another order differ in their last bits, so
    this is part of the run; more cores are used by more processes."""
    evaluations: dict[str, dict[str, Any]] = Field(min_length=1)
    """By name of the evaluation, its settings; see `personalign bench evaluations`."""

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError(f"seeds are different whole numbers from 0 on; got {list(seeds)}")
        return seeds

    @field_validator("evaluations")
    @classmethod
    def _evaluations(cls, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        from personalign.bench.measures import MEASURES

        for name, settings in given.items():
            if name not in MEASURES:
                raise ValueError(
                    f"there is no evaluation {name!r}; the evaluations are {', '.join(MEASURES)}"
                )
            try:
                MEASURES[name].Settings(**settings)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, (name, *first["loc"])))
                raise ValueError(f"{where}: {_said(first)}") from error
        return given

    @property
    def digest(self) -> str:
        """Hex sha256 of everything that may change a number: title and explanation left out."""
        told = self.model_dump(mode="json", exclude={"title", "about"})
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def read_people(self, base: Path) -> Respondents:
        """The people. base: the folder that relative paths begin at.

        Raises EvaluationError for people who cannot be scored, such as those of a split's tuning
        part, on whom methods are developed.
        """
        from personalign.bench.evaluate import check_people
        from personalign.dataset.papi import read_people
        from personalign.dataset.simulate import simulate

        wanted = self.people
        if wanted.simulated is not None:
            people = simulate(wanted.simulated, seed=wanted.seed)
        else:
            people = read_people(self.people_file(base), coordinate=wanted.coordinate)
        chosen = people if wanted.first is None else people.select(slice(0, wanted.first))
        check_people(chosen, on_tuning_people=wanted.on_tuning_people)
        return chosen

    def people_file(self, base: Path) -> Path:
        """Where the file of people is. Raises EvaluationError for a variable that is not set."""
        assert self.people.file is not None, "simulated people have no file"
        return expanded(self.people.file, base, "people.file")


def expanded(text: str, base: Path, key: str) -> Path:
    """A path of the TOML: $VARIABLES filled in, a relative one from `base`.

    key: which of the TOML's keys it is, for the message. Raises EvaluationError for a variable
    that is not set.
    """
    for name in _VARIABLE.findall(text):
        if not os.environ.get(name):
            raise EvaluationError(
                f"{key} is {text!r}, but the environment variable {name} is not set. Set it to the "
                "folder it stands for, or write the path into the TOML."
            )
    return base / os.path.expandvars(text)


def read_spec(path: Path | str) -> RunSpec:
    """The run a TOML file asks for.

    Raises EvaluationError, naming the key and its line, for what is no TOML, a key there is not, or
    a value that is not accepted.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(
            f"{source} cannot be read as a run's TOML ({error}); give a file like those of runs/."
        ) from error
    return parse_spec(text, str(source))


def parse_spec(text: str, name: str) -> RunSpec:
    """As `read_spec`, of a text. name: what to call it in messages."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EvaluationError(f"{name} is no TOML: {error}.") from error
    try:
        return RunSpec(**given)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [str(part) for part in first["loc"]]
        line = _line(text, keys)
        where = f" (line {line})" if line else ""
        raise EvaluationError(
            f"{name}{where}: {'.'.join(keys) or 'the file'}: {_said(first)}."
        ) from error


def _said(error: Any) -> str:
    """Pydantic's message in our words."""
    if error["type"] == "extra_forbidden":
        return "there is no such key"
    if error["type"] == "missing":
        return "it is missing"
    message = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    if error["type"] == "value_error":
        return message
    return f"{message[0].lower()}{message[1:]}; got {error['input']!r}"


def _line(text: str, keys: list[str]) -> int | None:
    """The line of a key, by the headings above it; of its table where the key is not there."""
    table: list[str] = []
    best, deepest = None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        heading = re.fullmatch(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?", line)
        if heading:
            table = [part.strip().strip("\"'") for part in heading[1].split(".")]
            path = table
        else:
            given = re.match(r"\s*([\w.\"'@-]+)\s*=", line)
            if not given:
                continue
            path = [*table, *(part.strip("\"'") for part in given[1].split("."))]
        shared = next(
            (i for i, (a, b) in enumerate(zip(path, keys, strict=False)) if a != b),
            min(len(path), len(keys)),
        )
        if shared == min(len(path), len(keys)) and shared > deepest:
            best, deepest = number, shared
    return best
