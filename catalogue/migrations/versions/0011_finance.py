"""Months that are closed: neither they nor the movements in them can be changed, and nothing is posted into them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SUMS = ("opening", "awarded", "adjusted", "spent", "refunded", "expired", "reversed", "closing")


def _text(name: str, *, key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _whole(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False)


def upgrade() -> None:
    op.create_table(
        "closed_month",
        _text("campus", key=True),
        _text("month", key=True),
        *(_whole(name) for name in ("ends_at", "first_no", "last_no", "closed_at")),
        _text("closed_by"),
        sa.ForeignKeyConstraint(("campus",), ("tenant.campus",)),
    )
    op.create_table(
        "month_line",
        *(_text(name, key=True) for name in ("campus", "month", "currency")),
        *(_whole(name) for name in _SUMS),
        _text("worth"),
        sa.ForeignKeyConstraint(("campus", "month"), ("closed_month.campus", "closed_month.month")),
        sa.CheckConstraint(
            "opening + awarded + adjusted - (spent - refunded) - expired - reversed = closing", name="a_month_adds_up"
        ),
    )
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgres()


def _guard_sqlite() -> None:
    for table in ("closed_month", "month_line"):
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuses_{event.lower()} BEFORE {event} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table}: what is closed stays as it is'); END"
            )
    op.execute(
        "CREATE TRIGGER movement_is_in_an_open_month BEFORE INSERT ON movement"
        " WHEN NEW.posted_at < (SELECT max(ends_at) FROM closed_month WHERE campus = NEW.campus)"
        " BEGIN SELECT RAISE(ABORT, 'movement: its month is closed'); END"
    )


def _guard_postgres() -> None:
    for table in ("closed_month", "month_line"):
        op.execute(
            f"CREATE FUNCTION {table}_refuses() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{table}: what is closed stays as it is'; END $$"
        )
        for event in ("UPDATE OR DELETE ON {0} FOR EACH ROW", "TRUNCATE ON {0} FOR EACH STATEMENT"):
            name = f"{table}_refuses_{event.split()[0].lower()}"
            op.execute(f"CREATE TRIGGER {name} BEFORE {event.format(table)} EXECUTE FUNCTION {table}_refuses()")
    # One look for each statement, however many rows it brings: COPY is a statement too.
    op.execute(
        "CREATE FUNCTION movement_is_in_an_open_month() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF EXISTS (SELECT FROM (SELECT campus, min(posted_at) AS earliest FROM added GROUP BY campus) AS brought"
        " JOIN closed_month ON closed_month.campus = brought.campus AND closed_month.ends_at > brought.earliest)"
        " THEN RAISE EXCEPTION 'movement: its month is closed'; END IF; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER movement_is_in_an_open_month AFTER INSERT ON movement REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION movement_is_in_an_open_month()"
    )


def downgrade() -> None:
    raise RuntimeError("closed months cannot be opened: restore the backup from before the upgrade")
