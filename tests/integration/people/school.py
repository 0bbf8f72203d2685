"""A campus that tells names, in a test's hand: an agent over a real ledger, its LMS, and the line to a catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from agent.arriving.heard import Heard
from agent.clock import Clock, SystemClock
from agent.errors import TransientError
from agent.ledger.record import erased
from agent.outbox.client import Answer, Client, Place
from agent.outbox.enrol import Wish, enrol
from agent.outbox.key_file import new_key
from agent.outbox.people.naming import Calls, Naming
from agent.outbox.sync import Outbox
from agent.pipeline import Pipeline
from agent.privacy.erasing import Erasing
from catalogue import schema
from catalogue.people import names
from tests.contract.catalogues import CatalogueUnderTest, RealCatalogue
from tests.integration.test_linking import RULES, did
from tests.ledgers import found, rows
from tests.pipelines import Running, running
from tests.wire_builders import CAMPUS
from wire.keys import Key
from wire.people.names import PATH

LIMIT_S = 60.0
"""For one answer of the catalogue, on a machine that stalls too."""


class Line(Client):
    """A line to the catalogue that fails as it is told: before a message arrives, or after it did.

    What was sent is kept, and may come once more, late.
    """

    def __init__(self, place: Place, *, key_file: Path, clock: Clock, fails: list[str]) -> None:
        super().__init__(place, key_file=key_file, clock=clock)
        self.fails = fails
        self.sent: list[tuple[bytes, Key, str, str]] = []

    async def post_signed(self, path: str, body: bytes, *, key: Key, key_id: str, tag: str) -> Answer:
        how = self.fails.pop(0) if self.fails and path == PATH else ""
        if how == "before":
            raise TransientError("the line broke", hint="")
        self.sent.append((body, key, key_id, tag))
        answer = await super().post_signed(path, body, key=key, key_id=key_id, tag=tag)
        if how == "after":
            raise TransientError("the answer was lost", hint="")
        return answer

    async def replay(self) -> None:
        """Everything that was sent comes again, the newest first."""
        for body, key, key_id, tag in reversed(self.sent):
            await super().post_signed(PATH, body, key=key, key_id=key_id, tag=tag)


@dataclass(slots=True)
class Lms:
    """What each site says that its users are called; a site that is ``away`` does not answer.

    ``meanwhile`` is done while it is asked, once.
    """

    called: dict[str, dict[str, str]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    meanwhile: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def tells(self, site: str) -> Any:
        async def names_of(users: Sequence[str]) -> Mapping[str, str] | None:
            self.asked.extend(f"{site}:{user}" for user in users)
            while self.meanwhile:
                await self.meanwhile.pop()()
            if site in self.away:
                raise TransientError(f"{site} is away", hint="")
            return {user: self.called[site][user] for user in users if user in self.called[site]}

        return names_of


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """One agent with what it tells."""

    real: CatalogueUnderTest
    here: Running
    outbox: Outbox
    naming: Naming
    line: Line
    lms: Lms
    clock: Clock

    async def acts(self, *users: str, site: str = "moodle") -> None:
        """Each of these users earns, and it is delivered."""
        numbers = {user: number for number, user in enumerate(users, start=1)}
        await self.here.take(*(did(site, user, number, {}) for user, number in numbers.items()), source=site)
        assert await self.outbox.drain(limit_s=LIMIT_S)

    async def posts(self, site: str, user: str, name: str, number: int) -> None:
        """A system posts an act of somebody, and what they are called."""
        await self.here.take(did(site, user, number, {"username": name}), source=site)
        assert await self.outbox.drain(limit_s=LIMIT_S)

    async def told(self) -> dict[str, str]:
        """Tell, and what the catalogue then says."""
        assert await self.naming.drain(limit_s=LIMIT_S)
        return await self.called()

    async def called(self) -> dict[str, str]:
        """What learners are called at the catalogue."""
        whose = {name: f"{site}:{user}" for site, user, name in rows(self.here.data_dir, _PEOPLE)}
        assert isinstance(self.real, RealCatalogue)
        async with self.real.store.reading() as conn:
            known, _ = await names.find(conn, CAMPUS, "")
        return {whose.get(one.learner, one.learner): one.name for one in known}

    async def lose(self) -> None:
        """The catalogue loses its register, as after a restore."""
        assert isinstance(self.real, RealCatalogue)
        async with self.real.store.writing() as conn:
            await names.drop(conn, CAMPUS, now=1)

    async def traces(self) -> int:
        """Rows of the register, those of names that are gone too."""
        assert isinstance(self.real, RealCatalogue)
        async with self.real.store.reading() as conn:
            return len((await conn.execute(select(schema.person_name))).all())

    async def tomorrow(self) -> None:
        """Everybody was looked up a day ago."""
        await self.writes(lambda conn: conn.execute("UPDATE name_told SET looked_at = looked_at - 86400"))

    async def merge(self, account: str, into: str) -> None:
        """Make a user of the site another's account."""
        await self.writes(lambda conn: conn.execute(_MERGE, (account, into)))

    async def writes(self, unit: Any) -> Any:
        return await self.here.writer.run(unit)

    async def out(self, user: str, *, site: str = "moodle") -> None:
        await self.writes(lambda conn: erased.opt_out(conn, [(site, user)], "desk", self.clock.now()))

    async def back(self, user: str, *, site: str = "moodle") -> None:
        await self.writes(lambda conn: erased.opt_in(conn, [(site, user)], self.clock.now()))

    async def erase(self, user: str, *, site: str = "moodle") -> None:
        erasing = self._erasing(self.here.pipeline)
        await erasing.begin(accounts=[[site, user]], by="desk")
        await erasing.finish(accounts=[[site, user]], words=[], by="desk")

    async def readmit(self, user: str, *, site: str = "moodle") -> None:
        """Let what they do from now on count again."""
        await self._erasing(self.here.pipeline).readmit(accounts=[[site, user]], by="desk")

    def _erasing(self, pipeline: Pipeline) -> Erasing:
        here = self.here
        return Erasing(
            here.writer, here.recorder, pipeline, inbox=None, sources={}, data_dir=here.data_dir, clock=self.clock
        )


@asynccontextmanager
async def school(
    directory: Path,
    real: CatalogueUnderTest,
    lms: Lms,
    *,
    said_by: str = "username",
    asked: bool = False,
    fails: list[str] | None = None,
    posting: Sequence[str] = (),
) -> AsyncIterator[School]:
    """An agent of the campus; again in the same directory it is the same one."""
    directory.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    key_file = directory / "agent.ed25519"
    place = Place(url=real.url)
    line = Line(place, key_file=key_file, clock=clock, fails=[] if fails is None else fails)
    calls = Calls(said_by=said_by, asked=asked, tellers={site: lms.tells(site) for site in lms.called})
    heard = Heard(said_by, posting) if posting else None
    async with running(directory, RULES, heard=heard) as here:
        client = Client(place, key_file=key_file, clock=clock)
        outbox = Outbox(writer=here.writer, data_dir=directory, client=client, environment="production", clock=clock)
        naming = Naming(client=line, writer=here.writer, data_dir=directory, clock=clock, calls=calls)
        try:
            if not key_file.exists():
                new_key(key_file)
                wish = Wish(campus=CAMPUS, environment="production", url=place.url)
                async with Client(place, key_file=key_file, clock=clock) as asking:
                    token = await real.add_tenant(CAMPUS)
                    await enrol(token, wish, client=asking, writer=here.writer, data_dir=directory, clock=clock)
            yield School(real=real, here=here, outbox=outbox, naming=naming, line=line, lms=lms, clock=clock)
        finally:
            await naming.close()
            await outbox.close()
    assert found(directory) == []


_PEOPLE = "SELECT site, lms_user, pseudonym FROM person"
_MERGE = """
INSERT INTO alias (site, lms_user, into_site, into_user, merged_at, merged_by, reason)
VALUES ('moodle', ?, 'moodle', ?, 1, 'desk', 'one person')
"""
