"""Granting in one statement what nothing but a stock and a balance can stop.

Whoever has the stock of a reward or the campus's number keeps all others waiting who want them, and on a machine that
has much to do each answer lies for milliseconds before the next question. A statement that is a transaction of its own
holds them for no longer than PostgreSQL takes to write it down. Where it grants nothing it has written nothing, and the
long way tells why.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, LargeBinary, text
from sqlalchemy.types import TypeEngine

from catalogue import acts
from catalogue.redemption.facts import Learner
from catalogue.redemption.records import RESERVE, Redemption
from catalogue.redemption.states import Event, State
from catalogue.rewards.model import Reward
from catalogue.schema import redemption
from catalogue.store import Store, numbers


def fits(reward: Reward, who: Learner, *, by: str) -> bool:
    """Whether nothing else is to be looked at or written while others wait: no limit, money, code, partner or act."""
    limited = bool(reward.per_learner or reward.in_all)
    paid_for = reward.cost is not None or who.policy.needs_a_budget(reward.type)
    alone = who.pseudonyms == (who.learner,)
    return reward.handing == "display" and alone and not (limited or paid_for or acts.typed(by))


async def grant(store: Store, made: Redemption, *, newest: int, stock: int | None, by: str) -> bool:
    """Take the points and one of the stock, and write the redemption with its steps; whether it was to be had so.

    It is not where the database knows no such statement, where the stock is gone or no longer approved, and where the
    wallet has less, holds a lot that is over, or has moved since ``newest``: an equal wish may have been granted.
    """
    if not store.dialect.at_once:
        return False
    said = {f"new_{name}": getattr(made, name) for name in Redemption.__slots__}
    said |= {"campus": made.campus, "new_state": made.state.value, "stock": stock, "spend": made.spend, "by": by}
    said |= {"newest": newest}
    async with store.jotting() as conn:
        return (await conn.execute(_GRANT, said)).first() is not None


def _kind(column: TypeEngine[Any]) -> str:
    """What PostgreSQL calls it: in rows that are selected it cannot tell a value's type by where it goes."""
    if isinstance(column, BigInteger):
        return "bigint"
    return "bytea" if isinstance(column, LargeBinary) else "text"


_COLUMNS = ", ".join(Redemption.__slots__)
_VALUES = ", ".join(f"CAST(:new_{name} AS {_kind(redemption.c[name].type)})" for name in Redemption.__slots__)
_STEPS = f"(1, '{RESERVE}', '{State.reserved}'), (2, '{Event.issued}', '{State.fulfilled}')"
# Each looks at the one before: wallet, offer and number are locked in this order, or none of them (docs/adr/0082).
_GRANT = text(
    "WITH held AS ("  # noqa: S608 - own names
    "SELECT wallet.learner, wallet.currency, wallet.balance, wallet.last_no, wallet.last_at FROM wallet"
    " WHERE wallet.campus = CAST(:campus AS text) AND wallet.learner = :new_learner"
    " AND wallet.currency = :new_currency AND wallet.last_no <= CAST(:newest AS bigint)"
    " AND wallet.balance >= CAST(:new_amount AS bigint)"
    " AND (wallet.due_at IS NULL OR wallet.due_at > CAST(:new_reserved_at AS bigint)) FOR UPDATE"
    "), taken AS ("
    "UPDATE offer SET taken = offer.taken + 1 FROM held WHERE offer.campus = :campus AND offer.owner = :new_owner"
    " AND offer.reward = :new_reward AND offer.approved"
    " AND (CAST(:stock AS bigint) IS NULL OR offer.taken < CAST(:stock AS bigint)) RETURNING offer.reward"
    "), newest AS ("
    "INSERT INTO ledger (campus, no, posted_at) SELECT CAST(:campus AS text), 1, CAST(:new_reserved_at AS bigint)"
    f" FROM taken {numbers.GOING_ON}"
    "), made AS ("
    f"INSERT INTO redemption ({_COLUMNS}) SELECT {_VALUES} FROM newest"
    "), answered AS ("
    "INSERT INTO wish (campus, key, asked, answered_at, status, code, message)"
    " SELECT CAST(:campus AS text), CAST(:new_key AS text), CAST(:new_asked AS bytea),"
    " CAST(:new_reserved_at AS bigint), CAST(NULL AS bigint), '', '' FROM newest"
    "), went AS ("
    "INSERT INTO step (campus, redemption, no, at, event, state, by, why)"
    " SELECT CAST(:campus AS text), CAST(:new_redemption AS text), step.no, CAST(:new_reserved_at AS bigint),"
    f" step.event, step.state, CAST(:by AS text), '' FROM newest, (VALUES {_STEPS}) AS step (no, event, state)"
    "), posted AS ("
    "INSERT INTO movement (campus, no, posted_at, learner, currency, kind, amount, waived, ref, about, occurred_at,"
    " expires_at, owe, rule, source, prev_no, prev_at)"
    " SELECT CAST(:campus AS text), newest.no, newest.posted_at, held.learner, held.currency, 'spend',"
    " -CAST(:new_amount AS bigint), 0, CAST(:spend AS text), '', CAST(:new_reserved_at AS bigint),"
    " CAST(NULL AS bigint), true, '', '', held.last_no, held.last_at FROM newest, held"
    "), own AS ("
    "INSERT INTO movement_key (campus, ref, no) SELECT CAST(:campus AS text), CAST(:spend AS text), newest.no"
    " FROM newest"
    "), moved AS ("
    "UPDATE wallet SET balance = held.balance - CAST(:new_amount AS bigint), last_no = newest.no,"
    " last_at = newest.posted_at FROM newest, held"
    " WHERE wallet.campus = :campus AND wallet.learner = held.learner AND wallet.currency = held.currency"
    ") SELECT no FROM newest"
)
