"""Rewards, the names they are sorted by, what each campus offers of them, codes to give out, and partners.

Their campus is their owner; ``*`` owns what every campus may use. Offers and codes are always a campus's own, so that
spending never waits for another campus.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, Table, Text

from catalogue.schema.base import COUNTED, metadata

reward = Table(
    "reward",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("reward", Text, primary_key=True),
    Column("state", Text, nullable=False),  # draft | active | paused | retired
    Column("body", Text, nullable=False),  # catalogue.rewards.model.Reward as JSON
    Column("changed_at", BigInteger, nullable=False),
    Column("type", Text, nullable=False),  # as the body has it, like the category
    Column("category", Text, nullable=False),
)

label = Table(
    "label",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # type | category | group | brand | tier
    Column("name", Text, primary_key=True),
    Column("body", Text, nullable=False),  # catalogue.rewards.model.Label as JSON
)

offer = Table(
    "offer",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("owner", Text, primary_key=True),  # the reward's
    Column("reward", Text, primary_key=True),
    Column("approved", Boolean, nullable=False),
    Column("approved_at", BigInteger),
    Column("taken", BigInteger, nullable=False, info=COUNTED),  # of the stock, by redemptions that hold or had it
)

code = Table(
    "code",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("owner", Text, primary_key=True),
    Column("reward", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),  # keyed: the same code is imported once
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", BigInteger),
    Column("imported_at", BigInteger, nullable=False),
    Column("redemption", Text),  # who got it; NULL: free; '-': held back
)

partner = Table(
    "partner",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("partner", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("repeatable", Boolean, nullable=False),  # the same order again is the same order there
    Column("timeout_s", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # active | paused
    Column("failures", BigInteger, nullable=False, info=COUNTED),  # in a row
    Column("open_until", BigInteger, nullable=False, info=COUNTED),  # nothing is sent before
)
