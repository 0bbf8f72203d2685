"""Two agents of a campus over real ledgers and a real catalogue: one person's wallets, whoever comes first."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select

from agent.arriving.linked import Linking
from agent.clock import SystemClock
from agent.ledger.centre import elsewhere
from agent.ledger.centre.elsewhere import Beside
from agent.ledger.corrections import Correction
from agent.ledger.merging import merge
from agent.ledger.merging.untold import Kin
from agent.outbox.client import Client, Place
from agent.outbox.enrol import Wish, enrol
from agent.outbox.key_file import new_key
from agent.outbox.people.telling import Telling
from agent.outbox.sync import Outbox
from agent.wiring.people.linking import key_name
from catalogue import schema
from catalogue.people import knowing
from catalogue.proof import keeping
from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.integration.people.school import LIMIT_S
from tests.integration.people.town import sender
from tests.integration.test_linking import RULES, did
from tests.ledgers import behind_its_back, found, rows
from tests.pipelines import Running, running
from tests.wire_builders import CAMPUS
from wire.keeping import Persons

KEY = b"k" * 32
ANN = {"idnumber": "HR-7", "email": "ann@example.org"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent: a pipeline over a ledger, its outbox, and what it tells of people."""

    here: Running
    outbox: Outbox
    telling: Telling

    async def sync(self) -> None:
        assert await self.outbox.drain(limit_s=LIMIT_S)
        assert await self.telling.drain(limit_s=LIMIT_S)

    def beside(self, learner: str) -> Beside:
        with closing(sqlite3.connect(self.here.data_dir / "ledger.db")) as connection:
            return elsewhere.of(connection, learner)

    def untold(self) -> int:
        ((count,),) = rows(self.here.data_dir, "SELECT count(*) FROM link_untold")
        return int(count)

    def pseudonym(self, learner: str) -> str:
        ((name,),) = rows(self.here.data_dir, "SELECT pseudonym FROM person WHERE site || ':' || lms_user = ?", learner)
        return str(name)


@asynccontextmanager
async def an_agent(
    directory: Path, real: RealCatalogue, *, key: bytes = KEY, tells: bool = True, site: str = "moodle"
) -> AsyncIterator[Agent]:
    """An agent of the campus; again in the same directory it is the same one."""
    directory.mkdir(parents=True, exist_ok=True)
    clock, key_file = SystemClock(), directory / "agent.ed25519"
    linking = Linking(key=key, link_by=("idnumber", "email"), sources=(site,))
    kin = Kin(campus=CAMPUS, key=key, key_name=key_name(key)) if tells else Kin(campus=CAMPUS)

    def client() -> Client:
        return Client(Place(url=real.url), key_file=key_file, clock=clock)

    async with running(directory, RULES, linking=linking) as here:
        outbox = Outbox(writer=here.writer, data_dir=directory, client=client(), environment="production", clock=clock)
        telling = Telling(client=client(), writer=here.writer, data_dir=directory, clock=clock, kin=kin)
        try:
            if not key_file.exists():
                new_key(key_file)
                wish = Wish(campus=CAMPUS, environment="production", url=real.url)
                async with client() as asking:
                    token = await real.add_tenant(CAMPUS)
                    await enrol(token, wish, client=asking, writer=here.writer, data_dir=directory, clock=clock)
            yield Agent(here=here, outbox=outbox, telling=telling)
        finally:
            await telling.close()
            await outbox.close()
    assert found(directory) == []


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[RealCatalogue]:
    async with running_catalogue(tmp_path, f"sqlite:///{tmp_path}/books.db") as made:
        yield made


async def linked(real: RealCatalogue) -> int:
    async with real.store.reading() as conn:
        return len(await knowing.listed(conn, CAMPUS))


async def told_of(real: RealCatalogue) -> set[str]:
    """Pseudonyms that agents told tags of."""
    async with real.store.reading() as conn:
        return set(await conn.scalars(select(schema.person_tag.c.name)))


async def lessons(agent: Agent, user: str, count: int, said: Mapping[str, str], *, site: str = "moodle") -> None:
    await agent.here.take(*(did(site, user, number, said) for number in range(1, count + 1)), source=site)


async def test_two_agents_hear_of_each_other_what_one_person_has_and_nothing_that_names_them(
    real: RealCatalogue, tmp_path: Path
) -> None:
    async with an_agent(tmp_path / "one", real) as one, an_agent(tmp_path / "two", real, site="campus2") as two:
        await lessons(one, "35", 2, ANN)
        await one.sync()
        assert one.beside("moodle:35") == Beside(wallets={}), "nobody knows of anybody else yet"
        await lessons(two, "9", 1, {"idnumber": "HR-7"}, site="campus2")
        await two.sync()
        await one.sync()
        assert await linked(real) == 2
        assert one.beside("moodle:35").wallets == {"points": (10, 10)}
        assert two.beside("campus2:9").wallets == {"points": (20, 20)}
        assert one.beside("moodle:35").mates == (("agent-2", two.pseudonym("campus2:9")),)
        await lessons(two, "9", 3, {"idnumber": "HR-7"}, site="campus2")
        await two.sync()
        await one.sync()
        assert one.beside("moodle:35").wallets == {"points": (30, 30)}
        assert one.untold() == two.untold() == 0
    books = (tmp_path / "books.db").read_bytes() + (tmp_path / "books.db-wal").read_bytes()
    tags = [tag for (tag,) in rows(tmp_path / "one", "SELECT tag FROM account_tag")]
    assert not any(text.encode() in books for text in ("HR-7", "example.org", "moodle:35", *tags))


async def test_nobody_is_told_of_before_what_they_earned_is_delivered(real: RealCatalogue, tmp_path: Path) -> None:
    """A ledger that was put back then knew them by another pseudonym: two people had one address, for ever."""
    async with an_agent(tmp_path / "one", real) as one:
        await lessons(one, "35", 1, ANN)
        assert await one.telling.drain(limit_s=LIMIT_S)
        assert (await told_of(real), one.untold()) == (set(), 1)
        await one.sync()
        assert (await told_of(real), one.untold()) == ({one.pseudonym("moodle:35")}, 0)
        await lessons(one, "36", 2, {"email": "ben@example.org"})
        assert await one.telling.drain(limit_s=LIMIT_S)
        assert await told_of(real) == {one.pseudonym("moodle:35")}


async def test_what_was_told_is_not_told_again_after_a_restart_and_all_is_after_the_key_changed(
    real: RealCatalogue, tmp_path: Path
) -> None:
    async with an_agent(tmp_path / "one", real) as one:
        await lessons(one, "35", 1, ANN)
        await one.sync()
    async with an_agent(tmp_path / "one", real) as one:
        await lessons(one, "35", 2, ANN)
        assert one.untold() == 0, "the same identifiers are no news"
        await one.sync()
    async with an_agent(tmp_path / "two", real, key=b"o" * 32) as two:
        await lessons(two, "9", 1, ANN)
        await two.sync()
        assert await linked(real) == 0
        ((others,),) = rows(tmp_path / "two", "SELECT other_keys FROM elsewhere_stand")
        assert others == '["agent-1"]'
    async with an_agent(tmp_path / "two", real) as two:
        await lessons(two, "9", 2, ANN)
        await two.sync()
        assert await linked(real) == 2


async def test_that_keys_differ_is_kept_though_the_disk_was_full_when_it_was_told(
    real: RealCatalogue, tmp_path: Path
) -> None:
    """It was remembered as kept, and `doctor` never said it."""
    full = "CREATE TRIGGER full BEFORE UPDATE OF other_keys ON elsewhere_stand BEGIN SELECT raise(ABORT, 'full'); END"
    async with an_agent(tmp_path / "one", real) as one, an_agent(tmp_path / "two", real, key=b"x" * 32) as two:
        await lessons(one, "35", 1, ANN)
        await one.sync()
        await lessons(two, "9", 1, ANN)
        assert await two.outbox.drain(limit_s=LIMIT_S)
        with behind_its_back(tmp_path / "two") as ledger:
            ledger.execute(full)
        assert not await two.telling.drain(limit_s=60)
        with behind_its_back(tmp_path / "two"):
            pass  # no trigger is left: there is room again
        assert await two.telling.drain(limit_s=LIMIT_S)
        ((others,),) = rows(tmp_path / "two", "SELECT other_keys FROM elsewhere_stand")
        assert others == '["agent-1"]'


async def test_an_agent_that_may_not_tell_sends_no_tag_and_takes_back_those_it_told(
    real: RealCatalogue, tmp_path: Path
) -> None:
    async with an_agent(tmp_path / "one", real) as one, an_agent(tmp_path / "two", real, tells=False) as two:
        await lessons(one, "35", 1, ANN)
        await lessons(two, "9", 1, ANN)
        for each in (one, two, one):
            await each.sync()
        assert (await linked(real), two.untold()) == (0, 0)
    async with an_agent(tmp_path / "one", real, tells=False) as one:
        await one.sync()
        async with real.store.reading() as conn:
            assert not (await conn.exec_driver_sql("SELECT count(*) FROM person_tag")).scalar()


async def test_an_account_that_is_merged_here_goes_on_in_the_purse_of_the_one_it_became(
    real: RealCatalogue, tmp_path: Path
) -> None:
    async with an_agent(tmp_path / "one", real) as one, an_agent(tmp_path / "two", real) as two:
        await lessons(one, "35", 1, ANN)
        await lessons(one, "36", 1, {"email": "a2@example.org"})
        await lessons(two, "9", 1, ANN)
        for each in (one, two, one):
            await each.sync()
        said = Correction(reason="one person", by="desk")

        async def unit(connection: object) -> None:
            await merge.alias(connection, "moodle:35", "moodle:36", by=said.by, reason=said.reason, now=1)  # type: ignore[arg-type]

        await one.here.writer.run(unit)
        await one.sync()
        await two.sync()
        names = {one.pseudonym("moodle:35"), one.pseudonym("moodle:36")}
        assert {name for _, name in two.beside("moodle:9").mates} == names
        assert one.beside("moodle:36").wallets == {"points": (20, 20)}


async def test_a_catalogue_put_back_is_told_all_again_and_an_erased_person_is_in_nobodys_purse(
    real: RealCatalogue, tmp_path: Path
) -> None:
    async with an_agent(tmp_path / "one", real) as one, an_agent(tmp_path / "two", real) as two:
        await lessons(one, "35", 1, ANN)
        await lessons(two, "9", 1, ANN)
        for each in (one, two, one):
            await each.sync()
        async with real.store.writing() as conn:
            for table in ("link", "link_change", "link_head", "person_tag"):
                await conn.exec_driver_sql(f"DELETE FROM {table}")
        for each in (one, two, one, two, one):
            await each.sync()
        assert one.beside("moodle:35").wallets == {"points": (10, 10)}
        gone = Persons(campus=CAMPUS, agent="agent-2", persons=(), gone=(two.pseudonym("moodle:9"),))
        async with real.store.writing() as conn:
            await keeping.keep(conn, sender("agent-2"), gone, now=1)
        await one.sync()
        assert one.beside("moodle:35") == Beside(wallets={})


async def test_an_agent_with_nothing_to_deliver_tells_a_catalogue_that_was_put_back_who_was_erased(
    real: RealCatalogue, tmp_path: Path
) -> None:
    """Not one entry is missing there, so only the numbers of links tell that it is an older copy."""
    async with an_agent(tmp_path / "one", real) as one:
        await lessons(one, "35", 1, ANN)
        await one.sync()
        name = one.pseudonym("moodle:35")
        copy = await tags_of(real)
        await one.here.writer.run(lambda conn: conn.execute("INSERT INTO forgotten (pseudonym) VALUES (?)", (name,)))
        await one.sync()
        assert await tags_of(real) == []
        async with real.store.writing() as conn:
            await conn.execute(insert(schema.person_tag), copy)
            await conn.execute(delete(schema.link_head))
        await one.sync()
        await one.outbox.drain(limit_s=60)
        assert await tags_of(real) == []


async def tags_of(real: RealCatalogue) -> list[dict[str, object]]:
    async with real.store.reading() as conn:
        return [dict(row._mapping) for row in await conn.execute(select(schema.person_tag))]  # noqa: SLF001 - SQLAlchemy's public name


async def test_a_catalogue_of_before_is_asked_again_and_delivery_goes_on(real: RealCatalogue, tmp_path: Path) -> None:
    async with an_agent(tmp_path / "one", real) as one:
        await lessons(one, "35", 1, ANN)
        one.telling._client = Client(  # noqa: SLF001 - another place for the same agent
            Place(url=f"{real.url}/older"), key_file=tmp_path / "one" / "agent.ed25519", clock=SystemClock()
        )
        assert not await one.telling.drain(limit_s=60)
        assert await one.outbox.drain(limit_s=LIMIT_S)
        assert one.untold() == 1
