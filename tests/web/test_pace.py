"""Addresses are remembered for as long as their tries count, and no longer."""

from __future__ import annotations

from personalign.web.pace import SignInPace


def test_an_address_is_forgotten_when_its_tries_no_longer_count() -> None:
    seconds = 0.0
    pace = SignInPace(per_minute=6, clock=lambda: seconds)
    assert [pace.wait("a") > 0 for _ in range(7)] == [False] * 6 + [True]
    seconds = 59.0
    pace.wait("b")
    assert set(pace._addresses) == {"a", "b"}, "one of its tries has not come back yet"
    seconds = 61.0
    pace.wait("c")
    assert set(pace._addresses) == {"b", "c"}
    seconds = 200.0
    pace.forget()
    assert not pace._addresses, "without anybody else's try, too"
