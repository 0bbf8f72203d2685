"""Tiers as a campus's own rules have them, told with its batches."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tier",
        sa.Column("campus", sa.Text, primary_key=True, nullable=False),
        sa.Column("name", sa.Text, primary_key=True, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(("campus",), ("tenant.campus",)),
    )


def downgrade() -> None:
    op.drop_table("tier")
