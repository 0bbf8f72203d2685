"""Months: what grows with every entry has the date of its posting, and on PostgreSQL a partition for each month.

What must happen once, in whatever month, has keys in tables of their own.
"""

# ruff: noqa: S608 - own names of tables and columns alone

import calendar

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_KEYS = {
    "entry": "campus, agent, epoch, seq",
    "batch": "campus, agent, epoch, first_seq",
    "movement": "campus, no",
}
_CENTRAL = "kind IN ('spend', 'expiry', 'refund')"
_TOLD = f"{_CENTRAL} OR waived <> 0"
_ENTRY_OF = {
    "sqlite": (
        "substr(ref, 1, instr(ref, '/') - 1)",
        "CAST(substr(ref, instr(ref, '/') + 1 + instr(substr(ref, instr(ref, '/') + 1), '-')) AS INTEGER)",
    ),
    "postgresql": ("split_part(ref, '/', 1)", "CAST(split_part(split_part(ref, '/', 2), '-', 2) AS bigint)"),
}
"""Whose entry a movement's name is, and its seq there: `agent-1/2-17`."""


def _text(name: str, *, key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _whole(name: str, *, key: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=False)


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    _dates(dialect)
    if dialect == "sqlite":
        _fill()
    else:
        _partition()
    op.execute(
        "UPDATE wallet SET last_at = coalesce((SELECT posted_at FROM movement"
        " WHERE movement.campus = wallet.campus AND movement.no = wallet.last_no), 0)"
    )
    _once(dialect)
    for table in ("dated", "posted"):
        op.execute(f"DROP TABLE {table}")


def _dates(dialect: str) -> None:
    """When each batch was posted: with its movements, which may be dated later than it came."""
    agent, seq = _ENTRY_OF[dialect]
    op.execute(
        f"CREATE TEMPORARY TABLE posted AS SELECT campus, {agent} AS agent, {seq} AS seq, posted_at FROM movement"
        f" WHERE NOT ({_CENTRAL}) AND ref LIKE '%/%-%' AND NOT EXISTS"
        " (SELECT 1 FROM accepted_entry AS late WHERE late.no = movement.no AND late.campus = movement.campus)"
    )
    op.execute("CREATE INDEX posted_by_seq ON posted (campus, agent, seq, posted_at)")
    op.execute(
        "CREATE TEMPORARY TABLE dated AS SELECT campus, agent, epoch, first_seq, last_seq, coalesce((SELECT"
        " min(posted.posted_at) FROM posted WHERE posted.campus = batch.campus AND posted.agent = batch.agent"
        " AND posted.seq BETWEEN batch.first_seq AND batch.last_seq), received_at) AS posted_at FROM batch"
    )
    op.execute("CREATE INDEX dated_by_seq ON dated (campus, agent, epoch, first_seq)")
    op.add_column("wallet", sa.Column("last_at", sa.BigInteger, nullable=False, server_default="0"))


def _of_batch(table: str) -> str:
    """When the batch was posted that an entry came in."""
    return (
        f"(SELECT posted_at FROM dated WHERE dated.campus = {table}.campus AND dated.agent = {table}.agent"
        f" AND dated.epoch = {table}.epoch AND dated.first_seq <= {table}.{'first_seq' if table == 'batch' else 'seq'}"
        " ORDER BY dated.first_seq DESC LIMIT 1)"
    )


def _before(table: str) -> str:
    return f"(SELECT posted_at FROM {table} AS one WHERE one.campus = {table}.campus AND one.no = {table}.prev_no)"


def _fill() -> None:
    """A column at the end of each; the triggers that refuse changes are away meanwhile."""
    for table, column, value in (
        ("entry", "posted_at", _of_batch("entry")),
        ("batch", "posted_at", _of_batch("batch")),
        ("movement", "prev_at", _before("movement")),
    ):
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} BIGINT NOT NULL DEFAULT 0")
        op.execute(f"DROP TRIGGER {table}_refuses_update")
        op.execute(f"UPDATE {table} SET {column} = coalesce({value}, 0)")
        op.execute(
            f"CREATE TRIGGER {table}_refuses_update BEFORE UPDATE ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table}: the books only grow'); END"
        )
    op.execute("DROP INDEX movement_once")


def _partition() -> None:
    """Each table is written anew, month by month; what was there is there until all of it is."""
    op.execute("ANALYZE posted")
    op.execute("ANALYZE dated")
    months = _months()
    _rewrite("entry", months, "posted_at", _of_batch("entry"))
    _rewrite("batch", months, "posted_at", _of_batch("batch"))
    joined = " LEFT JOIN movement_before AS one ON one.campus = movement.campus AND one.no = movement.prev_no"
    _rewrite("movement", months, "prev_at", "one.posted_at", joined)
    op.execute("ALTER TABLE batch ADD FOREIGN KEY (campus, agent) REFERENCES agent (campus, agent)")
    told = sa.text(_TOLD)
    op.create_index("movement_told", "movement", ["campus", "no"], postgresql_where=told)
    op.execute(
        "CREATE TRIGGER movement_is_in_an_open_month AFTER INSERT ON movement REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION movement_is_in_an_open_month()"
    )


def _rewrite(table: str, months: "list[tuple[int, int]]", column: str, value: str, joined: str = "") -> None:
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    op.execute(
        f"CREATE TABLE {table} (LIKE {table}_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
        f" {column} bigint NOT NULL) PARTITION BY RANGE (posted_at)"
    )
    op.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")
    for year, month in months:
        first, end = (calendar.timegm((year, month + more, 1, 0, 0, 0)) for more in (0, 1))
        name = f"{table}_{year:04}_{month:02}"
        op.execute(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ({first}) TO ({end})")
    op.execute(f"INSERT INTO {table} SELECT {table}.*, coalesce({value}, 0) FROM {table}_before AS {table}{joined}")
    op.execute(f"DROP TABLE {table}_before")
    op.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({_KEYS[table]}, posted_at)")
    op.execute(
        f"CREATE TRIGGER {table}_refuses BEFORE UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION {table}_refuses()"
    )


def _months() -> list[tuple[int, int]]:
    """Those in which something was posted; the program makes the others before they come."""
    found = op.get_bind().execute(
        sa.text(
            "SELECT DISTINCT CAST(extract(year FROM at) AS integer), CAST(extract(month FROM at) AS integer) FROM"
            " (SELECT to_timestamp(posted_at) AT TIME ZONE 'UTC' AS at FROM (SELECT posted_at FROM dated UNION"
            " SELECT posted_at FROM movement) AS either) AS dates ORDER BY 1, 2"
        )
    )
    return [(year, month) for year, month in found]


def _once(dialect: str) -> None:
    op.create_table(
        "batch_key",
        _text("campus", key=True),
        _text("agent", key=True),
        _whole("epoch", key=True),
        _whole("first_seq", key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        _whole("posted_at"),
    )
    op.create_table("movement_key", _text("campus", key=True), _text("ref", key=True), _whole("no"))
    op.execute("INSERT INTO batch_key SELECT campus, agent, epoch, first_seq, digest, posted_at FROM batch")
    op.execute(f"INSERT INTO movement_key SELECT campus, ref, no FROM movement WHERE {_CENTRAL}")
    for table in ("batch_key", "movement_key"):
        refusal = f"{table}: the books only grow"
        if dialect == "sqlite":
            for act in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_refuses_{act.lower()} BEFORE {act} ON {table}"
                    f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
                )
            continue
        op.execute(
            f"CREATE FUNCTION {table}_refuses() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuses BEFORE UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {table}_refuses()"
        )


def downgrade() -> None:
    raise RuntimeError("months cannot be put together again: restore the backup from before the upgrade")
