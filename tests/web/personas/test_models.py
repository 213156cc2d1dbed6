"""A site with two models: people choose, and each persona speaks through its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from personalign.cli.serve_web import open_web
from personalign.errors import SiteError
from personalign.server.settings import ServerSettings, open_server
from personalign.web.pace import SignInPace
from personalign.web.personas.tables import Alignment, StoredPersona
from personalign.web.settings import SiteSettings
from tests.server.live import listening
from tests.web.conftest import LiveSite
from tests.web.personas.sittings import filled_in, somebody
from tests.web.questionnaire.filling import consenting


def test_people_choose_among_the_models_that_are_served(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(model, other)
    server = ServerSettings(tmp_path / "personas", str(model), name="first")
    settings = SiteSettings(tmp_path / "site", "http://127.0.0.1", method="iti")
    opened = open_web(settings, open_server(server), server, [str(other)])
    opened.site.pace = SignInPace(per_minute=1000)
    with listening(opened.site.service, opened.app) as url:
        live = LiveSite(url, opened.site)
        ann = consenting(live)
        sitting = filled_in(live, ann, somebody())
        page = ann.get(f"/align/{sitting}")
        assert 'value="first"' in page and 'value="other"' in page
        ann.post(f"/align/{sitting}", model="other")
        with live.site.database.reading() as session:
            number = session.query(Alignment.id).scalar()
        made = live.site.aligner.await_done(number)
        assert made.status == "done" and made.model == "other"
        with live.site.database.reading() as session:
            assert {one.model for one in session.query(StoredPersona)} == {"other"}
        ann.get(f"/chat?pair={number}")
    opened.close()
    with pytest.raises(SiteError, match="called other"):
        open_web(settings, open_server(server), server, [str(other), str(other)])
