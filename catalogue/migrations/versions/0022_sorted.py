"""What rewards are sorted by stands in columns, so that a list of one type or category is found by the database."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_USUAL = {"type": "benefit", "category": "general"}


def upgrade() -> None:
    for name, usual in _USUAL.items():
        op.add_column("reward", sa.Column(name, sa.Text, nullable=False, server_default=usual))
    reward = sa.table("reward", *(sa.column(name) for name in ("campus", "reward", "body", *_USUAL)))
    connection = op.get_bind()
    for row in connection.execute(sa.select(reward.c.campus, reward.c.reward, reward.c.body)).all():
        said = json.loads(row.body)
        sorted_by = {name: said.get(name, usual) for name, usual in _USUAL.items()}
        mine = (reward.c.campus == row.campus, reward.c.reward == row.reward)
        if sorted_by != _USUAL:
            connection.execute(sa.update(reward).where(*mine).values(**sorted_by))


def downgrade() -> None:
    for name in _USUAL:
        op.drop_column("reward", name)
