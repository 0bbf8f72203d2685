"""How much a campus may issue in a day."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "issue_limit",
        sa.Column("campus", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, primary_key=True),
        sa.Column("per_day", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("issued", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(("campus",), ("tenant.campus",)),
    )


def downgrade() -> None:
    op.drop_table("issue_limit")
