"""What people are called, asked of the LMS of each site at this moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import aiosqlite

from agent.errors import RewardsError
from agent.ledger.centre import said
from agent.ledger.centre.called import Due
from agent.ledger.merging import aliases
from agent.ledger.merging.aliases import Account

Tells = Callable[[Sequence[str]], Awaitable[Mapping[str, str] | None]]
"""Users of a site → what those are called who are there and not suspended; None where the site does not tell.

Raises TransientError or ConfigError where it cannot be asked now.
"""


async def looked_up(
    conn: aiosqlite.Connection,
    due: Sequence[Due],
    tellers: Mapping[str, Tells],
    *,
    said_by: str,
    limit_s: float,
    trouble: Callable[[str, str], None] = lambda *_: None,
) -> tuple[dict[int, str], set[int]]:
    """(what people are called, by person; those whose LMS did not answer).

    Where a site cannot be asked, what it posted is what its users are called. Of several accounts of a person the one
    that counts comes first. ``trouble`` is told what each site said.
    """
    merged = await aliases.load(conn)
    mates: dict[int, list[Account]] = {
        one.person_no: [one.account, *sorted(merged.group(one.account) - {one.account})]
        for one in due
        if not one.barred
    }
    sites: dict[str, list[str]] = {}
    for site, user in sorted({account for group in mates.values() for account in group}):
        sites.setdefault(site, []).append(user)
    names: dict[str, Mapping[str, str] | None] = {}
    for site, users in sites.items():
        if site in tellers:
            names[site] = await _asked(site, tellers[site], users, limit_s, trouble)
        else:
            names[site] = await said.of(conn, site, users, said_by)
    found: dict[int, str] = {}
    unknown: set[int] = set()
    for number, group in mates.items():
        for site, user in group:
            called = names[site]
            if called is None:
                unknown.add(number)
                break
            if called.get(user):
                found[number] = called[user]
                break
    return found, unknown


async def _asked(
    site: str, tells: Tells, users: Sequence[str], limit_s: float, trouble: Callable[[str, str], None]
) -> Mapping[str, str] | None:
    """What a site says of its users; None where it does not answer now."""
    why = "it does not tell: see rewards-agent doctor"
    found: Mapping[str, str] | None = None
    try:
        async with asyncio.timeout(limit_s):
            found = await tells(users)
    except RewardsError as exc:
        why = exc.message
    except TimeoutError:
        why = f"it did not answer within {limit_s:.0f} s"
    trouble(site, "" if found is not None else why)
    return found
