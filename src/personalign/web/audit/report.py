"""The periodic audit report: what the site did in a span of time, in counts.

Everything but the scores comes from the audit log, so that it holds for accounts and reports that
were deleted since, and is the same whenever it is made anew; but an open report that went with its
account is told from the reports there are now. Scores are of the newest scoring within the span.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from personalign.errors import SiteError
from personalign.web.accounts.tables import Account, AccountRole
from personalign.web.audit.log import Checked, details_of, verify
from personalign.web.audit.scores import ModelScores, from_text
from personalign.web.audit.tables import AuditEntry, ScoreRun
from personalign.web.database.base import now, unsealed_text
from personalign.web.personas.tables import StoredPersona
from personalign.web.reports.tables import CATEGORIES, OUTCOMES, Report

if TYPE_CHECKING:
    from personalign.web.site import Site

MOST_MONTHS = 60
"""The longest span."""

ENDS = ("open", "in_review", *OUTCOMES, "withdrawn", "deleted")
"""What may have become of a report by the end of the span; deleted: with its account."""


@dataclass(frozen=True)
class Month:
    """What happened in one month, or the part of it within the span."""

    name: str
    """Such as 2026-11."""
    actions: dict[str, int]
    """Action of the log -> how often."""


@dataclass(frozen=True)
class Moderation:
    """What was reported, and what became of it."""

    made: dict[str, dict[str, int]]
    """Category -> one of ENDS -> reports made within the span."""
    closed: int
    """Reports closed within the span and not opened again in it, whenever they were made."""
    median_hours: float | None
    """From making to closing, of those; None where there are none."""
    longest_hours: float | None


@dataclass(frozen=True)
class AuditReport:
    """One report."""

    since: datetime
    until: datetime
    """The first moment that is not within it."""
    made_at: datetime
    months: tuple[Month, ...]
    accounts: int
    """Accounts there were when the report was made."""
    roles: dict[str, int]
    """Role -> accounts that had it then."""
    personas: int
    """Personas that were kept then."""
    moderation: Moderation
    scored_at: datetime | None
    """When the newest scoring within the span was made; None where there was none."""
    scores: tuple[ModelScores, ...]
    """Empty where nothing could be scored."""
    log: Checked
    """The whole log, checked when the report was made."""

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action that happened, in alphabetical order."""
        return tuple(sorted({action for month in self.months for action in month.actions}))

    def total(self, action: str) -> int:
        """How often an action happened in the whole span."""
        return sum(month.actions.get(action, 0) for month in self.months)

    def to_json(self) -> str:
        """The report as JSON, times in ISO 8601."""
        return json.dumps(asdict(self), indent=2, default=_isoformat) + "\n"


def audit_report(site: Site, since: datetime, until: datetime) -> AuditReport:
    """The report from `since` to just before `until` (with their time zones).

    Raises SiteError for an empty span and one of more than MOST_MONTHS months.
    """
    if since >= until:
        raise SiteError(f"The report would end on {until} before it begins on {since}; swap them.")
    spans = list(_months(since, until))
    if len(spans) > MOST_MONTHS:
        raise SiteError(
            f"The report would have {len(spans)} months; it has at most {MOST_MONTHS}. Make "
            "several."
        )
    with site.database.reading() as session:
        run = session.scalars(
            select(ScoreRun)
            .where(ScoreRun.made_at >= since, ScoreRun.made_at < until)
            .order_by(ScoreRun.made_at.desc())
            .limit(1)
        ).first()
        roles = select(AccountRole.role, func.count()).group_by(AccountRole.role)
        return AuditReport(
            since=since,
            until=until,
            made_at=now(),
            months=tuple(
                Month(first.strftime("%Y-%m"), _counts(session, first, end)) for first, end in spans
            ),
            accounts=session.scalar(select(func.count()).select_from(Account)) or 0,
            roles={str(role): int(count) for role, count in session.execute(roles)},
            personas=session.scalar(select(func.count()).select_from(StoredPersona)) or 0,
            moderation=_moderation(session, since, until),
            scored_at=None if run is None else run.made_at,
            scores=() if run is None else from_text(unsealed_text(site.vault, run, "data")),
            log=verify(session, site.vault),
        )


def month_after(first: datetime) -> datetime:
    """The first moment of the next month.

    >>> month_after(datetime(2026, 12, 24, 18, tzinfo=UTC)).isoformat()
    '2027-01-01T00:00:00+00:00'
    """
    year, month = divmod(first.year * 12 + first.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def _months(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The span cut at the beginnings of months, in UTC."""
    first, last = since.astimezone(UTC), until.astimezone(UTC)
    while first < last:
        end = min(month_after(first), last)
        yield first, end
        first = end


def _counts(session: Session, since: datetime, until: datetime) -> dict[str, int]:
    counted = (
        select(AuditEntry.action, func.count())
        .where(AuditEntry.at >= since, AuditEntry.at < until)
        .group_by(AuditEntry.action)
        .order_by(AuditEntry.action)
    )
    return {str(action): int(count) for action, count in session.execute(counted)}


@dataclass
class _Case:
    """What the log tells of one report."""

    category: str
    made_at: datetime
    end: str = "open"
    closed_at: datetime | None = None


def _moderation(session: Session, since: datetime, until: datetime) -> Moderation:
    cases = _cases(session, until)
    there = set(session.scalars(select(Report.audit_name)))
    made: dict[str, Counter[str]] = {category: Counter() for category in CATEGORIES}
    for name, case in cases.items():
        if case.made_at >= since:
            gone = case.end in ("open", "in_review") and name not in there
            made[case.category]["deleted" if gone else case.end] += 1
    hours = [
        (case.closed_at - case.made_at).total_seconds() / 3600
        for case in cases.values()
        if case.closed_at is not None and case.closed_at >= since
    ]
    return Moderation(
        {category: {end: found[end] for end in ENDS} for category, found in made.items()},
        len(hours),
        round(median(hours), 1) if hours else None,
        round(max(hours), 1) if hours else None,
    )


def _cases(session: Session, until: datetime) -> dict[str, _Case]:
    """Every report of the log as it stood at `until`, by its audit name."""
    cases: dict[str, _Case] = {}
    entries = session.scalars(
        select(AuditEntry)
        .where(AuditEntry.action.startswith("report."), AuditEntry.at < until)
        .order_by(AuditEntry.number)
        .execution_options(yield_per=1000)
    )
    for entry in entries:
        if entry.action == "report.made":
            cases[entry.subject] = _Case(details_of(entry)["category"], entry.at)
            continue
        case = cases.get(entry.subject)
        if case is None:  # its beginning was taken out of the log, which `verify` tells
            continue
        if entry.action == "report.closed":
            case.end, case.closed_at = details_of(entry)["outcome"], entry.at
        elif entry.action == "report.reopened":
            case.end, case.closed_at = "open", None
        elif entry.action == "report.taken":
            case.end = "in_review"
        elif entry.action == "report.withdrawn":
            case.end = "withdrawn"
    return cases


def _isoformat(value: Any) -> str:
    assert isinstance(value, datetime), "a report holds times, texts and numbers"
    return value.isoformat()
