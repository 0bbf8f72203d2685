"""Who recognised whom: kudos and awards, what was said and liked, tags, and what campuses and learners choose.

Free text stands in one table, which is in no chain, so that it can be taken away (docs/adr/0084).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from catalogue.schema.base import metadata

recognition_head = Table(
    "recognition_head",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("no", BigInteger, nullable=False),  # the last number given out
)

recognition = Table(
    "recognition",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("no", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),  # the asker's own name for it: asked again, it is the same one
    Column("kind", Text, nullable=False),  # kudos | award
    Column("giver", Text, nullable=False),  # pseudonym; '' where the campus itself gave it, or the giver was erased
    Column("receiver", Text, nullable=False),  # pseudonym; '' once erased
    Column("about", Text, nullable=False),  # the tag of kudos, the badge of an award
    Column("seen", Text, nullable=False),  # campus | pair | anonymous
    Column("given_at", BigInteger, nullable=False),
    Column("given_by", Text, nullable=False),  # operator NAME | token NAME | agent NAME
    Column("state", Text, nullable=False),  # shown | hidden | revoked | erased
    Column("ended_no", BigInteger),  # revoked as this number
    Column("ended_at", BigInteger),  # when it was hidden or revoked
    Column("ended_by", Text, nullable=False),
    Column("why", Text, nullable=False),
)

remark = Table(
    "remark",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("recognition", BigInteger, primary_key=True, autoincrement=False),
    Column("no", BigInteger, primary_key=True, autoincrement=False),  # 0: the message that it was given with
    Column("key", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # shown | hidden
    Column("text", Text, nullable=False),  # '': its author took it away
)

liking = Table(
    "liking",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("recognition", BigInteger, primary_key=True, autoincrement=False),
    Column("learner", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

kudos_tag = Table(
    "kudos_tag",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("state", Text, nullable=False),  # offered | blocked
    Column("changed_at", BigInteger, nullable=False),
)

recognition_policy = Table(
    "recognition_policy",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("body", Text, nullable=False),  # catalogue.recognition.policy.Policy as JSON
)

recognition_choice = Table(
    "recognition_choice",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("learner", Text, primary_key=True),
    Column("shown", Text, nullable=False),  # pair | none; no row: campus
    Column("at", BigInteger, nullable=False),
)
