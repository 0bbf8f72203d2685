"""One writer: units in order, each whole or not at all, and nobody is left waiting."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable
from pathlib import Path

import aiosqlite
import pytest

from agent.errors import BusyError, IntegrityError, TransientError
from agent.ledger.writer import UNITS_WAITING_MAX, Writer
from tests.builders import awards_for, some_events
from tests.ledgers import Ledger, content, found, opened, page, rows


class Held:
    """A unit whose one statement has begun when ``begun`` says so, and ends when it is told to ``go_on``."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = threading.Event()

    async def __call__(self, connection: aiosqlite.Connection) -> None:
        loop = asyncio.get_running_loop()

        def held() -> str:
            loop.call_soon_threadsafe(self.begun.set)
            return str(self.go_on.wait(60))

        await connection.create_function("held", 0, held)
        await connection.execute("INSERT INTO setting SELECT 'slow', held()")


async def write(connection: aiosqlite.Connection, *keys: str) -> None:
    await connection.executemany("INSERT INTO setting VALUES (?, '')", [(key,) for key in keys])


def settings(data_dir: Path) -> list[str]:
    return [key for (key,) in rows(data_dir, "SELECT key FROM setting ORDER BY key")]


async def cancel(task: asyncio.Task[object], times: int = 1) -> None:
    """Cancel a task as often as asked, giving it a turn before each, and wait for its end."""
    for _ in range(times):
        await asyncio.sleep(0)
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_units_run_in_the_order_asked_for_and_never_interleave(ledger: Ledger) -> None:
    trace: list[str] = []

    def unit_of(name: str) -> Awaitable[None]:
        async def unit(connection: aiosqlite.Connection) -> None:
            trace.append(f"{name} begins")
            await write(connection, name)
            await asyncio.sleep(0)
            trace.append(f"{name} ends")

        return ledger.run(unit)

    names = [f"{number:02}" for number in range(UNITS_WAITING_MAX * 2)]
    await asyncio.gather(*(unit_of(name) for name in names))
    assert trace == [f"{name} {verb}" for name in names for verb in ("begins", "ends")]
    assert settings(ledger.data_dir) == names


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_a_page_cancelled_in_mid_write_is_finished_before_its_caller_hears_of_it(
    ledger: Ledger, times: int
) -> None:
    events = some_events(400)
    writing = asyncio.Event()

    async def unit(connection: aiosqlite.Connection) -> None:
        writing.set()
        await page(ledger.recorder, events, awards_for(events))(connection)

    task: asyncio.Task[object] = asyncio.create_task(ledger.run(unit))
    await writing.wait()
    await cancel(task, times)
    assert task.cancelled()
    assert rows(ledger.data_dir, "SELECT count(*) FROM entry") == [(400,)]
    await ledger.pay(1, first=1_000)
    assert found(ledger.data_dir) == []


async def test_a_page_that_fails_after_its_caller_was_cancelled_leaves_nothing_for_the_next_commit(
    ledger: Ledger,
) -> None:
    await ledger.pay(2)
    events = some_events(400, first=100)
    writing = asyncio.Event()

    async def unit(connection: aiosqlite.Connection) -> None:
        writing.set()
        await page(ledger.recorder, events, awards_for(events))(connection)
        raise IntegrityError("the page cannot stand")

    task: asyncio.Task[object] = asyncio.create_task(ledger.run(unit))
    await writing.wait()
    await cancel(task)
    assert rows(ledger.data_dir, "SELECT count(*) FROM entry") == [(2,)]
    await ledger.pay(1, first=1_000)
    assert [n for (n,) in rows(ledger.data_dir, "SELECT position FROM event ORDER BY 1")] == [1, 2, 1_000]
    assert found(ledger.data_dir) == []


async def test_a_statement_that_is_broken_off_is_rolled_back_with_its_unit(ledger: Ledger) -> None:
    """Cancelled inside a statement, aiosqlite goes on with it: the next commit must not commit it."""
    held = Held()

    async def unit(connection: aiosqlite.Connection) -> None:
        broken_off = asyncio.ensure_future(held(connection))
        await held.begun.wait()
        broken_off.cancel()
        held.go_on.set()
        await asyncio.wait([broken_off])
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await ledger.run(unit)
    await ledger.run(lambda connection: write(connection, "next"))
    assert settings(ledger.data_dir) == ["next"]


async def test_a_unit_that_waits_for_something_cancelled_is_cancelled_and_the_writer_goes_on(ledger: Ledger) -> None:
    async def unit(connection: aiosqlite.Connection) -> None:
        await write(connection, "lost")
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await ledger.run(unit)
    await ledger.run(lambda connection: write(connection, "next"))
    assert settings(ledger.data_dir) == ["next"]


async def test_a_unit_that_ends_its_own_transaction_is_told_so(ledger: Ledger) -> None:
    async def unit(connection: aiosqlite.Connection) -> None:
        await connection.execute("ROLLBACK")

    with pytest.raises(IntegrityError, match="no transaction"):
        await ledger.run(unit)
    await ledger.run(lambda connection: write(connection, "next"))
    assert settings(ledger.data_dir) == ["next"]


async def test_an_error_of_a_unit_reaches_the_one_who_asked_and_nobody_else(ledger: Ledger) -> None:
    async def unit(connection: aiosqlite.Connection) -> None:
        await write(connection, "lost")
        raise LookupError("mine")

    results = await asyncio.gather(
        ledger.run(unit), ledger.run(lambda connection: write(connection, "kept")), return_exceptions=True
    )
    assert isinstance(results[0], LookupError)
    assert results[1] is None
    assert settings(ledger.data_dir) == ["kept"]


async def test_a_rollback_tells_everybody_who_remembers_rows(ledger: Ledger) -> None:
    told: list[str] = []
    ledger.writer.on_rollback(lambda: told.append("forget"))

    async def unit(connection: aiosqlite.Connection) -> None:
        raise LookupError

    await ledger.run(lambda connection: write(connection, "kept"))
    assert told == []
    with pytest.raises(LookupError):
        await ledger.run(unit)
    assert told == ["forget"]


async def test_closing_finishes_what_was_asked_for_and_refuses_what_comes_later(tmp_path: Path) -> None:
    writer = await Writer.open(tmp_path)
    asked = [asyncio.create_task(writer.run(lambda c, n=n: write(c, f"{n:02}"))) for n in range(40)]  # type: ignore[misc]
    await asyncio.sleep(0)
    await asyncio.gather(writer.close(), writer.close())
    with pytest.raises(TransientError, match="being closed"):
        await writer.run(lambda connection: write(connection, "late"))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    kept = [f"{number:02}" for number, answer in enumerate(answers) if answer is None]
    assert len(kept) >= UNITS_WAITING_MAX
    assert settings(tmp_path) == kept
    assert all(isinstance(answer, TransientError) for answer in answers if answer is not None)


async def test_closing_is_finished_even_when_the_one_who_closes_is_cancelled(tmp_path: Path) -> None:
    writer = await Writer.open(tmp_path)
    held = Held()
    running = asyncio.create_task(writer.run(held))
    await held.begun.wait()
    closing = asyncio.create_task(writer.close())
    for _ in range(3):
        await asyncio.sleep(0)
        closing.cancel()
    held.go_on.set()
    await cancel(closing)
    await running
    async with opened(tmp_path):
        assert settings(tmp_path) == ["slow"]


async def test_when_the_loop_is_torn_down_nobody_waits_for_ever(tmp_path: Path) -> None:
    """What `asyncio.run` does at its end: every task is cancelled at once, the writer's own too."""
    writer = await Writer.open(tmp_path)
    held = Held()
    waiting: list[asyncio.Task[object]] = [asyncio.create_task(writer.run(held))]
    await held.begun.wait()
    waiting += [asyncio.create_task(writer.run(lambda c, n=n: c.execute("SELECT ?", (n,)))) for n in range(40)]  # type: ignore[misc]
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    held.go_on.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(TransientError, match="being closed"):
            await writer.run(lambda connection: write(connection, "late"))
        await writer.close()
    assert settings(tmp_path) == []
    async with opened(tmp_path) as ledger:
        await ledger.run(lambda connection: write(connection, "next"))
    assert settings(tmp_path) == ["next"]


async def test_a_second_writer_in_the_same_process_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(BusyError):
            await Writer.open(tmp_path)
    async with opened(tmp_path) as ledger:
        await ledger.pay(1)


async def test_a_ledger_that_cannot_be_opened_lets_go_of_the_lock(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no ledger" * 1_000)
    with pytest.raises(IntegrityError, match="is damaged"):
        await Writer.open(tmp_path)
    (tmp_path / "ledger.db").unlink()
    async with opened(tmp_path) as ledger:
        await ledger.pay(1)


async def test_the_file_and_its_directory_are_nobody_elses_to_read(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as ledger:
        await ledger.pay(1)
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0
        for path in (tmp_path / "data").iterdir():
            assert path.stat().st_mode & 0o077 == 0, path.name


async def test_what_was_recorded_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.pay(3)
        before = content(tmp_path)
    assert content(tmp_path) == before
