"""A campus may be closed for good."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _states("active", "suspended", "closed")


def downgrade() -> None:
    op.execute("UPDATE tenant SET state = 'suspended' WHERE state = 'closed'")
    _states("active", "suspended")


def _states(*states: str) -> None:
    among = f"state IN ({', '.join(repr(state) for state in states)})"
    if op.get_bind().dialect.name != "sqlite":
        op.execute("ALTER TABLE tenant DROP CONSTRAINT IF EXISTS tenant_state_check")
        op.execute("ALTER TABLE tenant DROP CONSTRAINT IF EXISTS tenant_state")
        op.create_check_constraint("tenant_state", "tenant", sa.text(among))
        return
    # SQLite changes no constraint: the table is made again. Until its rows are back, those that refer to them wait.
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute("CREATE TEMPORARY TABLE tenant_before AS SELECT * FROM tenant")
    op.drop_table("tenant")
    op.create_table(
        "tenant",
        sa.Column("campus", sa.Text, primary_key=True, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("title", "environment", "state")),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.CheckConstraint(among, name="tenant_state"),
    )
    op.execute("INSERT INTO tenant SELECT campus, title, environment, state, created_at FROM tenant_before")
    op.execute("DROP TABLE tenant_before")
