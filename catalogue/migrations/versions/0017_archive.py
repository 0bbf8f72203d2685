"""Months in files: which they are, where chains stood at their ends, and what wallets carry over from them."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def _text(name: str, *, key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _whole(name: str, *, key: bool = False, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=null, autoincrement=False)


def _bytes(name: str) -> "sa.Column[bytes]":
    return sa.Column(name, sa.LargeBinary, nullable=False)


def upgrade() -> None:
    op.create_table(
        "archived_month",
        _text("campus", key=True),
        _text("month", key=True),
        *(_whole(name) for name in ("first_no", "last_no", "entries", "batches")),
        _bytes("manifest"),
        _whole("made_at"),
        _text("made_by"),
        _whole("gone_at", null=True),
        sa.ForeignKeyConstraint(("campus",), ("tenant.campus",)),
    )
    op.create_table(
        "archived_chain",
        *(_text(name, key=True) for name in ("campus", "month", "agent")),
        _whole("epoch"),
        _whole("seq"),
        _bytes("head"),
        sa.ForeignKeyConstraint(("campus", "month"), ("archived_month.campus", "archived_month.month")),
    )
    op.create_table(
        "carried_wallet",
        _text("campus", key=True),
        _whole("no", key=True),
        _text("learner"),
        _text("currency"),
        *(_whole(name) for name in ("balance", "earned", "posted_at")),
        _bytes("account"),
    )
    op.create_index("carried_by_wallet", "carried_wallet", ["campus", "learner", "currency", "no"])


def downgrade() -> None:
    for table in ("carried_wallet", "archived_chain", "archived_month"):
        op.drop_table(table)
