"""A badge that somebody has: the entry that gave it, and letting go of it so that nothing gives it again by itself."""

from __future__ import annotations

from dataclasses import dataclass

import aiosqlite
import orjson

from agent.ledger.record import BADGE_PREFIX, Movement
from agent.ledger.record.people import Person

_GAVE = """
SELECT e.seq, CAST(e.body AS TEXT), u.seq
FROM name n CROSS JOIN quota_use u ON u.meter_no = n.no AND u.bucket = '' AND u.person_no = ?
CROSS JOIN entry e ON e.seq BETWEEN u.seq AND u.seq + 50 AND e.person_no = u.person_no
WHERE n.kind = 'meter' AND n.text = ? AND u.freed = 0 AND u.seq > 0 AND CAST(e.body AS TEXT) ->> 'currency' = ?
ORDER BY e.seq DESC LIMIT 1
"""
"""The use that makes a badge unique leads to the award that gave it; its entries stand together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gave:
    """The entry that gave a badge: its id, rule and version, and the ``marker`` of the award it belongs to."""

    entry_id: str
    rule_id: str
    rules_version: str
    generation: int
    marker: int


async def has(connection: aiosqlite.Connection, person_no: int, badge: str) -> bool:
    """Whether the person has the badge."""
    sql = "SELECT amount FROM balance WHERE person_no = ? AND currency = ?"
    rows = await connection.execute_fetchall(sql, (person_no, f"{BADGE_PREFIX}{badge}"))
    return any(amount > 0 for (amount,) in rows)


async def gave(connection: aiosqlite.Connection, person_no: int, badge: str) -> Gave | None:
    """What gave the person the badge, the newest first; None where nothing is found."""
    account = f"{BADGE_PREFIX}{badge}"
    for _, body, marker in await connection.execute_fetchall(_GAVE, (person_no, account, account)):
        fields = orjson.loads(body)
        return Gave(
            entry_id=fields["entry_id"],
            rule_id=fields["rule"],
            rules_version=fields["rules_version"],
            generation=fields.get("generation", 0),
            marker=marker,
        )
    return None


async def let_go(connection: aiosqlite.Connection, found: Gave, badge: str) -> None:
    """What can undo the award leaves the badge alone from now on: it is answered already."""
    account = f"{BADGE_PREFIX}{badge}"
    rows = await connection.execute_fetchall("SELECT award FROM undoable WHERE marker = ?", (found.marker,))
    for (award,) in rows:
        kept = orjson.loads(award)
        kept["p"] = [posting for posting in kept["p"] if posting[0] != account]
        kept["u"] = [use for use in kept["u"] if use[0] != account]
        await connection.execute("UPDATE undoable SET award = ? WHERE marker = ?", (orjson.dumps(kept), found.marker))


def taking_back(found: Gave, person: Person, badge: str, *, source: str, reason: str, now: int) -> Movement:
    """The movement that answers it."""
    return Movement(
        kind="reversal",
        person=person,
        currency=f"{BADGE_PREFIX}{badge}",
        amount=-1,
        rule_id=found.rule_id,
        rules_version=found.rules_version,
        source=source,
        trust="server_verified",
        occurred_at=now,
        generation=found.generation,
        reason=reason,
        reverses=found.entry_id,
    )
