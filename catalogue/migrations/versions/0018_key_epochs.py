"""The first epoch that each agent's key signs: a key in place of a lost one begins the next."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agent_key", sa.Column("epoch", sa.BigInteger, nullable=False, server_default="1"))


def downgrade() -> None:
    op.drop_column("agent_key", "epoch")
