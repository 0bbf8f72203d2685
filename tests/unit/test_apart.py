"""What fails among many: found by halves, told without what anybody wrote, and never an excuse for the machine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import apart
from agent.errors import ConfigError, ConstraintError, IntegrityError, InvalidInputError, TransientError
from agent.ledger import codec
from tests.builders import an_observation


class Works:
    """Takes numbers, but none of ``bad``; remembers what it took."""

    def __init__(self, bad: frozenset[int]) -> None:
        self.bad = bad
        self.took: list[int] = []

    async def __call__(self, some: Sequence[int]) -> int:
        if not self.bad.isdisjoint(some):
            raise ValueError(f"secret {some}")
        self.took += some
        return len(some)


@given(st.lists(st.integers(0, 40), unique=True), st.frozensets(st.integers(0, 40)))
def test_all_that_is_good_is_done_once_in_its_order_and_all_that_is_bad_is_found(
    items: list[int], bad: frozenset[int]
) -> None:
    work = Works(bad)
    done, failed = asyncio.run(apart.by_halves(items, work, most=100))
    assert work.took == [item for item in items if item not in bad]
    assert (sum(done), [item for item, _ in failed]) == (len(work.took), [item for item in items if item in bad])


async def test_where_more_fail_than_may_it_is_no_fault_of_theirs() -> None:
    work = Works(frozenset(range(3)))
    with pytest.raises(ValueError, match="secret"):
        await apart.by_halves(list(range(100)), work, most=2)
    assert work.took == []


@pytest.mark.parametrize(
    "error", [TransientError("full"), ConfigError("wrong"), IntegrityError("damaged"), MemoryError()]
)
async def test_what_the_machine_or_an_edit_cures_is_no_fault_of_any_item(error: Exception) -> None:
    calls = 0

    async def fails(_: Sequence[int]) -> None:
        nonlocal calls
        calls += 1
        raise error

    with pytest.raises(type(error)):
        await apart.by_halves([1, 2, 3], fails, most=3)
    assert calls == 1
    assert not apart.is_of_data(error)


def system_says(number: int) -> OSError:
    return OSError(number, os.strerror(number), "/var/lib/ann@example.org")


def of_sqlite(code: int, name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError(name)
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


MACHINE = [
    *(system_says(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO)),
    *(system_says(number) for number in (errno.EROFS, errno.ENOMEM, errno.EAGAIN, errno.EACCES, errno.ENOENT)),
    ConnectionResetError(),
    TimeoutError(),
    RuntimeError("can't start new thread"),
    SystemError("error return without exception set"),
    of_sqlite(sqlite3.SQLITE_FULL, "SQLITE_FULL"),
    of_sqlite(sqlite3.SQLITE_IOERR | 2 << 8, "SQLITE_IOERR_SHORT_READ"),
    of_sqlite(sqlite3.SQLITE_BUSY, "SQLITE_BUSY"),
    ExceptionGroup("both", [ValueError(), system_says(errno.EMFILE)]),
]


@pytest.mark.parametrize("error", MACHINE, ids=str)
async def test_what_the_machine_refuses_condemns_no_item_and_is_told_with_what_helps(error: Exception) -> None:
    calls = 0

    async def fails(_: Sequence[int]) -> None:
        nonlocal calls
        calls += 1
        raise error

    with pytest.raises(TransientError) as caught:
        await apart.by_halves([1, 2, 3], fails, most=3)
    assert calls == 1
    assert caught.value.hint
    assert "ann@example.org" not in str(caught.value)
    assert not apart.is_of_data(error)


def of_data() -> list[Exception]:
    """Errors as values bring them about, really raised."""
    found: list[Exception] = []
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        for raises in (
            lambda: connection.execute("SELECT ?", (2**70,)),
            lambda: connection.execute("SELECT 1 WHERE 'x' GLOB ?", ("*a" * 100_000,)),
            lambda: connection.execute(f"SELECT {'+'.join('1' * 2_000)}"),
            lambda: connection.execute("SELECT ?", ("\ud800",)),
            lambda: json.loads("[" * 100_000),
            lambda: Path("x" * 5_000).stat(),
            lambda: asyncio.run(None),  # type: ignore[arg-type]
        ):
            try:
                raises()
            except Exception as error:  # noqa: BLE001 - which it is is what is asked
                found.append(error)
    return found


def test_what_a_value_brings_about_is_of_data_also_where_the_system_says_it() -> None:
    found = of_data()
    assert len(found) == 7
    assert [apart.of_machine(error) for error in found] == [None] * 7
    assert all(map(apart.is_of_data, found))


def test_a_refusal_and_what_is_not_expected_may_be_about_an_item() -> None:
    assert all(map(apart.is_of_data, (InvalidInputError("no"), ConstraintError("CHECK"), KeyError("x"))))


def test_a_fault_names_its_place_in_this_program_and_nothing_that_anybody_wrote() -> None:
    beyond = an_observation(facts={"grade": Fraction(1, 10**5_000)})
    with pytest.raises((TypeError, ValueError)) as caught:
        codec.encode_events([beyond])
    fault, way = apart.fault_of(caught.value), apart.way_to(caught.value)
    assert fault.partition(" at ")[2].startswith("agent/ledger/codec.py:")
    assert way.startswith(fault.partition(" at ")[2])
    assert str(Path.cwd()) not in way
    assert apart.fault_of(ValueError("ann@example.org")) == "ValueError at a place outside of it"
    assert apart.fault_of(InvalidInputError("grade is not a number")) == "grade is not a number"
