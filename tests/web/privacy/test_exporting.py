"""One file with everything of an account, opened, and nothing of anybody else."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from sqlalchemy import LargeBinary

from personalign.model.persona import Persona
from personalign.web.accounts.roles import give
from personalign.web.accounts.tables import Account
from personalign.web.chat.kept import keep
from personalign.web.chat.talks import Round, Talk
from personalign.web.database.tables import METADATA
from personalign.web.privacy import pages
from personalign.web.privacy.exporting import JSON, LEFT_OUT, NOT_TEXT
from tests.web.conftest import LiveSite
from tests.web.people import SECRET, use_everything
from tests.web.privacy.test_deleting import NOBODYS
from tests.web.study.conftest import hand_in, some_pairs
from tests.web.visiting import Person


def exported(person: Person) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What an account's file tells, and the files beside it."""
    answer = person.http.get("/account/export")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        files = {name: file.read(name) for name in file.namelist()}
    return json.loads(files.pop("everything.json")), files


def names_of(account: Account) -> tuple[str, str]:
    """What the audit log calls an account."""
    return account.audit_name, account.role_name


def test_every_table_is_in_it_opened(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    persona = use_everything(live.site, live.account_of(ann).id, live.account_of(ben).id)
    told, files = exported(ann)
    tables = told["tables"]
    assert set(tables) == set(METADATA.tables) - NOBODYS
    assert [row["value"] for row in tables["answer"]] == ["4"]
    assert tables["sitting"][0]["about"] == {"age": 47}
    for table, column in (
        ("turn", "text"),
        ("conversation", "title"),
        ("report", "reply"),
        ("api_key", "name"),
    ):
        assert tables[table][0][column] == SECRET
    (row,) = tables["persona"]
    again = Persona.unpack(files[row["data"]], live.site.service.decoder)
    assert again.key == live.site.shelf.load(persona.id).key


def test_nothing_of_others_is_in_it(live: LiveSite) -> None:
    ann, ben = live.member(), live.member()
    use_everything(live.site, live.account_of(ann).id, live.account_of(ben).id)
    for person, other in ((ann, ben), (ben, ann)):
        told, files = exported(person)
        text = json.dumps(told) + repr(files)
        account = live.account_of(other)
        for theirs in (account.id, account.handle, *names_of(account), "which was whose"):
            assert theirs not in text
        said = SECRET if other is ann else "theirs"
        assert said not in text
        assert not any(name in text for name in names_of(live.account_of(person)))


def test_what_opens_doors_is_left_out_and_the_lists_are_of_columns_there_are(
    live: LiveSite,
) -> None:
    ann, ben = live.member(), live.member()
    use_everything(live.site, live.account_of(ann).id, live.account_of(ben).id)
    tables = exported(ann)[0]["tables"]
    for table, column in (*LEFT_OUT, *NOT_TEXT, *JSON):
        assert column in METADATA.tables[table].columns
    for table, column in LEFT_OUT:
        assert not any(column in row for row in tables[table])
    for table in METADATA.sorted_tables:  # a new column of bytes is sealed text, or named there
        for column in table.columns:
            if isinstance(column.type, LargeBinary) and table.name not in NOBODYS:
                named = (table.name, column.name) in LEFT_OUT | NOT_TEXT
                assert named or column.info.get("sealed"), (table.name, column.name)


def test_it_tells_what_the_log_tells_of_the_account(live: LiveSite) -> None:
    ann = live.member()
    ann.api_key()
    give(live.site, live.account_of(ann).handle, "rater")
    exported(ann)
    told, _ = exported(ann)  # an export is written down once its file is made
    assert [entry["action"] for entry in told["audit_log"]] == [
        "account.created",
        "key.made",
        "role.given",
        "account.exported",
    ]


def test_words_are_words_whatever_they_begin_with(live: LiveSite) -> None:
    ann, question = live.member("researcher"), "[a bracket, and {another"
    pairs, key = some_pairs()
    hand_in(live, pairs, key, researcher=ann)
    talk = Talk(live.account_of(ann).id, "", "loud", [Round(question, ())])
    with live.site.database.writing() as session:
        keep(session, live.site.vault, talk, None)
    tables = exported(ann)[0]["tables"]
    assert [row["text"] for row in tables["turn"]] == [question]
    (pack,) = tables["pack"]
    assert len(pack["pairs"].splitlines()) == len(pairs)


def test_what_could_not_be_made_is_not_said_to_be_exported(
    live: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = live.member()
    with monkeypatch.context() as patch:
        patch.setattr(pages, "export_account", lambda *_: 1 / 0)
        assert ann.http.get("/account/export").status_code == 500
    assert "account.exported" not in [one["action"] for one in exported(ann)[0]["audit_log"]]


def test_only_who_is_signed_in_gets_one(live: LiveSite) -> None:
    answer = live.person().http.get("/account/export", follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
