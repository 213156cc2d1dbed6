"""--first."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    with op.batch_alter_table("alignment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("mirrored_id", sa.String(length=22), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_alignment_mirrored_id"),
            "persona",
            ["mirrored_id"],
            ["id"],
            ondelete="SET NULL",
        )

    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.add_column(sa.Column("model", sa.String(length=256), nullable=False))


def downgrade() -> None:
    """To the one before."""
    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.drop_column("model")

    with op.batch_alter_table("alignment", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_alignment_mirrored_id"), type_="foreignkey")
        batch_op.drop_column("mirrored_id")
