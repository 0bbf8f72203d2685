"""Who wants no part wants none after a disk was lost: their word lies beside them, sealed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import aiosqlite

from agent.ledger import file
from agent.ledger.record import erased
from agent.ledger.record.erased import Erased
from agent.ledger.recovery import persons
from agent.ledger.recovery.persons import Known
from agent.ledger.recovery.rebuilding import Rebuilding
from agent.model import SourceState
from agent.outbox.recovery.box import RecoveryKey
from agent.privacy.erasing import Erasing
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.pipelines import running
from tests.rule_stories import ZONE, event, rule

RULES = f'schema = 1\ntimezone = "{ZONE}"\n' + rule()
ANN, BEN = ("moodle", "ann"), ("campus2", "ben")


async def left(directory: Path, key: RecoveryKey) -> dict[str, Known]:
    """Whose copies are due, as they come out of the catalogue's keeping; they are kept there from now on."""
    fingerprint = key.lock.fingerprint
    async with running(directory, RULES) as here, aiosqlite.connect(directory / file.FILE_NAME) as reading:
        due = await persons.pending(reading, fingerprint, 9, behind=False)
        await here.writer.run(persons.kept(due, fingerprint))
    sealed = {one.pseudonym: key.lock.seal(one, campus="c") for one in due}
    return {name: key.open(body, campus="c", pseudonym=name) for name, body in sealed.items()}


def brought_back(directory: Path, known: Mapping[str, Known]) -> Erased:
    """Who takes no part in a ledger that is put together of these persons."""
    path = directory / "back.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        file.migrate(connection, path)
        Rebuilding(connection, known).finish({}, {}, (), now=NOW)
        return erased.of_ledger(connection)


async def test_who_opted_out_takes_no_part_in_a_ledger_that_comes_back_from_the_catalogue(tmp_path: Path) -> None:
    """They took part again, and nobody was told: their word was in the lost ledger alone."""
    key = RecoveryKey.new()
    async with running(tmp_path, RULES) as here:
        await here.take(event("lesson.completed", "2026-09-07T09:00:00", "ann", lesson="1").seen)
    assert len(await left(tmp_path, key)) == 1
    async with running(tmp_path, RULES) as here:
        insert = "INSERT INTO alias (site, lms_user, into_site, into_user, merged_at, merged_by, reason) VALUES"
        await here.writer.run(lambda conn: conn.execute(f"{insert} ('campus2', 'ben', 'moodle', 'ann', 1, 'd', 'r')"))
        await here.writer.run(lambda conn: erased.opt_out(conn, [ANN, BEN], "a desk", NOW))
        await here.writer.run(lambda conn: erased.opt_in(conn, [BEN], NOW + 50))
    out = brought_back(tmp_path, await left(tmp_path, key)).out
    assert out == {ANN: ((NOW, None),), BEN: ((NOW, NOW + 50),)}


async def test_who_comes_back_by_a_clock_that_is_behind_is_paid_nothing_for_what_was_meanwhile(tmp_path: Path) -> None:
    """The span ended before it began and held nothing: whatever of it was read later was paid."""
    async with running(tmp_path, RULES) as here:
        late = event("lesson.completed", "2026-09-07T09:00:30", "ann", lesson="1").seen
        newest = late.occurred_at + 10
        await here.pipeline.replace_state("moodle", SourceState(high_water=newest))
        desk = Erasing(
            here.writer,
            here.recorder,
            here.pipeline,
            inbox=None,
            sources={},
            data_dir=tmp_path,
            clock=(clock := ManualClock(newest - 20)),
        )
        await desk.opt_out(accounts=[ANN], by="a desk")
        clock.wrong = -3_600
        assert (await desk.opt_in(accounts=[ANN], by="a desk"))["from"] == newest
        await here.take(late)
        assert here.balances() == {}
        assert list((await here.writer.run(erased.adopt)).out.values()) == [((newest - 20, newest),)]
        await here.take(event("lesson.completed", "2026-09-07T09:00:40", "ann", lesson="2").seen)
        assert here.balances() == {"ann": 10}


async def test_who_is_readmitted_by_a_clock_that_is_behind_is_nobody_for_all_that_was_before_the_erasure(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, RULES) as here:
        before = event("lesson.completed", "2026-09-07T09:00:00", "ann", lesson="1").seen
        clock = ManualClock(before.occurred_at + 60)
        desk = Erasing(
            here.writer, here.recorder, here.pipeline, inbox=None, sources={}, data_dir=tmp_path, clock=clock
        )
        await desk.begin(accounts=[ANN], by="a desk")
        clock.wrong = -3_600
        assert (await desk.readmit(accounts=[ANN], by="a desk"))["from"] == before.occurred_at + 60
        await here.take(before)
        assert here.balances() == {}
