"""Several desks at one worklist: which are open and what each reads, and which exams were changed last."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "desks",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("reader_id", sa.Integer(), nullable=False),
        sa.Column("exam_id", sa.Integer(), nullable=True),
        sa.Column("blinded", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["exam_id"], ["exams.id"], name=op.f("fk_desks_exam_id_exams"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["readers.id"], name=op.f("fk_desks_reader_id_readers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_desks")),
    )
    op.create_table(
        "changes",
        sa.Column("exam_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("desk", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["exam_id"], ["exams.id"], name=op.f("fk_changes_exam_id_exams"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("exam_id", name=op.f("pk_changes")),
    )
    op.create_index(op.f("ix_changes_number"), "changes", ["number"], unique=False)
