"""The tokens with which other programs read a campus's books."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, LargeBinary, Table, Text

from catalogue.schema.base import metadata

api_token = Table(
    "api_token",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the secret, which is kept nowhere
    Column("scopes", Text, nullable=False),  # separated by a space
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("per_minute", BigInteger, nullable=False),  # requests, in each process
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)
