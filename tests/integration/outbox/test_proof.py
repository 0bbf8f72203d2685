"""Keys that change, sites of one agent, persons that are kept, a history that comes back: with the real catalogue."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import aiosqlite
import pytest

from agent.clock import SystemClock
from agent.errors import ConfigError, IntegrityError
from agent.ledger import file
from agent.ledger.delivery import Identity
from agent.ledger.recovery import persons
from agent.outbox.recovery.asking import Asking
from agent.outbox.recovery.box import RecoveryKey
from agent.outbox.sync import Step
from catalogue import tenants
from catalogue.app import wall_clock
from catalogue.errors import CatalogueError
from catalogue.proof import keys, rejected, sites
from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.outboxes import LIMIT_S, Delivering, delivering, room
from tests.wire_builders import CAMPUS, an_entry
from wire import keys as wire_keys
from wire.entry import AMOUNT_MAX


@pytest.fixture(params=["sqlite", "postgresql"])
async def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RealCatalogue]:
    url = f"sqlite:///{tmp_path}/books.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_database").dsn
    async with running_catalogue(tmp_path, url) as real:
        yield real


async def rotated(catalogue: RealCatalogue, path: Path) -> None:
    """As `rewards-catalogue key rotate` does, while the workers run."""
    old, new = keys.prepare(path)
    async with catalogue.store.writing() as conn:
        await keys.announce(conn, old, new, now=wall_clock())
    keys.take_over(path)


async def test_an_agent_that_slept_through_two_rotations_follows_the_chain_of_keys(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    token = await catalogue.add_tenant(CAMPUS)
    late_token = await catalogue.add_tenant(CAMPUS)
    async with delivering(room(tmp_path), catalogue.url, token) as agent:
        await agent.write(5)
        assert await agent.drain()
        first = catalogue.key.public
        await rotated(catalogue, tmp_path / "catalogue.ed25519")
        await rotated(catalogue, tmp_path / "catalogue.ed25519")
        assert catalogue.key.public != first
        await agent.write(5)
        assert await agent.drain()
        who = await agent.identity()
        assert (who.catalogue_public, len(who.catalogue_keys)) == (catalogue.key.public, 3)
        assert agent.standing()["acked_seq"] == 10
        history = [found async for found in asked(agent, who).history(await asked(agent, who).stand())]
        assert [len(found.batch.entries) for found in history] == [5, 5], "receipts of the first key are believed"
    async with delivering(room(tmp_path, "late"), catalogue.url, late_token) as late:
        await late.write(1, learner="somebody-else")
        assert await late.drain(), "a token from before the rotations is good"
    assert await catalogue.faults() == []


async def test_a_key_that_nothing_leads_to_is_never_believed(catalogue: RealCatalogue, tmp_path: Path) -> None:
    async with delivering(room(tmp_path), catalogue.url, await catalogue.add_tenant(CAMPUS)) as agent:
        await agent.write(1)
        assert await agent.drain()
        (tmp_path / "catalogue.ed25519").unlink()
        wire_keys.create(tmp_path / "catalogue.ed25519")
        await agent.write(1)
        assert await agent.step() is Step.failed
        assert "not the catalogue's" in agent.standing()["last_error"]


async def test_a_site_is_one_agents_and_both_are_told(catalogue: RealCatalogue, tmp_path: Path) -> None:
    first, second = await catalogue.add_tenant(CAMPUS), await catalogue.add_tenant(CAMPUS)
    async with (
        delivering(room(tmp_path, "a"), catalogue.url, first, sites=["moodle"]) as one,
        delivering(room(tmp_path, "b"), catalogue.url, second, sites=["moodle"]) as two,
    ):
        await one.write(3)
        await two.write(3, learner="of-two")
        assert await one.drain()
        assert not await two.drain()
        assert "site moodle is read by agent-1" in two.standing()["last_error"]
        await one.outbox.check_stand()
        assert "agent agent-2 of this campus reads site moodle too" in one.standing()["notice"]
        assert sum((await catalogue.wallets(CAMPUS)).values()) == 30, "nothing of the second was taken"
        async with catalogue.store.writing() as conn:
            await sites.move(conn, CAMPUS, "moodle", "agent-2", now=wall_clock())
        assert await two.drain()
        await one.write(1)
        assert not await one.drain()
        await catalogue.revoke(CAMPUS, "agent-2")
        assert await one.drain(), "what a revoked agent read is free"
    async with catalogue.store.reading() as conn:
        assert [(row["site"], row["agent"]) for row in await sites.listed(conn, CAMPUS)] == [("moodle", "agent-1")]
    assert await catalogue.faults() == []


async def test_a_rejected_entry_is_accepted_later_from_its_stored_bytes(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with delivering(room(tmp_path), catalogue.url, await catalogue.add_tenant(CAMPUS)) as agent:
        await agent.write(1000, learner="rich", amount=AMOUNT_MAX)
        await agent.write(1, learner="rich", amount=7)
        assert await agent.outbox.drain(limit_s=LIMIT_S)
        async with catalogue.store.reading() as conn:
            (aside,) = await rejected.listed(conn, CAMPUS)
        assert (aside["seq"], "the wallet would go beyond" in aside["reason"]) == (1001, True)
        with pytest.raises(CatalogueError, match="beyond"):
            await accepted(catalogue, 1001)
        await agent.append([an_entry(1002, learner="rich", amount=-8, kind="adjustment")])
        assert await agent.outbox.drain(limit_s=LIMIT_S)
        assert (await accepted(catalogue, 1001))["amount"] == 7
        assert (await catalogue.wallets(CAMPUS))["rich", "points"] == 1000 * AMOUNT_MAX - 1
        with pytest.raises(CatalogueError, match="not among the rejected"):
            await accepted(catalogue, 1001)
    assert await catalogue.faults() == []


async def accepted(catalogue: RealCatalogue, seq: int) -> dict[str, object]:
    async with catalogue.store.writing() as conn:
        now = wall_clock()
        return await rejected.accept(catalogue.store, conn, CAMPUS, "agent-1", seq, by="a desk", reason="late", now=now)


class Ahead(SystemClock):
    """A machine whose clock is some seconds off."""

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead

    def now(self) -> int:
        return super().now() + self._ahead


async def test_clocks_that_differ_are_tolerated_and_told_to_both(catalogue: RealCatalogue, tmp_path: Path) -> None:
    token = await catalogue.add_tenant(CAMPUS)
    async with delivering(room(tmp_path), catalogue.url, token, clock=Ahead(100)) as agent:
        await agent.write(1)
        assert await agent.drain()
        await agent.outbox.check_stand()
        assert abs(agent.standing()["clock_ahead_s"] - 100) <= 2
    async with catalogue.store.reading() as conn:
        (row,) = await tenants.agents(conn, CAMPUS)
    assert abs(row["skew_s"] - 100) <= 2


def asked(agent: Delivering, who: Identity) -> Asking:
    return Asking(agent.client, who, SystemClock())


async def person(agent: Delivering, number: int) -> None:
    async def unit(conn: object) -> None:
        row = (number, "moodle", str(30 + number), bytes([number]) * 32, f"name{number}", 1)
        await conn.execute(  # type: ignore[attr-defined]
            "INSERT INTO person (person_no, site, lms_user, secret, pseudonym, created_at) VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )

    await agent.writer.run(unit)


async def test_persons_are_kept_sealed_before_their_first_entry_is_delivered(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    key = RecoveryKey.new()
    token = await catalogue.add_tenant(CAMPUS)
    async with delivering(room(tmp_path), catalogue.url, token, lock=key.lock) as agent:
        await person(agent, 1)
        await agent.write(1, learner="name1")
        assert await agent.step() is Step.delivered
        await person(agent, 2)
        assert await agent.drain(), "and without an entry"
        who = await agent.identity()
        found = {
            one.name: key.open(one.sealed, campus=CAMPUS, pseudonym=one.name)
            async for one in asked(agent, who).persons()
        }
        assert {name: (known.lms_user, known.secret) for name, known in found.items()} == {
            "name1": ("31", b"\x01" * 32),
            "name2": ("32", b"\x02" * 32),
        }
        with file.reading(agent.data_dir) as connection:
            assert persons.waiting(connection, key.lock.fingerprint) == (2, 0)
            assert persons.waiting(connection, RecoveryKey.new().lock.fingerprint) == (2, 2)


async def test_a_takeover_ends_the_life_before_and_only_from_the_true_history(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with delivering(room(tmp_path), catalogue.url, await catalogue.add_tenant(CAMPUS)) as agent:
        await agent.write(3)
        assert await agent.drain()
        who = await agent.identity()
        stand = await asked(agent, who).stand()
        with pytest.raises(ConfigError, match="another history"):
            await asked(agent, who).take_over(replace(stand, head=b"x" * 32))
        with pytest.raises(ConfigError, match="one more"):
            await asked(agent, who).take_over(replace(stand, epoch=7))
        assert (await asked(agent, who).take_over(stand)).epoch == 2
        assert (await asked(agent, who).take_over(stand)).epoch == 2, "asked again it is the same"
        await agent.write(1)
        assert await agent.step() is Step.fault
        assert "the catalogue knows epoch 2" in agent.standing()["fault"]


async def test_a_history_that_was_changed_at_the_centre_does_not_come_back(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with delivering(room(tmp_path), catalogue.url, await catalogue.add_tenant(CAMPUS)) as agent:
        await agent.write(3)
        assert await agent.drain()
        who = await agent.identity()
        async with catalogue.store.writing() as conn:
            if conn.dialect.name == "sqlite":
                await conn.exec_driver_sql("DROP TRIGGER entry_refuses_update")
                changed = "CAST(replace(CAST(body AS TEXT), '10', '99') AS BLOB)"
            else:
                await conn.exec_driver_sql("DROP TRIGGER entry_refuses ON entry")
                changed = "convert_to(replace(convert_from(body, 'UTF8'), '10', '99'), 'UTF8')"
            await conn.exec_driver_sql(f"UPDATE entry SET body = {changed} WHERE seq = 2")
        stand = await asked(agent, who).stand()
        with pytest.raises(IntegrityError, match="not as it was received"):
            [found async for found in asked(agent, who).history(stand)]


async def delivered(agent: Delivering, *numbers: int) -> None:
    """An entry each of these people, with who they are, is at the catalogue."""
    for number in numbers:
        await person(agent, number)
        await agent.write(1, learner=f"name{number}")
    assert await agent.drain()


def copied(books: Path, copy: Path) -> None:
    """Keep the catalogue's books as they are now."""
    with closing(sqlite3.connect(books)) as there, closing(sqlite3.connect(copy)) as target:
        there.backup(target)


async def test_persons_who_came_after_the_copy_are_left_again_with_a_catalogue_that_was_put_back(
    tmp_path: Path,
) -> None:
    """A seed of the simulation: the ledger came back without them, and their acts were paid to strangers."""
    key, books, copy = RecoveryKey.new(), tmp_path / "books.db", tmp_path / "copy.db"
    home = room(tmp_path)
    async with running_catalogue(tmp_path, f"sqlite:///{books}") as catalogue:
        token = await catalogue.add_tenant(CAMPUS)
        async with delivering(home, catalogue.url, token, lock=key.lock) as agent:
            await delivered(agent, 1)
            copied(books, copy)
            await person(agent, 2)
            await agent.write(1, learner="name2")
            assert await agent.drain()
    async with (
        running_catalogue(tmp_path, f"sqlite:///{copy}") as older,
        delivering(home, older.url, lock=key.lock) as agent,
    ):
        assert await agent.drain()
        assert agent.standing()["acked_seq"] == 2
        asking = asked(agent, await agent.identity())
        assert {one.name async for one in asking.persons()} == {"name1", "name2"}


async def test_a_catalogue_that_was_put_back_from_before_an_erasure_is_told_of_it_again(tmp_path: Path) -> None:
    key, books, copy = RecoveryKey.new(), tmp_path / "books.db", tmp_path / "copy.db"
    home = room(tmp_path)
    async with running_catalogue(tmp_path, f"sqlite:///{books}") as catalogue:
        token = await catalogue.add_tenant(CAMPUS)
        async with delivering(home, catalogue.url, token, lock=key.lock) as agent:
            await delivered(agent, 1, 2)
            copied(books, copy)
            await agent.write(1, learner="name2")
            await agent.writer.run(erased)
            assert await agent.drain()
            assert {one.name async for one in asked(agent, await agent.identity()).persons()} == {"name2"}
    async with (
        running_catalogue(tmp_path, f"sqlite:///{copy}") as older,
        delivering(home, older.url, lock=key.lock) as agent,
    ):
        asking = asked(agent, await agent.identity())
        assert {one.name async for one in asking.persons()} == {"name1", "name2"}
        assert await agent.drain()
        assert {one.name async for one in asking.persons()} == {"name2"}


@pytest.mark.parametrize(("epoch", "left"), [(1, {"name2"}), (2, {"name1", "name2"})])
async def test_who_was_erased_before_that_was_kept_is_told_again_where_nobody_else_can_be_meant(
    tmp_path: Path, epoch: int, left: set[str]
) -> None:
    """A ledger that was put together anew may name people whose secrets nobody could open yet."""
    key, books, copy = RecoveryKey.new(), tmp_path / "books.db", tmp_path / "copy.db"
    home = room(tmp_path)

    async def by_an_older_program(conn: aiosqlite.Connection) -> None:
        await conn.execute("DELETE FROM person WHERE pseudonym = 'name1'")
        await conn.execute("INSERT OR REPLACE INTO setting (key, value) VALUES ('epoch', ?)", (str(epoch),))

    async with running_catalogue(tmp_path, f"sqlite:///{books}") as catalogue:
        token = await catalogue.add_tenant(CAMPUS)
        async with delivering(home, catalogue.url, token, lock=key.lock) as agent:
            await delivered(agent, 1, 2)
            copied(books, copy)
            await agent.write(1, learner="name2")
            assert await agent.drain()
            await agent.writer.run(by_an_older_program)
    async with (
        running_catalogue(tmp_path, f"sqlite:///{copy}") as older,
        delivering(home, older.url, lock=key.lock) as agent,
    ):
        await agent.drain()
        asking = asked(agent, await agent.identity())
        assert {one.name async for one in asking.persons()} == left


async def erased(conn: aiosqlite.Connection) -> None:
    """What an erasure of the first person writes, of what concerns the catalogue."""
    await conn.execute("DELETE FROM person WHERE pseudonym = 'name1'")
    await conn.execute("INSERT INTO forgotten (pseudonym) VALUES ('name1')")
