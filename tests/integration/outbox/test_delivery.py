"""What is on the way: sent once or again, refused, rejected, kept; nothing lost, doubled or wrongly believed."""

from __future__ import annotations

import asyncio
import base64
import re
from contextlib import closing
from pathlib import Path

import aiosqlite
import orjson
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.errors import ConfigError, IntegrityError, TransientError
from agent.ledger import delivery, file
from agent.outbox.client import Client, Place
from agent.outbox.sync import Step
from tests.contract.catalogues import running_catalogue
from tests.fakes import FakeCatalogue, ManualClock, Mood
from tests.integration.outbox.conftest import points
from tests.lines import line_to
from tests.outboxes import BRIEF_S, LIMIT_S, Delivering, delivering
from tests.wire_builders import CAMPUS, an_entry, entries
from wire import keys, receipt, signing
from wire.signing import Headers, Response


async def test_what_was_written_is_delivered_once_in_batches(agent: Delivering, fake: FakeCatalogue) -> None:
    await agent.write(2300)
    assert await agent.drain()
    assert agent.outbox.counts == {"batches": 3, "entries": 2300, "rejected": 0, "refused_answers": 0}
    assert fake.books[CAMPUS, "agent-1"].entries == entries(1, 2300)
    assert await points(fake) == 23_000
    assert agent.standing()["waiting"] == 0


async def test_an_agent_that_is_not_enrolled_keeps_what_it_has(tmp_path: Path, fake: FakeCatalogue) -> None:
    data_dir = tmp_path / "new"
    data_dir.mkdir()
    keys.create(data_dir / "agent.ed25519")
    async with delivering(data_dir, fake.url) as agent:
        await agent.write(3)
        assert await agent.step() is Step.not_enrolled
        assert not await agent.drain()
        assert not agent.standing()["enrolled"]
    assert fake.requests == 0


@pytest.mark.parametrize("mood", [Mood.down, Mood.slow, Mood.error, Mood.busy, Mood.half, Mood.mute])
async def test_trouble_on_the_way_acknowledges_nothing_and_the_same_bytes_go_again(
    agent: Delivering, fake: FakeCatalogue, mood: Mood
) -> None:
    await agent.write(5)
    fake.mood = mood
    assert await agent.step(BRIEF_S if mood is Mood.slow else LIMIT_S) is Step.failed
    under_way = agent.standing()
    assert (under_way["acked_seq"], under_way["attempts"], under_way["sealed"]) == (
        0,
        1,
        {"first_seq": 1, "last_seq": 5},
    )
    assert under_way["last_error"]
    await agent.write(3)
    fake.mood = Mood.normal
    assert await agent.drain()
    assert await points(fake) == 80
    assert agent.standing()["last_error"] == ""
    receipts = fake.books[CAMPUS, "agent-1"].receipts
    assert list(receipts) == [(1, 1), (1, 6)], "what was sealed before the trouble was sent again as it was"


async def test_nobody_listening_is_told_once_and_costs_no_entry(agent: Delivering, fake: FakeCatalogue) -> None:
    await fake.stop()
    await agent.write(3)
    assert not await agent.drain()
    assert "cannot be reached" in agent.standing()["last_error"]
    assert agent.standing()["attempts"] == 1


@pytest.mark.parametrize("mood", [Mood.forged, Mood.unsigned, Mood.replayed])
async def test_a_receipt_that_is_not_the_catalogues_for_this_batch_is_refused_counted_and_told(
    agent: Delivering, fake: FakeCatalogue, mood: Mood
) -> None:
    await agent.write(2)
    assert await agent.drain()
    await agent.write(5)
    fake.mood = mood
    assert await agent.step() is Step.failed
    assert not await agent.drain()
    assert agent.outbox.counts["refused_answers"] == 2
    assert agent.standing()["acked_seq"] == 2
    assert "not the catalogue's" in agent.standing()["last_error"]
    fake.mood = Mood.normal
    assert await agent.drain()
    assert await points(fake) == 70


async def test_a_rejected_entry_is_kept_with_its_reason_and_the_rest_goes_on(
    agent: Delivering, fake: FakeCatalogue
) -> None:
    await agent.append([an_entry(1), an_entry(2, kind="gift"), an_entry(3)])
    assert await agent.drain()
    await agent.write(2)
    assert await agent.drain()
    standing = agent.standing()
    assert (standing["rejected"], standing["acked_seq"], agent.outbox.counts["rejected"]) == (1, 5, 1)
    with closing(file.open_for_reading(agent.data_dir)) as connection:
        assert connection.execute("SELECT reader, seq FROM rejected_entry").fetchall() == [("catalogue", 2)]
    assert await points(fake) == 40


async def test_receipts_and_rejected_entries_are_kept_in_the_file(agent: Delivering) -> None:
    for first in (1, 4):
        await agent.append([an_entry(first), an_entry(first + 1, kind="gift"), an_entry(first + 2)])
        assert await agent.drain()
    with closing(file.open_for_reading(agent.data_dir)) as connection:
        assert connection.execute("SELECT seq FROM rejected_entry ORDER BY seq").fetchall() == [(2,), (5,)]
        kept = connection.execute("SELECT epoch, first_seq, last_seq, body FROM receipt ORDER BY first_seq").fetchall()
    assert [row[:3] for row in kept] == [(1, 1, 3), (1, 4, 6)]
    assert [receipt.parse_receipt(row[3]).accepted for row in kept] == [2, 2]


async def test_trouble_that_is_over_is_forgotten_although_nothing_is_to_send(
    agent: Delivering, fake: FakeCatalogue
) -> None:
    await agent.write(1)
    assert await agent.drain()
    fake.mood = Mood.error
    assert not await agent.drain()
    assert (agent.standing()["attempts"], "500" in agent.standing()["last_error"]) == (1, True)
    fake.mood = Mood.normal
    assert await agent.drain()
    assert (agent.standing()["attempts"], agent.standing()["last_error"]) == (0, "")


async def test_a_receipt_for_a_place_where_the_reader_is_not_settles_nothing(
    agent: Delivering, fake: FakeCatalogue
) -> None:
    await agent.write(2)
    assert await agent.drain()
    with closing(file.open_for_reading(agent.data_dir)) as connection:
        ((body,),) = connection.execute("SELECT body FROM receipt").fetchall()
    again = delivery.KeptReceipt(receipt=receipt.parse_receipt(body), body=body, signature="")
    with pytest.raises(IntegrityError, match="stands at 2"):
        await agent.writer.run(delivery.settle(again, now=1))
    assert agent.standing()["acked_seq"] == 2


async def test_a_kept_receipt_can_be_verified_from_the_file_alone(agent: Delivering, fake: FakeCatalogue) -> None:
    await agent.write(3)
    assert await agent.drain()
    with closing(file.open_for_reading(agent.data_dir)) as connection:
        body, signature = connection.execute("SELECT body, signature FROM receipt").fetchone()
    answer = Response(status_code=200, headers=Headers(orjson.loads(signature).items()))
    signing.verify_receipt(answer, body, public=fake.key.public, now=10**10)
    assert receipt.parse_receipt(body).last_seq == 3
    lines = orjson.loads(signature)
    params = lines["signature-input"].removeprefix("rewards=")
    base = (
        f'"@status": 200\n"content-type": application/json\n"content-digest": {lines["content-digest"]}\n'
        f'"@signature-params": {params}'
    )
    found = re.fullmatch(r"rewards=:(.+):", lines["signature"])
    assert found
    signed = base64.b64decode(found[1])
    Ed25519PublicKey.from_public_bytes(fake.key.public).verify(signed, base.encode())


async def test_retry_after_is_honoured_and_the_backoff_survives_a_restart(
    agent: Delivering, fake: FakeCatalogue, clock: ManualClock
) -> None:
    await agent.write(1)
    fake.mood, fake.retry_after = Mood.busy, "120"
    await agent.step()
    due = agent.standing()["next_try_at"]
    assert clock.now() + 120 <= due <= clock.now() + 240
    asked = fake.requests
    fake.mood = Mood.normal
    running = asyncio.create_task(agent.outbox.run())
    await asyncio.sleep(0.2)
    assert fake.requests == asked, "run() waits although it has only just begun"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def until_acked(agent: Delivering, seq: int) -> None:
    """Wait until the loop has delivered up to ``seq``."""
    async with asyncio.timeout(60):
        while agent.standing()["acked_seq"] < seq:  # noqa: ASYNC110 - the loop under test tells nobody
            await asyncio.sleep(0.05)


async def test_the_loop_delivers_what_is_written_while_it_runs(agent: Delivering, fake: FakeCatalogue) -> None:
    running = asyncio.create_task(agent.outbox.run())
    await agent.write(5)
    await until_acked(agent, 5)
    await agent.write(5)
    await until_acked(agent, 10)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await points(fake) == 100


async def test_a_missing_key_is_told_as_what_an_edit_cures(agent: Delivering) -> None:
    await agent.write(1)
    (agent.data_dir / "agent.ed25519").unlink()
    assert await agent.step() is Step.failed
    with pytest.raises(ConfigError, match="no key file"):
        await agent.drain()


async def test_a_damaged_ledger_is_not_delivered(agent: Delivering, fake: FakeCatalogue) -> None:
    await agent.write(3)

    async def damage(conn: aiosqlite.Connection) -> None:
        await conn.execute("DROP TRIGGER entry_is_never_changed")
        await conn.execute("UPDATE entry SET body = CAST(replace(body, '10', '99') AS BLOB) WHERE seq = 2")

    await agent.writer.run(damage)
    with pytest.raises(IntegrityError, match="chain is broken"):
        await agent.drain()
    assert await agent.step() is Step.fault
    assert "chain is broken" in agent.standing()["fault"], "the catalogue has no say in this"
    assert await points(fake) == 0


async def test_batches_carry_one_below_the_lowest_open_gap_else_the_position(
    agent: Delivering, fake: FakeCatalogue
) -> None:
    async def sources(conn: aiosqlite.Connection) -> None:
        for name, position in (("moodle", 900), ("quiet", 70)):
            await conn.execute("INSERT INTO source_state VALUES (?, ?, 0, 0, 0.0, 0, '', x'7b7d', 0)", (name, position))
        for lo, state in ((400, "open"), (300, "given_up"), (500, "open")):
            await conn.execute("INSERT INTO source_gap VALUES ('moodle', ?, 1, ?, 0, 0.0, 0, ?)", (lo, lo, state))

    await agent.writer.run(sources)
    await agent.write(1)
    fake.mood = Mood.down
    await agent.step()
    with closing(file.open_for_reading(agent.data_dir)) as connection:
        body = connection.execute("SELECT body FROM sealed_batch").fetchone()[0]
    assert b'"low_water":{"moodle":399,"quiet":70}' in body


async def test_a_large_backlog_drains_without_growing_memory(agent: Delivering, fake: FakeCatalogue) -> None:
    for _ in range(20):
        await agent.write(1000, learner="one")
    process, seen = psutil.Process(), []
    for _ in range(20):
        assert await agent.step() is Step.delivered
        books = fake.books[CAMPUS, "agent-1"]
        books.entries.clear()
        seen.append(process.memory_info().rss)
    assert seen[-1] - seen[4] < 8_000_000


async def test_the_real_catalogue_takes_what_the_outbox_sends(tmp_path: Path) -> None:
    data_dir = tmp_path / "agent"
    data_dir.mkdir()
    async with running_catalogue(tmp_path, f"sqlite:///{tmp_path}/books.db") as real:
        async with delivering(data_dir, real.url, await real.add_tenant(CAMPUS)) as agent:
            await agent.write(1500)
            assert await agent.drain()
            assert agent.outbox.status()["waiting"] == 0
        assert sum((await real.wallets(CAMPUS)).values()) == 15_000


async def test_an_answer_without_end_is_cut_off(agent: Delivering, fake: FakeCatalogue) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with line_to(endless) as port:
        place = Place(url=f"http://127.0.0.1:{port}")
        client = Client(place, key_file=agent.data_dir / "agent.ed25519", clock=ManualClock())
        with pytest.raises(TransientError, match="longer than"):
            await client.get_stand(campus=CAMPUS, agent="agent-1", limit_s=LIMIT_S)
        await client.close()
