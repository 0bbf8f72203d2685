"""A campus is not a mint: what it gives beyond its limit waits for somebody, and its chain goes on."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from catalogue.app import wall_clock
from catalogue.errors import CatalogueError
from catalogue.funding import issue
from catalogue.proof import rejected
from catalogue.verify import verify
from catalogue.wallets import dates
from tests.contract.catalogues import Hand, running_catalogue
from tests.integration.operator import Operator
from tests.integration.wallets.bank import ANN, Bank
from tests.wire_builders import CAMPUS, an_entry

DAY = 86_400


@pytest.fixture(params=["sqlite", "postgresql"])
async def bank(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[Bank]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as real:
        hand = Hand(real, tmp_path)
        await hand.enrol(await real.add_tenant(CAMPUS))
        yield Bank(real, hand)
        await hand.client.close()


async def limit(bank: Bank, per_day: int) -> issue.Room:
    async with bank.store.writing() as conn:
        return await issue.put(conn, CAMPUS, "points", per_day, now=wall_clock())


async def send(bank: Bank, *amounts: int, **changes: object) -> list[tuple[int, str]]:
    """(seq, why) of what was set aside."""
    first = bank.hand.seq + 1
    bodies = [
        an_entry(seq, amount=amount, **{"learner": ANN} | changes) for seq, amount in enumerate(amounts, start=first)
    ]
    taken = await bank.hand.deliver(bodies)
    return [(one.seq, one.reason) for one in taken.rejected]


async def accept(bank: Bank, seq: int) -> None:
    async with bank.store.writing() as conn:
        await rejected.accept(
            bank.store, conn, CAMPUS, "agent-1", seq, by="test", reason="it is right", now=wall_clock()
        )


async def faults(bank: Bank) -> list[str]:
    async with bank.store.reading() as conn:
        return (await verify(conn, bank.real.key.public, now=wall_clock())).faults


async def test_what_goes_over_the_limit_is_set_aside_and_the_chain_goes_on(bank: Bank) -> None:
    await bank.award(40)
    assert (await limit(bank, 100)).left == 60, "what was issued today counts already"
    why = "over the issue limit: the catalogue takes 100 points a day from this campus"
    assert await send(bank, 50, 20, 10, 1) == [(3, why), (5, why)]
    assert await send(bank, 5) == [(6, why)], "the next batch finds what this one left"
    assert await bank.balance() == 100
    assert await faults(bank) == []
    await accept(bank, 3)
    assert await bank.balance() == 120
    async with bank.store.reading() as conn:
        assert await rejected.over_the_limit(conn, CAMPUS) == [("agent-1", 5), ("agent-1", 6)]
    assert await faults(bank) == []


async def test_an_award_that_is_set_aside_is_taken_back_without_making_a_debt(bank: Bank) -> None:
    await limit(bank, 10)
    bodies = [
        an_entry(1, learner=ANN, amount=50),
        an_entry(2, learner=ANN, amount=-50, kind="reversal", reverses="1-1", reason="undone"),
    ]
    taken = await bank.hand.deliver(bodies)
    assert [one.seq for one in taken.rejected] == [1, 2]
    later = await send(bank, -50, kind="reversal", reverses="1-1", reason="undone again")
    assert later == [(3, "it takes back an entry that is set aside")]
    assert await bank.balance() == 0
    with pytest.raises(CatalogueError, match="accept that one first"):
        await accept(bank, 2)
    await accept(bank, 1)
    await accept(bank, 2)
    assert await bank.balance() == 0
    assert await faults(bank) == []


async def test_a_new_day_has_new_room_and_other_currencies_have_no_limit(bank: Bank) -> None:
    await limit(bank, 10)
    assert await send(bank, 10) == []
    assert await send(bank, 500, currency="stars") == []
    async with bank.store.writing() as conn:
        tomorrow = await issue.hold(conn, CAMPUS, now=wall_clock() + DAY)
        today = await issue.hold(conn, CAMPUS, now=wall_clock())
    assert (tomorrow["points"].left, today["points"].left) == (10, 0)


async def test_the_share_that_hands_gave_is_shown_day_by_day(bank: Bank) -> None:
    await bank.award(30)
    await send(bank, 70, kind="adjustment", reason="by hand")
    async with bank.store.reading() as conn:
        (row,) = await issue.by_day(conn, CAMPUS, days=3, now=wall_clock())
        assert await issue.by_day(conn, CAMPUS, days=3, now=wall_clock() + 9 * DAY) == []
    assert (row["awarded"], row["adjusted"], row["by_hand"], row["limit"]) == (30, 70, 70, None)


async def test_a_moment_is_found_in_the_ledger_by_halving(bank: Bank) -> None:
    await bank.award(*range(1, 12))
    async with bank.store.reading() as conn:
        assert await dates.last_before(conn, CAMPUS, 5) == 0
        assert await dates.last_before(conn, CAMPUS, 2**40) == 11
        assert await dates.last_before(conn, "nobody", 2**40) == 0


def test_what_is_over_the_limit_is_released_by_command(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "c")
    operator.types("init")
    operator.types("tenant", "add", CAMPUS)
    assert "may issue 10 points a day; 10 are left" in operator.types("issue", "limit", CAMPUS, "10")
    assert "nothing was issued" in operator.types("issue", "show", CAMPUS)
    operator.types("agent", "add", CAMPUS, "ab" * 32)
    operator.set_aside(1, "over the issue limit: 10 a day")
    operator.set_aside(2, "its kind is not known here")
    why = ("--by", "ann", "--reason", "a big day")
    assert "1 entries of uni-example are posted" in operator.types("entry", "release", CAMPUS, *why)
    assert operator.asks("wallet", "show", CAMPUS, "learner1")[0]["balance"] == 10
    assert [one["seq"] for one in operator.asks("entry", "list", CAMPUS)] == [2]
    shown = operator.types("issue", "show", CAMPUS)
    assert "10 points" in shown
    assert "0 % by hand  of 10 a day" in shown
    assert "as many points as it likes" in operator.types("issue", "remove", CAMPUS)
    assert "no limit for points" in operator.types("issue", "remove", CAMPUS, code=1)
