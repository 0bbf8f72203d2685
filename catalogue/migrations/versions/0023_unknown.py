"""Redemptions that nobody may ask for again are few, and looked at often: each reading of the figures counts them."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    unknown = sa.text("state = 'unknown'")
    op.create_index("redemption_unknown", "redemption", ["campus"], postgresql_where=unknown, sqlite_where=unknown)


def downgrade() -> None:
    op.drop_index("redemption_unknown", "redemption")
