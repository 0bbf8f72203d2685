"""A real ledger with a scheduler for tests: acts in, the clock moved by hand, prizes out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent.ledger import file
from agent.ledger.record import Recorder
from agent.ledger.schedule import runs
from agent.ledger.schedule.runs import Run
from agent.ledger.writer import Writer
from agent.model import Observation, Page, Trust
from agent.pipeline import Pipeline
from agent.schedule.runner import Done, Scheduler
from tests.ledgers import rows
from tests.rule_stories import at, event, rule, rulebook

WEEK = """
[[scheduled]]
id = "champion"
every = "week"
rank = { by = "points earned" }
places = [50, 30, 10]
"""
RULES = rule(name="lesson") + WEEK
"""10 points for each lesson, and the three best of each week."""
SUNDAY = at("2026-09-14T00:00:00")
"""When the first week of the stories is over."""


def lesson(who: str, number: int, when: str = "2026-09-09T09:00:00") -> Observation:
    """Learner ``who`` completed lesson ``number``."""
    return event("lesson.completed", when, who, lesson=str(number)).seen


def lessons(when: str = "2026-09-09T09:00:00", /, **counts: int) -> list[Observation]:
    """``ann=3`` completed three lessons, and so on."""
    return [lesson(who, number, when) for who, count in counts.items() for number in range(1, count + 1)]


class TwoClocks:
    """A wall clock that can be set, and the time that passes; a test moves both."""

    def __init__(self, now: int) -> None:
        self.at = float(now)
        self.ran = 0.0

    def now(self) -> int:
        """Seconds since 1970, UTC."""
        return int(self.at)

    def running(self) -> float:
        """Seconds that passed."""
        return self.ran

    def pass_s(self, seconds: float) -> None:
        """Let time go by, on both."""
        self.at += seconds
        self.ran += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.at += seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A pipeline and a scheduler over one ledger, and their clock."""

    pipeline: Pipeline
    scheduler: Scheduler
    writer: Writer
    recorder: Recorder
    clock: TwoClocks
    data_dir: Path

    async def take(self, seen: Iterable[Observation], *, fault: str = "") -> None:
        """One page that reaches the end of the log."""
        listed = tuple(seen)
        newest = max((one.occurred_at for one in listed), default=0)
        before = self.pipeline.stands("moodle")
        state = replace(before, position=before.position + 1, high_water=max(before.high_water, newest), fault=fault)
        page = Page(
            source="moodle",
            observations=listed,
            state=state,
            rules_version=self.pipeline.rulebook.version,
            caught_up=True,
        )
        await self.pipeline.take(page)
        self.scheduler.on_page(page)

    async def decide(self, when: str | int = "2026-09-20T00:00:00") -> list[Done]:
        """Everything that is due at a time, with the log read to its end."""
        self.clock.pass_s((at(when) if isinstance(when, str) else when) - self.clock.at)
        return await self.scheduler.catch_up(["moodle"])

    def prizes(self) -> dict[str, list[int]]:
        """Learner → the amounts of scheduled prizes, in order."""
        sql = (
            "SELECT p.lms_user, CAST(e.body AS TEXT) ->> 'amount' FROM entry e JOIN person p USING (person_no)"
            " WHERE CAST(e.body AS TEXT) ->> 'source' = 'scheduled' ORDER BY e.seq"
        )
        found: dict[str, list[int]] = {}
        for user, amount in rows(self.data_dir, sql):
            found.setdefault(user, []).append(amount)
        return found

    def runs(self) -> list[Run]:
        """Every run that is kept, the oldest first."""
        with file.reading(self.data_dir) as connection:
            return runs.listed(connection)[::-1]


@asynccontextmanager
async def office(
    data_dir: Path, rules: str = RULES, *, shadow: bool = False, signs: bool = False, now: int = SUNDAY
) -> AsyncIterator[Office]:
    """A pipeline and a scheduler under these rules over the ledger in ``data_dir``."""
    writer = await Writer.open(data_dir)
    recorder = Recorder()
    writer.on_rollback(recorder.forget)
    clock = TwoClocks(now)
    pipeline = Pipeline(
        writer,
        recorder,
        data_dir=data_dir,
        ceilings={"moodle": Trust.server_verified},
        compile_text=rulebook,
        clock=clock,
        shadow=shadow,
    )
    scheduler = Scheduler(
        writer=writer,
        recorder=recorder,
        pipeline=pipeline,
        data_dir=data_dir,
        sources=["moodle"],
        clock=clock,
        shadow=shadow,
        signs=signs,
    )
    try:
        await pipeline.adopt(rulebook(rules), rules)
        await scheduler.adopt()
        yield Office(
            pipeline=pipeline, scheduler=scheduler, writer=writer, recorder=recorder, clock=clock, data_dir=data_dir
        )
    finally:
        await writer.close()
