"""Sealed persons, kept against the loss of a campus's disk."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sealed_person",
        sa.Column("campus", sa.Text, primary_key=True),
        sa.Column("agent", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(("campus", "agent"), ("agent.campus", "agent.agent")),
    )


def downgrade() -> None:
    op.drop_table("sealed_person")
