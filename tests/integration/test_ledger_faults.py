"""What machines do to a ledger: full and read-only disks, a second agent, damage, power cuts. Nothing is lost."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import BusyError, ConfigError, IntegrityError, TransientError
from agent.ledger import file, verify
from agent.ledger.writer import Writer
from tests import programs
from tests.builders import awards_for, some_events
from tests.disks import mount
from tests.ledgers import Ledger, content, found, opened, rows

BALLAST_KIB = 4_096
KILLS = 20


@contextlib.contextmanager
def second_agent(data_dir: Path) -> Iterator[programs.Running]:
    """Another process that has the ledger open and writes to it; killed at the end where it still runs."""
    with contextlib.ExitStack() as stack:
        typed, _typing = (stack.enter_context(os.fdopen(end, mode)) for end, mode in zip(os.pipe(), "rw", strict=True))
        said, saying = (stack.enter_context(os.fdopen(end, mode)) for end, mode in zip(os.pipe(), "rw", strict=True))
        process = programs.start("tests.ledger_process", [str(data_dir)], stdin=typed, stdout=saying)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert said.readline() == "open\n"
        yield process


async def fill(ledger: Ledger) -> tuple[int, TransientError]:
    """Record pages until the disk is full; the first number that did not fit, and what was said."""
    for first in range(1, 100_000, 200):
        before = content(ledger.data_dir)
        try:
            await ledger.pay(200, first)
        except TransientError as exc:
            assert content(ledger.data_dir) == before, "nothing of the page stands"
            return first, exc
    pytest.fail("the disk never filled")


async def test_a_full_disk_is_told_and_the_agent_goes_on_when_there_is_space(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * BALLAST_KIB * 1_024)
    async with opened(small_disk / "data") as ledger:
        first, told = await fill(ledger)
        assert "is full" in told.message
        assert "free some space: nothing is lost" in told.hint
        assert told.exit_code == 1
        assert found(ledger.data_dir) == []
        with pytest.raises(TransientError, match="is full"):
            await ledger.pay(200, first)
        ballast.unlink()
        await ledger.pay(200, first)
        await ledger.pay(1, first=1)
        assert rows(ledger.data_dir, "SELECT count(*), max(seq) FROM entry") == [(first + 199, first + 199)]
        assert found(ledger.data_dir) == []
    async with opened(small_disk / "data") as ledger:
        await ledger.pay(1, first + 200)
    assert found(small_disk / "data") == []


async def test_a_disk_that_is_full_at_the_start_is_told_as_such(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"\0" * 4_096)
    for data_dir in (small_disk, small_disk / "data"):
        with pytest.raises(TransientError, match="full") as told:
            await Writer.open(data_dir)
        assert "free some space" in told.value.hint
    ballast.unlink()
    async with opened(small_disk / "data") as ledger:
        await ledger.pay(1)


async def test_a_read_only_directory_is_told_with_what_to_do(small_disk: Path) -> None:
    mount("-o", "remount,ro", str(small_disk))
    with pytest.raises(ConfigError, match="Read-only file system") as told:
        await Writer.open(small_disk)
    assert "name another under [agent] data_dir" in told.value.hint
    assert told.value.exit_code == 2


async def test_a_file_system_that_becomes_read_only_is_the_machines_trouble_and_no_fault_of_the_configuration(
    small_disk: Path,
) -> None:
    async with opened(small_disk) as ledger:
        await ledger.pay(3)
    mount("-o", "remount,ro", str(small_disk))
    with pytest.raises(TransientError, match="has become read-only") as told:
        await Writer.open(small_disk)
    assert "nothing is lost" in told.value.hint
    assert told.value.exit_code == 1, "a service tries again"
    assert isinstance(file.database_error(file.ledger_path(small_disk), refusal("SQLITE_READONLY")), TransientError)
    mount("-o", "remount,rw", str(small_disk))
    assert isinstance(file.database_error(file.ledger_path(small_disk), refusal("SQLITE_READONLY")), ConfigError)
    async with opened(small_disk) as ledger:
        await ledger.pay(1, first=4)
    assert found(small_disk) == []


def refusal(code: str) -> sqlite3.OperationalError:
    """What SQLite says."""
    error = sqlite3.OperationalError("attempt to write a readonly database")
    error.sqlite_errorname = code
    return error


async def test_a_directory_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for inside in ("file/data", "file"):
        with pytest.raises(ConfigError, match="cannot be written") as told:
            await Writer.open(tmp_path / inside)
        assert "[agent] data_dir" in told.value.hint


async def test_a_file_locked_by_another_program_is_told_and_waited_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.pay(1)
        with contextlib.closing(sqlite3.connect(file.ledger_path(tmp_path), isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            with pytest.raises(TransientError, match="locked by another program") as told:
                await ledger.pay(1, first=2)
            assert "lsof" in told.value.hint
            shell.execute("ROLLBACK")
        await ledger.pay(1, first=2)
        assert found(tmp_path) == []


async def test_a_second_agent_is_refused_and_told_who_has_the_directory(tmp_path: Path) -> None:
    with second_agent(tmp_path) as first:
        with pytest.raises(BusyError, match=rf"\(process {first.pid}\)") as told:
            await Writer.open(tmp_path)
        assert isinstance(told.value, TransientError)
        assert told.value.exit_code == 1
        assert "data_dir" in told.value.hint
    async with opened(tmp_path) as ledger:
        await ledger.pay(1)
    assert found(tmp_path) == []


async def test_a_ledger_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.pay(1)
    with contextlib.closing(sqlite3.connect(file.ledger_path(tmp_path))) as connection:
        connection.execute(f"PRAGMA user_version = {file.SCHEMA + 1}")
    with pytest.raises(IntegrityError, match="this program knows") as told:
        await Writer.open(tmp_path)
    assert "newer rewards-agent" in told.value.hint
    assert told.value.exit_code == 3
    with pytest.raises(IntegrityError, match="this program knows"):
        file.open_for_reading(tmp_path)


async def test_a_file_whose_beginning_is_damaged_is_not_opened(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.pay(1)
    with file.ledger_path(tmp_path).open("r+b") as stream:
        stream.write(b"\xff" * 100)
    with pytest.raises(IntegrityError, match="is damaged") as told:
        await Writer.open(tmp_path)
    assert "newest good copy" in told.value.hint
    with pytest.raises(IntegrityError, match="is damaged"):
        file.open_for_reading(tmp_path)


async def test_a_file_with_torn_pages_is_told_as_damaged_by_those_who_read_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as ledger:
        await ledger.pay(2_000)
    with file.ledger_path(tmp_path).open("r+b") as stream:
        stream.seek(4_096 * 20)
        stream.write(b"\xff" * 4_096 * 60)
    with pytest.raises(IntegrityError, match="is damaged"), file.reading(tmp_path) as connection:
        verify.verify(connection)


async def test_a_ledger_that_does_not_exist_yet_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="there is no ledger") as told:
        file.open_for_reading(tmp_path)
    assert "rewards-agent run" in told.value.hint
    assert told.value.exit_code == 1, "no edit makes one, running the agent does"
    file.ledger_path(tmp_path).touch()
    with pytest.raises(TransientError, match="not up to date"):
        file.open_for_reading(tmp_path)


async def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = file.ledger_path(tmp_path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE quota_use (mine TEXT)")
        before = connection.execute("SELECT * FROM sqlite_schema").fetchall()
        with pytest.raises(IntegrityError, match="quota_use"):
            file.migrate(connection, path)
        assert connection.execute("SELECT * FROM sqlite_schema").fetchall() == before
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


def test_the_newest_migration_is_the_schema_that_the_program_knows() -> None:
    assert sorted(file.migrations()) == list(range(1, file.SCHEMA + 1))


def test_no_two_migrations_have_one_number() -> None:
    folder = Path(file.__file__).parent / "migrations"
    assert len(list(folder.glob("*.sql"))) == len(file.migrations())


async def test_what_only_the_write_ahead_log_holds_is_there_after_a_power_cut(tmp_path: Path) -> None:
    live, after = tmp_path / "live", tmp_path / "after"
    after.mkdir()
    async with opened(live) as ledger:
        await ledger.pay(5)
        before = content(live)
        for name in (file.FILE_NAME, f"{file.FILE_NAME}-wal"):
            shutil.copyfile(live / name, after / name)
    assert (after / f"{file.FILE_NAME}-wal").stat().st_size > 0
    async with opened(after) as ledger:
        assert content(after) == before
        events = some_events(5)
        assert await ledger.take(events, awards_for(events)) == 0
        await ledger.pay(1, first=6)
    assert found(after) == []


@pytest.mark.slow
def test_killed_at_any_moment_the_ledger_holds_whole_pages_once(tmp_path: Path) -> None:
    chance = random.Random(20_261_121)
    left_over = 0
    recorded = [0]
    for number in range(KILLS):
        with second_agent(tmp_path) as process:
            time.sleep(chance.uniform(0.0, 0.12))
            while number % 3 and rows(tmp_path, "SELECT count(*) FROM event") == [(recorded[-1],)]:
                time.sleep(chance.uniform(0.001, 0.02))  # two of three are killed while pages are taken
            process.kill()
            process.wait()
        wal = tmp_path / f"{file.FILE_NAME}-wal"
        left_over += wal.exists() and wal.stat().st_size > 0
        assert found(tmp_path) == []
        ((events, newest, position),) = rows(
            tmp_path,
            "SELECT count(*), coalesce(max(position), 0), coalesce((SELECT position FROM source_state), 0) FROM event",
        )
        assert events == newest == position, "the cursor stands where the events end, none is missing"
        once = (
            "SELECT count(*), count(DISTINCT bucket), count(DISTINCT seq) FROM quota_use WHERE bucket LIKE 'moodle:%'"
        )
        assert rows(tmp_path, once) == [(events, events, events)]
        assert rows(tmp_path, "SELECT count(*), max(seq) FROM entry") == [(events, events or None)]
        recorded.append(events)
    assert recorded == sorted(recorded), "nothing that was there is lost"
    assert recorded[-1] > KILLS
    assert left_over > KILLS // 2
