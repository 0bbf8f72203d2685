"""Redemptions, and every step that each went."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, LargeBinary, Table, Text

from catalogue.schema.base import metadata

redemption = Table(
    "redemption",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("redemption", Text, primary_key=True),
    Column("key", Text, nullable=False),  # the asker's own name for it: asked again, it is the same redemption
    Column("asked", LargeBinary, nullable=False),  # digest of what was asked under that key
    Column("learner", Text, nullable=False),
    Column("owner", Text, nullable=False),  # the reward's
    Column("reward", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("cost_minor", BigInteger, nullable=False),
    Column("cost_code", Text, nullable=False),
    Column("funding", Text, nullable=False),
    Column("handing", Text, nullable=False),  # display | codes | partner
    Column("partner", Text, nullable=False),
    Column("state", Text, nullable=False),  # catalogue.redemption.states.State
    Column("attempts", BigInteger, nullable=False),
    Column("due_at", BigInteger),  # when the courier looks at it: to send, or because an attempt never came back
    Column("reserved_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("voucher", LargeBinary),  # sealed: what the partner or the pool gave
    Column("voucher_expires_at", BigInteger),
    Column("token_digest", LargeBinary),
    Column("token_used_at", BigInteger),
    Column("category", Text, nullable=False),  # the reward's, for budgets
    Column("month", Text, nullable=False),  # whose budgets paid, as the campus counts; '' where it cost nobody anything
)

# Whoever grants and whoever refuses both write here, and so never both under one key.
wish = Table(
    "wish",
    metadata,
    Column("campus", Text, primary_key=True),
    # Of the redemption that it came to, where it was granted; of kudos or a comment that was refused, after that word.
    Column("key", Text, primary_key=True),
    Column("asked", LargeBinary, nullable=False),
    Column("answered_at", BigInteger, nullable=False),
    Column("status", BigInteger),  # of HTTP; NULL: it was granted
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Index("wish_by_age", "answered_at"),
)

step = Table(
    "step",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("redemption", Text, primary_key=True),
    Column("no", BigInteger, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("state", Text, nullable=False),  # after it
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
)

allowance = Table(
    "allowance",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("redemption", Text, primary_key=True),
    Column("agent", Text, nullable=False),  # for whom it was made beforehand
    Column("epoch", BigInteger, nullable=False),  # and for which life of that agent
    Column("drawn_at", BigInteger, nullable=False),
    Column("ended", Text),  # spent | returned; NULL: the agent has not said
    Column("ended_at", BigInteger),
    ForeignKeyConstraint(["campus", "agent"], ["agent.campus", "agent.agent"]),
)
