"""Bringing a database's tables up to date, and checking that the site key is its own.

The steps are Alembic's, in `migrations/versions`; each is run in a transaction, so that a database
is of one version or the next. Two servers that start at once take turns.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from sqlalchemy import text

from personalign.errors import SiteError
from personalign.web.audit.log import begin
from personalign.web.database.base import seal, unseal
from personalign.web.database.tables import SiteFact

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from personalign.web.database.open import Database
    from personalign.web.vault import Vault

_CHECK = "key_check"
_LOCK = 7_305_190
"""PostgreSQL's advisory lock of whoever migrates."""


def bring_up(database: Database, vault: Vault) -> None:
    """Run the steps that are missing, then see that this key opens what the site's key sealed.

    Raises SiteError where the database is of a newer version than this package, or the key is
    another site's.
    """
    with database.engine.execution_options(writes=True).begin() as connection:
        upgrade(connection)
    with database.writing() as session:
        check_key(session, vault)


def upgrade(connection: Connection) -> None:
    """Run the steps that are missing, in the caller's transaction.

    Raises SiteError where the database is of a newer version than this package.
    """
    from alembic import command
    from alembic.util.exc import CommandError

    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    try:
        command.upgrade(alembic_config(connection), "head")
    except CommandError as error:
        raise SiteError(
            f"The database is of a version that this Personalign does not know ({error}). Install "
            "the version it was last used with, or a newer one."
        ) from error


def check_key(session: Session, vault: Vault) -> None:
    """See that a key opens what the site's key sealed; the first key becomes the site's.

    Raises SiteError for another site's key.
    """
    if session.get(SiteFact, _CHECK) is None:
        fact = SiteFact(name=_CHECK)
        seal(vault, fact, "value", "this site's key")
        session.add(fact)
        begin(session, vault)
    problem = opens_with(session, vault)
    if problem is not None:
        raise SiteError(problem)


def opens_with(session: Session, vault: Vault) -> str | None:
    """What is wrong with a key, a sentence; None where it is this database's."""
    fact = session.get(SiteFact, _CHECK)
    if fact is None:
        return "The database has no key yet; personalign serve --web gives it the site's."
    try:
        unseal(vault, fact, "value")
    except SiteError as error:
        return f"The site key is not the one of this database. {error}"
    return None


def version_of(database: Database) -> str | None:
    """The last step that was run on a database; None for one without our tables."""
    from alembic.runtime.migration import MigrationContext

    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_version() -> str:
    """The last step that this package knows."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(alembic_config(None)).get_current_head()
    assert head is not None, "there is a first step"
    return head


def alembic_config(connection: object) -> Config:
    """How Alembic finds the steps and the database they are run on."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files(__package__) / "migrations"))
    config.attributes["connection"] = connection
    return config
