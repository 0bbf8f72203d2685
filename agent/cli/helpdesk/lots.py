"""What an account is made of, for `learner show`: lots, when each expires, and what is owed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agent.cli.frame import utc
from agent.cli.terms.inforce import amount_text, local

if TYPE_CHECKING:
    from agent.engine.rulebook import Rulebook

_SHOWN = 3


def facts(connection: sqlite3.Connection, learner: str, currency: str) -> dict[str, Any]:
    """The balance after what was spent and expired, the lots with anything left, and what is owed."""
    from agent.ledger.money import accounts
    from wire.money.lots import Account

    balance, known = accounts.held(connection, learner, currency)
    account = known or Account()
    return {
        "balance": balance,
        "owed": account.debt if known else max(-balance, 0),
        "lots": [
            {
                "entry_id": lot.ref,
                "amount": lot.amount,
                "left": lot.left,
                "expires_at": None if lot.expires_at is None else utc(lot.expires_at),
                "expires": lot.expires_at,
            }
            for lot in account.lots
        ],
    }


def lines(one: Mapping[str, Any], rulebook: Rulebook, now: int) -> Iterator[str]:
    """What expires next, and whether that is near; what is owed."""
    currency = one["currency"]
    if one["owed"]:
        yield f"owes {amount_text(currency, one['owed'], rulebook)}: the next awards repay it"
    terms = rulebook.currencies.get(currency)
    notice = terms.notice if terms is not None else None
    ends = [lot for lot in one["lots"] if lot["expires"] is not None]
    for lot in ends[:_SHOWN]:
        soon = ", soon" if notice is not None and lot["expires"] <= now + notice else ""
        verb = "expires" if lot["left"] == 10 ** rulebook.decimals.get(currency, 0) else "expire"
        yield f"{amount_text(currency, lot['left'], rulebook)} {verb} on {local(lot['expires'], rulebook)}{soon}"
    if len(ends) > _SHOWN:
        yield f"and {len(ends) - _SHOWN} more lots expire later: --json shows all"
