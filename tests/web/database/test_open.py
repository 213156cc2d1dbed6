"""The database: kept whole or undone, writers take turns, what is deleted is gone from the file."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from personalign.errors import SiteError
from personalign.web.database.migrate import bring_up
from personalign.web.database.open import Database
from personalign.web.database.tables import SiteFact
from personalign.web.settings import SiteSettings
from personalign.web.site import open_site
from personalign.web.vault import Vault, new_key, write_keys


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with our tables, emptied of facts."""
    one = Database(database_url)
    with one.engine.connect() as connection:
        fresh = not one.engine.dialect.has_table(connection, "site_fact")
    if fresh:
        bring_up(one, Vault([new_key()]))
    with one.writing() as session:
        session.execute(text("DELETE FROM site_fact"))
    yield one
    one.close()


def names(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(SiteFact.name)))


def test_a_transaction_is_kept_whole_or_undone(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        session.add(SiteFact(name="one", value=b"1"))
        session.flush()
        raise ZeroDivisionError
    assert names(database) == set()
    with database.writing() as session:
        session.add_all([SiteFact(name="one", value=b"1"), SiteFact(name="two", value=b"2")])
    assert names(database) == {"one", "two"}


def test_many_writers_lose_nothing(database: Database) -> None:
    failed: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            for turn in range(10):
                with database.writing() as session:
                    session.add(SiteFact(name=f"{writer}-{turn}", value=b""))
        except BaseException as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for one in writers:
        one.start()
    for one in writers:
        one.join(60)
    assert failed == []
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SiteFact)) == 120


def test_a_reader_does_not_wait_for_a_writer_and_sees_what_was_kept(database: Database) -> None:
    with database.writing() as session:
        session.add(SiteFact(name="one", value=b"1"))
        session.flush()
        assert names(database) == set()
    assert names(database) == {"one"}


def test_two_processes_share_one_file(tmp_path: Path) -> None:
    """Two engines have no lock in common, as two processes."""
    url = f"sqlite:///{tmp_path / 'site.db'}"
    one, other = Database(url), Database(url)
    bring_up(one, Vault([new_key()]))
    failed: list[BaseException] = []

    def write(database: Database, who: str) -> None:
        try:
            for turn in range(25):
                with database.writing() as session:
                    session.add(SiteFact(name=f"{who}-{turn}", value=b""))
        except BaseException as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=pair) for pair in ((one, "a"), (other, "b"))]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join(60)
    assert failed == []
    assert names(one) >= {f"{who}-{turn}" for who in "ab" for turn in range(25)}


def test_what_is_deleted_is_not_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "site.db"
    database = Database(f"sqlite:///{file}")
    bring_up(database, Vault([new_key()]))
    secret = b"something nobody is to find again"
    with database.writing() as session:
        session.add(SiteFact(name="secret", value=secret * 100))
    database.close()  # the log is written into the file
    assert secret in file.read_bytes()
    with database.writing() as session:
        session.delete(session.get_one(SiteFact, "secret"))
    database.close()
    for left in tmp_path.iterdir():
        assert secret not in left.read_bytes()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'site.db'}")
    bring_up(database, Vault([new_key()]))
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    database.close()


@pytest.mark.parametrize("url", ["mysql://localhost/site", "no address", "sqlite+aiosqlite"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(SiteError, match=r"sqlite|postgresql"):
        Database(url)


def test_a_database_that_does_not_answer_is_told_without_its_password() -> None:
    database = Database("postgresql://site:hush@127.0.0.1:1/site")
    with pytest.raises(SiteError, match="cannot be opened") as refused:
        database.check()
    assert "hush" not in str(refused.value)


def test_another_sites_key_is_refused_at_the_start(database_url: str, tmp_path: Path) -> None:
    def opened(key_file: Path) -> None:
        address = f"sqlite:///{tmp_path / 'own.db'}" if "sqlite" in database_url else database_url
        open_site(
            SiteSettings(tmp_path, "http://localhost", address, key_file), services={}
        ).close()

    right, wrong = tmp_path / "right.key", tmp_path / "wrong.key"
    write_keys(right, [new_key()])
    write_keys(wrong, [new_key()])
    if database_url.startswith("postgresql"):
        database = Database(database_url)
        with database.writing() as session:
            session.execute(text("DELETE FROM site_fact"))
        database.close()
    opened(right)
    with pytest.raises(SiteError, match="not the one of this database"):
        opened(wrong)
    opened(right)


def test_a_site_without_its_key_is_not_given_another(tmp_path: Path) -> None:
    settings = SiteSettings(tmp_path, "http://localhost")
    open_site(settings, services={}).close()
    (tmp_path / "site.key").unlink()
    with pytest.raises(SiteError, match="no site key"):
        open_site(settings, services={})
    assert not (tmp_path / "site.key").exists()
