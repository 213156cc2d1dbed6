"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "account",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("handle", sa.String(length=64), nullable=False),
        sa.Column("lookup", sa.LargeBinary(), nullable=True),
        sa.Column("phrase_hash", sa.String(length=256), nullable=True),
        sa.Column("oidc_subject", sa.LargeBinary(), nullable=True),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("audit_name", sa.String(length=22), nullable=False),
        sa.Column("role_name", sa.String(length=22), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("audit_name", name=op.f("uq_account_audit_name")),
        sa.UniqueConstraint("handle", name=op.f("uq_account_handle")),
        sa.UniqueConstraint("lookup", name=op.f("uq_account_lookup")),
        sa.UniqueConstraint("oidc_subject", name=op.f("uq_account_oidc_subject")),
        sa.UniqueConstraint("role_name", name=op.f("uq_account_role_name")),
    )
    op.create_table(
        "audit_entry",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=22), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_entry")),
    )
    op.create_index(op.f("ix_audit_entry_action"), "audit_entry", ["action"], unique=False)
    op.create_index(op.f("ix_audit_entry_at"), "audit_entry", ["at"], unique=False)
    op.create_table(
        "score_run",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_score_run")),
    )
    op.create_index(op.f("ix_score_run_made_at"), "score_run", ["made_at"], unique=False)
    op.create_table(
        "site_fact",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site_fact")),
    )
    op.create_table(
        "account_role",
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_account_role_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "role", name=op.f("pk_account_role")),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_api_key_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
    )
    op.create_index(op.f("ix_api_key_account_id"), "api_key", ["account_id"], unique=False)
    op.create_table(
        "browser_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_browser_session_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_browser_session")),
    )
    op.create_index(
        op.f("ix_browser_session_account_id"), "browser_session", ["account_id"], unique=False
    )
    op.create_index(
        op.f("ix_browser_session_expires_at"), "browser_session", ["expires_at"], unique=False
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_consent_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    op.create_index(op.f("ix_consent_account_id"), "consent", ["account_id"], unique=False)
    op.create_table(
        "report",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("model", sa.String(length=256), nullable=False),
        sa.Column("speaker", sa.String(length=16), nullable=False),
        sa.Column("alpha", sa.Double(), nullable=True),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("prompt", sa.LargeBinary(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("comment", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("reviewer_id", sa.String(length=22), nullable=True),
        sa.Column("audit_name", sa.String(length=22), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_report_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"], ["account.id"], name=op.f("fk_report_reviewer_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("audit_name", name=op.f("uq_report_audit_name")),
    )
    op.create_index(op.f("ix_report_account_id"), "report", ["account_id"], unique=False)
    op.create_index(op.f("ix_report_category"), "report", ["category"], unique=False)
    op.create_index(op.f("ix_report_reviewer_id"), "report", ["reviewer_id"], unique=False)
    op.create_index(op.f("ix_report_status"), "report", ["status"], unique=False)
    op.create_table(
        "sitting",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("form", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("about", sa.LargeBinary(), nullable=True),
        sa.Column("put", sa.LargeBinary(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_sitting_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sitting")),
    )
    op.create_index(op.f("ix_sitting_account_id"), "sitting", ["account_id"], unique=False)
    op.create_table(
        "study",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("title", sa.LargeBinary(), nullable=False),
        sa.Column("told", sa.LargeBinary(), nullable=False),
        sa.Column("own_answers", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("problem", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key_given_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_study_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
    )
    op.create_index(op.f("ix_study_account_id"), "study", ["account_id"], unique=False)
    op.create_table(
        "answer",
        sa.Column("sitting_id", sa.String(length=22), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["sitting_id"], ["sitting.id"], name=op.f("fk_answer_sitting_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sitting_id", "item", name=op.f("pk_answer")),
    )
    op.create_table(
        "invitation",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("study_id", sa.String(length=22), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=True),
        sa.Column("account_id", sa.String(length=22), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_invitation_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk_invitation_study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("study_id", "number", name=op.f("uq_invitation_study_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
    op.create_index(op.f("ix_invitation_account_id"), "invitation", ["account_id"], unique=False)
    op.create_index(op.f("ix_invitation_study_id"), "invitation", ["study_id"], unique=False)
    op.create_table(
        "persona",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("sitting_id", sa.String(length=22), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=256), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("alpha", sa.Double(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_persona_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sitting_id"], ["sitting.id"], name=op.f("fk_persona_sitting_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_persona")),
    )
    op.create_index(op.f("ix_persona_account_id"), "persona", ["account_id"], unique=False)
    op.create_index(op.f("ix_persona_sitting_id"), "persona", ["sitting_id"], unique=False)
    op.create_table(
        "report_note",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("report_id", sa.String(length=22), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=True),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_report_note_account_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["report_id"], ["report.id"], name=op.f("fk_report_note_report_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_note")),
    )
    op.create_index(op.f("ix_report_note_account_id"), "report_note", ["account_id"], unique=False)
    op.create_index(op.f("ix_report_note_report_id"), "report_note", ["report_id"], unique=False)
    op.create_table(
        "alignment",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("sitting_id", sa.String(length=22), nullable=True),
        sa.Column("model", sa.String(length=256), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("persona_id", sa.String(length=22), nullable=True),
        sa.Column("mirrored_id", sa.String(length=22), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_alignment_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["mirrored_id"],
            ["persona.id"],
            name=op.f("fk_alignment_mirrored_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["persona_id"],
            ["persona.id"],
            name=op.f("fk_alignment_persona_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["sitting_id"],
            ["sitting.id"],
            name=op.f("fk_alignment_sitting_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alignment")),
    )
    op.create_index(op.f("ix_alignment_account_id"), "alignment", ["account_id"], unique=False)
    op.create_index(op.f("ix_alignment_status"), "alignment", ["status"], unique=False)
    op.create_table(
        "conversation",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("persona_id", sa.String(length=22), nullable=True),
        sa.Column("model", sa.String(length=256), nullable=False),
        sa.Column("title", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_conversation_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["persona_id"],
            ["persona.id"],
            name=op.f("fk_conversation_persona_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation")),
    )
    op.create_index(
        op.f("ix_conversation_account_id"), "conversation", ["account_id"], unique=False
    )
    op.create_index(
        op.f("ix_conversation_changed_at"), "conversation", ["changed_at"], unique=False
    )
    op.create_table(
        "pack",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("study_id", sa.String(length=22), nullable=False),
        sa.Column("invitation_id", sa.String(length=22), nullable=True),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("pairs", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invitation_id"],
            ["invitation.id"],
            name=op.f("fk_pack_invitation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk_pack_study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pack")),
    )
    op.create_index(op.f("ix_pack_invitation_id"), "pack", ["invitation_id"], unique=False)
    op.create_index(op.f("ix_pack_study_id"), "pack", ["study_id"], unique=False)
    op.create_table(
        "rating",
        sa.Column("invitation_id", sa.String(length=22), nullable=False),
        sa.Column("pair", sa.String(length=64), nullable=False),
        sa.Column("vote", sa.String(length=8), nullable=False),
        sa.Column("voted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["invitation_id"],
            ["invitation.id"],
            name=op.f("fk_rating_invitation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("invitation_id", "pair", name=op.f("pk_rating")),
    )
    op.create_table(
        "share",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("persona_id", sa.String(length=22), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_share_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["persona_id"], ["persona.id"], name=op.f("fk_share_persona_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share")),
        sa.UniqueConstraint("persona_id", "account_id", name=op.f("uq_share_persona_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_share_token_hash")),
    )
    op.create_index(op.f("ix_share_account_id"), "share", ["account_id"], unique=False)
    op.create_index(op.f("ix_share_persona_id"), "share", ["persona_id"], unique=False)
    op.create_table(
        "turn",
        sa.Column("conversation_id", sa.String(length=22), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("speaker", sa.String(length=16), nullable=False),
        sa.Column("alpha", sa.Double(), nullable=True),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversation.id"],
            name=op.f("fk_turn_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation_id", "place", name=op.f("pk_turn")),
    )


def downgrade() -> None:
    """To the one before."""
    op.drop_table("turn")
    op.drop_index(op.f("ix_share_persona_id"), table_name="share")
    op.drop_index(op.f("ix_share_account_id"), table_name="share")
    op.drop_table("share")
    op.drop_table("rating")
    op.drop_index(op.f("ix_pack_study_id"), table_name="pack")
    op.drop_index(op.f("ix_pack_invitation_id"), table_name="pack")
    op.drop_table("pack")
    op.drop_index(op.f("ix_conversation_changed_at"), table_name="conversation")
    op.drop_index(op.f("ix_conversation_account_id"), table_name="conversation")
    op.drop_table("conversation")
    op.drop_index(op.f("ix_alignment_status"), table_name="alignment")
    op.drop_index(op.f("ix_alignment_account_id"), table_name="alignment")
    op.drop_table("alignment")
    op.drop_index(op.f("ix_report_note_report_id"), table_name="report_note")
    op.drop_index(op.f("ix_report_note_account_id"), table_name="report_note")
    op.drop_table("report_note")
    op.drop_index(op.f("ix_persona_sitting_id"), table_name="persona")
    op.drop_index(op.f("ix_persona_account_id"), table_name="persona")
    op.drop_table("persona")
    op.drop_index(op.f("ix_invitation_study_id"), table_name="invitation")
    op.drop_index(op.f("ix_invitation_account_id"), table_name="invitation")
    op.drop_table("invitation")
    op.drop_table("answer")
    op.drop_index(op.f("ix_study_account_id"), table_name="study")
    op.drop_table("study")
    op.drop_index(op.f("ix_sitting_account_id"), table_name="sitting")
    op.drop_table("sitting")
    op.drop_index(op.f("ix_report_status"), table_name="report")
    op.drop_index(op.f("ix_report_reviewer_id"), table_name="report")
    op.drop_index(op.f("ix_report_category"), table_name="report")
    op.drop_index(op.f("ix_report_account_id"), table_name="report")
    op.drop_table("report")
    op.drop_index(op.f("ix_consent_account_id"), table_name="consent")
    op.drop_table("consent")
    op.drop_index(op.f("ix_browser_session_expires_at"), table_name="browser_session")
    op.drop_index(op.f("ix_browser_session_account_id"), table_name="browser_session")
    op.drop_table("browser_session")
    op.drop_index(op.f("ix_api_key_account_id"), table_name="api_key")
    op.drop_table("api_key")
    op.drop_table("account_role")
    op.drop_table("site_fact")
    op.drop_index(op.f("ix_score_run_made_at"), table_name="score_run")
    op.drop_table("score_run")
    op.drop_index(op.f("ix_audit_entry_at"), table_name="audit_entry")
    op.drop_index(op.f("ix_audit_entry_action"), table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_table("account")
