"""Closed months worked out again from the movements that they are made of."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.finance import closing, sums
from catalogue.finance.sums import Line
from catalogue.funding import months
from catalogue.wallets import carried, dates

Fault = Callable[[str], None]


async def check(conn: AsyncConnection, campus: str, fault: Fault) -> int:
    """Tell which closed months do not come to what was written down; how many are closed."""
    before: dict[str, Line] = {}
    last_no, count, name = 0, 0, ""
    archived = (await carried.begins(conn, campus)).no
    async for month in closing.listed(conn, campus):
        where = f"{campus}: the month {month.month}"
        if month.first_no <= archived:  # held against its files: archive verify
            before, last_no, count, name = dict(month.lines), month.last_no, count + 1, month.month
            continue
        if name and month.month != months.after(name):
            fault(f"{where} follows {name}")
        if month.first_no != last_no + 1:
            fault(f"{where} begins with movement {month.first_no}, the one before ended with {last_no}")
        if month.last_no != max(await dates.last_before(conn, campus, month.ends_at), month.first_no - 1):
            fault(f"{where} ends with movement {month.last_no}, its last posted one is another")
        wanted = sums.fold(before, await closing.moved(conn, campus, month.first_no, month.last_no))
        for currency in sorted({*wanted, *month.lines}):
            here, there = month.lines.get(currency), wanted.get(currency)
            if here != there:
                fault(f"{where} says {_told(here)} {currency}, its movements come to {_told(there)}")
        before, last_no, count, name = dict(month.lines), month.last_no, count + 1, month.month
    return count


def _told(line: Line | None) -> str:
    return "nothing of" if line is None else f"{line.opening} to {line.closing}"
