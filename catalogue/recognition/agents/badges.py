"""A badge that an agent's entry gives is an award on record, whatever gave it; the entry that takes it back revokes it.

Rules, criteria, scheduled work and people give badges by the same entries, so there is one way here. What somebody
typed when giving one stands in the entry alone (docs/adr/0096).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.recognition import policy, records
from catalogue.recognition.records import AWARD, HIDDEN, REVOKED, SHOWN, Recognition
from catalogue.schema import recognition
from catalogue.wallets.moves import Move

ACCOUNT = "badge:"
"""How the accounts begin that are badges."""
KEY = "entry "
"""How the key begins of an award that an entry gave: no program's key has a space before its colon."""
ASKED_AT_ONCE = 500

_REVOKE = (
    update(recognition)
    .where(recognition.c.campus == bindparam("of_campus"), recognition.c.no == bindparam("of_no"))
    .values(state=REVOKED, ended_no=bindparam("as_no"), ended_at=bindparam("at"), ended_by=bindparam("by"), why="")
)


async def follow(conn: AsyncConnection, campus: str, agent: str, posted: Iterable[Move]) -> None:
    """Put on record what an agent's ``posted`` entries give and take back; wallets are held, the number is not.

    What takes back an award that is not here (from before there were any, of somebody erased) changes nothing.
    """
    given, taken = _told(posted)
    if not given and not taken:
        return
    no = await records.hold(conn, campus)
    seen, by = (await policy.of_campus(conn, campus)).badges, f"agent {agent}"
    new = {
        KEY + move.ref: _award(campus, number, move, seen=seen, by=by)
        for number, move in enumerate(given, start=no + 1)
    }
    no += len(new)
    standing = await _standing(conn, campus, {KEY + move.about for move in taken} - set(new))
    ended = []
    for move in taken:
        key = KEY + move.about
        if (one := new.get(key)) is not None and one.state == SHOWN:
            no += 1
            new[key] = replace(one, state=REVOKED, ended_no=no, ended_at=move.occurred_at, ended_by=by)
        elif (known := standing.pop(key, None)) is not None:
            no += 1
            ended.append({"of_campus": campus, "of_no": known, "as_no": no, "at": move.occurred_at, "by": by})
    if new:
        names = Recognition.__slots__
        await conn.execute(insert(recognition), [{name: getattr(one, name) for name in names} for one in new.values()])
    if ended:
        await conn.execute(_REVOKE, ended)
    await records.number(conn, campus, no)


def _award(campus: str, no: int, move: Move, *, seen: str, by: str) -> Recognition:
    return Recognition(
        campus=campus,
        no=no,
        key=KEY + move.ref,
        kind=AWARD,
        giver="",
        receiver=move.learner,
        about=move.currency.removeprefix(ACCOUNT),
        seen=seen,
        given_at=move.occurred_at,
        given_by=by,
    )


def _told(posted: Iterable[Move]) -> tuple[list[Move], list[Move]]:
    """Those that give a badge, and those that take one back."""
    moves = [move for move in posted if move.currency.startswith(ACCOUNT) and len(move.currency) > len(ACCOUNT)]
    given = [move for move in moves if move.kind == "award" and move.amount > 0]
    return given, [move for move in moves if move.kind == "reversal" and move.amount < 0]


async def _standing(conn: AsyncConnection, campus: str, keys: Iterable[str]) -> dict[str, int]:
    """The numbers of the awards of these keys that were not revoked."""
    table, wanted = recognition.c, sorted(keys)
    found: dict[str, int] = {}
    for start in range(0, len(wanted), ASKED_AT_ONCE):
        some: Sequence[str] = wanted[start : start + ASKED_AT_ONCE]
        mine = (table.campus == campus, table.key.in_(some), table.state.in_((SHOWN, HIDDEN)))
        found |= {row.key: row.no for row in await conn.execute(select(table.key, table.no).where(*mine))}
    return found
