"""Campuses, their agents, and what the agents sent."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, LargeBinary, Table, Text

from catalogue.schema.base import COUNTED, metadata

tenant = Table(
    "tenant",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("state", Text, nullable=False),  # active | suspended | closed
    Column("created_at", BigInteger, nullable=False),
)

enrolment = Table(
    "enrolment",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("token_digest", LargeBinary, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Column("agent", Text),
    Column("fingerprint", Text),
    Column("used_at", BigInteger),
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)

agent = Table(
    "agent",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("state", Text, nullable=False),  # active | revoked
    Column("epoch", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False, info=COUNTED),
    Column("head", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("heard_at", BigInteger, info=COUNTED),
    Column("skew_s", BigInteger, info=COUNTED),  # how far its clock was ahead of ours when it last delivered
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)

agent_key = Table(
    "agent_key",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("public", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),  # active | retired
    Column("replaced_by", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),  # the first one that it signs
    ForeignKeyConstraint(["campus", "agent"], ["agent.campus", "agent.agent"]),
)

batch = Table(
    "batch",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("receipt", LargeBinary, nullable=False),
    Column("signature", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("posted_at", BigInteger, primary_key=True),  # the date of its movements: whose month it belongs to
    ForeignKeyConstraint(["campus", "agent"], ["agent.campus", "agent.agent"]),
)

batch_key = Table(
    "batch_key",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),  # nothing is taken twice, in whatever month it comes again
    Column("digest", LargeBinary, nullable=False),
    Column("posted_at", BigInteger, nullable=False),  # where the batch is
)

entry = Table(
    "entry",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("rejected", Text),  # why it moved no wallet; NULL for posted entries
    Column("posted_at", BigInteger, primary_key=True),  # its batch's
)
