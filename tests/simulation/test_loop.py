"""What a simulated machine does follows from the seed alone, not from where things lie in the real one's memory."""

from __future__ import annotations

import asyncio
import weakref
from pathlib import Path
from random import Random

import aiosqlite
import pytest

from sim.loop import VirtualLoop
from sim.machine import Process
from sim.network import Network
from sim.trace import Trace


class Thread:
    """Stands for one."""


def test_no_thread_comes_to_stand_in_the_place_of_one_that_is_gone_and_waits_for_its_answers() -> None:
    loop = VirtualLoop(Random("1"), Network(Random("1"), Trace(Path())))
    thread = Thread()
    place = weakref.ref(thread)
    loop.run_in_executor(thread, dict)
    del thread
    assert place() is not None, "its place in memory could be another's now"
    loop.close()


def test_tasks_of_a_set_follow_one_another_as_they_were_begun_wherever_they_lie_in_memory() -> None:
    """A group ends its tasks in the order of a set: on another day a seed played another story."""
    loop = VirtualLoop(Random("1"), Network(Random("1"), Trace(Path())))
    tasks = [loop.create_task(asyncio.sleep(1)) for _ in range(64)]
    assert list(set(tasks)) == tasks
    loop.run_until_complete(asyncio.wait(tasks))
    loop.close()


def test_who_wants_to_write_while_another_does_waits_in_virtual_time(tmp_path: Path) -> None:
    loop = VirtualLoop(Random("1"), Network(Random("1"), Trace(Path())))

    async def writing(begins_s: float, takes_s: float) -> float:
        await asyncio.sleep(begins_s)
        connection = await aiosqlite.connect(tmp_path / "a.db", isolation_level=None)
        try:
            await connection.execute("BEGIN IMMEDIATE")
            began = loop.time()
            await asyncio.sleep(takes_s)
            await connection.execute("COMMIT")
        finally:
            await connection.close()
        return began

    async def all_three() -> list[float | BaseException]:
        return [*await asyncio.gather(writing(0, 2), writing(1, 9), writing(4, 1), return_exceptions=True)]

    _, second, third = loop.run_until_complete(all_three())
    assert isinstance(second, float)
    assert 2 < second < 2.1, "as soon as the first had ended"
    assert "locked" in str(third), "and not for ever"
    loop.close()


@pytest.mark.parametrize("closes", [False, True])
def test_a_program_that_ends_in_the_middle_of_a_statement_takes_its_lock_with_it(closes: bool, tmp_path: Path) -> None:
    """Its parked answers still hold the cursor; nobody could write into that file any more."""
    loop = VirtualLoop(Random("1"), Network(Random("1"), Trace(Path())))
    under_way: list[object] = []

    async def half() -> None:
        connection = await aiosqlite.connect(tmp_path / "a.db", isolation_level=None)
        await connection.execute("CREATE TABLE seen (number INTEGER)")
        under_way.append(await connection.execute("INSERT INTO seen VALUES (1), (2) RETURNING number"))
        if closes:
            await connection.close()
        await asyncio.Event().wait()

    async def after_it() -> None:
        process = Process(name="ends", on_kill=lambda _: None)
        process.start(half, loop)
        await asyncio.sleep(1)
        process.exit()
        connection = await aiosqlite.connect(tmp_path / "a.db", isolation_level=None)
        await connection.execute("INSERT INTO seen VALUES (3)")
        await connection.close()

    loop.run_until_complete(after_it())
    assert under_way, "it had not begun"
    loop.close()
