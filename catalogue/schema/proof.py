"""Tables of what is proven: the catalogue's own keys, whose each site is, entries accepted later, told pages."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, LargeBinary, Table, Text

from catalogue.schema.base import metadata

catalogue_key = Table(
    "catalogue_key",
    metadata,
    Column("no", BigInteger, primary_key=True, autoincrement=False),  # 1, 2, …: the chain's order
    Column("old", LargeBinary, nullable=False),
    Column("new", LargeBinary, nullable=False),
    Column("by_old", LargeBinary, nullable=False),
    Column("by_new", LargeBinary, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)

site = Table(
    "site",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("site", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("claimed_by", Text),  # another agent that said the site was its own, and was refused
    Column("claimed_at", BigInteger),
    ForeignKeyConstraint(["campus", "agent"], ["agent.campus", "agent.agent"]),
)

accepted_entry = Table(
    "accepted_entry",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("accepted_at", BigInteger, nullable=False),
    Column("accepted_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("no", BigInteger),  # the movement that posted it
)

statement_page = Table(
    "statement_page",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("upto", BigInteger, primary_key=True),  # a page that was told ended at this movement
    Column("head", LargeBinary, nullable=False),
    ForeignKeyConstraint(["campus", "agent"], ["agent.campus", "agent.agent"]),
)
