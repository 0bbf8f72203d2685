"""A wallet that is carried over from the archive says whose it is, so that its campus hears what becomes of it.

Of those that are there the newest credit tells it. Where statements ended that were told without such lines is
forgotten: agents that heard them go back to where the archive ends and hear what was left out.
"""

import json
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_FORGET = sa.text(
    "DELETE FROM statement_page WHERE upto > (SELECT max(last_no) FROM archived_month"
    " WHERE archived_month.campus = statement_page.campus AND gone_at IS NOT NULL)"
)


def upgrade() -> None:
    for name in ("entry", "agent"):
        op.add_column("carried_wallet", sa.Column(name, sa.Text, nullable=False, server_default=""))
    names = ("campus", "no", "account", "entry", "agent")
    carried = sa.table("carried_wallet", *(sa.column(name) for name in names))
    connection = op.get_bind()
    for key in connection.execute(sa.select(carried.c.campus, carried.c.no)).all():
        mine = (carried.c.campus == key.campus, carried.c.no == key.no)
        account = connection.execute(sa.select(carried.c.account).where(*mine)).scalar_one()
        _, _, lots, *_ = json.loads(zlib.decompress(bytes(account)))
        entry = lots[-1][0] if lots else ""
        whose = {"entry": entry, "agent": entry.partition("/")[0]}
        connection.execute(sa.update(carried).where(*mine).values(whose))
    connection.execute(_FORGET)


def downgrade() -> None:
    for name in ("entry", "agent"):
        op.drop_column("carried_wallet", name)
