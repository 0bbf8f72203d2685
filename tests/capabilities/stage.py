"""Plays a story: a real pipeline, desk and scheduler over a real ledger."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from agent.backfill.backfill import Backfill
from agent.engine import stories, trust
from agent.errors import RewardsError
from agent.ledger import file, reading
from agent.ledger.record import Recorder
from agent.ledger.writer import Writer
from agent.model import Observation, Page, Trust
from agent.operations import Operations
from agent.pipeline import Pipeline
from agent.privacy.erasing import Erasing
from agent.recognition.following import Following
from agent.schedule.runner import Scheduler
from tests.capabilities.story import Story
from tests.ledgers import rows
from tests.rule_stories import rulebook
from tests.schedules import TwoClocks

SITE = "moodle"
DAY = date(2026, 9, 7)
SOURCES = {"moodle": Trust.server_verified, "post": Trust.trusted_source}
BY = "B. Desk"

Do = Callable[[Mapping[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An agent without a log: what a page says comes from the story."""

    pipeline: Pipeline
    scheduler: Scheduler
    operations: Operations
    clock: TwoClocks
    data_dir: Path
    seen: dict[int, Observation] = field(default_factory=dict)

    async def play(self, story: Story, *, together: bool) -> None:
        """Everything that is given, after all before; ``together`` puts acts that follow each other into one page."""
        waiting: list[Observation] = []
        for number, said in enumerate(story.given, max(self.seen, default=0) + 1):
            if "do" not in said:
                waiting.append(self._observed(said, number))
                if together:
                    continue
            await self._take(waiting)
            waiting.clear()
            if "do" in said:
                await self._done(said)
        await self._take(waiting)

    async def again(self) -> None:
        """Every act once more, in one page each."""
        for seen in list(self.seen.values()):
            await self._take([seen])

    def _observed(self, said: Mapping[str, Any], number: int) -> Observation:
        told = {key: value for key, value in said.items() if key not in {"again", "source", "marks"}}
        source = str(said.get("source", "moodle"))
        told.setdefault("trust", "server_verified" if source == "moodle" else "trusted_source")
        first = self.seen.get(said["again"]) if "again" in said else None
        if first is not None:
            told = {"kind": first.kind, "at": None, **told}
            told = {key: value for key, value in told.items() if value is not None}
        event = stories.event_of(told, str(said.get("learner", "ann")), DAY, number, self.pipeline.rulebook)
        seen = replace(event.seen, source=source, site=SITE, marks=frozenset(said.get("marks", ())))
        if first is not None:
            mine = ("natural_key", "occurred_at", "people", "course", "section", "lesson", "post", "object_id")
            seen = replace(seen, **{name: getattr(first, name) for name in mine})
        self.seen[number] = seen
        return seen

    async def _take(self, seen: Sequence[Observation]) -> None:
        """One page for each stretch of one source."""
        while seen:
            source = seen[0].source
            count = next((n for n, one in enumerate(seen) if one.source != source), len(seen))
            page, seen = seen[:count], seen[count:]
            self._at(max(one.occurred_at for one in page))
            state = replace(self.pipeline.stands(source), position=max(one.position for one in page))
            taken = Page(
                source=source,
                observations=tuple(page),
                state=state,
                rules_version=self.pipeline.rulebook.version,
                caught_up=True,
            )
            await self.pipeline.take(taken)
            self.scheduler.on_page(taken)

    def _at(self, when: int) -> None:
        if when > self.clock.now():
            self.clock.pass_s(when - self.clock.now())

    async def _done(self, said: Mapping[str, Any]) -> None:
        if "at" in said:
            self._at(self.pipeline.rulebook.calendar.at(said["at"]))
        try:
            result = await self._doers()[said["do"]](said)
        except RewardsError as error:
            if "fails" not in said:
                raise
            result = error.message
        told = json.dumps(result, default=str, ensure_ascii=False)
        for key in ("fails", "tells"):
            if key in said:
                assert said[key] in told, f"{said} told: {told}"

    def _doers(self) -> Mapping[str, Do]:
        return {
            "approve": self._approve,
            "reject": self._reject,
            "assign": self._badge,
            "revoke": self._badge,
            "adjust": self._adjust,
            "reverse": self._reverse,
            "reverse rule": self._reverse_rule,
            "merge": self._merge,
            "enrol": self._enrol,
            "withdraw": self._enrol,
            "decide": self._decide,
            "rules": self._rules,
            "backfill": self._backfill,
            "settle": self._settle,
        }

    def _held(self, said: Mapping[str, Any]) -> list[int]:
        """What is held of an act (``of``), or by a rule (``rule``)."""
        event = self.number_of(said["of"]) if "of" in said else None
        with file.reading(self.data_dir) as connection:
            return [
                row.decision_no
                for row in reading.holds(connection)
                if event in {None, row.event_no} and said.get("rule") in {None, row.decision.rule_id}
            ]

    def number_of(self, number: int) -> int:
        """The event number of an act of the story."""
        with file.reading(self.data_dir) as connection:
            seen = self.seen[number]
            event = self.event_id(seen)
            found = reading.event_by_id(connection, event, seen.occurred_at)
        assert found is not None, f"act {number} was not recorded"
        return found[0]

    @staticmethod
    def event_id(seen: Observation) -> bytes:
        """What identifies an act."""
        return trust.event_id(seen.site, seen.natural_key)

    async def _approve(self, said: Mapping[str, Any]) -> Any:
        amounts = said.get("amounts")
        held = self._held(said)
        assert held, f"nothing is held of {said}"
        return await self.operations.table()["review.approve"](
            decisions=held, by=BY, reason=said.get("reason", ""), amounts=amounts
        )

    async def _reject(self, said: Mapping[str, Any]) -> Any:
        return await self.operations.table()["review.reject"](
            decisions=self._held(said), by=BY, reason=said.get("reason", "looked at")
        )

    async def _badge(self, said: Mapping[str, Any]) -> Any:
        word = "reason" if said["do"] == "revoke" else "message"
        more = {word: said[word]} if word in said else {}
        return await self.operations.table()[f"badge.{said['do']}"](
            badge=said["badge"], learner=f"{SITE}:{said['learner']}", by=said.get("by", BY), **more
        )

    async def _adjust(self, said: Mapping[str, Any]) -> Any:
        return await self.operations.adjust(
            learner=f"{SITE}:{said['learner']}",
            currency=said.get("currency", "points"),
            amount=said["amount"],
            reason=said["reason"],
            by=said.get("by", BY),
            lower_level=said.get("lower_level", False),
        )

    async def _reverse(self, said: Mapping[str, Any]) -> Any:
        sql = (
            "SELECT seq FROM entry WHERE event_no = ? AND CAST(body AS TEXT) ->> 'kind' = 'award' ORDER BY seq LIMIT 1"
        )
        ((seq,),) = rows(self.data_dir, sql, self.number_of(said["of"]))
        return await self.operations.reverse(seq=seq, reason=said["reason"], by=BY)

    async def _reverse_rule(self, said: Mapping[str, Any]) -> Any:
        since, until = (self.pipeline.rulebook.calendar.starts(said[name]) for name in ("since", "until"))
        return await self.operations.reverse_rule(
            rule=said["rule"],
            since=since,
            until=until,
            reason=said["reason"],
            by=BY,
            preview=said.get("preview", False),
        )

    async def _merge(self, said: Mapping[str, Any]) -> Any:
        source, target = (f"{SITE}:{said[name]}" for name in ("from", "into"))
        return await self.operations.table()["learner.merge"](
            source=source, target=target, reason=said["reason"], by=BY, preview=said.get("preview", False)
        )

    async def _enrol(self, said: Mapping[str, Any]) -> Any:
        return await self.operations.enrol_in_challenge(
            challenge=said["challenge"],
            learners=[f"{SITE}:{said['learner']}"],
            by=BY,
            at=self.clock.now(),
            withdraw=said["do"] == "withdraw",
        )

    async def _decide(self, _said: Mapping[str, Any]) -> Any:
        return await self.scheduler.catch_up(["moodle"])

    async def _rules(self, said: Mapping[str, Any]) -> Any:
        await self.pipeline.adopt(rulebook(said["text"]), said["text"])
        await self.scheduler.adopt()

    async def _backfill(self, said: Mapping[str, Any]) -> Any:
        calendar = self.pipeline.rulebook.calendar
        return await self.operations.table()["rules.backfill"](
            rule=said["rule"],
            since=calendar.starts(said["since"]),
            until=2**40,
            source="",
            compensate=said.get("compensate", False),
            by=BY,
            version=self.pipeline.rulebook.version,
        )

    async def _settle(self, _said: Mapping[str, Any]) -> Any:
        return await self.operations.table()["badge.settle"]()


@asynccontextmanager
async def stage(data_dir: Path, rules: str, *, shadow: bool) -> AsyncIterator[Stage]:
    """An agent over the ledger in ``data_dir``."""
    book = rulebook(rules)
    clock = TwoClocks(book.calendar.starts(date(2026, 1, 1)))
    writer, recorder = await Writer.open(data_dir), Recorder()
    writer.on_rollback(recorder.forget)
    pipeline = Pipeline(
        writer,
        recorder,
        data_dir=data_dir,
        ceilings=SOURCES,
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
        signs=False,
    )
    backfill = Backfill(
        writer=writer,
        recorder=recorder,
        pipeline=pipeline,
        data_dir=data_dir,
        log_from=_no_log,
        ceilings=SOURCES,
        clock=clock,
        followed=Following(pipeline, recorder).after,
    )
    operations = Operations(
        writer=writer,
        recorder=recorder,
        pipeline=pipeline,
        rewind=_nothing,
        sync=None,
        enrolling=None,
        reload=_nothing,
        backfill=backfill,
        scheduler=scheduler,
        erasing=Erasing(writer, recorder, pipeline, inbox=None, sources={}, data_dir=data_dir, clock=clock),
        clock=clock,
    )
    try:
        await pipeline.adopt(book, rules)
        await scheduler.adopt()
        yield Stage(pipeline=pipeline, scheduler=scheduler, operations=operations, clock=clock, data_dir=data_dir)
    finally:
        await writer.close()


def _no_log(source: str, _since: int) -> Any:
    raise AssertionError(f"there is no log of {source}")


async def _nothing(*_: object) -> Any:
    raise AssertionError("not part of a story")
