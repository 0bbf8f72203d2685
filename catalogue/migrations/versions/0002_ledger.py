"""The central ledger of movements, which refuses to be changed, and wallets that follow from it."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KINDS = ("award", "reversal", "adjustment", "spend", "expiry", "refund")
_OF_TENANT = ("campus",), ("tenant.campus",)
_CENTRAL = "kind IN ('spend', 'expiry', 'refund')"
_PAGE_ROWS = 1000


def _text(name: str, *, key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _whole(name: str, *, key: bool = False, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=null)


def _flag(name: str) -> "sa.Column[bool]":
    return sa.Column(name, sa.Boolean(create_constraint=True, name=f"{name}_is_a_flag"), nullable=False)


def upgrade() -> None:
    op.drop_table("wallet")
    _ledger()
    _wallets()
    _post_what_came_in()
    _guard()


def _ledger() -> None:
    op.create_table(
        "ledger", _text("campus", key=True), _whole("no"), _whole("posted_at"), sa.ForeignKeyConstraint(*_OF_TENANT)
    )
    op.create_table(
        "movement",
        _text("campus", key=True),
        _whole("no", key=True),
        _whole("posted_at"),
        _text("learner"),
        _text("currency"),
        _text("kind"),
        _whole("amount"),
        _whole("waived"),
        _text("ref"),
        _text("about"),
        _whole("occurred_at"),
        _whole("expires_at", null=True),
        _flag("owe"),
        _text("rule"),
        _text("source"),
        _whole("prev_no"),
        sa.CheckConstraint(f"kind IN ({', '.join(repr(kind) for kind in _KINDS)})"),
        sa.CheckConstraint("prev_no >= 0 AND prev_no < no"),
        sa.CheckConstraint("amount < 0 OR kind NOT IN ('spend', 'expiry')"),
        sa.CheckConstraint("amount > 0 OR kind <> 'refund'"),
    )
    central = sa.text(_CENTRAL)
    op.create_index(
        "movement_once", "movement", ["campus", "ref"], unique=True, postgresql_where=central, sqlite_where=central
    )


def _wallets() -> None:
    op.create_table(
        "wallet",
        _text("campus", key=True),
        _text("learner", key=True),
        _text("currency", key=True),
        _whole("balance"),
        _whole("earned"),
        _whole("last_no"),
        _whole("due_at", null=True),
        postgresql_with={"fillfactor": 70},  # room for the next balance on the same page
    )
    due = sa.text("due_at IS NOT NULL")
    op.create_index("wallet_due", "wallet", ["campus", "due_at"], postgresql_where=due, sqlite_where=due)
    op.create_table(
        "currency",
        _text("campus", key=True),
        _text("currency", key=True),
        _text("title"),
        _whole("decimals"),
        _flag("spendable"),
        _text("worth"),
        _whole("expires_after", null=True),
        _text("overdraw"),
        sa.CheckConstraint("overdraw IN ('owe', 'forgive')"),
        sa.ForeignKeyConstraint(*_OF_TENANT),
    )
    op.create_table(
        "level",
        _text("campus", key=True),
        _text("name", key=True),
        _text("currency"),
        _whole("least"),
        sa.ForeignKeyConstraint(*_OF_TENANT),
    )


def _post_what_came_in() -> None:
    """Entries of before have no terms: what they gave never expires. Dated when their batch came."""
    conn = op.get_bind()
    campuses = conn.execute(sa.text("SELECT campus FROM tenant ORDER BY campus")).scalars().all()
    for campus in campuses:
        _post_campus(conn, campus)


def _post_campus(conn: sa.Connection, campus: str) -> None:
    came = conn.execute(
        sa.text(
            "SELECT e.agent, e.body, b.received_at FROM batch b JOIN entry e ON e.campus = b.campus"
            " AND e.agent = b.agent AND e.epoch = b.epoch AND e.seq BETWEEN b.first_seq AND b.last_seq"
            " WHERE b.campus = :campus AND e.rejected IS NULL"
            " ORDER BY b.received_at, b.agent, b.epoch, b.first_seq, e.seq"
        ),
        {"campus": campus},
    ).all()
    wallets: dict[tuple[str, str], dict[str, object]] = {}
    rows = []
    for no, (agent, body, received_at) in enumerate(came, start=1):
        fields = json.loads(bytes(body))
        key = fields["learner"], fields["currency"]
        empty = {"balance": 0, "earned": 0, "last_no": 0}
        wallet = wallets.setdefault(key, {"campus": campus, "learner": key[0], "currency": key[1], **empty})
        rows.append(_row(campus, no, agent, fields, received_at, int(str(wallet["last_no"]))))
        for name in ("balance", "earned"):
            wallet[name] = int(str(wallet[name])) + fields["amount"]
        wallet["last_no"] = no
    for start in range(0, len(rows), _PAGE_ROWS):
        _insert(conn, "movement", rows[start : start + _PAGE_ROWS])
    _insert(conn, "wallet", list(wallets.values()))
    if rows:
        _insert(conn, "ledger", [{"campus": campus, "no": len(rows), "posted_at": rows[-1]["posted_at"]}])


def _row(
    campus: str, no: int, agent: str, fields: dict[str, object], received_at: int, prev_no: int
) -> dict[str, object]:
    same = {name: fields[name] for name in ("learner", "currency", "kind", "amount", "rule", "source", "occurred_at")}
    return same | {
        "campus": campus,
        "no": no,
        "posted_at": received_at,
        "waived": 0,
        "ref": f"{agent}/{fields['entry_id']}",
        "about": f"{agent}/{fields['reverses']}" if fields["reverses"] else "",
        "owe": True,
        "prev_no": prev_no,
    }


def _insert(conn: sa.Connection, table: str, rows: list[dict[str, object]]) -> None:
    if rows:
        marks = ", ".join(f":{name}" for name in rows[0])
        conn.execute(sa.text(f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({marks})"), rows)  # noqa: S608 - own names


def _guard() -> None:
    refusal = "movement: the books only grow"
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER movement_refuses_{act.lower()} BEFORE {act} ON movement"
                f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION movement_refuses() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER movement_refuses BEFORE UPDATE OR DELETE ON movement"
        " FOR EACH ROW EXECUTE FUNCTION movement_refuses()"
    )


def downgrade() -> None:
    raise RuntimeError("the ledger cannot be taken back: restore the backup from before the upgrade")
