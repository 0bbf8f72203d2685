"""What a run waits for: sources, holds, a clock that goes evenly; and what becomes of one that fails."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.errors import TransientError
from agent.ledger import corrections, file
from agent.ledger.corrections import Correction
from agent.ledger.schedule.datasets import AsOf
from agent.model import HoldKind, Trust
from agent.review.approving import Approving
from agent.schedule import due, forgetting, looking
from agent.schedule.expiry import Expiry
from agent.schedule.forgetting import Forgetting
from agent.schedule.runner import Scheduler
from tests.ledgers import rows
from tests.rule_stories import event, rule
from tests.schedules import RULES, SUNDAY, Office, lesson, lessons, office


async def test_holds_in_the_window_are_waited_for_and_named(tmp_path: Path) -> None:
    async with office(tmp_path, RULES + '\n[budget]\npoints = "15/week"\n') as here:
        await here.take(lessons(ann=1, ben=1))
        held = rows(tmp_path, "SELECT decision_no, kind FROM hold WHERE state = 'open'")
        assert [kind for _, kind in held] == [HoldKind.budget.value]
        assert await here.decide() == []
        with file.reading(tmp_path) as connection:
            (each,) = due.next_runs(connection, here.pipeline.rulebook)
            told = due.waits_for(
                connection, each, here.pipeline.rulebook, names=["moodle"], read_at=None, now=SUNDAY * 2
            )
        number = held[0][0]
        assert told == [f"1 held decisions about acts of its time: {number} (rewards-agent review list)"]
        approving = Approving(here.writer, here.recorder, here.pipeline, here.clock)
        await approving.approve(number, Correction(reason="", by="dean"))
        assert [one.winners for one in await here.decide()] == [2]


async def test_a_rejected_hold_lets_the_run_go_on_without_it(tmp_path: Path) -> None:
    async with office(tmp_path, RULES + '\n[budget]\npoints = "15/week"\n') as here:
        await here.take(lessons(ann=1, ben=1))
        ((number,),) = rows(tmp_path, "SELECT decision_no FROM hold WHERE state = 'open'")
        correction = Correction(reason="no", by="dean")
        await here.writer.run(
            lambda connection: corrections.close_hold(
                connection, decision_no=number, state="rejected", correction=correction, now=SUNDAY
            )
        )
        assert [one.winners for one in await here.decide()] == [1]


async def test_a_source_that_was_last_read_before_settle_was_over_is_waited_for(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.take(lessons(ann=1))
        here.clock.pass_s(40 * 3600)
        assert await here.scheduler.look() == []
        await here.take([])
        assert len(await here.scheduler.look()) == 1


async def test_after_a_clock_jump_nothing_is_decided_until_it_went_evenly(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await here.take(lessons(ann=1))
        here.clock.jump(30 * 86_400)
        await here.take([])
        assert await here.scheduler.look() == []
        here.clock.jump(-30 * 86_400)
        assert await here.scheduler.look() == []
        here.clock.pass_s(601)
        await here.take([])
        assert await here.scheduler.look() == [], "the clock says again that the week is not over"
        here.clock.pass_s(40 * 3600)
        await here.take([])
        assert len(await here.scheduler.look()) == 1


async def test_a_run_that_fails_keeps_its_error_changes_nothing_and_is_tried_again(tmp_path: Path) -> None:
    broken = """
[[scheduled]]
id = "raffle"
every = "week"
draw = { winners = 1 }
award = 5
"""
    async with office(tmp_path, RULES + broken) as here:
        await here.take(lessons(ann=1))
        before = rows(tmp_path, "SELECT count(*) FROM entry")
        done = {one.run.partition("@")[0]: one.state for one in await here.decide()}
        assert done == {"champion": "closed", "raffle": "failed"}
        assert rows(tmp_path, "SELECT count(*) FROM entry")[0][0] == before[0][0] + 1
        assert await here.decide("2026-09-20T00:05:00") == [], "it is not tried all the time"
    cured = broken.replace("winners = 1", 'winners = 1, seed = "chain"')
    async with office(tmp_path, RULES + cured) as here:
        (again,) = await here.decide("2026-09-20T00:20:00")
        assert (again.state, again.winners) == ("closed", 1)


async def test_a_machine_in_trouble_fails_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few files to open were told as a fault of the week's ranking, and kept as its end."""

    def hindered(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async with office(tmp_path) as here:
        await here.take(lessons(ann=1))
        with monkeypatch.context() as patch:
            patch.setattr(looking, "look", hindered)
            with pytest.raises(TransientError, match="too many files"):
                await here.decide()
        assert rows(tmp_path, "SELECT count(*) FROM scheduled_run") == [(0,)]
        assert [one.state for one in await here.decide()] == ["closed"]


async def test_what_fails_by_a_fault_of_the_program_tells_where_and_nothing_that_somebody_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*_: object) -> None:
        raise KeyError("ann@example.org")

    async with office(tmp_path) as here:
        await here.take(lessons(ann=1))
        monkeypatch.setattr(looking, "look", odd)
        with capture_logs() as told:
            (done,) = await here.decide()
    assert (done.state, done.error.partition(":")[0]) == ("failed", "KeyError at agent/schedule/runner.py")
    assert "ann@example.org" not in f"{told} {rows(tmp_path, 'SELECT * FROM scheduled_run')}"


@pytest.mark.parametrize("error", [KeyError("ann@example.org"), MemoryError()])
@pytest.mark.parametrize("kind", [Expiry, Forgetting, Scheduler])
async def test_a_fault_of_the_program_is_left_to_who_begins_its_parts_again(
    kind: type[Expiry | Forgetting | Scheduler], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each went on by itself, with the words of the error in the log, also where memory had run out."""

    async def failing(_: object) -> None:
        raise error

    monkeypatch.setattr(forgetting, "FIRST_LOOK_S", 0.0)
    monkeypatch.setattr(kind, "look", failing)
    part = asyncio.ensure_future(object.__new__(kind).run())
    with capture_logs() as told:
        await asyncio.wait([part], timeout=60)
    assert (part.done() and part.exception(), told) == (error, [])


async def test_acts_that_are_not_believed_do_not_count_and_are_told(tmp_path: Path) -> None:
    rules = """
[[scheduled]]
id = "busy"
every = "week"
rank = { by = "acts with lesson.completed" }
places = [5]
"""
    async with office(tmp_path, rule(name="lesson") + rules) as here:
        staff = event("lesson.completed", "2026-09-09T09:00:00", "sue", lesson="1", mark="staff").seen
        heard = event(
            "lesson.completed", "2026-09-09T09:00:00", "eve", lesson="1", level=Trust.client_reported, key="x"
        ).seen
        await here.take([*lessons(ann=2, ben=1), staff, heard])
        with file.reading(tmp_path) as connection:
            (each,) = due.next_runs(connection, here.pipeline.rulebook)
            seen = looking.look(
                connection,
                each.timed,
                here.pipeline.rulebook,
                AsOf(seq=99, event=99, begins=each.span.begin, ends=each.span.end),
            )
        assert seen.values == {"moodle:ann": 2, "moodle:ben": 1}
        assert seen.report() == {"taking_part": 2, "winners": 1, "not_believed": 1}


async def test_a_run_whose_prizes_count_is_decided_before_the_one_they_count_into(tmp_path: Path) -> None:
    rules = (
        rule(name="lesson")
        + """
[[scheduled]]
id = "month"
every = "month"
settle = "1h"
rank = {}
places = [7]
[[scheduled]]
id = "week"
every = "week"
settle = "30d"
rank = {}
places = [50]
counts = true
"""
    )
    async with office(tmp_path, rules) as here:
        await here.take([*lessons(ann=2), *lessons("2026-09-16T09:00:00", ben=3)])
        assert await here.decide("2026-10-02T00:00:00") == []
        assert [one.run.partition("@")[0] for one in await here.decide("2026-10-30T00:00:00")] == [
            "week",
            "week",
            "month",
        ]
        assert here.prizes() == {"ann": [50, 50, 7]}


async def approve_all(here: Office) -> int:
    waiting = rows(here.data_dir, "SELECT decision_no FROM hold WHERE state = 'open'")
    approving = Approving(here.writer, here.recorder, here.pipeline, here.clock)
    for (number,) in waiting:
        await approving.approve(number, Correction(reason="", by="dean"))
    return len(waiting)


async def test_a_badge_of_a_later_place_that_was_approved_is_had_once(tmp_path: Path) -> None:
    prizes = 'places = [{ points = 50, badge = "gold" }, { points = 30, badge = "silver" }]'
    text = RULES.replace("places = [50, 30, 10]", prizes) + '\n[budget]\npoints = "60/week"\n'
    async with office(tmp_path, text) as here:
        for first, until in ((9, "2026-09-16T00:00:00"), (16, "2026-09-23T00:00:00")):
            when = f"2026-09-{first:02d}T09:00:00"
            await here.take([lesson("ann", first, when), lesson("ann", first + 1, when), lesson("ben", first, when)])
            await approve_all(here)
            assert [one.winners for one in await here.decide(until)] == [2]
            assert await approve_all(here), "the week's budget leaves no room for the second place"
        badges = "SELECT p.lms_user, b.currency, b.amount FROM balance b JOIN person p USING (person_no)"
        assert rows(tmp_path, f"{badges} WHERE b.currency LIKE 'badge:%' ORDER BY 1") == [
            ("ann", "badge:gold", 1),
            ("ben", "badge:silver", 1),
        ]
