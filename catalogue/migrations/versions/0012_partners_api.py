"""How often each token may ask, and redemptions in the order in which they were reserved."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_token", sa.Column("per_minute", sa.BigInteger, nullable=False, server_default="300"))
    op.create_index("redemption_in_order", "redemption", ["campus", "reserved_at", "redemption"])


def downgrade() -> None:
    op.drop_index("redemption_in_order", "redemption")
    op.drop_column("api_token", "per_minute")
