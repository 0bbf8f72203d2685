"""A campus is not a mint: what it gives beyond its limit waits for somebody, and its chain goes on."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from catalogue import acts
from catalogue.acts import Act
from catalogue.app import wall_clock
from catalogue.errors import CatalogueError
from catalogue.funding import issue, policy
from catalogue.proof import accepting, rejected
from catalogue.proof.accepting import accept_all
from catalogue.proof.rejected import Wanted
from catalogue.wallets import book, dates
from catalogue.wallets.moves import Move
from tests.contract.catalogues import Hand, running_catalogue
from tests.integration.operator import Operator
from tests.integration.wallets.bank import ANN, Bank
from tests.wire_builders import CAMPUS, an_entry
from wire.money.terms import Currency, Terms

DAY = 86_400


@pytest.fixture(params=["sqlite", "postgresql"])
async def bank(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path, now: int) -> AsyncIterator[Bank]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url, clock=lambda: now) as real:
        hand = Hand(real, tmp_path)
        await hand.enrol(await real.add_tenant(CAMPUS))
        yield Bank(real, hand)
        await hand.client.close()


@pytest.fixture
def now() -> int:
    """When the whole test happens: no midnight falls into it."""
    return wall_clock()


async def limit(bank: Bank, per_day: int, now: int) -> issue.Room:
    async with bank.store.writing() as conn:
        return await issue.put(conn, CAMPUS, "points", per_day, now=now)


async def send(bank: Bank, *amounts: int, **changes: object) -> list[tuple[int, str]]:
    """(seq, why) of what was set aside."""
    first = bank.hand.seq + 1
    bodies = [
        an_entry(seq, amount=amount, **{"learner": ANN} | changes) for seq, amount in enumerate(amounts, start=first)
    ]
    taken = await bank.hand.deliver(bodies)
    return [(one.seq, one.reason) for one in taken.rejected]


async def test_a_limit_is_told_in_the_units_of_its_currency(bank: Bank, now: int) -> None:
    await bank.award(1, said=Terms(currencies={"points": Currency(decimals=2)}, levels=()))
    await limit(bank, 10_050, now)
    assert await send(bank, 10_050) == [
        (2, "over the issue limit: the catalogue takes 100.50 points a day from this campus")
    ]


async def accept(bank: Bank, seq: int) -> dict[str, Any]:
    async with bank.store.writing() as conn:
        return await rejected.accept(
            bank.store, conn, CAMPUS, "agent-1", seq, by="test", reason="it is right", now=wall_clock()
        )


async def counts_in(bank: Bank, zone: str) -> None:
    """The campus counts its days in this zone."""
    async with bank.store.writing() as conn:
        await policy.put(conn, CAMPUS, timezone=zone, funded_only=())


@pytest.mark.parametrize("begins", ["2026-09-02T00:00+02:00", "2027-03-28T00:00+01:00", "2027-10-31T00:00+02:00"])
async def test_a_batch_that_waited_over_midnight_does_not_begin_the_count_of_the_new_day_again(
    bank: Bank, now: int, begins: str
) -> None:
    await counts_in(bank, "Europe/Berlin")
    await limit(bank, 100, now)
    midnight = int(datetime.fromisoformat(begins).timestamp())
    async with bank.store.writing() as conn:
        for at, given, left in ((midnight, 60, 100), (midnight - 1, 30, 40), (midnight + 1, 5, 10)):
            rooms = await issue.hold(conn, CAMPUS, now=at)
            assert rooms["points"].left == left
            await issue.count(conn, CAMPUS, rooms, {"points": given})


async def test_what_goes_over_the_limit_is_set_aside_and_the_chain_goes_on(bank: Bank, now: int) -> None:
    await bank.award(40)
    assert (await limit(bank, 100, now)).left == 60, "what was issued today counts already"
    why = "over the issue limit: the catalogue takes 100 points a day from this campus"
    assert await send(bank, 50, 20, 10, 1) == [(3, why), (5, why)]
    assert await send(bank, 5) == [(6, why)], "the next batch finds what this one left"
    assert await bank.balance() == 100
    assert await bank.real.faults() == []
    await accept(bank, 3)
    assert await bank.balance() == 120
    async with bank.store.reading() as conn:
        assert [row["seq"] for row in await rejected.listed(conn, CAMPUS, Wanted(over=True))] == [5, 6]
    assert await bank.real.faults() == []


async def test_an_award_that_is_set_aside_is_taken_back_without_making_a_debt(bank: Bank, now: int) -> None:
    await limit(bank, 10, now)
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
    assert (await accept(bank, 1))["taken_back_by"] == [2, 3], "else somebody has what the campus took back"
    assert (await accept(bank, 2))["taken_back_by"] == []
    assert await bank.balance() == 0
    assert (await limit(bank, 20, now)).left == 20, "what was released is beside the limit, also of one that is new"
    assert await bank.real.faults() == []


async def test_a_new_day_has_new_room_and_other_currencies_have_no_limit(bank: Bank, now: int) -> None:
    await limit(bank, 10, now)
    assert await send(bank, 10) == []
    assert await send(bank, 500, currency="stars") == []
    async with bank.store.writing() as conn:
        tomorrow = await issue.hold(conn, CAMPUS, now=now + DAY)
        today = await issue.hold(conn, CAMPUS, now=now)
    assert (tomorrow["points"].left, today["points"].left) == (10, 0)


async def test_the_share_that_hands_gave_is_shown_day_by_day(bank: Bank, now: int) -> None:
    await bank.award(30)
    await send(bank, 70, kind="adjustment", reason="by hand")
    async with bank.store.reading() as conn:
        (row,) = await issue.by_day(conn, CAMPUS, days=3, now=now)
        assert await issue.by_day(conn, CAMPUS, days=3, now=now + 9 * DAY) == []
    assert (row["awarded"], row["adjusted"], row["by_hand"], row["limit"]) == (30, 70, 70, None)


@pytest.mark.parametrize(
    ("today", "first"),
    [("2027-03-29T12:00+02:00", "2027-03-27T00:00+01:00"), ("2027-11-01T12:00+01:00", "2027-10-30T00:00+02:00")],
)
async def test_the_days_that_are_shown_are_whole_also_where_clocks_changed_since(
    bank: Bank, today: str, first: str
) -> None:
    await counts_in(bank, "Europe/Berlin")
    now, begins = (int(datetime.fromisoformat(each).timestamp()) for each in (today, first))
    for at in (begins - 1, begins, begins + 1):
        async with bank.store.writing() as conn:
            move = Move(ANN, "points", "award", 1, f"lot-{at}", at)
            held = await book.hold(bank.store, conn, CAMPUS, [move.key])
            await book.post(bank.store, conn, CAMPUS, [move], held, now=at)
    async with bank.store.reading() as conn:
        (row,) = await issue.by_day(conn, CAMPUS, days=3, now=now)
    assert (row["day"], row["awarded"]) == (first[:10], 2)


async def test_a_moment_is_found_in_the_ledger_by_halving(bank: Bank) -> None:
    await bank.award(*range(1, 12))
    async with bank.store.reading() as conn:
        assert await dates.last_before(conn, CAMPUS, 5) == 0
        assert await dates.last_before(conn, CAMPUS, 2**40) == 11
        assert await dates.last_before(conn, "nobody", 2**40) == 0


@pytest.fixture
def operator(tmp_path: Path, catalogue_file: Path) -> Operator:
    shutil.copy(catalogue_file, tmp_path / "catalogue.db")
    made = Operator(tmp_path)
    made.types("init")
    made.types("tenant", "add", CAMPUS)
    return made


def test_what_is_over_the_limit_is_released_by_command(operator: Operator) -> None:
    assert "may issue 10 points a day; 10 are left" in operator.types("issue", "limit", CAMPUS, "10")
    assert "nothing was issued" in operator.types("issue", "show", CAMPUS)
    operator.types("agent", "add", CAMPUS, "ab" * 32)
    operator.set_aside(1, "over the issue limit: 10 a day")
    operator.set_aside(2, "its kind is not known here")
    why = ("--by", "ann", "--reason", "a big day")
    assert "1 entry of uni-example is posted" in operator.types("entry", "release", CAMPUS, *why)
    assert operator.asks("wallet", "show", CAMPUS, "learner1")[0]["balance"] == 10
    assert [one["seq"] for one in operator.asks("entry", "list", CAMPUS)] == [2]
    shown = operator.types("issue", "show", CAMPUS)
    assert "10 points" in shown
    assert "0 % by hand  of 10 a day" in shown
    assert "as many points as it likes" in operator.types("issue", "remove", CAMPUS)
    assert "no limit for points" in operator.types("issue", "remove", CAMPUS, code=1)


async def test_what_cannot_be_posted_stays_aside_and_the_rest_is_posted_in_order(
    bank: Bank, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "LISTED_MAX", 2)
    await limit(bank, 10, now)
    await send(bank, 10, 20, 30)
    await send(bank, 5, kind="gift")
    await send(bank, 40, 50)
    said = Act(campus=CAMPUS, by="operator ann", at=now, act="entry.accept", why="a big day")
    some = await accept_all(bank.store, said, Wanted(because="ISSUE LIMIT"), by="ann", most=1)
    assert [one["seq"] for one in some.posted] == [2]
    assert (some.aside, str(some.last), some.more) == ([], "agent-1/1-2", True)
    rest = await accept_all(bank.store, said, Wanted(after=some.last), by="ann", most=1000)
    assert [one["seq"] for one in rest.posted] == [3, 5, 6]
    (aside,) = rest.aside
    assert (aside["seq"], "still cannot be posted" in aside["why"]) == (4, True)
    assert (rest.more, rest.stopped) == (False, "")
    assert await bank.balance() == 150
    assert await bank.real.faults() == []
    async with bank.store.reading() as conn:
        done = [(one["act"], one["about"], one["why"]) async for one in acts.listed(conn, {"act": "entry.accept"})]
    assert sorted(done) == [("entry.accept", f"agent-1 {seq}", "a big day") for seq in (2, 3, 5, 6)]


def test_many_that_are_aside_are_listed_page_by_page_and_accepted_by_their_reason(operator: Operator) -> None:
    operator.types("agent", "add", CAMPUS, "ab" * 32)
    for seq in (1, 2, 4):
        operator.set_aside(seq, f"over the issue limit: {seq}0 a day")
    operator.set_aside(3, "it cannot be read", b"nonsense")
    operator.set_aside(5, "its kind is not known here")
    why = ("--by", "ann", "--reason", "a big day")
    page = operator.types("entry", "list", CAMPUS, "--limit", "2")
    assert "note: 5 are aside in all; the next: --after agent-1/1-2" in page
    rest = operator.types("entry", "list", CAMPUS, "--after", "agent-1/1-2")
    assert (len(rest.splitlines()), "note:" in rest) == (3, False)
    assert "not known" in operator.types("entry", "list", CAMPUS, "--because", "KIND")
    assert "AGENT/EPOCH-SEQ" in operator.types("entry", "list", CAMPUS, "--after", "2", code=1)
    for words in ((), ("agent-1",), ("agent-1", "1", "--all"), ("agent-1", "1", "--because", "x")):
        assert "which entries?" in operator.types("entry", "accept", CAMPUS, *words, *why, code=1)
    told = operator.types("entry", "accept", CAMPUS, "--all", "--because", "limit: 20", *why)
    assert told == f"1 entry of {CAMPUS} is posted\n"
    told = operator.types("entry", "release", CAMPUS, "--most", "1", *why)
    assert "there are more: go on with --after agent-1/1-1" in told
    told = operator.types("entry", "accept", CAMPUS, "agent-1", "--all", *why, code=1)
    posted, aside, which = told.splitlines()
    assert (posted, aside) == (f"2 entries of {CAMPUS} are posted", "1 entry stays aside:")
    assert "entry 3 of agent-1 still cannot be posted" in which
    assert operator.asks("entry", "list", CAMPUS)[0]["seq"] == 3
