"""What people change by hand: later entries with who and why, never a changed one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiosqlite
import pytest

from agent.errors import InvalidInputError
from agent.ledger import corrections, reading
from agent.ledger.corrections import Correction
from agent.model import Use
from tests.builders import NOW, a_hold, an_award, an_event, points
from tests.ledgers import Ledger, content, found, rows
from wire import entry

WHY = Correction(reason="counted twice", by="dean")


def adjusting(ledger: Ledger, **changes: Any) -> Callable[[aiosqlite.Connection], Awaitable[int]]:
    fields: dict[str, Any] = {"learner": "moodle:35", "currency": "points", "amount": 5, "correction": WHY, "now": NOW}
    return lambda connection: corrections.adjust(connection, ledger.recorder, **(fields | changes))


def reversing(ledger: Ledger, seq: int) -> Callable[[aiosqlite.Connection], Awaitable[list[int]]]:
    return lambda connection: corrections.reverse(connection, ledger.recorder, seq=seq, correction=WHY, now=NOW + 1)


def last_entry(ledger: Ledger) -> dict[str, Any]:
    ((body,),) = rows(ledger.data_dir, "SELECT body FROM entry ORDER BY seq DESC LIMIT 1")
    return entry.decode(body)


def freed(ledger: Ledger) -> dict[str, int]:
    sql = "SELECT text, max(freed) FROM quota_use JOIN name ON no = meter_no GROUP BY text"
    return {meter.partition(":")[0]: flag for meter, flag in rows(ledger.data_dir, sql)}


async def test_an_adjustment_is_an_entry_with_who_and_why(ledger: Ledger) -> None:
    assert await ledger.run(adjusting(ledger, amount=-5)) == 1
    fields = last_entry(ledger)
    assert (fields["kind"], fields["amount"], fields["reason"]) == ("adjustment", -5, "counted twice (by dean)")
    with ledger.reading() as connection:
        assert reading.balances_of(connection, "moodle:35") == {"points": (-5, 0)}
    assert found(ledger.data_dir) == []


@pytest.mark.parametrize("amount", [0, entry.AMOUNT_MAX + 1, -entry.AMOUNT_MAX - 1])
async def test_an_amount_that_no_entry_can_carry_is_refused(ledger: Ledger, amount: int) -> None:
    with pytest.raises(InvalidInputError, match="no amount to adjust by"):
        await ledger.run(adjusting(ledger, amount=amount))


@pytest.mark.parametrize("learner", ["", "35", "moodle:", ":35"])
async def test_an_adjustment_makes_no_person_of_what_is_no_learner(ledger: Ledger, learner: str) -> None:
    with pytest.raises(InvalidInputError, match="is no learner"):
        await ledger.run(adjusting(ledger, learner=learner))
    assert content(ledger.data_dir)["person"] == []


async def test_a_reason_that_is_not_text_is_refused(ledger: Ledger) -> None:
    with pytest.raises(InvalidInputError, match="not UTF-8"):
        await ledger.run(adjusting(ledger, correction=Correction(reason="\udcff", by="")))
    await ledger.run(adjusting(ledger, correction=Correction(reason="übung", by="")))
    assert last_entry(ledger)["reason"] == "übung"


@pytest.mark.parametrize("seq", [1, 2])
async def test_a_reversal_undoes_every_currency_of_the_award_and_only_it(ledger: Ledger, seq: int) -> None:
    first, second = an_event(1), an_event(2)
    awards = [an_award(first, postings=points(10, **{"badge:ace": 1})), an_award(second)]
    await ledger.take([first, second], awards)
    assert await ledger.run(reversing(ledger, seq)) == [4, 5]
    with ledger.reading() as connection:
        balances = reading.balances_of(connection, "moodle:35")
        undone = [row.fields["reverses"] for row in reading.entries(connection, after=3, badges=True)]
    assert balances == {"badge:ace": (0, 1), "points": (10, 20)}
    assert undone == ["1-1", "1-2"]
    assert found(ledger.data_dir) == []


async def test_a_reversal_frees_scope_and_quotas_and_leaves_the_cooldown(ledger: Ledger) -> None:
    first, second = an_event(1), an_event(2)
    award = an_award(first)
    cooldown = Use(meter="cooldown:lesson-completed:7d", bucket="1", learner="moodle:35", at=NOW, amount=1)
    await ledger.take([first], [replace(award, uses=(*award.uses, cooldown))])
    await ledger.run(reversing(ledger, 1))
    assert freed(ledger) == {"budget": 1, "cooldown": 0, "limit": 1, "once": 1}
    await ledger.take([second], [an_award(second, scope="moodle:1", generation=1)])
    assert found(ledger.data_dir) == []
    with ledger.reading() as connection:
        assert reading.balances_of(connection, "moodle:35") == {"points": (10, 10)}


async def test_a_reversal_frees_nothing_of_another_award(ledger: Ledger) -> None:
    await ledger.pay(2)
    await ledger.run(reversing(ledger, 2))
    assert rows(ledger.data_dir, "SELECT DISTINCT seq FROM quota_use WHERE freed = 0") == [(1,)]


async def test_nothing_is_reversed_twice(ledger: Ledger) -> None:
    await ledger.pay(1)
    await ledger.run(reversing(ledger, 1))
    before = content(ledger.data_dir)
    with pytest.raises(InvalidInputError, match="entry 1 was reversed already, by 1-2"):
        await ledger.run(reversing(ledger, 1))
    with pytest.raises(InvalidInputError, match="entry 2 is itself a reversal"):
        await ledger.run(reversing(ledger, 2))
    assert content(ledger.data_dir) == before


async def test_an_entry_that_is_not_there_cannot_be_reversed(ledger: Ledger) -> None:
    with pytest.raises(InvalidInputError, match="there is no entry 7"):
        await ledger.run(reversing(ledger, 7))


async def test_the_entry_of_an_erased_person_stands_as_it_is(ledger: Ledger) -> None:
    await ledger.pay(1)

    async def erase(connection: aiosqlite.Connection) -> None:
        await connection.execute("DELETE FROM person")

    await ledger.run(erase)
    with pytest.raises(InvalidInputError, match="erased person"):
        await ledger.run(reversing(ledger, 1))


async def test_an_adjustment_can_be_reversed_and_lifetime_totals_only_count_what_was_given(ledger: Ledger) -> None:
    await ledger.run(adjusting(ledger, amount=-5))
    await ledger.run(reversing(ledger, 1))
    with ledger.reading() as connection:
        assert reading.balances_of(connection, "moodle:35") == {"points": (0, 0)}
    assert found(ledger.data_dir) == []


async def test_a_hold_is_settled_once_and_it_is_told_by_whom(ledger: Ledger) -> None:
    event = an_event()
    await ledger.take([event], [a_hold(event)])

    async def settle(connection: aiosqlite.Connection) -> None:
        await corrections.close_hold(connection, decision_no=1, state="rejected", correction=WHY, now=NOW)

    await ledger.run(settle)
    with ledger.reading() as connection:
        (row,) = reading.holds(connection, state="rejected")
    assert (row.settled_by, row.note) == ("dean", "counted twice")
    with pytest.raises(InvalidInputError, match="decision 1 is rejected already by dean"):
        await ledger.run(settle)


async def test_what_is_not_held_cannot_be_settled(ledger: Ledger) -> None:
    with pytest.raises(InvalidInputError, match="no decision 4 is held"):
        await ledger.run(
            lambda connection: corrections.close_hold(
                connection, decision_no=4, state="approved", correction=WHY, now=NOW
            )
        )
