"""Months that are closed: what each came to, which nothing changes any more."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Table, Text

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
