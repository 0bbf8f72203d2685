"""What learners are called, where their campus lets that leave it: beside the books, and in no backup."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def _text(name: str, *, key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _whole(name: str, *, empty: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=empty)


def _of_agent() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(("campus", "agent"), ("agent.campus", "agent.agent"))


def upgrade() -> None:
    op.create_table(
        "name_register",
        _text("campus", key=True),
        _text("agent", key=True),
        _text("register"),
        _whole("withdrawn_at"),
        _of_agent(),
    )
    op.create_table(
        "person_name",
        _text("campus", key=True),
        _text("learner", key=True),
        *map(_text, ("agent", "name", "folded", "said_by")),
        _whole("told_at"),
        _whole("gone_at", empty=True),
        _of_agent(),
    )
    op.create_index("person_name_by_agent", "person_name", ["campus", "agent"])
    gone = sa.text("gone_at IS NOT NULL")
    op.create_index("person_name_gone", "person_name", ["campus"], postgresql_where=gone, sqlite_where=gone)


def downgrade() -> None:
    op.drop_table("person_name")
    op.drop_table("name_register")
