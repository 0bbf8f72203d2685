"""One movement in 64 is found by its learner: where a page of one learner's movements begins."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_LANDMARK = "(no + no / 64 + no / 4096 + no / 262144) % 64 = 0"


def upgrade() -> None:
    op.create_index(
        "movement_landmark",
        "movement",
        ["campus", "learner", "currency", "no", "posted_at"],
        postgresql_where=sa.text(_LANDMARK),
        sqlite_where=sa.text(_LANDMARK),
    )


def downgrade() -> None:
    op.drop_index("movement_landmark", "movement")
