"""Who pays: policies, budgets, what was spent of them; and each redemption's category and month."""

import datetime as dt
import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_OF_TENANT = ("campus",), ("tenant.campus",)
_PLACE = ("campus", "month", "scope", "name", "code")


def _text(name: str, *, key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _whole(name: str, *, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=null)


def upgrade() -> None:
    op.create_table(
        "policy",
        _text("campus", key=True),
        _text("timezone"),
        _text("funded_only"),
        sa.ForeignKeyConstraint(*_OF_TENANT),
    )
    op.create_table(
        "budget",
        *(_text(name, key=True) for name in ("campus", "scope", "name", "code")),
        _whole("monthly"),
        sa.Column("stop", sa.Boolean(create_constraint=True, name="stop_is_a_flag"), nullable=False),
        _text("alerts"),
        sa.ForeignKeyConstraint(*_OF_TENANT),
        sa.CheckConstraint("monthly >= 0", name="budget_is_no_debt"),
    )
    op.create_table(
        "spending",
        *(_text(name, key=True) for name in _PLACE),
        _whole("spent"),
        sa.CheckConstraint("spent >= 0", name="spending_is_no_income"),
    )
    op.create_table(
        "budget_alert",
        *(_text(name, key=True) for name in (*_PLACE, "what")),
        _whole("at"),
        _whole("spent"),
        _whole("monthly"),
        _whole("told_at", null=True),
    )
    untold = sa.text("told_at IS NULL")
    op.create_index("budget_alert_untold", "budget_alert", ["campus"], sqlite_where=untold, postgresql_where=untold)
    for name in ("category", "month"):
        op.add_column("redemption", sa.Column(name, sa.Text, nullable=False, server_default=""))
    _rewards_say_who_pays()
    _what_was_spent_counts()


def _rewards_say_who_pays() -> None:
    """What costs the institution nothing has no cost, and what costs it nothing is not shared."""
    conn = op.get_bind()
    for campus, name, body in conn.execute(sa.text("SELECT campus, reward, body FROM reward")).all():
        said = json.loads(body)
        if said.get("funding") == "discount":
            said["cost"] = None
        elif said.get("funding") == "hybrid" and not said.get("cost"):
            said["funding"] = "institution"
        values = {"campus": campus, "reward": name, "body": json.dumps(said, ensure_ascii=False)}
        conn.execute(sa.text("UPDATE reward SET body = :body WHERE campus = :campus AND reward = :reward"), values)


def _what_was_spent_counts() -> None:
    """Redemptions of before count in the month (UTC) in which they were reserved."""
    conn = op.get_bind()
    bodies = {
        (campus, name): json.loads(body)
        for campus, name, body in conn.execute(sa.text("SELECT campus, reward, body FROM reward")).all()
    }
    spent: dict[tuple[str, ...], int] = {}
    wanted = "SELECT * FROM redemption WHERE cost_minor > 0 AND funding <> 'discount'"
    for row in conn.execute(sa.text(wanted)).all():
        month = dt.datetime.fromtimestamp(row.reserved_at, tz=dt.UTC).strftime("%Y-%m")
        category = bodies.get((row.owner, row.reward), {}).get("category", "general")
        values = {"campus": row.campus, "redemption": row.redemption, "category": category, "month": month}
        conn.execute(
            sa.text(
                "UPDATE redemption SET category = :category, month = :month"
                " WHERE campus = :campus AND redemption = :redemption"
            ),
            values,
        )
        unused = row.handing == "display" and row.token_used_at is None
        if row.state == "released" or (row.state == "refunded" and unused):
            continue
        for scope, name in (("campus", ""), ("category", category), ("reward", row.reward)):
            where = (row.campus, month, scope, name, row.cost_code)
            spent[where] = spent.get(where, 0) + row.cost_minor
    for place, minor in spent.items():
        said = dict(zip(_PLACE, place, strict=True)) | {"spent": minor}
        conn.execute(sa.text("INSERT INTO spending VALUES (:campus, :month, :scope, :name, :code, :spent)"), said)


def downgrade() -> None:
    for name in ("month", "category"):
        op.drop_column("redemption", name)
    for table in ("budget_alert", "spending", "budget", "policy"):
        op.drop_table(table)
