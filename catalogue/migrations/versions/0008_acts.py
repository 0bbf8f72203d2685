"""Administrative acts: a table that refuses to be changed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _text(name: str, *, key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def upgrade() -> None:
    op.create_table(
        "act",
        _text("campus", key=True),
        sa.Column("no", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        _text("by"),
        _text("act"),
        _text("about"),
        _text("why"),
        _text("before"),
        _text("after"),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "act_head",
        _text("campus", key=True),
        sa.Column("no", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    refusal = "act: what was done is not undone"
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER act_refuses_{event.lower()} BEFORE {event} ON act"
                f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION act_refuses() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    for event in ("UPDATE OR DELETE ON act FOR EACH ROW", "TRUNCATE ON act FOR EACH STATEMENT"):
        name = f"act_refuses_{event.split()[0].lower()}"
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} EXECUTE FUNCTION act_refuses()")


def downgrade() -> None:
    raise RuntimeError("what was done cannot be taken back: restore the backup from before the upgrade")
