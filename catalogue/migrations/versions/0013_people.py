"""One person's wallets at several agents: tags, links, and spends that were taken from more than one wallet."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _text(name: str, *, key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _whole(name: str, *, key: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=False, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "person_tag",
        *(_text(name, key=True) for name in ("campus", "agent", "name", "said_by", "tag")),
        sa.Column("shared", sa.Boolean, nullable=False),
        _text("key"),
        sa.ForeignKeyConstraint(("campus", "agent"), ("agent.campus", "agent.agent")),
    )
    op.create_index("person_by_tag", "person_tag", ["campus", "said_by", "tag"])
    op.create_table(
        "link",
        _text("campus", key=True),
        _text("name", key=True),
        _text("agent"),
        _text("purse"),
        _text("account_of"),
        _whole("linked_at"),
        _text("linked_by"),
        _text("why"),
    )
    op.create_index("link_by_purse", "link", ["campus", "purse"])
    op.create_table(
        "link_held",
        _text("campus", key=True),
        _text("name", key=True),
        _text("agent"),
        _text("others"),
        _text("reason"),
        _whole("held_at"),
    )
    op.create_table(
        "link_apart",
        *(_text(name, key=True) for name in ("campus", "name", "other")),
        _whole("apart_at"),
        _text("apart_by"),
        _text("why"),
    )
    op.create_table("link_change", _text("campus", key=True), _text("name", key=True), _text("agent"), _whole("no"))
    op.create_index("link_change_in_order", "link_change", ["campus", "agent", "no"])
    op.create_table("link_head", _text("campus", key=True), _whole("no"))
    op.create_table(
        "spend_leg",
        _text("campus", key=True),
        _text("spend", key=True),
        _whole("no", key=True),
        _text("learner"),
        _whole("amount"),
    )


def downgrade() -> None:
    for table in ("spend_leg", "link_head", "link_change", "link_apart", "link_held", "link", "person_tag"):
        op.drop_table(table)
