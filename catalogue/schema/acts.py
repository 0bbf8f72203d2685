"""Administrative acts, which only grow, and where each campus's chain of them ends."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text

from catalogue.schema.base import metadata

act = Table(
    "act",
    metadata,
    Column("campus", Text, primary_key=True),  # '*' for what concerns every campus
    Column("no", BigInteger, primary_key=True, autoincrement=False),  # without gaps
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),  # operator NAME | token NAME | agent NAME
    Column("act", Text, nullable=False),  # reward.change, tenant.suspend, …
    Column("about", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("before", Text, nullable=False),  # JSON by row: what was there and is not any more
    Column("after", Text, nullable=False),  # JSON by row: what is there now and was not
    Column("hash", LargeBinary, nullable=False),  # over the one before and this
)

act_head = Table(
    "act_head",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("no", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
