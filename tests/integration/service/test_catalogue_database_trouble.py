"""What becomes of requests and commands while PostgreSQL takes no writes, lets nobody in, has no room, or ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from agent.outbox.client import Answer
from catalogue.errors import ConfigError
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.integration.operator import Operator
from tests.servers import PostgresDatabase
from tests.wire_builders import CAMPUS, entries

CENTRE = "centre"
"""A role that a limit of connections holds for: an administrator passes each."""

FILLING = ("movement", "policy")
"""Tables that a batch and an operator's command write into."""

Trouble = Callable[[PostgresDatabase], AbstractContextManager[tuple[str, str]]]


def ended(database: PostgresDatabase) -> None:
    database.server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'"
        " AND pid <> pg_backend_pid()"
    )


@contextlib.contextmanager
def read_only(database: PostgresDatabase) -> Iterator[tuple[str, str]]:
    """As a replica is, and a primary that was given up."""
    database.server.execute(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
    ended(database)
    yield "read-only transaction", "give it the primary, not a replica"
    database.server.execute(f'ALTER DATABASE "{database.name}" RESET default_transaction_read_only')
    ended(database)


@contextlib.contextmanager
def crowded(database: PostgresDatabase) -> Iterator[tuple[str, str]]:
    """Others have all the connections."""
    database.server.execute(f"ALTER ROLE {CENTRE} CONNECTION LIMIT 0")
    ended(database)
    yield "too many connections", "raise max_connections"
    database.server.execute(f"ALTER ROLE {CENTRE} CONNECTION LIMIT -1")


@contextlib.contextmanager
def full(database: PostgresDatabase) -> Iterator[tuple[str, str]]:
    """In the words of a server whose disk is full."""
    said = 'could not extend file "base/1/2": No space left on device'
    database.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION '{said}' USING ERRCODE = '53100'; END $$;"
        + "".join(f"CREATE TRIGGER full_disk BEFORE INSERT ON {one} EXECUTE FUNCTION full_disk();" for one in FILLING)
    )
    yield "No space left", "make room on its disk"
    database.execute("DROP FUNCTION full_disk CASCADE")


@pytest.fixture
def database(catalogue_database: PostgresDatabase) -> Iterator[PostgresDatabase]:
    catalogue_database.server.execute(f"CREATE ROLE {CENTRE} LOGIN IN ROLE admin")
    yield catalogue_database
    catalogue_database.server.execute(f"DROP ROLE {CENTRE}")


def url_of(database: PostgresDatabase) -> str:
    return str(make_url(database.dsn).set(username=CENTRE).render_as_string())


@pytest.fixture
async def real(tmp_path: Path, database: PostgresDatabase) -> AsyncIterator[RealCatalogue]:
    async with running_catalogue(tmp_path, url_of(database)) as made:
        yield made


@pytest.fixture
async def hand(real: RealCatalogue, tmp_path: Path) -> AsyncIterator[Hand]:
    made = Hand(real, tmp_path)
    await made.enrol(await real.add_tenant(CAMPUS))
    await made.deliver(entries(1, 5))
    yield made
    await made.client.close()


def refused(answer: Answer) -> bool:
    """Told to come again, with nothing said of what was sent."""
    return answer.status == 503 and int(dict(answer.headers)["Retry-After"]) > 0


async def comes_again(hand: Hand, body: bytes) -> None:
    """As an agent does, until it is taken: who lost the connection may hear of it with the next request."""
    answer = await hand.send(body)
    while refused(answer):
        answer = await hand.send(body)
    hand.receipt(answer)


@pytest.mark.parametrize("trouble", [read_only, crowded, full])
async def test_while_the_database_takes_nothing_agents_are_told_to_come_again_and_operators_what_to_do(
    trouble: Trouble, hand: Hand, real: RealCatalogue, database: PostgresDatabase, tmp_path: Path
) -> None:
    body = hand.seal(entries(6, 9))
    (tmp_path / "catalogue.toml").write_text(f'[database]\nurl = "{url_of(database)}"\n', encoding="utf-8")
    operator = Operator(tmp_path)
    with trouble(database) as (said, remedy):
        assert refused(await hand.send(body))
        words = ("budget", "policy", CAMPUS, "--timezone", "Europe/London")
        told = await asyncio.to_thread(operator.types, *words, code=1)
    assert said in told
    assert remedy in told
    await comes_again(hand, body)
    assert sum((await real.wallets(CAMPUS)).values()) == 90
    assert await real.faults() == []


async def end_who_waits(database: PostgresDatabase, task: asyncio.Task[Answer]) -> None:
    """End the connection on which something waits for a lock."""
    waits = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not task.done():
        if database.rows(f"SELECT pg_terminate_backend(pid) {waits}"):
            return
        await asyncio.sleep(0.01)


async def test_a_batch_whose_connection_ends_in_the_middle_is_taken_whole_when_it_comes_again(
    hand: Hand, real: RealCatalogue, database: PostgresDatabase
) -> None:
    body = hand.seal(entries(6, 9))
    async with real.store.writing() as conn:
        await conn.execute(text("SELECT 1 FROM ledger FOR UPDATE"))
        sent = asyncio.create_task(hand.send(body))
        await end_who_waits(database, sent)
        assert refused(await sent)
    await comes_again(hand, body)
    assert await real.faults() == []


async def test_a_server_whose_database_takes_no_writes_is_not_ready_and_doctor_says_why(
    real: RealCatalogue, database: PostgresDatabase, tmp_path: Path
) -> None:
    (tmp_path / "catalogue.toml").write_text(f'[database]\nurl = "{url_of(database)}"\n', encoding="utf-8")
    await real.store.stands()
    with read_only(database):
        with pytest.raises(ConfigError, match="it takes no writes: a replica"):
            await real.store.stands()
        told = await asyncio.to_thread(Operator(tmp_path).types, "doctor", code=2)  # it has no vouchers.key
    assert (
        "cannot be written: it takes no writes: a replica, or a primary that was given up [database-read-only]" in told
    )
    await real.store.stands()
