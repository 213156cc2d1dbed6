"""What the server logs tells nothing of anybody, whatever happens and however much it logs."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from personalign import web
from personalign.web.accounts.tables import Account
from personalign.web.audit import log as audit
from personalign.web.chat.tables import Conversation
from tests.server.live import call
from tests.web.conftest import LiveSite
from tests.web.people import SECRET, use_everything

LOGGERS = ("personalign", "personalign.web", "personalign.server", "uvicorn", "sqlalchemy")


def test_nothing_personal_is_logged(
    live: LiveSite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LOGGERS:
        caplog.set_level(logging.DEBUG, logger=name)
    ann, ben = live.member(), live.member()
    account, other = live.account_of(ann), live.account_of(ben)
    persona = use_everything(live.site, account.id, other.id)
    key, first = ann.api_key("my diary"), ann.cookie
    typed = ann.phrase.split()
    ann.sign_in(" ".join([*typed[:7], "xylograph"]), 403)
    ann.sign_in(" ".join(typed[:4]), 403)
    ann.sign_in(ann.phrase)
    body = {"model": f"loud:site-{persona.id}", "messages": [{"role": "user", "content": SECRET}]}
    assert call(f"{live.url}/v1/chat/completions", body | {"max_tokens": 2}, key=key).status == 200
    body["messages"] = [{"role": "nobody", "content": SECRET}]
    assert call(f"{live.url}/v1/chat/completions", body, key=key).status == 400
    link = ann.post("/shares", persona=persona.id, form_token=_fresh(ann))
    token = link.partition("/shares/")[2][:43]
    ben.get(f"/shares/{token}")
    ann.get("/account/export".replace("export", "nothing"), 404)

    def breaks(session: Session, *_: object, **__: object) -> None:
        """A bug that shows what somebody wrote, as a database's refusal does."""
        session.execute(
            text("UPDATE account SET handle = :taken WHERE id = :id"),
            {"taken": account.handle, "id": other.id},
        )

    monkeypatch.setattr("personalign.web.accounts.api_keys.append", breaks)
    _fresh(ann)
    ann.post("/account/keys", 500, name="my diary")
    monkeypatch.setattr("personalign.web.accounts.api_keys.append", audit.append)
    logged = "\n".join(caplog.text.splitlines() + [str(r.__dict__) for r in caplog.records])
    assert "failed because of a bug: IntegrityError" in logged and "api_keys.py" in logged
    assert "/account/keys" in logged and "/v1/chat/completions" in logged
    told = [account.handle, other.handle, account.id, account.audit_name, persona.id, SECRET]
    told += [" ".join(typed[:4]), "xylograph", "diary", key, key[16:], token]
    told += [cookie for cookie in (first, ann.cookie, ben.cookie) if cookie]
    for words in told:
        assert words not in logged, words


def test_errors_of_the_database_hide_what_was_being_written(live: LiveSite) -> None:
    row = Conversation(id="one", account_id="nobody", title=SECRET.encode())
    with pytest.raises(IntegrityError) as failed, live.site.database.writing() as session:
        row.created_at = row.changed_at = session.scalars(select(Account.created_at)).first()
        session.add(row)
    assert "parameters hidden" in str(failed.value)
    assert SECRET not in str(failed.value)


def test_no_message_of_an_error_is_logged() -> None:
    """Rooms log `without_values`: a traceback's last line is the message."""
    for file in Path(web.__file__).parent.rglob("*.py"):
        found = re.search(r"log\.exception|exc_info|(print|format)_exc", file.read_text("utf-8"))
        assert found is None, (file, found)


def _fresh(person: object) -> str:
    person.get("/account")  # type: ignore[attr-defined]
    return str(person.token)  # type: ignore[attr-defined]
