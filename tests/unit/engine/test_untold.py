"""A fact that a state table told and its log row are one, in any order of arrival."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import aiosqlite
import pytest

from agent.engine.sighting.untold import COMPLETED, COMPLETION
from agent.ledger.past.seen import untold as past_untold
from agent.model import EventMark, Observation
from tests.builders import NOW, an_observation
from tests.ledgers import rows
from tests.pipelines import running

RULES = """
schema = 1
timezone = "UTC"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
once_per = "event"
[[rule]]
id = "course"
on = "course.completed"
award = 100
once_per = "event"
"""


def logged(at: int = NOW, **changes: object) -> Observation:
    """A log row about a completed lesson."""
    return an_observation(
        7,
        lms_event=COMPLETION,
        kind="lesson.completed",
        people={"subject": "35", "actor": "2"},
        lesson="12",
        course="3",
        natural_key=(COMPLETION, "2", "35", "", "", "12", str(at), "1"),
        occurred_at=at,
        facts={},
        **changes,
    )


def state(at: int = NOW) -> Observation:
    """The same, as the state table tells it."""
    return replace(
        logged(at),
        source="moodle/state",
        site="moodle",
        people={"subject": "35"},
        natural_key=("state", COMPLETION, "35", "12", "1", str(at)),
    )


@pytest.mark.parametrize("first", ["log", "state"])
@pytest.mark.parametrize("apart_s", [-200, 0, 200])
async def test_a_state_and_its_log_row_pay_once_whichever_comes_first(tmp_path: Path, first: str, apart_s: int) -> None:
    told = (logged(NOW + apart_s), "moodle"), (state(), "moodle/state")
    async with running(tmp_path, RULES) as at:
        for seen, source in told if first == "log" else reversed(told):
            await at.take(seen, source=source)
            await at.take(seen, source=source)
        assert at.balances() == {"35": 10}
        assert at.sources() == ["moodle"], "the name that the configuration has"


async def test_a_log_row_is_recognised_by_an_agent_that_was_started_again(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as at:
        await at.take(state(), source="moodle/state")
    async with running(tmp_path, RULES) as at:
        await at.take(logged(NOW + 1))
        assert at.balances() == {"35": 10}


async def test_another_learner_another_lesson_and_another_time_are_other_facts(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as at:
        await at.take(state(), source="moodle/state")
        await at.take(replace(logged(), people={"subject": "36", "actor": "2"}, natural_key=("a",)))
        await at.take(replace(logged(), lesson="13", natural_key=("b",)))
        await at.take(logged(NOW + 3_600))
        assert at.balances() == {"35": 30, "36": 10}


async def test_of_what_is_recorded_only_the_acts_of_the_same_learners_are_read(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as at:
        await at.take(logged())
        await at.take(replace(logged(), people={"subject": "36", "actor": "2"}, natural_key=("a",)))
        around, of = [(NOW - 300, NOW + 300)], [COMPLETION]

        async def unit(connection: aiosqlite.Connection) -> list[str]:
            read = await past_untold.recorded(connection, around, of, ["36", "3", "2"])
            return [one.seen.people["subject"] for one in read]

        assert await at.writer.run(unit) == ["36"]


@pytest.mark.parametrize("first", ["log", "state"])
@pytest.mark.parametrize("later_s", [7_200, 10 * 86_400])
async def test_cron_tells_hours_or_days_later_that_a_course_was_completed(
    tmp_path: Path, first: str, later_s: int
) -> None:
    def course(seen: Observation) -> Observation:
        return replace(seen, lms_event=COMPLETED, kind="course.completed", lesson=None)

    told = (course(logged(NOW + later_s)), "moodle"), (course(state()), "moodle/state")
    async with running(tmp_path, RULES) as at:
        for seen, source in told if first == "log" else reversed(told):
            await at.take(seen, source=source)
        assert at.balances() == {"35": 100}


@pytest.mark.parametrize(
    ("marks", "entries", "why"),
    [
        (frozenset(), ["award 10"], "awarded"),
        (frozenset({"backdated"}), [], "backdated"),
        (frozenset({"restored"}), [], "never earns: restored from a backup"),
    ],
)
async def test_a_state_that_a_restore_may_have_brought_is_decided_by_the_row_that_fills_a_gap(
    tmp_path: Path, marks: frozenset[EventMark], entries: list[str], why: str
) -> None:
    async with running(tmp_path, RULES) as here:
        await here.take(replace(state(), marks=frozenset({"backdated"})), source="moodle/state")
        assert here.reasons() == ["backdated"]
        for _ in range(2):
            await here.take(logged(marks=marks))
        assert here.entries() == entries
        assert here.reasons()[-1] == ("backdated" if entries else why)
        still = rows(here.data_dir, "SELECT count(*) FROM hold WHERE state = 'open'")
        assert still == [(int(why == "backdated"),)]
