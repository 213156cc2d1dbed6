"""The steps make exactly the tables the code has, on both databases, forwards and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError

from personalign.errors import SiteError
from personalign.web.audit.log import append
from personalign.web.database.migrate import alembic_config, bring_up, newest_version, version_of
from personalign.web.database.open import Database
from personalign.web.database.tables import METADATA
from personalign.web.vault import Vault, new_key
from recipes.site.migration import write_step

VAULT = Vault([new_key()])


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    """A database brought up from nothing."""
    one = Database(database_url)
    assert version_of(one) is None
    bring_up(one, VAULT)
    yield one
    one.close()


def run(database: Database, step: Any, target: str) -> None:
    with database.engine.execution_options(writes=True).begin() as connection:
        step(alembic_config(connection), target)


def differences(database: Database) -> list[Any]:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, METADATA))


def test_an_empty_database_becomes_what_the_code_has(database: Database) -> None:
    assert version_of(database) == newest_version()
    assert differences(database) == []


def test_a_difference_would_be_seen(database: Database) -> None:
    with database.writing() as session:
        session.execute(text("ALTER TABLE answer ADD COLUMN more INTEGER"))
    assert len(differences(database)) == 1
    with database.writing() as session:
        session.execute(text("ALTER TABLE answer DROP COLUMN more"))


def test_foreign_keys_and_their_endings_are_there(database: Database) -> None:
    """Deleting an account takes everything of it along, by the database itself."""
    found = inspect(database.engine)
    for table in METADATA.sorted_tables:
        wanted = {
            (tuple(key.column_keys), key.referred_table.name, key.ondelete)
            for key in table.foreign_key_constraints
        }
        there = {
            (tuple(key["constrained_columns"]), key["referred_table"], key["options"]["ondelete"])
            for key in found.get_foreign_keys(table.name)
        }
        assert there == wanted


@pytest.mark.parametrize(
    "change", ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry"]
)
def test_the_audit_log_is_guarded(database: Database, change: str) -> None:
    with database.writing() as session:
        append(session, VAULT, "tried")
    with pytest.raises(DatabaseError, match="append-only"), database.writing() as session:
        session.execute(text(change))


def test_a_newer_database_is_refused(database: Database) -> None:
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(SiteError, match="does not know"):
            bring_up(database, VAULT)
    finally:
        with database.writing() as session:
            session.execute(text(f"UPDATE alembic_version SET version_num = '{newest_version()}'"))


def test_back_to_nothing_and_up_again(database: Database) -> None:
    run(database, command.downgrade, "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    if not database.sqlite:
        with database.reading() as session:
            left = session.scalar(
                text("SELECT count(*) FROM pg_proc WHERE proname = 'audit_entry_stays'")
            )
        assert left == 0
    bring_up(database, VAULT)
    assert differences(database) == []


def test_a_step_that_is_missing_is_written(tmp_path: Path) -> None:
    """From no steps at all: the tables as they are now."""
    text = write_step("All tables", tmp_path).read_text()
    assert text.startswith('"""All tables."""')
    for table in METADATA.tables:
        assert f'op.create_table(\n        "{table}"' in text
        assert f'op.drop_table("{table}")' in text
    assert "personalign" not in text, "a step does not change when the code does"
