"""Wallets on both databases: lots, spends, refunds, expiries, debts, and the ledger they all follow from."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catalogue import books
from catalogue.errors import CatalogueError
from catalogue.finance import liability
from catalogue.ingest import ENTRY_BYTES_MAX, TAKEN_BACK, TAKES_BACK
from catalogue.proof import rejected
from catalogue.rewards.text import iso
from catalogue.wallets import audit, currencies
from catalogue.wallets.book import InsufficientError, OverspentError
from tests.integration.wallets.bank import ANN, DAY, NOW, Bank, terms
from tests.wire_builders import CAMPUS, an_entry
from wire.money.lots import GRACE_S
from wire.money.terms import FIELD, Change, Currency, Level, Terms, encode


async def test_an_award_is_a_lot_that_lives_by_the_terms_it_came_with(bank: Bank) -> None:
    first, second = await bank.award(10, 20)
    (third,) = await bank.award(5, said=terms(None))
    assert await bank.lots() == [(first, 10, NOW + 30 * DAY), (second, 20, NOW + 30 * DAY), (third, 5, None)]
    assert await bank.faults() == []


async def test_terms_hold_for_the_entries_after_their_seq_and_a_lot_may_have_its_own_end(bank: Bank) -> None:
    changed = Currency(changes=(Change(0, DAY, "owe"), Change(2, 2 * DAY, "owe")))
    said = Terms(currencies={"points": changed}, lots={4: NOW + 7})
    await bank.award(1, 1, 1, 1, said=said)
    assert sorted(at or 0 for _, _, at in await bank.lots()) == [NOW + 7, NOW + DAY, NOW + DAY, NOW + 2 * DAY]


async def test_a_spend_takes_what_expires_first_and_never_more_than_there_is(bank: Bank) -> None:
    late, soon = (await bank.award(10))[0], (await bank.award(10, at=NOW - DAY))[0]
    await bank.spend(15)
    assert await bank.lots() == [(late, 5, NOW + 30 * DAY)]
    assert soon
    with pytest.raises(InsufficientError) as caught:
        await bank.spend(6, "b")
    assert caught.value.available == 5
    assert await bank.balance() == 5
    assert await bank.faults() == []


async def test_a_spend_has_one_name_and_is_booked_once(bank: Bank) -> None:
    await bank.award(10)
    await bank.spend(3)
    with pytest.raises(DBAPIError, match=r"(?i)unique"):
        await bank.spend(3)
    assert await bank.balance() == 7


async def test_fifty_spenders_of_one_wallet_at_once_never_take_more_than_there_is(bank: Bank) -> None:
    await bank.award(100)

    async def one(number: int) -> int:
        try:
            await bank.spend(7, f"spend-{number}")
        except InsufficientError:
            return 0
        return 7

    spent = sum(await asyncio.gather(*(one(number) for number in range(50))))
    assert (spent, await bank.balance()) == (98, 2)
    assert await bank.faults() == []


async def test_what_is_over_goes_once_however_often_and_by_how_many_it_is_looked_for(bank: Bank) -> None:
    await bank.award(10, 10)
    await bank.spend(4)
    assert await bank.expire(NOW + 30 * DAY - 1) == 0
    looks = await asyncio.gather(*(bank.expire(NOW + 31 * DAY) for _ in range(3)))
    assert sum(looks) == 2
    assert (await bank.balance(), await bank.expire(NOW + 99 * DAY)) == (0, 0)
    assert (await bank.history())[2:] == [("spend", -4, 0), ("expiry", -6, 0), ("expiry", -10, 0)]
    assert await bank.faults() == []


async def test_a_spend_lets_go_of_what_is_over_before_it_looks_what_there_is(bank: Bank) -> None:
    await bank.award(10, at=NOW - 30 * DAY)
    await bank.award(10)
    with pytest.raises(InsufficientError):
        await bank.spend(11)
    await bank.spend(10, "b")
    assert [kind for kind, _, _ in await bank.history()] == ["award", "award", "expiry", "spend"]
    assert await bank.faults() == []


async def test_a_refund_goes_back_into_its_lot_and_one_that_is_over_lives_fourteen_days_more(bank: Bank) -> None:
    (lot,) = await bank.award(10)
    await bank.spend(10)
    await bank.refund(4)
    assert await bank.lots() == [(lot, 4, NOW + 30 * DAY)]
    back = NOW + 40 * DAY
    await bank.expire(back)
    await bank.refund(6, ref="later", at=back)
    assert await bank.lots() == [(lot, 6, back + GRACE_S)]
    assert await bank.expire(back + GRACE_S - 1) == 0
    assert await bank.expire(back + GRACE_S) == 1
    with pytest.raises(OverspentError):
        await bank.refund(1, ref="again")
    assert (await bank.balance(), await bank.faults()) == (0, [])


async def test_a_refund_lets_go_of_what_is_over_in_its_lot_before_the_lot_lives_longer(bank: Bank) -> None:
    (lot,) = await bank.award(10)
    await bank.spend(4)
    back = NOW + 40 * DAY
    await bank.refund(4, at=back)
    assert await bank.lots() == [(lot, 4, back + GRACE_S)]
    assert (await bank.history())[2:] == [("expiry", -6, 0), ("refund", 4, 0)]
    assert await bank.faults() == []


async def test_what_was_taken_back_is_not_taken_back_again(bank: Bank) -> None:
    (lot,) = await bank.award(10)
    (taken,) = await bank.award(-3, kind="adjustment")
    await bank.reverse(lot, 10)
    await bank.reverse(taken, -3)
    assert await bank.balance() == 0
    for again, amount in ((lot, -10), (taken, 3)):
        body = an_entry(bank.hand.seq + 1, amount=amount, learner=ANN, kind="reversal",
                        reverses=again.partition("/")[2])  # fmt: skip
        refused = await bank.hand.deliver([body], extra={FIELD: encode(terms())})
        assert [one.reason for one in refused.rejected] == [TAKEN_BACK]
        async with bank.store.writing() as conn:
            with pytest.raises(CatalogueError, match="taken back already"):
                await rejected.accept(
                    bank.store, conn, CAMPUS, bank.hand.agent, bank.hand.seq, by="b", reason="r", now=NOW
                )
    assert (await bank.balance(), await bank.faults()) == (0, [])


async def test_what_was_taken_by_hand_and_nobody_owed_is_not_given_back(bank: Bank) -> None:
    said = terms(overdraw="forgive")
    await bank.award(4, said=said)
    (taken,) = await bank.award(-10, said=said, kind="adjustment")
    assert await bank.balance() == 0
    await bank.reverse(taken, -10, said)
    assert (await bank.balance(), await bank.faults()) == (4, [])


@pytest.mark.parametrize(("overdraw", "balance", "after"), [("owe", -10, 5), ("forgive", 0, 15)])
async def test_what_was_spent_of_a_reversed_award_is_owed_or_forgiven(
    bank: Bank, overdraw: str, balance: int, after: int
) -> None:
    said = terms(overdraw=overdraw)
    (lot,) = await bank.award(10, said=said)
    await bank.spend(10)
    await bank.reverse(lot, 10, said)
    assert await bank.balance() == balance
    with pytest.raises(InsufficientError) as caught:
        await bank.spend(1, "b")
    assert caught.value.available == 0
    await bank.award(15, said=said)
    assert (await bank.balance(), await bank.faults()) == (after, [])


async def test_what_had_expired_is_owed_by_nobody_when_its_award_is_reversed(bank: Bank) -> None:
    (lot,) = await bank.award(10)
    await bank.expire(NOW + 30 * DAY)
    await bank.reverse(lot, 10)
    assert (await bank.history())[-1] == ("reversal", -10, 10)
    assert (await bank.balance(), await bank.faults()) == (0, [])


async def test_an_award_and_its_reversal_may_come_in_one_batch_with_others(bank: Bank) -> None:
    (lot,) = await bank.award(10)
    await bank.spend(10)
    await bank.reverse(lot, 10, terms(overdraw="forgive"))
    await bank.refund(10)
    assert (await bank.balance(), await bank.faults()) == (0, []), "what was forgiven is not given twice"


async def test_movements_are_dated_by_the_centre_and_never_before_the_last(bank: Bank) -> None:
    await bank.award(10)
    async with bank.store.reading() as conn:
        (posted,) = [row.posted_at async for row in audit.lines(conn, CAMPUS)]
    await bank.spend(1, at=NOW)
    async with bank.store.reading() as conn:
        dates = [(row.no, row.posted_at) async for row in audit.lines(conn, CAMPUS)]
    assert dates == [(1, posted), (2, posted)]
    assert posted > NOW


async def test_lost_wallets_are_built_again_from_the_ledger(bank: Bank) -> None:
    await bank.award(10, 20)
    await bank.award(5, learner="ben")
    await bank.spend(7)
    before = await bank.real.wallets(CAMPUS)
    async with bank.store.writing() as conn:
        await conn.execute(text("DELETE FROM wallet WHERE learner = 'ann'"))
        await conn.execute(text("UPDATE wallet SET balance = 99, due_at = NULL WHERE learner = 'ben'"))
    assert await bank.faults()
    assert await bank.rebuild() == 2
    assert (await bank.real.wallets(CAMPUS), await bank.faults()) == (before, [])
    assert await bank.rebuild() == 0
    assert await bank.expire(NOW + 30 * DAY) == 3


async def test_wallets_that_move_or_are_born_while_others_are_built_again_are_left_as_they_are(bank: Bank) -> None:
    await bank.award(10, 20)
    await bank.award(5, learner="ben")
    async with bank.store.writing() as conn:
        await conn.execute(text("UPDATE wallet SET balance = 99 WHERE learner = 'ben'"))
        await conn.execute(text("DELETE FROM wallet WHERE learner = 'ann'"))
    async with bank.store.reading() as conn:
        assert await conn.scalar(text("SELECT count(*) FROM wallet")) == 1
        await bank.award(1, learner="newbie")
        found = await audit.astray(conn, CAMPUS)
        assert found.keys == [("ann", "points"), ("ben", "points")]
        await bank.award(2, learner="newbie")
        await bank.award(3, learner="newer")
        async with bank.store.writing() as changing:
            await changing.execute(text("UPDATE wallet SET balance = 5 WHERE learner = 'ben'"))
        await bank.award(7, learner="ben")
    async with bank.store.writing() as conn:
        assert await audit.rebuild(bank.store, conn, CAMPUS, found) == 1, "ben's was made right meanwhile"
    balances = {learner: balance for (learner, _), balance in (await bank.real.wallets(CAMPUS)).items()}
    assert balances == {"ann": 30, "ben": 12, "newbie": 3, "newer": 3}
    assert await bank.faults() == []


async def test_the_centre_knows_currencies_and_levels_as_the_newest_batch_has_them(bank: Bank) -> None:
    await bank.award(10)
    async with bank.store.reading() as conn:
        points = await currencies.one(conn, CAMPUS, "points")
        assert (points.title, points.worth, points.spendable) == ("Points", "0.01 GBP", True)
        assert await currencies.levels(conn, CAMPUS) == (Level("Scholar", "points", 100),)
        assert not (await currencies.one(conn, CAMPUS, "badge:ace")).spendable
    fame = Currency(title="Fame", spendable=False)
    await bank.award(10, said=Terms(currencies={"points": fame}, levels=(Level("Star", "points", 5),)))
    async with bank.store.reading() as conn:
        assert (await currencies.of_campus(conn, CAMPUS))["points"].title == "Fame"
        assert [one.name for one in await currencies.levels(conn, CAMPUS)] == ["Star"]


async def test_a_batch_without_terms_gives_lots_that_never_expire(bank: Bank) -> None:
    await bank.award(10, said=Terms())
    assert [at for _, _, at in await bank.lots()] == [None]


async def test_what_is_earned_is_counted_beside_what_is_there(bank: Bank) -> None:
    (lot, _) = await bank.award(10, 20)
    await bank.spend(25)
    await bank.reverse(lot, 10)
    async with bank.store.reading() as conn:
        earned = await conn.scalar(text(f"SELECT earned FROM wallet WHERE learner = '{ANN}'"))
    assert (earned, await bank.balance(), await bank.faults()) == (20, -5, [])


async def test_what_takes_back_an_entry_that_cannot_be_read_moves_nothing_also_in_the_same_batch(bank: Bank) -> None:
    await bank.award(7)
    long = an_entry(2, learner=ANN, amount=10, reason="x" * ENTRY_BYTES_MAX)
    back = an_entry(3, learner=ANN, amount=-10, kind="reversal", reverses="1-2", reason="undone")
    taken = await bank.hand.deliver([long, back])
    assert [(one.seq, one.reason) for one in taken.rejected][1:] == [(3, TAKES_BACK)]
    assert (await bank.balance(), await bank.faults()) == (7, [])


async def test_times_beyond_every_calendar_are_booked_and_stop_no_report(bank: Bank) -> None:
    """A campus that told such times could not be closed: the report of what its learners hold failed."""
    for at, ends in ((2**63 - 1, 30 * DAY), (10**15, 30 * DAY), (-(10**15), None)):
        await bank.award(10, at=at, said=terms(ends))
    async with bank.store.reading() as conn:
        (owed,) = await liability.report(conn, CAMPUS)
        rows = [row async for row in books.entries(conn, CAMPUS)]
        lots = (await books.lots(conn, CAMPUS, ANN, "points"))["lots"]
    assert (owed.by_month, owed.outstanding) == ({"9999-12": 20, "never": 10}, 30)
    assert [iso(books.as_columns(row)["occurred_at"])[:4] for row in rows] == ["9999", "9999", "0001"]
    assert {iso(lot["expires_at"])[:4] for lot in lots} == {"9999", ""}
    assert await bank.faults() == []
