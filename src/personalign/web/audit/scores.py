"""How close the site's aligned personas come to people of each sex and age: means of groups only.

Scored is whose newest finished questionnaire has all 300 answers, who gave sex or age for it, who
has a persona made from it, and whose consent stands, from a run's beginning until its means are
kept. A persona was made from the 120 tuning items; it is asked the other 180
(evaluation/aligned.py). Beside each group stand the rows that use no model: always 3, and the
person's own facet mean over the 120.

Fewer than `MINIMUM` people are never shown, in a group or outside the groups shown: where the rest
is smaller, the smallest group goes too, for its mean would follow from the others.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from personalign.errors import PersonalignError
from personalign.evaluation.fairness import MINIMUM
from personalign.web.database.base import unseal, unsealed_text
from personalign.web.personas.tables import StoredPersona
from personalign.web.questionnaire.consent import who_consents
from personalign.web.questionnaire.sheets import read_sheet
from personalign.web.questionnaire.tables import Sitting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from personalign.dataset.people import Respondents
    from personalign.model.decoder import Decoder
    from personalign.model.persona import Persona
    from personalign.server.service import ServingEngine
    from personalign.web.site import Site

SPLIT_BY = ("sex", "age")
SEXES = ("female", "male")

AT_ONCE = 36
"""Items asked while replies stand still."""

Tell = Callable[[int, int], None]
"""Called as tell(people done, people in all)."""


@dataclass(frozen=True)
class Mean:
    """A composite error averaged over people; 0 is every answer right, 20 the worst."""

    mean: float
    low: float
    """Lower end of the 95% interval over people."""
    high: float


@dataclass(frozen=True)
class GroupScore:
    """One group of at least MINIMUM people."""

    name: str
    """Such as "female" or "20-29"; "" for everybody."""
    people: int
    aligned: Mean
    """Of the aligned personas."""
    constant: Mean
    """Of the answer 3 to everything."""
    facet_mean: Mean
    """Of the person's own facet mean."""


@dataclass(frozen=True)
class GroupTable:
    """Everybody by one thing."""

    by: str
    """Of SPLIT_BY."""
    groups: tuple[GroupScore, ...]
    outside: int
    """People in no group that is shown: theirs is too small, or not known."""
    gap_p: float | None
    """p of the gap between the highest and the lowest group (evaluation/fairness.py); None where
    fewer than two are shown."""


@dataclass(frozen=True)
class ModelScores:
    """One model's personas of one method."""

    model: str
    method: str
    everybody: GroupScore
    tables: tuple[GroupTable, ...]


@dataclass(frozen=True)
class Asked:
    """What one model's personas of one method answered, a row a person."""

    model: str
    method: str
    people: tuple[_Person, ...]
    answers: tuple[NDArray[Any], ...]
    """Each (180,)."""


@dataclass(frozen=True)
class _Person:
    persona: StoredPersona
    responses: NDArray[Any]
    """(300,) as ticked."""
    sex: str | None
    age: int | None


def ask_personas(site: Site, tell: Tell = lambda done, total: None) -> list[Asked]:
    """Ask every persona that can be scored; those of a model and method with too few are not asked,
    nor is anybody's who has gone or taken their consent back since the run began.

    Replies of the site go on in between: the decoder is borrowed for a few items at a time.
    """
    with site.database.reading() as session:
        people = _people(session, site)
    asked = {
        pair: members
        for pair, members in people.items()
        if len(members) >= MINIMUM and pair[0] in site.services
    }
    done, total = 0, sum(map(len, asked.values()))
    found = []
    for (model, method), members in sorted(asked.items()):
        service = site.services[model]
        answers, scored = [], []
        for person in members:
            tell(done, total)
            done += 1
            with site.database.reading() as session:
                if person.persona.id not in _there(session):
                    continue
            try:
                persona = _persona(site, person, service.decoder)
                answers.append(_ask(service.engine, persona))
                scored.append(person)
            except PersonalignError:  # made for weights that are not served any more
                continue
        found.append(Asked(model, method, tuple(scored), tuple(answers)))
    return found


def still_there(session: Session, asked: Sequence[Asked]) -> list[Asked]:
    """The same without who has gone or taken their consent back."""
    there = _there(session)
    return [
        replace(
            one,
            people=tuple(person for person in one.people if person.persona.id in there),
            answers=tuple(
                answers
                for person, answers in zip(one.people, one.answers, strict=True)
                if person.persona.id in there
            ),
        )
        for one in asked
    ]


def score_by_group(asked: Sequence[Asked]) -> list[ModelScores]:
    """Means of everybody who was asked; none of a model and method with too few."""
    return [
        _scores(one.model, one.method, one.people, one.answers)
        for one in asked
        if len(one.people) >= MINIMUM
    ]


def to_text(scores: Sequence[ModelScores]) -> str:
    """As JSON, for the database."""
    return json.dumps([asdict(one) for one in scores])


def from_text(text: str) -> tuple[ModelScores, ...]:
    """What `to_text` wrote."""

    def mean(given: Any) -> Mean:
        return Mean(**given)

    def group(given: Any) -> GroupScore:
        means = {name: mean(given[name]) for name in ("aligned", "constant", "facet_mean")}
        return GroupScore(given["name"], given["people"], **means)

    def table(given: Any) -> GroupTable:
        groups = tuple(map(group, given["groups"]))
        return GroupTable(given["by"], groups, given["outside"], given["gap_p"])

    return tuple(
        ModelScores(
            one["model"],
            one["method"],
            group(one["everybody"]),
            tuple(map(table, one["tables"])),
        )
        for one in json.loads(text)
    )


def _people(session: Session, site: Site) -> dict[tuple[str, str], list[_Person]]:
    """Whom there is to score, by model and method."""
    sittings = session.scalars(
        select(Sitting)
        .where(Sitting.finished_at.is_not(None), Sitting.account_id.in_(who_consents()))
        .order_by(Sitting.finished_at)
    )
    newest = {sitting.account_id: sitting for sitting in sittings}
    found: dict[tuple[str, str], list[_Person]] = defaultdict(list)
    for sitting in newest.values():
        about = json.loads(unsealed_text(site.vault, sitting, "about") or "{}")
        if sitting.form == "120" or not (about.get("sex") or about.get("age")):
            continue
        responses = read_sheet(session, site.vault, sitting).respondents().responses[0]
        if not responses.all():
            continue
        personas = session.scalars(
            select(StoredPersona)
            .where(StoredPersona.sitting_id == sitting.id, StoredPersona.kind == "mine")
            .order_by(StoredPersona.created_at)
        )
        for persona in {one.model: one for one in personas}.values():  # the newest of each model
            sex, age = about.get("sex"), about.get("age")
            person = _Person(
                persona, responses, sex if sex in SEXES else None, int(age) if age else None
            )
            found[persona.model, persona.method].append(person)
    return found


def _there(session: Session) -> set[str]:
    """Ids of the personas there are with the answers they were made from, of who consents."""
    found = select(StoredPersona.id).where(
        StoredPersona.sitting_id.is_not(None), StoredPersona.account_id.in_(who_consents())
    )
    return set(session.scalars(found))


def _persona(site: Site, person: _Person, decoder: Decoder) -> Persona:
    from personalign.model.persona import Persona

    return Persona.unpack(unseal(site.vault, person.persona, "data"), decoder)


def _ask(engine: ServingEngine, persona: Persona) -> NDArray[Any]:
    """(180,) what a persona answers to the held-out items."""
    import numpy as np

    from personalign.inventory.items import ipip_neo_300
    from personalign.model.answer import answer_items

    items, parts = ipip_neo_300().held_out, []
    for start in range(0, len(items), AT_ONCE):
        with engine.alone() as decoder:
            answers = answer_items(decoder, [persona], items[start : start + AT_ONCE])
        parts.append(answers.responses()[0])
    return np.concatenate(parts)


def _scores(
    model: str, method: str, members: Sequence[_Person], answers: Sequence[NDArray[Any]]
) -> ModelScores:
    import numpy as np
    import polars as pl

    from personalign.dataset.people import Respondents
    from personalign.evaluation.aligned import aligned_score
    from personalign.methods.reference import Constant, FacetMean

    people = Respondents(
        np.stack([person.responses for person in members]),
        tuple(map(str, range(len(members)))),
        pl.DataFrame(
            {
                "sex": [person.sex for person in members],
                "age": [person.age for person in members],
                "country": [None] * len(members),
            },
            schema={"sex": pl.String, "age": pl.Int64, "country": pl.String},
        ),
    )
    held_out = people.inventory.held_out
    known = people.only(people.inventory.tuning)
    rows = {
        name: aligned_score(given, people, held_out).per_person
        for name, given in (
            ("aligned", np.stack(answers)),
            ("constant", Constant(3).predict(known, held_out)),
            ("facet_mean", FacetMean().predict(known, held_out)),
        )
    }
    tables = tuple(group_table(rows, people, by) for by in SPLIT_BY)
    return ModelScores(model, method, _group("", rows, np.arange(len(people))), tables)


def group_table(rows: dict[str, NDArray[Any]], people: Respondents, by: str) -> GroupTable:
    """Means by group, none of fewer than MINIMUM people, not even of those left out.

    rows: aligned, constant and facet_mean, each (people,) composite errors.
    """
    import numpy as np

    from personalign.evaluation.fairness import groups_of, split_scores

    names = groups_of(people, by)
    while True:
        split = split_scores(rows["aligned"], names, by=by, minimum=MINIMUM)
        outside = len(names) - sum(group.people for group in split.groups.values())
        if not split.groups or outside == 0 or outside >= MINIMUM:
            break
        smallest = min(split.groups, key=lambda name: split.groups[name].people)
        names = [None if name == smallest else name for name in names]
    groups = tuple(
        _group(name, rows, np.flatnonzero([one == name for one in names])) for name in split.groups
    )
    return GroupTable(by, groups, outside, None if split.gap is None else split.gap.p)


def _group(name: str, rows: dict[str, NDArray[Any]], who: NDArray[Any]) -> GroupScore:
    from personalign.evaluation.statistics import bootstrap_mean

    means = {}
    for row, values in rows.items():
        interval = bootstrap_mean(values[who])
        means[row] = Mean(*(round(one, 3) for one in (interval.mean, *interval.ends)))
    return GroupScore(name, len(who), **means)
