"""What the contract asks of a catalogue under test, and an agent's hand to ask with."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from sqlalchemy import URL, make_url

from agent.clock import SystemClock
from agent.outbox.client import Answer, Client, Place
from catalogue import books, tenants
from catalogue.app import Door, wall_clock
from catalogue.proof.keys import KeyFile
from catalogue.redemption.vault import Vault
from catalogue.store import Store
from catalogue.verify import verify
from tests import distributed, documented
from tests.wire_builders import CAMPUS, a_header
from wire import batch, chain, enrolment, keys, receipt, signing
from wire.enrolment import EnrolAnswer, EnrolRequest, Rotation, Token
from wire.keeping import Persons, Takeover
from wire.people.names import Name, Named, Names
from wire.receipt import Receipt, Stand


class CatalogueUnderTest(Protocol):
    """A catalogue that listens somewhere, and its operator's side."""

    url: str

    @property
    def key(self) -> keys.Key:
        """The key that signs its answers."""
        ...

    async def add_tenant(self, campus: str, environment: str = "production", *, agent: str | None = None) -> str:
        """A token for a campus, which is made known if it is not."""
        ...

    async def set_state(self, campus: str, state: str) -> None:
        """Suspend a campus or let it go on."""
        ...

    async def revoke(self, campus: str, agent: str) -> None:
        """Take nothing more from an agent."""
        ...

    async def wallets(self, campus: str) -> dict[tuple[str, str], int]:
        """(learner, currency) → balance."""
        ...


class RealCatalogue:
    """The product itself on a database, in this process."""

    def __init__(self, store: Store, key_file: KeyFile, url: str) -> None:
        self.store = store
        self._key_file = key_file
        self.url = url

    @property
    def key(self) -> keys.Key:
        """As it signs now."""
        return self._key_file()

    async def add_tenant(self, campus: str, environment: str = "production", *, agent: str | None = None) -> str:
        async with self.store.writing() as conn:
            if campus not in {row["campus"] for row in await tenants.tenants(conn)}:
                await tenants.add_tenant(conn, campus, title=campus, environment=environment, now=wall_clock())
            expires_at = wall_clock() + 3600
            token = await tenants.new_token(conn, campus, self.key.fingerprint, expires_at=expires_at, name=agent)
        return token.text()

    async def set_state(self, campus: str, state: str) -> None:
        async with self.store.writing() as conn:
            await tenants.set_tenant_state(conn, campus, state)

    async def revoke(self, campus: str, agent: str) -> None:
        async with self.store.writing() as conn:
            await tenants.revoke_agent(conn, campus, agent)

    async def wallets(self, campus: str) -> dict[tuple[str, str], int]:
        async with self.store.reading() as conn:
            return {(row["learner"], row["currency"]): row["balance"] async for row in books.wallets(conn, campus)}

    async def faults(self) -> list[str]:
        """What `verify` finds wrong in its books."""
        async with self.store.reading() as conn:
            return (await verify(conn, self.key.public, now=wall_clock())).faults


@asynccontextmanager
async def running_catalogue(
    directory: Path, database: str | URL, *, secret: bytes = bytes(32), clock: Callable[[], int] = wall_clock
) -> AsyncIterator[RealCatalogue]:
    """The product, listening on a free port; ``secret`` opens its vouchers, ``clock`` tells it the time."""
    store = await Store.open(make_url(database), check_schema=False)
    key_file = directory / "catalogue.ed25519"
    if not key_file.exists():
        keys.create(key_file)
    key = KeyFile(key_file)
    app = Door(store=store, key=key, vault=Vault(secret), clock=clock).app()
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=1.0)
    try:
        await store.upgrade()
        with documented.watched(app), distributed.watched(store):
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield RealCatalogue(store, key, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()
        await store.close()


class Hand:
    """One agent's key and name, and the requests it makes; keeps its own chain."""

    def __init__(self, under_test: CatalogueUnderTest, directory: Path, *, campus: str = CAMPUS) -> None:
        self.under_test = under_test
        self.campus = campus
        self.agent = ""
        self.epoch = 1
        self.seq = 0
        self.head = chain.GENESIS
        self.register = ""
        self.key_file = directory / f"{campus}-{len(list(directory.iterdir()))}.ed25519"
        self.key = keys.create(self.key_file)
        self.clock = SystemClock()
        self.client = Client(Place(url=under_test.url), key_file=self.key_file, clock=self.clock)

    def moved_to(self, other: CatalogueUnderTest) -> Hand:
        """The same agent, asking another catalogue."""
        again = copy.copy(self)
        again.under_test = other
        again.client = Client(Place(url=other.url), key_file=self.key_file, clock=self.clock)
        return again

    async def enrol(self, token: str, *, environment: str = "production", key: keys.Key | None = None) -> Answer:
        """Enrol, taking the name from a good answer."""
        key = key or self.key
        secret = Token.parse(token).secret
        body = EnrolRequest(campus=self.campus, environment=environment, secret=secret, public=key.public).encode()
        answer = await self.client.post_signed(
            "/v1/enrol", body, key=key, key_id=key.fingerprint, tag=signing.ENROL_TAG
        )
        if answer.status == 200:
            known = EnrolAnswer.parse(answer.body)
            self.agent, self.epoch = known.agent, known.epoch
        return answer

    async def send(self, body: bytes) -> Answer:
        """Send a batch's bytes."""
        return await self.client.post_batch(body, campus=self.campus, agent=self.agent)

    async def deliver(self, bodies: Sequence[bytes], **changes: Any) -> Receipt:
        """Seal and send the next entries; they must be taken."""
        body = self.seal(bodies, **changes)
        taken = self.receipt(await self.send(body))
        self.seq, self.head = taken.last_seq, taken.head
        return taken

    def seal(self, bodies: Sequence[bytes], **changes: Any) -> bytes:
        """The next entries as a batch."""
        fields: dict[str, Any] = {"campus": self.campus, "agent": self.agent, "epoch": self.epoch} | changes
        first, previous = fields.pop("first", self.seq + 1), fields.pop("previous", self.head)
        return batch.encode(a_header(bodies, first=first, previous=previous, **fields), bodies)

    async def rotate(self, new: keys.Key) -> Answer:
        """Announce a new key, signed by the present one."""
        body = Rotation.make(self.campus, self.agent, new).encode()
        key_id = enrolment.agent_key_id(self.campus, self.agent, self.key.fingerprint)
        return await self.client.post_signed(
            "/v1/agents/key", body, key=self.key, key_id=key_id, tag=signing.ROTATE_TAG
        )

    async def take_over(self, epoch: int) -> Answer:
        """Begin an epoch where this hand's own chain ends."""
        wish = Takeover(campus=self.campus, agent=self.agent, epoch=epoch, seq=self.seq, head=self.head)
        key_id = enrolment.agent_key_id(self.campus, self.agent, self.key.fingerprint)
        return await self.client.post_signed(
            "/v1/agents/epoch", wish.encode(), key=self.key, key_id=key_id, tag=signing.TAKEOVER_TAG
        )

    async def names(self, *told: tuple[str, str, int], withdrawn: int = 0, agent: str = "") -> Answer:
        """Tell what learners are called: (pseudonym, name, when)."""
        found = tuple(Name(learner=learner, name=name, told_at=at) for learner, name, at in told)
        owner = {"campus": self.campus, "agent": agent or self.agent, "said_by": "username"}
        if found and not self.register:
            self.register = Named.parse((await self.names()).body).register
        message = Names(**owner, register=self.register, names=found, withdrawn=withdrawn)
        return await self._leave("/v1/names", message.encode())

    async def erase(self, *learners: str) -> Answer:
        """Tell whom to forget."""
        message = Persons(campus=self.campus, agent=self.agent, persons=(), gone=learners)
        return await self._leave("/v1/persons", message.encode())

    async def _leave(self, path: str, body: bytes) -> Answer:
        key_id = enrolment.agent_key_id(self.campus, self.agent, self.key.fingerprint)
        return await self.client.post_signed(path, body, key=self.key, key_id=key_id, tag=signing.KEEP_TAG)

    async def stand(self) -> Stand:
        """Ask where the catalogue stands."""
        return self.stands(await self.client.get_stand(campus=self.campus, agent=self.agent), status=200)

    def receipt(self, answer: Answer) -> Receipt:
        """A verified receipt."""
        assert answer.status == 200, answer.body
        public, now = self.under_test.key.public, self.clock.now()
        signing.verify_receipt(answer.signed(bound=False), answer.body, public=public, now=now)
        return receipt.parse_receipt(answer.body)

    def stands(self, answer: Answer, *, status: int = 409) -> Stand:
        """A verified stand."""
        assert answer.status == status, answer.body
        public, now = self.under_test.key.public, self.clock.now()
        signing.verify_stand(answer.signed(bound=True), answer.body, public=public, now=now)
        return receipt.parse_stand(answer.body)
