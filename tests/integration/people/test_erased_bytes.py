"""Whoever is erased at the centre is in none of its database's files any more, dead rows and logs included."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url, select
from structlog.testing import capture_logs

from catalogue import schema
from catalogue.people import names
from catalogue.proof import keeping
from catalogue.store import Store, scrubbing
from catalogue.store.scrubbing import Scrubbing
from tests.integration.people.town import Town, sender
from tests.integration.redemption.shop import CAMPUS, a_shop
from tests.integration.test_catalogue_process import command
from tests.servers import PostgresDatabase
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

    def _with(self, text: str) -> list[str]:
        return [path.name for path in self._files() if text.encode() in path.read_bytes()]

    def _files(self) -> Iterator[Path]:
        pattern = "*.db*" if self.postgres is None else "*"
        yield from (path for path in self.folder.glob(pattern) if path.is_file())

    async def gone(self, learner: str) -> None:
        """The message that carries an erasure."""
        message = Persons(campus=CAMPUS, agent="a", persons=(), gone=(learner,))
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
async def reading(held: Held) -> AsyncIterator[None]:
    """Somebody looks at the books meanwhile, and has begun before."""
    async with held.town.shop.store.reading() as conn:
        await conn.execute(select(schema.tenant))
        yield


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
