"""Recognition: kudos and awards, remarks, likes, tags, policies and choices."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def _text(name: str, *, key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _whole(name: str, *, key: bool = False, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, primary_key=key, autoincrement=False, nullable=nullable)


def upgrade() -> None:
    _recognitions()
    _remarks()
    _choosing()


def _recognitions() -> None:
    op.create_table("recognition_head", _text("campus", key=True), _whole("no"))
    op.create_table(
        "recognition",
        _text("campus", key=True),
        _whole("no", key=True),
        *(_text(name) for name in ("key", "kind", "giver", "receiver", "about", "seen")),
        _whole("given_at"),
        _text("given_by"),
        _text("state"),
        _whole("ended_no", nullable=True),
        _whole("ended_at", nullable=True),
        _text("ended_by"),
        _text("why"),
        sa.CheckConstraint("kind IN ('kudos', 'award')", name="recognition_kind"),
        sa.CheckConstraint("seen IN ('campus', 'pair', 'anonymous')", name="recognition_seen"),
        sa.CheckConstraint("state IN ('shown', 'hidden', 'revoked', 'erased')", name="recognition_state"),
        sa.CheckConstraint("giver = '' OR giver <> receiver", name="recognition_of_others"),
    )
    op.create_index("recognition_key", "recognition", ["campus", "key"], unique=True)
    op.create_index("recognition_ended", "recognition", ["campus", "ended_no"])
    op.create_index("recognition_giver", "recognition", ["campus", "giver", "given_at"])
    op.create_index("recognition_receiver", "recognition", ["campus", "receiver", "no"])
    op.create_index("recognition_at", "recognition", ["campus", "given_at"])


def _remarks() -> None:
    op.create_table(
        "remark",
        _text("campus", key=True),
        _whole("recognition", key=True),
        _whole("no", key=True),
        _text("key"),
        _text("author"),
        _whole("at"),
        _text("state"),
        _text("text"),
        sa.CheckConstraint("state IN ('shown', 'hidden')", name="remark_state"),
    )
    op.create_index("remark_author", "remark", ["campus", "author", "at"])
    op.create_table(
        "liking",
        _text("campus", key=True),
        _whole("recognition", key=True),
        _text("learner", key=True),
        _whole("at"),
    )
    op.create_index("liking_learner", "liking", ["campus", "learner"])


def _choosing() -> None:
    op.create_table(
        "kudos_tag",
        _text("campus", key=True),
        _text("tag", key=True),
        _text("title"),
        _text("state"),
        _whole("changed_at"),
        sa.CheckConstraint("state IN ('offered', 'blocked')", name="kudos_tag_state"),
    )
    op.create_table("recognition_policy", _text("campus", key=True), _text("body"))
    op.create_table(
        "recognition_choice",
        _text("campus", key=True),
        _text("learner", key=True),
        _text("shown"),
        _whole("at"),
        sa.CheckConstraint("shown IN ('pair', 'none')", name="recognition_choice_shown"),
    )


def downgrade() -> None:
    for name in ("recognition_choice", "recognition_policy", "kudos_tag", "liking", "remark", "recognition"):
        op.drop_table(name)
    op.drop_table("recognition_head")
