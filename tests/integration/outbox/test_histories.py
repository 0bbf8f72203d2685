"""Catalogues and agents that were set back, and histories that are not ours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import IntegrityError
from agent.ledger import delivery, file
from agent.outbox.sync import Step
from tests.fakes import FakeCatalogue, ManualClock, Mood
from tests.integration.outbox.conftest import points
from tests.outboxes import LIMIT_S, Delivering, delivering
from tests.wire_builders import CAMPUS, entries


async def test_a_catalogue_restored_to_an_older_backup_gets_what_it_lost_again(
    agent: Delivering, fake: FakeCatalogue
) -> None:
    await agent.write(10)
    assert await agent.drain()
    backup = fake.backup()
    for _ in range(3):
        await agent.write(5)
        assert await agent.drain()
    fake.restore(backup)
    assert await points(fake) == 100
    await agent.write(1)
    assert await agent.step() is Step.moved
    assert agent.standing()["acked_seq"] == 10
    assert await agent.drain()
    assert await points(fake) == 260
    assert fake.books[CAMPUS, "agent-1"].entries == entries(1, 26)


async def test_a_restored_catalogue_is_noticed_although_nothing_is_to_send(
    agent: Delivering, fake: FakeCatalogue
) -> None:
    backup = fake.backup()
    await agent.write(10)
    assert await agent.drain()
    fake.restore(backup)
    assert await agent.step() is Step.idle
    assert await agent.drain()
    assert await points(fake) == 100


@pytest.mark.parametrize("mood", [Mood.forged, Mood.half, Mood.error])
async def test_a_stand_that_nobody_signed_moves_nothing(agent: Delivering, fake: FakeCatalogue, mood: Mood) -> None:
    backup = fake.backup()
    await agent.write(10)
    assert await agent.drain()
    fake.restore(backup)
    fake.mood = mood
    assert await agent.outbox.check_stand(limit_s=LIMIT_S) is Step.failed
    assert agent.standing()["acked_seq"] == 10
    assert not await agent.drain()
    fake.mood = Mood.normal
    assert await agent.drain()
    assert await points(fake) == 100


async def test_a_history_that_is_not_ours_stops_delivery_until_it_is_ours_again(
    agent: Delivering, fake: FakeCatalogue
) -> None:
    await agent.write(4)
    assert await agent.drain()
    await agent.write(4)
    fake.mood = Mood.foreign
    with pytest.raises(IntegrityError, match="another one than this ledger's at seq 4"):
        await agent.drain()
    asked = fake.requests
    assert await agent.step() is Step.fault
    assert fake.requests == asked + 1, "it asks where the catalogue stands, and sends nothing"
    assert agent.standing()["acked_seq"] == 4
    assert await points(fake) == 40
    fake.mood = Mood.normal
    assert await agent.drain()
    assert agent.standing()["fault"] == ""
    assert await points(fake) == 80


async def test_a_catalogue_that_is_ahead_of_this_ledger_is_an_integrity_fault(
    agent: Delivering, fake: FakeCatalogue, tmp_path: Path, clock: ManualClock
) -> None:
    await agent.write(4)
    await agent.outbox.check_stand()
    copy = tmp_path / "yesterday"
    copy.mkdir()
    with (
        closing(file.open_for_reading(agent.data_dir)) as connection,
        closing(sqlite3.connect(file.ledger_path(copy))) as target,
    ):
        connection.backup(target)
    keys_file = agent.data_dir / "agent.ed25519"
    (copy / "agent.ed25519").write_bytes(keys_file.read_bytes())
    (copy / "agent.ed25519").chmod(0o600)
    await agent.write(4)
    assert await agent.drain()
    async with delivering(copy, fake.url, clock=clock) as old:
        with pytest.raises(IntegrityError, match="this ledger ends at 4"):
            await old.drain()


async def test_an_agent_restored_to_an_older_backup_with_the_same_entries_goes_on_where_the_catalogue_stands(
    agent: Delivering, fake: FakeCatalogue
) -> None:
    await agent.write(6)
    assert await agent.drain()
    await agent.writer.run(delivery.stand_at(2, now=0))
    await agent.write(2)
    assert await agent.drain()
    assert agent.standing()["acked_seq"] == 8
    assert await points(fake) == 80


async def test_two_catalogues_behind_one_address_do_not_keep_the_agent_spinning(
    agent: Delivering, fake: FakeCatalogue
) -> None:
    await agent.write(6)
    assert await agent.drain()
    backup = fake.backup()
    await agent.write(2)
    fake.restore(backup)
    await agent.writer.run(delivery.stand_at(2, now=0))
    assert await agent.step() is Step.moved
    await agent.writer.run(delivery.stand_at(4, now=0))
    assert await agent.step() is Step.failed
    assert "more than one" in agent.standing()["last_error"]


async def test_a_batch_of_an_epoch_that_is_over_is_sealed_anew(agent: Delivering, fake: FakeCatalogue) -> None:
    await agent.write(2)
    fake.mood = Mood.down
    await agent.step()
    await agent.writer.run(delivery.keep_settings({delivery.EPOCH: "2"}))
    fake.mood = Mood.normal
    assert await agent.drain()
    assert list(fake.books[CAMPUS, "agent-1"].receipts) == [(2, 1)]
