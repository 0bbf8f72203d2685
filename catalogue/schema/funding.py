"""What campuses pay for: their policies, budgets for each month, what was spent of them, and what was told about it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Table, Text

from catalogue.schema.base import COUNTED, metadata

policy = Table(
    "policy",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("timezone", Text, nullable=False),  # where its months and days are counted
    Column("funded_only", Text, nullable=False),  # types of rewards that a budget must pay for; '*' is all, '' none
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)

budget = Table(
    "budget",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("scope", Text, primary_key=True),  # campus | category | reward
    Column("name", Text, primary_key=True),  # of the category or the reward; '' for the campus
    Column("code", Text, primary_key=True),  # ISO 4217
    Column("monthly", BigInteger, nullable=False),  # hundredths
    Column("stop", Boolean, nullable=False),  # nothing is given beyond it
    Column("alerts", Text, nullable=False),  # per cent at which somebody is told, separated by a space
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)

spending = Table(
    "spending",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("month", Text, primary_key=True),  # 2026-09, as the campus counts
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("spent", BigInteger, nullable=False),  # hundredths, by redemptions that hold or held
)

budget_alert = Table(
    "budget_alert",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("what", Text, primary_key=True),  # the per cent that were reached, or 'stop': somebody was refused
    Column("at", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("monthly", BigInteger, nullable=False),
    Column("told_at", BigInteger),  # when a server wrote it into its log
)

issue_limit = Table(
    "issue_limit",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("per_day", BigInteger, nullable=False),  # smallest units that its agents may give on one day
    Column(
        "day", Text, nullable=False, info=COUNTED
    ),  # the newest day, as the campus counts, on which something was given
    Column("issued", BigInteger, nullable=False, info=COUNTED),  # on that day
    ForeignKeyConstraint(["campus"], ["tenant.campus"]),
)
