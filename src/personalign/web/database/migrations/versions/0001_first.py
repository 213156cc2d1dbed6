"""The first tables: whatever the tables of this version are."""

from alembic import op

from personalign.web.database.tables import METADATA

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table, with the audit log's guards."""
    METADATA.create_all(op.get_bind())


def downgrade() -> None:
    """Remove every table."""
    METADATA.drop_all(op.get_bind())
