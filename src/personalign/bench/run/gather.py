"""What a run has kept, evaluation by evaluation, ready for a report; no model is needed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from personalign.bench.measures.base import Gathered, Section
from personalign.bench.run.folder import RunFolder
from personalign.bench.run.plan import Part, measures_of
from personalign.bench.store import people_digest
from personalign.dataset.people import Respondents
from personalign.errors import EvaluationError


@dataclass(frozen=True)
class Standing:
    """How far one part of a run is."""

    part: Part
    people: int
    """People measured."""
    whole: int
    """People in all."""


def people_of(folder: RunFolder) -> Respondents:
    """The run's people, read again.

    Raises EvaluationError where the file now holds others.
    """
    people = folder.spec().read_people(folder.source.parent)
    if people_digest(people) != folder.facts()["people"]:
        raise EvaluationError(
            f"The people of {folder.folder} are no longer those it measured: {people.source} holds "
            "other answers now. Put the file back as it was."
        )
    return people


def standing(folder: RunFolder) -> list[Standing]:
    """Every part of the run, and how many people are done."""
    parts = folder.parts(folder.spec(), people_of(folder))
    return [
        Standing(
            part,
            sum(stop - start for _, (start, stop) in folder.done([part])),
            part.blocks[-1][1],
        )
        for part in parts
    ]


def gathered(folder: RunFolder) -> dict[str, Gathered]:
    """By evaluation, all rows. Parts with people still to come are left out.

    Raises EvaluationError where nothing is complete yet.
    """
    spec, facts, people = folder.spec(), folder.facts(), people_of(folder)
    measures = measures_of(spec)
    blocks: dict[str, dict] = {name: {} for name in measures}
    for part in folder.parts(spec, people):
        whole = folder.read(part)
        if whole is not None:
            blocks[part.evaluation][part.method, part.seed] = whole
    found = {}
    for name, measure in measures.items():
        # A method counts once all its seeds are there.
        complete = {
            method
            for method, _ in blocks[name]
            if all((method, seed) in blocks[name] for seed in measure.seeds(spec))
        }
        kept = {key: raw for key, raw in blocks[name].items() if key[0] in complete}
        if kept:
            found[name] = Gathered(
                spec=spec,
                model=facts["model"],
                fingerprint=facts["fingerprint"],
                people=measure.people(people),
                methods=folder.methods(),
                blocks=kept,
                command=command(folder),
            )
    if not found:
        raise EvaluationError(
            f"Nothing in {folder.folder} is complete yet. Run it on: personalign bench RUN.toml, "
            "and see `personalign bench status`."
        )
    return found


def command(folder: RunFolder) -> str:
    """What to type to measure all of it again, or what is missing."""
    toml, out = shlex.quote(folder.source.name), shlex.quote(str(folder.folder))
    return f"personalign bench {toml} --out {out}"


def sections(folder: RunFolder) -> list[Section]:
    """The report's sections, in the order of the TOML."""
    measures = measures_of(folder.spec())
    return [
        section
        for name, rows in gathered(folder).items()
        for section in measures[name].report(rows)
    ]
