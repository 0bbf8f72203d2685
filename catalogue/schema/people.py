"""Tables of persons: sealed copies, what they are called, and who with wallets at several agents is one person."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, LargeBinary, Table, Text

from catalogue.schema.base import metadata

person_tag = Table(
    "person_tag",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("name", Text, primary_key=True),  # the pseudonym
    Column("said_by", Text, primary_key=True),  # idnumber | username | email
    Column("tag", Text, primary_key=True),  # a MAC under the campus's link key, which is not here
    Column("shared", Boolean, nullable=False),  # a system gives it to several accounts
    Column("key", Text, nullable=False),  # which link key
    ForeignKeyConstraint(["campus", "agent"], ["agent.campus", "agent.agent"]),
)

link = Table(
    "link",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("name", Text, primary_key=True),  # whose wallets are one purse with those of the purse's other names
    Column("agent", Text, nullable=False),  # who told of it
    Column("purse", Text, nullable=False),  # the first name in it
    Column("account_of", Text, nullable=False),  # the name that this account was merged into at its agent, or nothing
    Column("linked_at", BigInteger, nullable=False),
    Column("linked_by", Text, nullable=False),
    Column("why", Text, nullable=False),
)

link_held = Table(
    "link_held",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("others", Text, nullable=False),  # the names that it may be one person with, as JSON
    Column("reason", Text, nullable=False),
    Column("held_at", BigInteger, nullable=False),
)

link_apart = Table(
    "link_apart",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("other", Text, primary_key=True),  # the same pair is not there the other way round: name < other
    Column("apart_at", BigInteger, nullable=False),
    Column("apart_by", Text, nullable=False),
    Column("why", Text, nullable=False),
)

link_change = Table(
    "link_change",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("no", BigInteger, nullable=False),  # the newest change of what holds of this name
)

link_head = Table(
    "link_head",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("no", BigInteger, nullable=False),  # the newest change
)

spend_leg = Table(
    "spend_leg",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("spend", Text, primary_key=True),  # what was taken from several wallets, or from another than the asker's
    Column("no", BigInteger, primary_key=True),
    Column("learner", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
)

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

name_register = Table(
    "name_register",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("register", Text, nullable=False),  # made at random: another one holds nothing of what was told before
    Column("withdrawn_at", BigInteger, nullable=False),  # what was told until then holds no more
    ForeignKeyConstraint(["campus", "agent"], ["agent.campus", "agent.agent"]),
)

person_name = Table(
    "person_name",
    metadata,
    Column("campus", Text, primary_key=True),
    Column("learner", Text, primary_key=True),  # the pseudonym
    Column("agent", Text, nullable=False),  # who told it
    Column("name", Text, nullable=False),  # empty: taken away
    Column("folded", Text, nullable=False),  # the name, for a search that asks for no case
    Column("said_by", Text, nullable=False),  # username | email
    Column("told_at", BigInteger, nullable=False),
    Column("gone_at", BigInteger),  # when it was taken away
    ForeignKeyConstraint(["campus", "agent"], ["agent.campus", "agent.agent"]),
)

erased_from = Table(
    "erased_from",
    metadata,
    Column("campus", Text, primary_key=True),  # '*' where nobody noted whose
    Column("name", Text, primary_key=True),  # of a table in whose files somebody erased may be left
    Column("times", BigInteger, nullable=False),  # how often somebody was erased from it since they were made
    Column("since", BigInteger, nullable=False),  # when the first of them was
)

UNCOPIED = (person_name, name_register, erased_from)
"""What no backup holds: of names an erasure need not reach any, and agents tell them anew; new files hold nobody."""
