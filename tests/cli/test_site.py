"""`personalign site`: keys, roles, checks and backups from the command line; `serve --web` refuses
what no site may be before it loads anything."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("sqlalchemy")

from personalign.cli.main import app
from personalign.web.accounts.sessions import new_account
from personalign.web.accounts.tables import Account, AccountRole
from personalign.web.database.open import Database
from personalign.web.settings import SiteSettings
from personalign.web.site import open_site
from personalign.web.vault import KEY_VARIABLE, encoded, read_keys

runner = CliRunner()


def run(*words: object, status: int = 0) -> Result:
    """A command, and what it said on stdout and stderr."""
    result = runner.invoke(app, [str(word) for word in words])
    assert result.exit_code == status, result.output
    return result


def words_of(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a site with one account, `quiet-heron-417`."""
    for name in (KEY_VARIABLE, "PERSONALIGN_DATABASE", "PERSONALIGN_DATABASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "site"
    site = open_site(SiteSettings(folder, "http://localhost"), {})
    with site.database.writing() as session:
        new_account(session, "en").handle = "quiet-heron-417"
    site.close()
    return folder


def test_a_new_key_does_not_take_the_place_of_an_old_one(tmp_path: Path) -> None:
    file = tmp_path / "site.key"
    run("site", "new-key", file)
    kept = read_keys(file)
    assert "is there already" in words_of(run("site", "new-key", file, status=1))
    assert read_keys(file) == kept


def test_a_rotation_from_beginning_to_end(folder: Path) -> None:
    (old,) = read_keys(folder / "site.key")
    assert "nothing is to be dropped" in words_of(
        run("site", "rotate", "--drop-old", "--site", folder, status=1)
    )
    run("site", "rotate", "--site", folder)
    new, same = read_keys(folder / "site.key")
    assert same == old
    run("site", "rotate", "--drop-old", "--site", folder)
    assert read_keys(folder / "site.key") == [new, old.signing]
    checked = run("site", "check", "--site", folder)
    assert "problem" not in checked.output
    run("site", "audit", "verify", "--site", folder)


def test_keys_of_the_environment_are_rotated_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("site", "rotate", "--site", folder)
    new, old = read_keys(folder / "site.key")
    (folder / "site.key").unlink()
    monkeypatch.setenv(KEY_VARIABLE, f"{encoded(new)},{encoded(old)}")
    assert "in front of them" in words_of(run("site", "rotate", "--site", folder, status=1))
    run("site", "rotate", "--resume", "--site", folder)
    dropped = run("site", "rotate", "--drop-old", "--site", folder)
    assert dropped.stdout.strip() == f"{encoded(new)},{encoded(old.signing)}"
    assert not (folder / "site.key").exists()
    monkeypatch.setenv(KEY_VARIABLE, dropped.stdout.strip())
    run("site", "check", "--site", folder)


def test_a_key_that_still_seals_is_not_dropped(folder: Path) -> None:
    from personalign.web.vault import new_key, write_keys

    file = folder / "site.key"
    write_keys(file, [new_key(), *read_keys(file)])
    refused = words_of(run("site", "rotate", "--drop-old", "--site", folder, status=1))
    assert "--resume" in refused
    assert (
        len(read_keys(file)) == 2 and "problem" not in run("site", "check", "--site", folder).output
    )


def test_the_first_admin_is_made_here(folder: Path) -> None:
    run("site", "role", "give", "quiet-heron-417", "admin", "--site", folder)
    database = Database(f"sqlite:///{folder / 'site.db'}")
    with database.reading() as session:
        (role,) = session.query(AccountRole.role).join(Account).all()
    database.close()
    assert role == ("admin",)
    last = words_of(
        run("site", "role", "take", "quiet-heron-417", "admin", "--site", folder, status=1)
    )
    assert "last admin" in last
    for handle, wrong in (("nobody-1", "admin"), ("quiet-heron-417", "king")):
        run("site", "role", "give", handle, wrong, "--site", folder, status=1)


def test_a_head_that_was_noted_is_checked(folder: Path) -> None:
    run("site", "role", "give", "quiet-heron-417", "rater", "--site", folder)
    head = run("site", "audit", "verify", "--site", folder).stdout.strip()
    run("site", "role", "give", "quiet-heron-417", "admin", "--site", folder)
    run("site", "audit", "verify", "--expect", head, "--site", folder)
    missing = f"9:{head.partition(':')[2]}"
    told = run("site", "audit", "verify", "--expect", missing, "--site", folder, status=1)
    assert "missing" in told.output


def test_a_report_and_what_is_past_its_days(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    days = ["--from", "2026-01-01", "--to", "2026-03-01"]
    run("site", "audit", "report", *days, "-o", file, "--site", folder)
    told = run("site", "audit", "report", *days, "--site", folder).stdout
    assert [one["name"] for one in json.loads(told)["months"]] == ["2026-01", "2026-02"]
    assert json.loads(file.read_text()).keys() == json.loads(told).keys()
    assert "nothing" in run("site", "retention", "--site", folder).output
    database = Database(f"sqlite:///{folder / 'site.db'}")
    with database.writing() as session:
        (account,) = session.query(Account).all()
        account.seen_at -= timedelta(days=40)
    assert "nothing" in run("site", "retention", "--site", folder).output
    gone = run("site", "retention", "--keep-accounts", 30, "--site", folder).output
    assert "1 accounts" in gone
    with database.reading() as session:
        assert session.query(Account).all() == []
    database.close()


def test_a_backup_needs_no_key_and_a_restore_needs_it(folder: Path, tmp_path: Path) -> None:
    key = folder / "site.key"
    key.rename(tmp_path / "elsewhere.key")
    file, other = tmp_path / "one.tar", tmp_path / "other"
    assert "key is not in it" in words_of(run("site", "backup", file, "--site", folder))
    assert "no site key" in words_of(run("site", "restore", file, "--site", other, status=1))
    run("site", "restore", file, "--site", other, "--site-key", tmp_path / "elsewhere.key")
    run("site", "check", "--site", other, "--site-key", tmp_path / "elsewhere.key")


def test_what_is_wrong_is_found(folder: Path, tmp_path: Path) -> None:
    (folder / "site.key").chmod(0o644)
    assert "chmod 600" in words_of(run("site", "check", "--site", folder, status=1))
    (folder / "site.key").unlink()
    assert "no site key" in words_of(run("site", "check", "--site", folder, status=1))
    run("site", "new-key", folder / "site.key")
    assert "not the one" in words_of(run("site", "check", "--site", folder, status=1))
    nowhere = tmp_path / "nowhere"
    assert "no site in" in words_of(run("site", "check", "--site", nowhere, status=1))
    assert not nowhere.exists()


def test_a_database_of_another_version_waits_for_migrate(folder: Path) -> None:
    from alembic import command

    from personalign.web.database.migrate import alembic_config

    database = Database(f"sqlite:///{folder / 'site.db'}")
    with database.engine.execution_options(writes=True).begin() as connection:
        command.downgrade(alembic_config(connection), "-1")
    database.close()
    refused = run("site", "role", "give", "quiet-heron-417", "admin", "--site", folder, status=1)
    assert "personalign site migrate" in words_of(refused)
    assert "problem" in run("site", "check", "--site", folder, status=1).output
    run("site", "migrate", "--site", folder)
    run("site", "role", "give", "quiet-heron-417", "admin", "--site", folder)


def test_a_password_on_the_command_line_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "postgresql://site:hush@127.0.0.1:1/site"
    refused = words_of(run("site", "check", "--database", address, status=1))
    assert "PERSONALIGN_DATABASE" in refused and "hush" not in refused
    file = tmp_path / "address"
    file.write_text(address + "\n")
    for name, value in (
        ("PERSONALIGN_DATABASE", address),
        ("PERSONALIGN_DATABASE_FILE", str(file)),
    ):
        with monkeypatch.context() as one:
            one.setenv(name, value)
            told = words_of(run("site", "check", status=1))
        assert "cannot be opened" in told and "hush" not in told
    monkeypatch.setenv("PERSONALIGN_DATABASE_FILE", str(tmp_path / "none"))
    assert "cannot be read" in words_of(run("site", "check", status=1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "in the clear"),
        (["--public-url", "http://site.example"], "in the clear"),
        (["--public-url", "site.example"], "no address"),
        (["--without-keys"], "always asks for a key"),
        (["--openid-issuer", "https://id.example"], "belong together"),
        (
            ["--openid-issuer", "https://id.example", "--openid-client", "us"],
            "PERSONALIGN_OPENID_SECRET",
        ),
    ],
)
def test_serve_web_refuses_what_no_site_may_be(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    monkeypatch.delenv("PERSONALIGN_OPENID_SECRET", raising=False)
    site = ["--web", "--site", tmp_path / "site", "--model", model, "--port", 0]
    assert said in words_of(run("serve", *site, *options, status=1))


def test_without_web_a_folder_of_personas_is_needed() -> None:
    assert "--personas" in run("serve", status=2).output
