"""Whoever is erased at the centre is in none of its database's files any more, dead rows and logs included."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic import command as migrating
from alembic.config import Config
from sqlalchemy import Connection, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from structlog.testing import capture_logs

from catalogue import schema
from catalogue.health import figures
from catalogue.people import names
from catalogue.proof import keeping
from catalogue.store import Store, scrubbing
from catalogue.store.base import MIGRATIONS
from catalogue.store.scrubbing import Scrubbing
from tests.integration.people.town import Town, sender
from tests.integration.redemption.shop import CAMPUS, a_shop
from tests.integration.test_catalogue_process import command
from tests.servers import READER, READER_PASSWORD, PostgresDatabase
from wire.keeping import Persons, Sealed
from wire.people.names import Name, Names

LEARNERS = [f"learner-{number:03d}" for number in range(300)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A centre that keeps learners sealed and knows what they are called; ``folder`` is where its database lies."""

    town: Town
    url: str
    folder: Path
    postgres: PostgresDatabase | None

    def where(self, learner: str) -> list[str]:
        """Files in which what was kept of a learner, or its name, stands: not the server's own log of changes."""
        return self.where_named(learner) + self._with(f"sealed {learner}.")

    def where_named(self, learner: str) -> list[str]:
        """Files in which its name stands."""
        if self.postgres is not None:
            self.postgres.execute("CHECKPOINT")
        return self._with(f"name of {learner}.")

    def left(self, learners: Sequence[str]) -> list[str]:
        """Whose sealed copies stand in any file."""
        assert self.postgres is not None
        self.postgres.execute("CHECKPOINT")
        read = b"".join(path.read_bytes() for path in self._files())
        return [learner for learner in learners if f"sealed {learner}.".encode() in read]

    def _with(self, text: str) -> list[str]:
        return [path.name for path in self._files() if text.encode() in path.read_bytes()]

    def _files(self) -> Iterator[Path]:
        pattern = "*.db*" if self.postgres is None else "*"
        yield from (path for path in self.folder.glob(pattern) if path.is_file())

    async def gone(self, *learners: str) -> None:
        """The message that carries an erasure."""
        message = Persons(campus=CAMPUS, agent="a", persons=(), gone=learners)
        async with self.town.shop.store.writing() as conn:
            await keeping.keep(conn, sender("a"), message, now=self.town.shop.at)


@pytest.fixture(params=["sqlite", "postgresql"])
async def held(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[Held]:
    database = request.getfixturevalue("catalogue_database") if request.param == "postgresql" else None
    place = {"template": catalogue_file} if database is None else {"url": database.dsn}
    async with a_shop(tmp_path, **place) as shop:
        town = Town(shop)
        await town.open()
        async with shop.store.writing() as conn:
            sealed = tuple(Sealed(name=each, sealed=f"sealed {each}.".encode()) for each in LEARNERS)
            await keeping.keep(conn, sender("a"), Persons(campus=CAMPUS, agent="a", persons=sealed), now=shop.at)
            asked = Names(campus=CAMPUS, agent="a", said_by="username", names=())
            register = await names.tell(conn, sender("a"), asked, now=shop.at)
            told = tuple(Name(learner=each, name=f"name of {each}.", told_at=shop.at) for each in LEARNERS)
            message = Names(campus=CAMPUS, agent="a", said_by="username", names=told, register=register)
            await names.tell(conn, sender("a"), message, now=shop.at)
        if database is None:
            yield Held(town=town, url=f"sqlite:///{next(tmp_path.glob('*.db'))}", folder=tmp_path, postgres=None)
        else:
            ((folder,),) = database.rows("SHOW data_directory")
            ((number,),) = database.rows("SELECT oid FROM pg_database WHERE datname = current_database()")
            yield Held(town=town, url=database.dsn, folder=Path(folder) / "base" / str(number), postgres=database)


async def test_the_last_row_of_a_page_leaves_no_byte_and_its_neighbours_stay(held: Held) -> None:
    gone, stays = LEARNERS[-1], LEARNERS[-2]
    assert held.where(gone)
    await held.gone(gone)
    await held.town.shop.store.erased()
    await held.town.shop.store.scrub()
    assert held.where(gone) == []
    assert held.where(stays)


@pytest.mark.parametrize("words", [("agent", "revoke", CAMPUS, "a"), ("tenant", "close", CAMPUS)], ids=" ".join)
async def test_names_that_nobody_could_take_away_later_leave_the_files_with_the_command(
    held: Held, tmp_path: Path, words: tuple[str, ...]
) -> None:
    config = tmp_path / "catalogue.toml"
    config.write_text(f'[catalogue]\nlisten = "127.0.0.1:1"\n[database]\nurl = "{held.url}"\n')
    assert held.where_named(LEARNERS[-1])
    await asyncio.to_thread(command, *words, "--config", config)
    assert [one for one in (LEARNERS[0], LEARNERS[-1]) if held.where_named(one)] == []


@asynccontextmanager
async def reading(held: Held) -> AsyncIterator[AsyncConnection]:
    """Somebody looks at the books meanwhile, and has begun before."""
    async with held.town.shop.store.reading() as conn:
        await conn.execute(select(schema.tenant))
        yield conn


async def test_a_server_that_was_killed_after_an_erasure_leaves_nothing_once_it_is_back(held: Held) -> None:
    gone = LEARNERS[-1]
    await held.gone(gone)
    assert held.where(gone)
    again = await Store.open(make_url(held.url))
    try:
        await again.scrub()
    finally:
        await again.close()
    assert held.where(gone) == []


async def test_who_reads_from_before_an_erasure_puts_the_files_off_which_is_told_and_made_up_for(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "REST_TIMES", 0)
    store, gone = held.town.shop.store, LEARNERS[-1]
    with capture_logs() as logged:
        async with reading(held):
            await held.gone(gone)
            await asyncio.wait_for(store.erased(), 30)
            await asyncio.wait_for(store.scrub(), 30)
            assert held.where(gone), "they may still see it"
            await store.scrub()
        assert [line["event"] for line in logged] == ["erasure_waits"], "once"
        await store.scrub()
    assert held.where(gone) == []
    assert len(logged) == 1


ON_POSTGRES = pytest.mark.parametrize("held", ["postgresql"], indirect=True)
FIGURE = "rewards_catalogue_erased_in_files"
BLOCK = LEARNERS[40:140]
"""Learners whose rows fill whole pages, of which a VACUUM leaves the bytes."""


async def typed(held: Held, tmp_path: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """What an operator types."""
    config = tmp_path / "catalogue.toml"
    config.write_text(f'[catalogue]\nlisten = "127.0.0.1:1"\n[database]\nurl = "{held.url}"\n')
    return await asyncio.to_thread(command, *words, "--config", config, code=code)


@ON_POSTGRES
async def test_large_tables_keep_the_erased_until_an_operator_writes_them_anew_and_doctor_says_so(
    held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = held.town.shop.store
    with monkeypatch.context() as patched:
        patched.setattr(scrubbing, "TABLE_BYTES_MAX", 0)
        await held.gone(*BLOCK)
        await store.erased()
        await store.scrub()
        assert held.left(BLOCK), "a VACUUM leaves whole pages"
        async with store.reading() as conn:
            books = await figures.look(conn, now=int(time.time()))
    assert "sealed_person" in {one.name for one in books.left}
    (waiting,) = [one for one in figures.families(books, backups=False) if one.name == FIGURE]
    assert waiting.samples[0].value == len(books.left)
    told = json.loads((await typed(held, tmp_path, "doctor", "--json", code=2)).stdout)
    assert "erased-in-files" in {one["code"] for one in told}, "by the shop's clock it was longer ago than a day"

    looked = await typed(held, tmp_path, "scrub", "--json")
    assert {one["table"] for one in json.loads(looked.stdout)} == {table.name for table in scrubbing.TABLES}
    assert "nothing was changed" in looked.stderr
    done = await typed(held, tmp_path, "scrub", "--yes")
    assert "sealed_person: written anew" in done.stdout
    acts = json.loads((await typed(held, tmp_path, "audit", "list", "*", "--act", "database.scrub", "--json")).stdout)
    assert {one["about"] for one in acts} == {table.name for table in scrubbing.TABLES}

    assert held.left(LEARNERS) == [one for one in LEARNERS if one not in BLOCK]
    assert json.loads((await typed(held, tmp_path, "scrub", "--json")).stdout) == []
    told = json.loads((await typed(held, tmp_path, "doctor", "--json", code=2)).stdout)
    assert "erased-in-files" not in {one["code"] for one in told}


@ON_POSTGRES
async def test_a_table_that_somebody_holds_is_left_and_told_and_the_same_command_does_the_rest(
    held: Held, tmp_path: Path
) -> None:
    gone = LEARNERS[-1]
    await held.gone(gone)
    async with reading(held) as conn:
        await conn.execute(select(schema.sealed_person.c.name).limit(1))
        refused = await typed(held, tmp_path, "scrub", "--yes", "--wait", "1", code=1)
    assert "sealed_person: left as it is: " in refused.stdout
    assert held.where(gone)
    await typed(held, tmp_path, "scrub", "--yes")
    assert held.where(gone) == []


@ON_POSTGRES
async def test_whoever_could_still_see_the_erased_is_waited_for_whatever_its_role(held: Held) -> None:
    store, gone, books = held.town.shop.store, LEARNERS[-1], held.postgres
    assert books is not None
    books.execute(f"GRANT SELECT ON tenant TO {READER}")
    url = make_url(held.url).set(username=READER, password=READER_PASSWORD)
    other = create_async_engine(url.set(drivername="postgresql+asyncpg"), isolation_level="REPEATABLE READ")
    async with other.connect() as conn:
        await conn.execute(text("SELECT count(*) FROM tenant"))
        await held.gone(gone)
        await store.scrub()
        async with store.reading() as mine:
            assert "sealed_person" in {one.name for one in await scrubbing.left(mine)}
    await other.dispose()
    await asyncio.sleep(0)
    again = await Store.open(make_url(held.url))
    await again.scrub()
    async with again.reading() as mine:
        assert await scrubbing.left(mine) == []
    await again.close()
    assert held.where(gone) == []


async def test_a_name_that_is_taken_back_alone_leaves_no_byte_either(held: Held) -> None:
    gone, shop = LEARNERS[-1], held.town.shop
    async with shop.store.writing() as conn:
        register = await names.register_of(conn, sender("a"))
        taken = (Name(learner=gone, name="", told_at=shop.at + 1),)
        message = Names(campus=CAMPUS, agent="a", said_by="username", names=taken, register=register)
        assert names.takes_back(message)
        await names.tell(conn, sender("a"), message, now=shop.at + 1)
    await shop.store.erased()
    await shop.store.scrub()
    assert held.where_named(gone) == []
    async with shop.store.reading() as conn:
        assert await scrubbing.left(conn) == []


@ON_POSTGRES
async def test_what_was_erased_from_large_tables_before_anybody_noted_it_counts_as_due(held: Held) -> None:
    store, books = held.town.shop.store, held.postgres
    assert books is not None
    async with store.writing() as conn:
        await conn.run_sync(back_to_the_twenty_sixth)
    books.execute("ALTER TABLE sealed_person ALTER sealed SET STORAGE EXTERNAL")
    books.execute("UPDATE sealed_person SET sealed = convert_to(repeat('x', 300000), 'UTF8')")
    assert await store.upgrade()
    async with store.reading() as conn:
        assert [one.name for one in await scrubbing.left(conn) if one.is_large] == ["sealed_person"]


def back_to_the_twenty_sixth(conn: Connection) -> None:
    """The schema before it was noted."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    migrating.downgrade(config, "0026")


@ON_POSTGRES
async def test_an_erasure_while_a_table_is_written_anew_is_not_forgotten(held: Held) -> None:
    store = held.town.shop.store
    await held.gone(LEARNERS[0])
    async with store.reading() as conn:
        noted = {one.name: one for one in await scrubbing.left(conn)}
    await held.gone(LEARNERS[1])
    await scrubbing._is_done(store._engines.writing, noted["sealed_person"])  # noqa: SLF001 - a race
    async with store.reading() as conn:
        assert "sealed_person" in {one.name for one in await scrubbing.left(conn)}


async def test_tables_are_written_anew_only_after_an_erasure_and_seldom() -> None:
    when = Scrubbing()
    assert not when.rests(), "a server that starts does not know what was before"
    when.is_due = False
    when.ended(time.monotonic() - 60, "")
    assert when.rests()
    when.is_due = True
    assert when.rests(), "it took a minute"
    when.ended(time.monotonic(), "somebody reads")
    assert when.is_due


async def test_an_erasure_for_which_the_database_was_away_is_seen_to_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counted as done, and the files kept the erased until the server was restarted or somebody else was erased."""
    store = await Store.open(make_url(f"sqlite:///{tmp_path / 'catalogue.db'}"), check_schema=False)
    times: list[str] = []

    async def away(_: object) -> str:
        times.append("away")
        raise ConnectionRefusedError

    async def there(_: object) -> str:
        times.append("there")
        return ""

    monkeypatch.setattr(store.dialect, "scrub", away)
    with pytest.raises(ConnectionRefusedError):
        await store.scrub()
    monkeypatch.setattr(store.dialect, "scrub", there)
    await store.scrub()
    assert times == ["away", "there"]
    await store.close()
