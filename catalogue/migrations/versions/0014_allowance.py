"""Vouchers that were made beforehand for an agent, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "allowance",
        sa.Column("campus", sa.Text, primary_key=True),
        sa.Column("redemption", sa.Text, primary_key=True),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("drawn_at", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.Text),
        sa.Column("ended_at", sa.BigInteger),
        sa.CheckConstraint("ended IN ('spent', 'returned')"),
        sa.ForeignKeyConstraint(("campus", "agent"), ("agent.campus", "agent.agent")),
    )


def downgrade() -> None:
    op.drop_table("allowance")
