"""What agents are told of the centre's movements: an index to find them, and where pages ended."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TOLD = "kind IN ('spend', 'expiry', 'refund') OR waived <> 0"


def upgrade() -> None:
    told = sa.text(_TOLD)
    op.create_index("movement_told", "movement", ["campus", "no"], postgresql_where=told, sqlite_where=told)
    op.create_table(
        "statement_page",
        sa.Column("campus", sa.Text, primary_key=True),
        sa.Column("agent", sa.Text, primary_key=True),
        sa.Column("upto", sa.BigInteger, primary_key=True),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(("campus", "agent"), ("agent.campus", "agent.agent")),
    )
    op.add_column("accepted_entry", sa.Column("no", sa.BigInteger))
    # An entry has one name on the wire, whatever epoch it came in: <agent>/<epoch>-<seq>.
    op.execute(
        "UPDATE accepted_entry SET no = (SELECT min(m.no) FROM movement m WHERE m.campus = accepted_entry.campus"
        " AND m.kind IN ('award', 'reversal', 'adjustment')"
        " AND m.ref LIKE accepted_entry.agent || '/%-' || CAST(accepted_entry.seq AS TEXT))"
    )


def downgrade() -> None:
    op.drop_column("accepted_entry", "no")
    op.drop_table("statement_page")
    op.drop_index("movement_told", "movement")
