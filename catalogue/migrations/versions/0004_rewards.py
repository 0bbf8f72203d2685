"""Rewards, offers, codes, partners and redemptions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATES = ("reserved", "sending", "doubtful", "resending", "unknown", "fulfilled", "released", "refunded")


def _text(name: str, *, key: bool = False, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=null)


def _whole(name: str, *, key: bool = False, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=null)


def _bytes(name: str, *, key: bool = False, null: bool = False) -> "sa.Column[bytes]":
    return sa.Column(name, sa.LargeBinary, primary_key=key, nullable=null)


def _flag(name: str) -> "sa.Column[bool]":
    return sa.Column(name, sa.Boolean(create_constraint=True, name=f"{name}_is_a_flag"), nullable=False)


def _one_of(name: str, *values: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{name} IN ({', '.join(repr(value) for value in values)})")


def upgrade() -> None:
    _rewards()
    _partners_and_codes()
    _redemptions()
    _steps()
    _guard()


def _rewards() -> None:
    op.create_table(
        "reward",
        _text("campus", key=True),
        _text("reward", key=True),
        _text("state"),
        _text("body"),
        _whole("changed_at"),
        _one_of("state", "draft", "active", "paused", "retired"),
    )
    op.create_table(
        "label",
        _text("campus", key=True),
        _text("kind", key=True),
        _text("name", key=True),
        _text("body"),
        _one_of("kind", "type", "category", "group", "brand", "tier"),
    )
    op.create_table(
        "offer",
        _text("campus", key=True),
        _text("owner", key=True),
        _text("reward", key=True),
        _flag("approved"),
        _whole("approved_at", null=True),
        _whole("taken"),
        sa.CheckConstraint("taken >= 0"),
    )


def _partners_and_codes() -> None:
    op.create_table(
        "code",
        _text("campus", key=True),
        _text("owner", key=True),
        _text("reward", key=True),
        _bytes("digest", key=True),
        _bytes("sealed"),
        _whole("expires_at", null=True),
        _whole("imported_at"),
        _text("redemption", null=True),
    )
    free = sa.text("redemption IS NULL")
    op.create_index(
        "code_free", "code", ["campus", "owner", "reward", "imported_at"], postgresql_where=free, sqlite_where=free
    )
    op.create_table(
        "partner",
        _text("campus", key=True),
        _text("partner", key=True),
        _text("title"),
        _text("url"),
        _flag("repeatable"),
        _whole("timeout_s"),
        _text("state"),
        _whole("failures"),
        _whole("open_until"),
        _one_of("state", "active", "paused"),
    )


def _redemptions() -> None:
    op.create_table(
        "redemption",
        _text("campus", key=True),
        _text("redemption", key=True),
        _text("key"),
        _bytes("asked"),
        _text("learner"),
        _text("owner"),
        _text("reward"),
        _text("title"),
        _text("currency"),
        _whole("amount"),
        _whole("cost_minor"),
        _text("cost_code"),
        _text("funding"),
        _text("handing"),
        _text("partner"),
        _text("state"),
        _whole("attempts"),
        _whole("due_at", null=True),
        _whole("reserved_at"),
        _whole("ended_at", null=True),
        _bytes("voucher", null=True),
        _whole("voucher_expires_at", null=True),
        _bytes("token_digest", null=True),
        _whole("token_used_at", null=True),
        _one_of("state", *_STATES),
        sa.CheckConstraint("amount > 0"),
    )
    op.create_index("redemption_once", "redemption", ["campus", "key"], unique=True)
    op.create_index("redemption_of_reward", "redemption", ["campus", "owner", "reward", "reserved_at"])
    op.create_index("redemption_of_learner", "redemption", ["campus", "learner", "reserved_at"])
    due, token = sa.text("due_at IS NOT NULL"), sa.text("token_digest IS NOT NULL")
    op.create_index("redemption_due", "redemption", ["due_at"], postgresql_where=due, sqlite_where=due)
    op.create_index(
        "redemption_token",
        "redemption",
        ["campus", "token_digest"],
        unique=True,
        postgresql_where=token,
        sqlite_where=token,
    )


def _steps() -> None:
    op.create_table(
        "step",
        _text("campus", key=True),
        _text("redemption", key=True),
        _whole("no", key=True),
        _whole("at"),
        _text("event"),
        _text("state"),
        _text("by"),
        _text("why"),
    )


def _guard() -> None:
    refusal = "step: the books only grow"
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER step_refuses_{act.lower()} BEFORE {act} ON step"
                f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION step_refuses() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER step_refuses BEFORE UPDATE OR DELETE ON step FOR EACH ROW EXECUTE FUNCTION step_refuses()"
    )


def downgrade() -> None:
    raise RuntimeError("redemptions cannot be taken back: restore the backup from before the upgrade")
