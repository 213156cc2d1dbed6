"""Waiting as an endpoint asks, on a clock of the test's own."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from personalign.model.api_pace import LONGEST_BACKOFF, Pace, backoff, duration, retry_after


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock=lambda: clock.now, sleep=clock.sleep)


def waited(pace: Pace, clock: Clock) -> float:
    before = clock.now
    pace.wait()
    return clock.now - before


def test_without_a_word_nobody_waits(pace, clock) -> None:
    pace.heard({})
    assert waited(pace, clock) == 0


def test_the_longest_pause_counts(pace, clock) -> None:
    pace.pause(3)
    pace.pause(1)
    assert waited(pace, clock) == pytest.approx(3)
    assert waited(pace, clock) == 0


def test_a_stop_ends_the_wait(pace, clock) -> None:
    pace.pause(1000)
    pace.wait(lambda seconds: True)
    assert clock.now == 100


@pytest.mark.parametrize(
    ("left", "cost", "wait"), [("0", 1, 2.5), ("40", 50, 2.5), ("50", 50, 0), ("soon", 50, 0)]
)
def test_tokens_left_are_compared_with_what_a_request_costs(pace, clock, left, cost, wait) -> None:
    pace.heard(
        {"x-ratelimit-remaining-tokens": left, "x-ratelimit-reset-tokens": "2s500ms"}, tokens=cost
    )
    assert waited(pace, clock) == pytest.approx(wait)


def test_nobody_waits_for_hours_because_a_limit_is_used_up(pace, clock) -> None:
    pace.heard({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "7h12m"})
    assert waited(pace, clock) == pytest.approx(60)


def test_retry_after_as_a_date() -> None:
    header = {"retry-after": formatdate(1_000_030, usegmt=True)}
    assert retry_after(header, now=lambda: 1_000_000.0) == pytest.approx(30)
    assert retry_after(header, now=lambda: 2_000_000.0) == 0
    assert retry_after({"retry-after": "whenever"}) is None


def test_durations() -> None:
    assert duration("1h2m3.5s") == pytest.approx(3723.5)
    assert duration("-1") is None and duration("1s later") is None and duration("") is None


def test_backoff_doubles_up_to_a_bound() -> None:
    waits = [backoff(attempt, 0.5) for attempt in range(12)]
    assert all(0.75 * 0.5 * 2**i <= wait <= 1.25 * 0.5 * 2**i for i, wait in enumerate(waits[:6]))
    assert max(waits) <= 1.25 * LONGEST_BACKOFF
