"""Tables of PostgreSQL in whose files somebody who was erased may be left, until they are written anew.

Nobody noted it before: large ones were only vacuumed then, so they count as due.
"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_NAMING_PERSONS = (
    *("sealed_person", "person_name", "person_tag", "link", "link_held", "link_apart", "link_change"),
    *("recognition", "recognition_choice", "remark", "liking"),
)
_LARGE = sa.text(
    "INSERT INTO erased_from (campus, name, times, since)"
    " SELECT '*', name, 1, :now FROM unnest(CAST(:names AS text[])) name"
    " WHERE pg_table_size(to_regclass(name)) > 67108864"
)


def upgrade() -> None:
    op.create_table(
        "erased_from",
        sa.Column("campus", sa.Text, primary_key=True, nullable=False),
        sa.Column("name", sa.Text, primary_key=True, nullable=False),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.execute(_LARGE, {"now": int(time.time()), "names": list(_NAMING_PERSONS)})


def downgrade() -> None:
    op.drop_table("erased_from")
