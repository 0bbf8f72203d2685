"""Tables of safe-keeping: what a campus's recovery key opens again."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, LargeBinary, Table, Text

from catalogue.schema.base import metadata

sealed_person = Table(
    "sealed_person",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("name", Text, primary_key=True),  # the pseudonym
    Column("sealed", LargeBinary, nullable=False),
    Column("kept_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["campus", "agent"], ["agent.campus", "agent.agent"]),
)
