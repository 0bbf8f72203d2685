"""Wishes that were answered lately, so that a refused one stays refused when it comes once more."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wish",
        sa.Column("campus", sa.Text, primary_key=True, nullable=False),
        sa.Column("key", sa.Text, primary_key=True, nullable=False),
        sa.Column("asked", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.BigInteger),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.create_index("wish_by_age", "wish", ["answered_at"])


def downgrade() -> None:
    op.drop_table("wish")
