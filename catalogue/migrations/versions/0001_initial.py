"""Tenants, agents, batches, entries, wallets; entries and batches refuse to be changed."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_GUARDED = ("entry", "batch")


def _text(name: str, *, key: bool = False, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=null)


def _whole(name: str, *, key: bool = False, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=null)


def _bytes(name: str, *, key: bool = False) -> "sa.Column[bytes]":
    return sa.Column(name, sa.LargeBinary, primary_key=key, nullable=False)


def _one_of(name: str, *values: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{name} IN ({', '.join(repr(value) for value in values)})")


def upgrade() -> None:
    _tenants_and_agents()
    _books()
    for table in _GUARDED:
        _guard(table)


def _tenants_and_agents() -> None:
    of_tenant = ("campus",), ("tenant.campus",)
    of_agent = ("campus", "agent"), ("agent.campus", "agent.agent")
    op.create_table(
        "tenant",
        _text("campus", key=True),
        _text("title"),
        _text("environment"),
        _text("state"),
        _whole("created_at"),
        _one_of("state", "active", "suspended"),
    )
    op.create_table(
        "enrolment",
        _text("campus", key=True),
        _bytes("token_digest", key=True),
        _whole("expires_at"),
        _text("agent", null=True),
        _text("fingerprint", null=True),
        _whole("used_at", null=True),
        sa.ForeignKeyConstraint(*of_tenant),
    )
    op.create_table(
        "agent",
        _text("campus", key=True),
        _text("agent", key=True),
        _text("state"),
        _whole("epoch"),
        _whole("seq"),
        _bytes("head"),
        _whole("created_at"),
        _whole("heard_at", null=True),
        _one_of("state", "active", "revoked"),
        sa.ForeignKeyConstraint(*of_tenant),
    )
    op.create_table(
        "agent_key",
        _text("campus", key=True),
        _text("agent", key=True),
        _text("fingerprint", key=True),
        _bytes("public"),
        _text("state"),
        _text("replaced_by", null=True),
        _whole("created_at"),
        _one_of("state", "active", "retired"),
        sa.ForeignKeyConstraint(*of_agent),
    )


def _books() -> None:
    op.create_table(
        "batch",
        _text("campus", key=True),
        _text("agent", key=True),
        _whole("epoch", key=True),
        _whole("first_seq", key=True),
        _whole("last_seq"),
        _bytes("digest"),
        _bytes("header"),
        _bytes("previous"),
        _bytes("head"),
        _bytes("receipt"),
        _text("signature"),
        _whole("received_at"),
        sa.CheckConstraint("last_seq >= first_seq"),
        sa.ForeignKeyConstraint(("campus", "agent"), ("agent.campus", "agent.agent")),
    )
    op.create_table(
        "entry",
        _text("campus", key=True),
        _text("agent", key=True),
        _whole("epoch", key=True),
        _whole("seq", key=True),
        _bytes("body"),
        _text("rejected", null=True),
    )
    op.create_table(
        "wallet",
        _text("campus", key=True),
        _text("learner", key=True),
        _text("currency", key=True),
        _whole("balance"),
    )


def _guard(table: str) -> None:
    refusal = f"{table}: the books only grow"
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuses_{act.lower()} BEFORE {act} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuses() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_refuses BEFORE UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION {table}_refuses()"
    )


def downgrade() -> None:
    for table in ("wallet", "entry", "batch", "agent_key", "agent", "enrolment", "tenant"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        for table in _GUARDED:
            op.execute(f"DROP FUNCTION {table}_refuses()")
