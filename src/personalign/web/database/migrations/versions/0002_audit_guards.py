"""Triggers by which the database itself refuses to change or remove an entry of the audit log."""

from alembic import op

from personalign.web.audit.log import guards

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    for statement in guards(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    """To the one before."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for what in ("update", "delete"):
        op.execute(f"DROP TRIGGER audit_entry_{what}" + ("" if on_sqlite else " ON audit_entry"))
    if not on_sqlite:
        op.execute("DROP FUNCTION audit_entry_stays()")
