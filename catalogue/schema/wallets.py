"""The central ledger of movements, the wallets that follow from it, and what campuses say of their currencies."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Table, Text

from catalogue.schema.base import metadata

ledger = Table(
    "ledger",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("no", BigInteger, nullable=False),  # the newest movement's
    Column("posted_at", BigInteger, nullable=False),  # the newest movement's; none is dated before it
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)

movement = Table(
    "movement",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("no", BigInteger, primary_key=True),  # without gaps, in the order of posting
    Column("posted_at", BigInteger, primary_key=True),  # the centre's date: whose month it belongs to
    Column("learner", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("kind", Text, nullable=False),  # award | reversal | adjustment | spend | expiry | refund
    Column("amount", BigInteger, nullable=False),
    Column("waived", BigInteger, nullable=False),  # taken back and owed by nobody; of a refund: not given twice
    Column("ref", Text, nullable=False),  # its name: <agent>/<entry_id> for an entry
    Column("about", Text, nullable=False),  # the name of the lot or the spend it concerns, or nothing
    Column("occurred_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),  # of a credit: when its lot is over; NULL is never
    Column("owe", Boolean, nullable=False),  # taken back and not there: it is owed, not forgiven
    Column("rule", Text, nullable=False),  # of an entry, else nothing
    Column("source", Text, nullable=False),  # of an entry, else nothing
    Column("prev_no", BigInteger, nullable=False),  # the same wallet's movement before this one; 0: none
    Column("prev_at", BigInteger, nullable=False),  # when that one was posted: in which month it is found
)

movement_key = Table(
    "movement_key",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("ref", Text, primary_key=True),  # what the centre itself does is done once, in whatever month
    Column("no", BigInteger, nullable=False),
)

wallet = Table(
    "wallet",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("learner", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("balance", BigInteger, nullable=False),  # all movements with what was waived; below zero is owed
    Column("earned", BigInteger, nullable=False),  # the agents' movements alone, for levels
    Column("last_no", BigInteger, nullable=False),  # its newest movement; 0: none
    Column("due_at", BigInteger),  # no lot of it is over before; NULL: none ever is
    Column("last_at", BigInteger, nullable=False),  # when its newest movement was posted
)

currency = Table(
    "currency",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("decimals", BigInteger, nullable=False),
    Column("spendable", Boolean, nullable=False),
    Column("worth", Text, nullable=False),
    Column("expires_after", BigInteger),  # seconds, for entries to come; NULL is never
    Column("overdraw", Text, nullable=False),
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)

tier = Table(
    "tier",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("name", Text, primary_key=True),  # as rewards name it: small letters and hyphens
    Column("body", Text, nullable=False),
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)

level = Table(
    "level",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("currency", Text, nullable=False),
    Column("least", BigInteger, nullable=False),
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)
