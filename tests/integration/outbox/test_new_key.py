"""An agent whose key is lost goes on with another, in its next epoch: what the one before is closed with."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.errors import IntegrityError, TransientError
from agent.ledger import delivery, file
from agent.ledger.centre import allowances
from agent.outbox.client import Client, Place
from agent.outbox.enrol import Wish, enrol
from agent.outbox.key_file import new_key
from agent.outbox.recovery.asking import Asking
from agent.outbox.recovery.beginning import Begun
from agent.outbox.sync import Outbox, Step
from catalogue import acts, tenants
from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.integration.statement.line import Mood, a_line
from tests.integration.statement.test_redeeming import ANN, Counter, a_counter
from tests.ledgers import rows
from tests.outboxes import Delivering, delivering, room
from tests.pipelines import running
from tests.rule_stories import ZONE, event, rule
from tests.wire_builders import CAMPUS, an_entry

NAME = "agent-1"


@pytest.fixture
async def catalogue(tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    shutil.copy(catalogue_file, tmp_path / "books.db")
    async with running_catalogue(tmp_path, f"sqlite:///{tmp_path}/books.db") as real:
        yield real


async def lost_key(agent: Delivering, catalogue: RealCatalogue) -> str:
    """The key is gone and another one is there; a token for the agent's name."""
    key_file = agent.data_dir / "agent.ed25519"
    key_file.unlink()
    new_key(key_file)
    return await catalogue.add_tenant(CAMPUS, agent=NAME)


async def again(agent: Delivering, token: str, url: str) -> Begun:
    """As `rewards-agent enrol` does."""
    clock = SystemClock()
    async with Client(Place(url=url), key_file=agent.data_dir / "agent.ed25519", clock=clock) as client:
        wish = Wish(campus=CAMPUS, environment="production", url=url)
        _, begun = await enrol(token, wish, client=client, writer=agent.writer, data_dir=agent.data_dir, clock=clock)
    return begun


async def there(catalogue: RealCatalogue) -> tuple[int, int]:
    """(epoch, seq) of the agent at the catalogue."""
    async with catalogue.store.reading() as conn:
        (row,) = await tenants.agents(conn, CAMPUS)
    return row["epoch"], row["seq"]


async def test_a_new_key_brings_the_receipts_that_were_lost_and_seals_anew_what_never_arrived(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with (
        a_line(catalogue.url) as line,
        delivering(room(tmp_path), line.url, await catalogue.add_tenant(CAMPUS)) as agent,
    ):
        await agent.write(3)
        assert await agent.drain()
        await agent.append([an_entry(4), an_entry(5, kind="gift")])
        line.on, line.moods = "/v1/batches", [Mood.mute]
        assert await agent.step() is Step.failed
        token = await lost_key(agent, catalogue)
        assert await again(agent, token, line.url) == Begun(epoch=2, confirmed=2)
        standing = agent.standing()
        assert (standing["epoch"], standing["acked_seq"], standing["rejected"], standing["sealed"]) == (2, 5, 1, None)
        await agent.write(2)
        line.moods = [Mood.down]
        assert await agent.step() is Step.failed
        token = await lost_key(agent, catalogue)
        assert agent.standing()["sealed"] == {"first_seq": 6, "last_seq": 7}
        assert await again(agent, token, line.url) == Begun(epoch=3)
        assert agent.standing()["next_try_at"] == 0, "the old key's backoff is over"
        assert await agent.drain()
        assert await again(agent, token, line.url) == Begun(epoch=3), "the same token again begins nothing"
    assert await there(catalogue) == (3, 7)
    assert sum((await catalogue.wallets(CAMPUS)).values()) == 60
    assert await catalogue.faults() == []
    async with catalogue.store.reading() as conn:
        told = [one["act"] async for one in acts.listed(conn, {"campus": CAMPUS})]
    assert told.count("agent.epoch") == 2


async def test_an_enrolment_that_broke_off_anywhere_is_finished_by_the_same_token(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with (
        a_line(catalogue.url) as line,
        delivering(room(tmp_path), line.url, await catalogue.add_tenant(CAMPUS)) as agent,
    ):
        lost = [(path, Mood.mute) for path in ("/v1/enrol", "/v1/stand", "/v1/history", "/v1/agents/epoch")]
        for epoch, (path, mood) in enumerate([*lost, ("/v1/agents/epoch", Mood.down)], 1):
            await agent.write(1)
            line.on, line.moods = "/v1/batches", [Mood.mute]
            assert await agent.step() is Step.failed
            token = await lost_key(agent, catalogue)
            line.on, line.moods = path, [mood] * 2  # a question is asked twice where a connection breaks
            with pytest.raises(TransientError):
                await again(agent, token, line.url)
            assert agent.standing()["epoch"] == epoch
            line.moods = []
            assert (await again(agent, token, line.url)).epoch == epoch + 1
            assert agent.standing()["acked_seq"] == epoch
        assert await agent.drain()
    assert await there(catalogue) == (6, 5)
    assert await catalogue.faults() == []


async def test_a_new_key_with_an_older_ledger_is_told_how_to_bring_back_what_was_delivered(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with delivering(room(tmp_path), catalogue.url, await catalogue.add_tenant(CAMPUS)) as agent:
        await agent.write(3)
        assert await agent.drain()
    async with delivering(room(tmp_path, "older"), catalogue.url) as agent:
        new_key(agent.data_dir / "agent.ed25519")
        token = await catalogue.add_tenant(CAMPUS, agent=NAME)
        with pytest.raises(IntegrityError, match="up to 3, this ledger ends at 0") as caught:
            await again(agent, token, catalogue.url)
        assert "restore --from-catalogue --token" in caught.value.hint
        assert not agent.standing()["enrolled"]
    assert await there(catalogue) == (1, 3), "nothing was taken over"


async def test_a_ledger_of_before_the_new_key_that_is_put_back_is_told_to_bring_back_what_was_delivered(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    # Found by the simulator, seeds 31 and 37: it was told for ever to enrol again, with a token long used.
    older = tmp_path / "older"
    async with delivering(room(tmp_path), catalogue.url, await catalogue.add_tenant(CAMPUS)) as agent:
        await agent.write(2)
        assert await agent.drain()
        await agent.append([an_entry(3)])
        shutil.copytree(agent.data_dir, older, ignore=shutil.ignore_patterns("*-shm"))
        await again(agent, await lost_key(agent, catalogue), catalogue.url)
        assert await agent.drain()
    shutil.copy(agent.data_dir / "agent.ed25519", older)
    async with delivering(older, catalogue.url) as agent:
        assert await agent.step() is Step.fault
        assert "knows epoch 2 of this agent, this ledger is of epoch 1" in agent.standing()["fault"]
        with pytest.raises(IntegrityError) as caught:
            await agent.drain()
        assert "restore --from-catalogue" in caught.value.hint
    assert await there(catalogue) == (2, 3)
    assert await catalogue.faults() == []


async def test_a_catalogue_from_an_older_copy_gets_the_agents_own_epoch_back(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with delivering(room(tmp_path), catalogue.url, await catalogue.add_tenant(CAMPUS)) as agent:
        await agent.write(1)
        assert await agent.drain()
        await agent.writer.run(delivery.keep_settings({delivery.EPOCH: "4"}))
        token = await lost_key(agent, catalogue)
        assert (await again(agent, token, catalogue.url)).epoch == 5
        await agent.write(1)
        assert await agent.drain()
    assert await there(catalogue) == (5, 2)


async def test_a_key_that_a_catalogue_from_an_older_copy_does_not_know_begins_an_epoch_too(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with delivering(room(tmp_path), catalogue.url, await catalogue.add_tenant(CAMPUS)) as agent:
        await agent.write(1)
        assert await agent.drain()
        async with catalogue.store.writing() as conn:
            await conn.exec_driver_sql("DELETE FROM agent_key")
        await agent.write(1)
        assert await agent.step() is Step.failed
        token = await catalogue.add_tenant(CAMPUS, agent=NAME)
        assert (await again(agent, token, catalogue.url)).epoch == 2
        assert await agent.drain()
    assert await there(catalogue) == (2, 2)


async def test_entries_that_a_running_agent_writes_after_it_are_named_by_the_new_epoch(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    at, clock = room(tmp_path), SystemClock()
    key_file = at / "agent.ed25519"
    new_key(key_file)
    wish = Wish(campus=CAMPUS, environment="production", url=catalogue.url)
    async with (
        running(at, f'schema = 1\ntimezone = "{ZONE}"\n{rule()}') as here,
        Client(Place(url=catalogue.url), key_file=key_file, clock=clock) as client,
    ):
        way = {"client": client, "writer": here.writer, "data_dir": at, "clock": clock}
        await enrol(await catalogue.add_tenant(CAMPUS), wish, **way)  # type: ignore[arg-type]
        await here.take(event(lesson="1").seen)
        key_file.unlink()
        new_key(key_file)
        token = await catalogue.add_tenant(CAMPUS, agent=NAME)
        await enrol(token, wish, forget=here.recorder.forget, **way)  # type: ignore[arg-type]
        await here.take(event(lesson="2").seen)
        outbox = Outbox(writer=here.writer, data_dir=at, client=client, environment="production", clock=clock)
        assert await outbox.drain(limit_s=60)
        await outbox.close()
    assert [name for (name,) in rows(at, "SELECT CAST(body AS TEXT) ->> 'entry_id' FROM entry ORDER BY seq")] == [
        "1-1",
        "2-2",
    ]
    assert await there(catalogue) == (2, 2)
    assert await catalogue.faults() == []


def states(it: Counter) -> list[tuple[str, str]]:
    with contextlib.closing(file.open_for_reading(it.campus.agent.data_dir)) as connection:
        return sorted((one.state, one.ended) for one in allowances.listed(connection))


async def test_vouchers_of_the_epoch_that_ends_are_settled_or_stay_for_their_learners(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(catalogue, tmp_path) as it:
        await it.campus.write("ann", 100)
        for _ in range(4):
            assert (await it.desk.draw(learner=ANN, reward="tea", by="desk"))["state"] == "kept"
        it.line.on, it.line.moods = "/v1/", [Mood.down] * 100
        await it.redeem()
        with contextlib.closing(file.open_for_reading(it.campus.agent.data_dir)) as connection:
            coming = next(one.key for one in allowances.listed(connection) if one.state == "kept")
        assert (await it.desk.give_back(key=coming))["settled"] == 0
        it.line.on, it.line.moods = "/v1/allowances/settle", [Mood.down, Mood.down]
        token = await lost_key(it.campus.agent, catalogue)
        with pytest.raises(TransientError, match="could not be told"):
            await again(it.campus.agent, token, it.line.url)
        assert await again(it.campus.agent, token, it.line.url) == Begun(epoch=2, settled=2, staying=2)
        assert states(it) == [("kept", ""), ("kept", ""), ("settled", "returned"), ("settled", "spent")]
        assert await it.left() == 50
        assert await it.desk.give_back() == {"returning": 0, "settled": 0, "staying": 2}
        assert (await it.redeem())["stands"] == "kept beforehand", "it is still the learner's"
        assert await it.desk.settle() == 1
        assert await it.left() == 50
        assert (await it.desk.draw(learner=ANN, reward="tea", by="desk"))["state"] == "kept"
        assert await it.desk.give_back() == {"returning": 1, "settled": 1, "staying": 1}
        assert await it.left() == 50
    assert await catalogue.faults() == []


async def test_a_draw_that_nobody_answered_in_the_old_epoch_is_found_in_the_new_one(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(catalogue, tmp_path) as it:
        it.line.on, it.line.moods = "/v1/allowances", [Mood.mute]
        assert (await it.desk.draw(learner=ANN, reward="tea", by="desk"))["state"] == "unknown"
        token = await lost_key(it.campus.agent, catalogue)
        assert (await again(it.campus.agent, token, it.line.url)).epoch == 2
        assert await it.desk.settle() == 1
        assert (states(it), await it.made(), await it.left()) == ([("kept", "")], 1, 50)


async def test_a_ledger_that_slept_through_another_life_counts_what_it_keeps_as_spent(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_counter(catalogue, tmp_path) as it:
        assert (await it.desk.draw(learner=ANN, reward="tea", by="desk"))["state"] == "kept"
        agent = it.campus.agent
        who = await agent.identity()
        async with Client(
            Place(url=catalogue.url), key_file=agent.data_dir / "agent.ed25519", clock=it.clock
        ) as client:
            elsewhere = Asking(client, who, it.clock)
            await elsewhere.take_over(await elsewhere.stand())
        token = await lost_key(agent, catalogue)
        assert await again(agent, token, it.line.url) == Begun(epoch=3)
        assert states(it) == [("shown", "")]
        assert await it.desk.settle() == 1
        assert (states(it), await it.left()) == ([("settled", "spent")], 50)
