"""Write the next step of the site's database: python -m recipes.site.migration WHAT [FOLDER]

Makes an empty SQLite database, runs the steps there are, compares it with the tables the code has,
and writes what is missing as the next file of src/personalign/web/database/migrations/versions (or
of another folder of steps; an empty one gives all tables in one step).
Read it before you keep it: a renamed column looks like one that went and another that came, and
rows that are there may need values. Triggers are not compared; steps with them are written by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command

import personalign.web.database.migrations as steps
from personalign.web.database.migrate import alembic_config
from personalign.web.database.open import Database

FOLDER = Path(str(steps.__file__)).parent / "versions"


def write_step(what: str, folder: Path = FOLDER) -> Path:
    """Write the step after the ones in a folder; gives its file.

    what: a few words, the first line of the file and a part of its name.
    """
    number = 1 + max((int(path.name[:4]) for path in folder.glob("[0-9]*.py")), default=0)
    with tempfile.TemporaryDirectory(prefix="personalign-migration-") as scratch:
        database = Database(f"sqlite:///{Path(scratch) / 'site.db'}")
        with database.engine.execution_options(writes=True).begin() as connection:
            config = alembic_config(connection)
            config.set_main_option("version_locations", str(folder))
            config.set_main_option("path_separator", "os")
            config.attributes["batch"] = number > 1  # SQLite alters a table by making it anew
            command.upgrade(config, "head")
            command.revision(config, what, autogenerate=True, rev_id=f"{number:04d}")
        database.close()
    (made,) = folder.glob(f"{number:04d}_*.py")
    named = made.with_name(f"{number:04d}_{re.sub(r'[^a-z0-9]+', '_', what.lower()).strip('_')}.py")
    made.rename(named)
    text = "".join(line for line in named.open() if not line.lstrip().startswith("# ###"))
    named.write_text(text)
    for arguments in (["check", "--select", "I,F401", "--fix"], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, "-q", str(named)], check=True)
    return named


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    print(write_step(sys.argv[1], *map(Path, sys.argv[2:])))
