"""`personalign site`: what whoever runs a site does beside the running server."""

from __future__ import annotations

import typer

from personalign.cli.site.audit import audit
from personalign.cli.site.backup import backup, restore
from personalign.cli.site.check import check, migrate
from personalign.cli.site.keys import new_key, rotate
from personalign.cli.site.retention import retention
from personalign.cli.site.role import role

site = typer.Typer(help="Run the web application of serve --web.", no_args_is_help=True)

site.command("new-key")(new_key)
site.command()(check)
site.add_typer(role, name="role")
site.add_typer(audit, name="audit")
site.command()(retention)
site.command()(backup)
site.command()(restore)
site.command()(rotate)
site.command()(migrate)
