"""Which site a command is about: what `personalign serve --web` and `personalign site` share.

Secrets are in the environment or in files, never on the command line, where everybody on the
machine can read them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personalign.errors import MissingPackageError, SiteError

if TYPE_CHECKING:
    from personalign.web.database.open import Database
    from personalign.web.settings import SiteSettings
    from personalign.web.site import Site

DATABASE_VARIABLE = "PERSONALIGN_DATABASE"
DEFAULT_FOLDER = Path("personalign-site")

SiteFolder = Annotated[
    Path,
    typer.Option(
        "--site", help="Folder of the site: its database and key, where nothing else is said."
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="postgresql://USER@HOST/NAME or sqlite:///FILE; with a password in it only as "
        f"{DATABASE_VARIABLE}, or in a file that {DATABASE_VARIABLE}_FILE names.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--site-key",
        help="File of the site's keys, unless PERSONALIGN_SITE_KEY has them. Default: site.key in "
        "the site's folder.",
    ),
]


def settings_of(folder: Path, database: str | None, key_file: Path | None) -> SiteSettings:
    """The settings of a site that is not served by this process."""
    from personalign.web.settings import SiteSettings

    return SiteSettings(
        folder, "http://localhost", database_url=address(database), key_file=key_file
    )


@contextmanager
def at_hand(settings: SiteSettings) -> Iterator[Database]:
    """The database of a site, as it is: no key is asked for and nothing is brought up to date."""
    needed()
    from personalign.web.database.open import Database, sqlite_file

    file = sqlite_file(settings.database)
    if file is not None and not file.exists():
        raise SiteError(
            f"There is no site in {settings.folder}: {file} is not there. Name its folder with "
            "--site, or make one with: personalign serve --web"
        )
    database = Database(settings.database)
    try:
        database.check()
        yield database
    finally:
        database.close()


@contextmanager
def opened(settings: SiteSettings) -> Iterator[Site]:
    """A site with its key and without its models, beside the server that may be running.

    Raises SiteError where the database is of another version, or the key is another site's.
    """
    with at_hand(settings) as database:
        from personalign.web.database.migrate import check_key, newest_version, version_of
        from personalign.web.site import Site
        from personalign.web.vault import vault_from

        vault = vault_from(settings.keys)
        version, newest = version_of(database), newest_version()
        if version != newest:
            raise SiteError(
                f"The database is of version {version}, and this Personalign works with {newest}. "
                "End the server, make a backup, and run: personalign site migrate"
            )
        with database.writing() as session:
            check_key(session, vault)
        yield Site(settings, database, vault, {})


def address(given: str | None) -> str | None:
    """The database's address: the option, or else the environment's, or else a file's; or none.

    Raises SiteError for a password on the command line, and for a file that cannot be read.
    """
    if given is not None:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            seen = make_url(given).password is not None
        except ArgumentError:
            seen = False  # Database says what is wrong with it
        if seen:
            raise SiteError(
                "A password on the command line is read by everybody on this machine; put the "
                f"address into {DATABASE_VARIABLE}, or into a file that {DATABASE_VARIABLE}_FILE "
                "names."
            )
        return given
    return secret(DATABASE_VARIABLE)


def secret(variable: str) -> str | None:
    """What an environment variable says, or else the file that VARIABLE_FILE names; or None."""
    if variable in os.environ:
        return os.environ[variable]
    file = os.environ.get(f"{variable}_FILE")
    if file is None:
        return None
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise SiteError(
            f"{variable}_FILE names {file}, which cannot be read ({error}); correct it."
        ) from error


def needed() -> None:
    """Raise MissingPackageError where the packages of the site are not installed."""
    try:
        import alembic  # noqa: F401
        import argon2  # noqa: F401
        import cryptography  # noqa: F401
        import fastapi  # noqa: F401
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(str(error.name), "serve", "The site") from error
