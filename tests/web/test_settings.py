"""A site is not run in a way that lets answers out, or that forgets at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from personalign.errors import SiteError
from personalign.web.settings import OpenIdProvider, Retention, SiteSettings


def settings(**given: Any) -> SiteSettings:
    return SiteSettings(**({"folder": Path("site"), "public_url": "https://site.example"} | given))


@pytest.mark.parametrize("address", ["site.example", "ftp://site.example", "https://", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SiteError, match="no address people can open"):
        settings(public_url=address)


@pytest.mark.parametrize("host", ["site.example", "192.168.1.5", "0.0.0.0", "localhost.example"])
def test_answers_do_not_cross_the_network_in_the_clear(host: str) -> None:
    with pytest.raises(SiteError, match="in the clear"):
        settings(public_url=f"http://{host}")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_this_machine_needs_no_tls(host: str) -> None:
    assert not settings(public_url=f"http://{host}").secure


def test_over_https_cookies_are_for_https_alone() -> None:
    assert settings().secure


@pytest.mark.parametrize("what", ["unfinished", "conversations", "reports", "accounts"])
@pytest.mark.parametrize("days", [0, -1])
def test_keeping_for_no_day_is_refused(what: str, days: int) -> None:
    with pytest.raises(SiteError, match=f"Keeping {what} for {days} days"):
        Retention(**{what: days})


def test_with_nothing_said_everything_is_in_the_folder() -> None:
    assert settings().database == "sqlite:///site/site.db"
    assert settings().keys == Path("site/site.key")
    assert settings(key_file=Path("elsewhere")).keys == Path("elsewhere")


def test_a_secret_is_not_shown() -> None:
    shown = repr(settings(openid=OpenIdProvider("https://id.example", "us", "hush")))
    assert "hush" not in shown
