"""Months that are closed: what each came to, which nothing changes any more; and those of them that are in files."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, LargeBinary, Table, Text

from catalogue.schema.base import metadata

closed_month = Table(
    "closed_month",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("month", Text, primary_key=True),  # 2026-09, as the campus counts
    Column("ends_at", BigInteger, nullable=False),  # its first second that is no longer in it; nothing is posted before
    Column("first_no", BigInteger, nullable=False),  # its movements; first_no = last_no + 1 where there are none
    Column("last_no", BigInteger, nullable=False),
    Column("closed_at", BigInteger, nullable=False),
    Column("closed_by", Text, nullable=False),
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)

month_line = Table(
    "month_line",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("opening", BigInteger, nullable=False),
    Column("awarded", BigInteger, nullable=False),
    Column("adjusted", BigInteger, nullable=False),  # by hand, up or down
    Column("spent", BigInteger, nullable=False),
    Column("refunded", BigInteger, nullable=False),
    Column("expired", BigInteger, nullable=False),
    Column("reversed", BigInteger, nullable=False),  # what was taken back, without what nobody owes
    Column("closing", BigInteger, nullable=False),
    Column("worth", Text, nullable=False),  # of one unit on the day it was closed
    ForeignKeyConstraint(["campus", "month"], ["closed_month.campus", "closed_month.month"]),
)

archived_month = Table(
    "archived_month",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("month", Text, primary_key=True),  # 2026-09, UTC
    Column("first_no", BigInteger, nullable=False),  # its movements; first_no = last_no + 1 where there are none
    Column("last_no", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("batches", BigInteger, nullable=False),
    Column("manifest", LargeBinary, nullable=False),  # SHA-256 of the file that says what the others hold
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("gone_at", BigInteger),  # since when its rows are in the files alone; NULL: they are here too
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)

archived_chain = Table(
    "archived_chain",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),  # of its last batch of the month
    Column("seq", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
    ForeignKeyConstraint(["campus", "month"], ["archived_month.campus", "archived_month.month"]),
)

carried_wallet = Table(
    "carried_wallet",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("no", BigInteger, primary_key=True, autoincrement=False),  # the wallet as it stood after this movement
    Column("learner", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("earned", BigInteger, nullable=False),
    Column("posted_at", BigInteger, nullable=False),
    Column("account", LargeBinary, nullable=False),  # its lots, debts and spends: zlib over JSON
    Column("entry", Text, nullable=False, server_default=""),  # the newest entry that moved it in its turn
    Column("agent", Text, nullable=False, server_default=""),  # whose learner it is
)
