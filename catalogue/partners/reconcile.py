"""A partner's statement held against our redemptions: what was unknown is settled, what differs is told.

The statement is a CSV file with the columns `redemption` and `status` (`issued` or `declined`), `code` if the partner
makes codes, and `amount` if it bills: what each costs, such as 4.50 GBP. Where the partner says that it is complete up
to a moment, an order of before that it does not name was never fulfilled.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.errors import CatalogueError
from catalogue.redemption import records, states
from catalogue.redemption.desk import Desk
from catalogue.redemption.pool import CODE_CHARS_MAX
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import Event, State
from catalogue.rewards import money
from catalogue.rewards.money import Sum

LINES_MAX = 1_000_000
PAGE_ROWS = 500
BY = "statement"
ISSUED, DECLINED = "issued", "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a statement."""

    number: int
    redemption: str
    issued: bool
    code: str
    amount: Sum | None = None


@dataclass(slots=True, kw_only=True, frozen=True)
class Report:
    """What a statement came to: redemptions by what was done, and what must be looked at."""

    agreed: list[str] = field(default_factory=list)
    fulfilled: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    differ: list[str] = field(default_factory=list)
    billed: dict[str, int] = field(default_factory=dict)
    """What the statement bills in all, in hundredths by currency."""


def read(text: str) -> dict[str, Line]:
    """The lines by redemption.

    Raises:
        CatalogueError: something in it cannot be read; every bad line is told, and nothing was done.
    """
    text = text.removeprefix("\ufeff")
    between = max(",;", key=text.partition("\n")[0].count)
    rows = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True, delimiter=between)
    lines: dict[str, Line] = {}
    faults: list[str] = []
    try:
        rows.fieldnames = [name.strip().casefold() for name in rows.fieldnames or ()]
        missing = {"redemption", "status"} - {*rows.fieldnames}
        if missing:
            raise CatalogueError(f"line 1: no column {', '.join(sorted(missing))}", hint="redemption,status,code")
        for row in rows:
            line = _line(rows.line_num, row, faults)
            if line is not None and line.redemption in lines:
                faults.append(f"line {line.number}: {line.redemption} is there twice")
            elif line is not None:
                lines[line.redemption] = line
            if len(lines) > LINES_MAX:
                raise CatalogueError(f"more than {LINES_MAX} lines", hint="reconcile it in parts")
    except csv.Error as exc:
        faults.append(f"line {rows.line_num + 1}: {exc}: is there a quotation mark too many?")
    if faults:
        told = "\n  ".join(faults[:50])
        raise CatalogueError(f"the statement cannot be read, nothing was done:\n  {told}", hint="mend these lines")
    return lines


def _line(number: int, row: dict[str, str | None], faults: list[str]) -> Line | None:
    name, status = (row.get("redemption") or "").strip(), (row.get("status") or "").strip().lower()
    code = (row.get("code") or "").strip()
    if not name or len(name) > records.NAME_CHARS_MAX:
        faults.append(f"line {number}: no redemption")
    elif status not in {ISSUED, DECLINED}:
        faults.append(f"line {number}: status {status!r} is neither {ISSUED} nor {DECLINED}")
    elif len(code) > CODE_CHARS_MAX:
        faults.append(f"line {number}: a code of more than {CODE_CHARS_MAX} characters")
    else:
        amount = _amount(number, row, faults)
        return Line(number=number, redemption=name, issued=status == ISSUED, code=code, amount=amount)
    return None


def _amount(number: int, row: dict[str, str | None], faults: list[str]) -> Sum | None:
    """What the partner bills for it, or nothing where it does not say."""
    said = (row.get("amount") or "").strip()
    try:
        return money.parse(said) if said else None
    except ValueError as exc:
        faults.append(f"line {number}, amount: {exc}")
        return None


async def reconcile(
    desk: Desk, partner: str, lines: dict[str, Line], *, complete_until: int | None, now: int, by: str = BY
) -> Report:
    """Go through a partner's redemptions, each in a transaction of its own; again does nothing more.

    ``by`` is who brought the statement.
    """
    report = Report()
    unseen = dict(lines)
    async for campus, name in _orders(desk, partner):
        async with desk.store.writing() as conn:
            one = await records.find(conn, campus, name, lock=True)
            if one is None:
                continue
            line = unseen.pop(name, None)
            said = Act(campus=campus, by=by, at=now, act="partner.reconcile", about=name)
            async with acts.recorded(conn, said, acts.rows(schema.redemption, campus=campus, redemption=name)):
                if line is not None:
                    await _said(desk, conn, one, line, report, now=now)
                elif complete_until is not None and one.reserved_at < complete_until:
                    await _unsaid(desk, conn, one, report, now=now)
    report.differ.extend(f"{name} (line {line.number}) is none of ours" for name, line in sorted(unseen.items()))
    return report


async def _said(desk: Desk, conn: AsyncConnection, one: Redemption, line: Line, report: Report, *, now: int) -> None:
    why = f"the partner's statement, line {line.number}"
    _billed(one, line, report)
    if line.issued:
        code = line.code or desk.voucher(one)
        after = await desk.issue(conn, one, code=code, expires_at=None, now=now, by=BY, why=why)
        if after.state is not State.fulfilled:
            report.differ.append(f"{one.redemption} is {one.state} here, the partner issued it")
        elif desk.voucher(after) != code:
            report.differ.append(f"{one.redemption} has another code here than in the statement")
        else:
            (report.agreed if after == one else report.fulfilled).append(one.redemption)
    elif one.state in states.GIVEN_BACK:
        report.agreed.append(one.redemption)
    elif (one.state, Event.declined) in states.TABLE:
        await desk.happen(conn, one, Event.declined, now=now, by=BY, why=why)
        report.released.append(one.redemption)
    else:
        report.differ.append(f"{one.redemption} is {one.state} here, the partner declined it")


def _billed(one: Redemption, line: Line, report: Report) -> None:
    """Hold what the partner bills against what we said that it costs."""
    if line.amount is None:
        return
    cost = Sum(one.cost_minor if line.issued else 0, one.cost_code or line.amount.code)
    if line.amount != cost:
        report.differ.append(f"{one.redemption} costs {cost} here, the statement bills {line.amount}")
    report.billed[line.amount.code] = report.billed.get(line.amount.code, 0) + line.amount.minor


async def _unsaid(desk: Desk, conn: AsyncConnection, one: Redemption, report: Report, *, now: int) -> None:
    """The statement is complete, and does not name it."""
    if one.state is State.unknown:
        why = "a complete statement of the partner does not name it"
        await desk.happen(conn, one, Event.declined, now=now, by=BY, why=why)
        report.released.append(one.redemption)
    elif one.state is State.fulfilled:
        report.differ.append(f"{one.redemption} is fulfilled here, the partner's statement does not name it")


async def _orders(desk: Desk, partner: str) -> AsyncIterator[tuple[str, str]]:
    """(campus, redemption) of every order of a partner."""
    table = schema.redemption.c
    at = ("", "")
    while True:
        page = select(table.campus, table.redemption).where(table.partner == partner)
        after = tuple_(table.campus, table.redemption) > tuple_(*at)
        ordered = page.where(after).order_by(table.campus, table.redemption).limit(PAGE_ROWS)
        async with desk.store.reading() as conn:
            rows = (await conn.execute(ordered)).all()
        for row in rows:
            yield row.campus, row.redemption
        if len(rows) < PAGE_ROWS:
            return
        at = (rows[-1].campus, rows[-1].redemption)
