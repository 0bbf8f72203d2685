"""The catalogue's keys, whose each site is, entries accepted later, and how far an agent's clock is off."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _text(name: str, *, key: bool = False, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=null)


def _whole(name: str, *, key: bool = False, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=null, autoincrement=False)


def _bytes(name: str) -> "sa.Column[bytes]":
    return sa.Column(name, sa.LargeBinary, nullable=False)


def upgrade() -> None:
    op.add_column("agent", _whole("skew_s", null=True))
    aside = sa.text("rejected IS NOT NULL")
    columns = ["campus", "agent", "epoch", "seq"]
    op.create_index("entry_rejected", "entry", columns, sqlite_where=aside, postgresql_where=aside)
    op.create_table(
        "catalogue_key",
        _whole("no", key=True),
        _bytes("old"),
        _bytes("new"),
        _bytes("by_old"),
        _bytes("by_new"),
        _whole("made_at"),
    )
    op.create_table(
        "site",
        _text("campus", key=True),
        _text("site", key=True),
        _text("agent"),
        _whole("since"),
        _text("claimed_by", null=True),
        _whole("claimed_at", null=True),
        sa.ForeignKeyConstraint(("campus", "agent"), ("agent.campus", "agent.agent")),
    )
    op.create_table(
        "accepted_entry",
        _text("campus", key=True),
        _text("agent", key=True),
        _whole("epoch", key=True),
        _whole("seq", key=True),
        _whole("accepted_at"),
        _text("accepted_by"),
        _text("reason"),
    )


def downgrade() -> None:
    for table in ("accepted_entry", "site", "catalogue_key"):
        op.drop_table(table)
    op.drop_index("entry_rejected", "entry")
    op.drop_column("agent", "skew_s")
