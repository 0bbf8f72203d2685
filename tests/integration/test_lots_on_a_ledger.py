"""Lots on a real ledger: terms hold for what comes after them, what is over goes into the statement, once."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from agent.ledger import file
from agent.ledger.money import accounts
from agent.schedule.expiry import Expiry
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.integration.outbox.test_callbacks import a_callback, settings
from tests.ledgers import rows
from tests.pipelines import Running, running
from tests.receivers import receiving
from tests.rule_stories import ZONE, event, rule
from wire.money.lots import Account

DAY = 86_400
ACT = event().seen.occurred_at
HEAD = f'schema = 1\ntimezone = "{ZONE}"\n'
STATED = "SELECT after_seq, kind, amount, of, occurred_at FROM statement ORDER BY no"


def rules(expires: str = "30d", more: str = "", earns: str = "") -> str:
    return HEAD + rule(more=earns) + f'[currency.points]\nexpires_after = "{expires}"\n{more}\n'


@asynccontextmanager
async def agent(
    directory: Path, text: str, *, active: bool = True
) -> AsyncIterator[tuple[Running, Expiry, ManualClock]]:
    async with running(directory, text) as here:
        clock = ManualClock(ACT)
        expiry = Expiry(here.writer, here.pipeline, clock, active=active)
        await expiry.adopt()
        yield here, expiry, clock


def account(directory: Path, learner: str = "moodle:ann") -> Account:
    with contextlib.closing(file.open_for_reading(directory)) as connection:
        return accounts.of_learner(connection, learner, "points")


async def test_a_lot_expires_after_its_time_once_and_the_chain_stays_as_it_is(tmp_path: Path) -> None:
    async with agent(tmp_path, rules()) as (here, expiry, clock):
        await here.take(event(lesson="1").seen, event(lesson="2", who="ben").seen)
        entries = here.entries()
        clock.at += 30 * DAY - 1
        await expiry.look()
        assert rows(tmp_path, STATED) == []
        clock.at += 1
        await expiry.look()
        await expiry.look()
        assert rows(tmp_path, STATED) == [
            (2, "expiry", -10, "1-1", ACT + 30 * DAY),
            (2, "expiry", -10, "1-2", ACT + 30 * DAY),
        ]
        assert here.entries() == entries
        assert (account(tmp_path).balance, account(tmp_path, "moodle:ben").available) == (0, 0)


async def test_a_lot_lives_from_the_act_that_earned_it_however_late_it_is_recorded(tmp_path: Path) -> None:
    async with agent(tmp_path, rules()) as (here, expiry, clock):
        clock.at += 31 * DAY
        await here.take(event(lesson="2", when="2026-09-20T09:00:00").seen)
        await expiry.look()
        await here.take(event(lesson="1").seen)
        assert [lot.expires_at for lot in account(tmp_path).lots] == [ACT + 30 * DAY, ACT + 43 * DAY]
        await expiry.look()
        assert rows(tmp_path, STATED) == [(2, "expiry", -10, "1-2", ACT + 30 * DAY)]
        clock.at += 12 * DAY
        await expiry.look()
        assert account(tmp_path).lots == ()


async def test_lots_of_one_block_go_each_in_its_time(tmp_path: Path) -> None:
    async with agent(tmp_path, rules()) as (here, expiry, clock):
        days = (9, 7, 8)
        await here.take(*[event(lesson=str(day), when=f"2026-09-{day:02}T09:00:00").seen for day in days])
        clock.at += 30 * DAY
        for left in (2, 1, 0):
            await expiry.look()
            assert len(account(tmp_path).lots) == left
            clock.at += DAY
        assert rows(tmp_path, "SELECT next_at FROM lot_block") == [(None,)]


async def test_a_change_of_the_terms_is_for_new_lots_only(tmp_path: Path) -> None:
    async with agent(tmp_path, rules("never")) as (here, _, _):
        await here.take(event(lesson="1").seen)
    async with agent(tmp_path, rules("30d")) as (here, _, _):
        await here.take(event(lesson="2").seen)
    async with agent(tmp_path, rules("60d")) as (here, expiry, clock):
        await here.take(event(lesson="3").seen)
        assert [lot.expires_at for lot in account(tmp_path).lots] == [ACT + 30 * DAY, ACT + 60 * DAY, None]
        clock.at += 365 * DAY
        await expiry.look()
        assert [lot.ref for lot in account(tmp_path).lots] == ["1-1"]


async def test_terms_that_were_kept_are_not_kept_again(tmp_path: Path) -> None:
    for _ in range(2):
        async with agent(tmp_path, rules()) as (here, expiry, clock):
            await here.take(event(lesson="1").seen)
            clock.at += 30 * DAY
            await expiry.look()
    assert rows(tmp_path, "SELECT since_seq, expires_after FROM currency_terms") == [(0, 30 * DAY)]
    assert len(rows(tmp_path, STATED)) == 1


async def test_an_award_that_is_undone_after_it_expired_costs_nothing(tmp_path: Path) -> None:
    text = rules(earns='reverse_on = "lesson.uncompleted"')
    async with agent(tmp_path, text) as (here, expiry, clock):
        await here.take(event().seen)
        clock.at += 30 * DAY
        await expiry.look()
        await here.take(event("lesson.uncompleted", "2026-09-08T09:00:00").seen)
        assert (account(tmp_path).balance, account(tmp_path).debt) == (0, 0)
        await here.take(event(when="2026-09-09T09:00:00", key="again").seen)
        assert account(tmp_path).balance == 10


async def test_what_soon_expires_is_told_once_for_each_lot(tmp_path: Path) -> None:
    async with agent(tmp_path, rules(more='notice = "14d"')) as (here, expiry, clock):
        await here.take(event(lesson="1").seen, event(lesson="2", who="ben").seen)
        clock.at += 16 * DAY
        with structlog.testing.capture_logs() as told:
            await expiry.look()
            await expiry.look()
        assert [(one["event"], one["currency"], one["amount"], one["learners"]) for one in told] == [
            ("expiry_near", "points", 20, 2)
        ]


async def test_a_lot_that_was_told_is_not_told_again_with_the_next(tmp_path: Path) -> None:
    async with agent(tmp_path, rules(more='notice = "14d"')) as (here, expiry, clock):
        clock.at += 16 * DAY
        told = []
        for lesson, day in (("1", 7), ("2", 8), ("3", 6)):
            await here.take(event(lesson=lesson, when=f"2026-09-{day:02}T09:00:00").seen)
            with structlog.testing.capture_logs() as logs:
                await expiry.look()
            told.append([one["amount"] for one in logs])
        clock.at += DAY
        with structlog.testing.capture_logs() as logs:
            await expiry.look()
        assert (told, [one["amount"] for one in logs]) == ([[10], [], [10]], [10])


async def test_what_is_over_already_is_not_told_as_near(tmp_path: Path) -> None:
    async with agent(tmp_path, rules(more='notice = "14d"')) as (here, expiry, clock):
        clock.at += 31 * DAY
        await here.take(event(lesson="1").seen, event(lesson="2", when="2026-09-20T09:00:00").seen)
        with structlog.testing.capture_logs() as told:
            await expiry.look()
        assert [(one["event"], one["amount"]) for one in told] == [("lots_expired", 10), ("expiry_near", 10)]


async def test_with_a_catalogue_nothing_expires_here(tmp_path: Path) -> None:
    async with agent(tmp_path, rules(), active=False) as (here, expiry, clock):
        await here.take(event().seen)
        clock.at += 365 * DAY
        await expiry.look()
        assert rows(tmp_path, STATED) == []


async def test_a_ledger_of_schema_5_goes_on_and_its_entries_have_the_first_terms(tmp_path: Path) -> None:
    steps = file.migrations()
    with contextlib.closing(sqlite3.connect(file.ledger_path(tmp_path), isolation_level=None)) as connection:
        connection.executescript("\n".join(steps[number] for number in range(1, 6)) + "\nPRAGMA user_version = 5;")
    async with running(tmp_path, HEAD + rule()) as here:
        await here.take(event().seen)
    async with agent(tmp_path, rules()):
        assert [lot.expires_at for lot in account(tmp_path).lots] == [ACT + 30 * DAY]


async def test_a_ledger_of_schema_8_expires_nothing_twice(tmp_path: Path) -> None:
    steps = file.migrations()
    with contextlib.closing(sqlite3.connect(file.ledger_path(tmp_path), isolation_level=None)) as connection:
        script = "\n".join(steps[number] for number in range(1, 9))
        connection.executescript(script + "\nPRAGMA user_version = 8;")
        connection.execute("INSERT INTO currency_terms VALUES ('points', 0, ?, 'owe', 1, 1)", (30 * DAY,))
        connection.execute(
            "INSERT INTO statement VALUES (1, 1, 1, 'points', 'expiry', -10, '1-1', ?, ?)", (ACT, ACT + 30 * DAY)
        )
    async with agent(tmp_path, rules()) as (here, expiry, clock):
        await here.take(event(lesson="1").seen, event(lesson="2").seen)
        clock.at += 30 * DAY
        await expiry.look()
        assert [of for _, _, _, of, _ in rows(tmp_path, STATED)] == ["1-1", "1-2"]


class _Set(ManualClock):
    """A clock that somebody sets: the time of day jumps, what has run does not."""

    def running(self) -> float:
        return float(NOW)


async def test_a_clock_that_was_set_lets_nothing_expire_until_it_stands(tmp_path: Path) -> None:
    async with running(tmp_path, rules()) as here:
        clock = _Set(ACT)
        expiry = Expiry(here.writer, here.pipeline, clock, active=True)
        await expiry.adopt()
        await here.take(event().seen)
        clock.at += 31 * DAY
        await expiry.look()
        assert rows(tmp_path, STATED) == []
        await expiry.look()
        assert len(rows(tmp_path, STATED)) == 1


async def test_what_soon_expires_is_told_to_callbacks_once_and_after_what_happened(tmp_path: Path) -> None:
    async with agent(tmp_path, rules(more='notice = "14d"')) as (here, expiry, clock), receiving() as receiver:
        await here.take(event(lesson="1").seen, event(lesson="2").seen, event(lesson="2", who="ben").seen)
        clock.at += 16 * DAY
        told = settings(receiver.url, on=["award", "expiry"], learner="lms-id")
        callback = a_callback(here, told)
        await expiry.look()
        await expiry.look()
        assert await callback.drain(limit_s=60)
        assert [(one["type"], one["data"]["learner"], one["data"]["units"]) for one in receiver.bodies()] == [
            *[("award", who, 10) for who in ("moodle:ann", "moodle:ann", "moodle:ben")],
            ("expiry", "moodle:ann", 20),
            ("expiry", "moodle:ben", 10),
        ]
        assert "20 points of moodle:ann expire soon, the first of them 2026-" in receiver.bodies()[3]["text"]
        await callback.close()
        again = a_callback(here, told)
        clock.at += DAY
        await expiry.look()
        assert await again.drain(limit_s=60)
        await again.close()
        assert len(receiver.bodies()) == 5
