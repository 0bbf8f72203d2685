"""What somebody has in wallets at other agents of the campus, for `learner show`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent.cli.frame import utc
from agent.cli.terms.inforce import amount_text, called
from machine.words import counted

if TYPE_CHECKING:
    from agent.engine.rulebook import Rulebook


def facts(connection: sqlite3.Connection, learner: str, balances: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """{wallets, sums, held, as_of}: whose they are, what is in them, and with ``balances`` of here together."""
    from agent.ledger.centre import elsewhere

    found = elsewhere.of(connection, learner)
    here = {one["currency"]: one["balance"] for one in balances}
    return {
        "wallets": [{"agent": agent, "pseudonym": name} for agent, name in found.mates],
        "sums": [
            {"currency": currency, "balance": balance, "earned": earned, "together": here.get(currency, 0) + balance}
            for currency, (balance, earned) in sorted(found.wallets.items())
        ],
        "held": found.held,
        "as_of": utc(found.at) if found.at else None,
    }


def lines(beside: Mapping[str, Any], rulebook: Rulebook) -> Iterator[str]:
    """It, for people."""
    if beside["wallets"]:
        agents = ", ".join(sorted({one["agent"] for one in beside["wallets"]}))
        yield f"one person with {counted(len(beside['wallets']), 'wallet')} more (of {agents}), as of {beside['as_of']}"
    for one in beside["sums"]:
        there, together = (amount_text(one["currency"], one[key], rulebook) for key in ("balance", "together"))
        yield f"  {there} {called(one['currency'], one['balance'], rulebook)} there: {together} in all"
    if beside["held"]:
        yield f"perhaps one person with somebody at another agent, not linked: {beside['held']}"
