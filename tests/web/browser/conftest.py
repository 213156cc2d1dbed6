"""One site with the pocket model, on SQLite, and one browser for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from personalign.model.decoder import Decoder
from personalign.web.vault import new_key, write_keys
from tests.web.browser.window import chromium
from tests.web.conftest import LiveSite, live_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="package")
def live(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """The site; tests in it are different people."""
    folder = tmp_path_factory.mktemp("site")
    write_keys(folder / "site.key", [new_key()])
    with live_site(folder, decoder=Decoder.load("pocket")) as one:
        yield one
