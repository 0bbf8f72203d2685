"""Carries scheduled rewards out: each nominal time once, whether or not the machine was on and the clock was right."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import aiosqlite
import structlog

from agent import apart
from agent.clock import Clock
from agent.config.settings import Settings
from agent.engine.rulebook import Rulebook, Timed
from agent.engine.schedule.coming import Due, due_at, first_of_all
from agent.engine.schedule.deciding import verdicts
from agent.engine.schedule.looking import Look
from agent.engine.timing.timetable import run_name
from agent.errors import ConfigError, RewardsError, TransientError
from agent.ledger import file
from agent.ledger.record import Recorder
from agent.ledger.schedule import datasets, runs
from agent.ledger.schedule.datasets import AsOf
from agent.ledger.schedule.runs import Run
from agent.ledger.writer import Writer
from agent.model import Outcome, Page
from agent.pipeline import Pipeline
from agent.retry import Trouble
from agent.schedule import drawing, due, looking
from agent.schedule.recording import Books, Recorded

LOOK_S = 5.0
"""How often the service looks whether something is due."""
RETRY_S = 600
"""A run that failed is tried again after so long."""
JUMP_S = 120
"""A clock that moves so much more or less than time passed has been set."""
STEADY_S = 600
"""After a jump nothing is decided until the clock has gone evenly for so long."""
AT_ONCE_MAX = 1000
"""Most runs without any act that are closed in one transaction."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one run: ``state`` is closed, announced or failed."""

    run: str
    state: str
    winners: int
    entries: int
    error: str = ""


class Scheduler:
    """Runs what is due. ``sources`` are those that must be read past a window before it is decided."""

    def __init__(
        self,
        *,
        writer: Writer,
        recorder: Recorder,
        pipeline: Pipeline,
        data_dir: Path,
        sources: Sequence[str],
        clock: Clock,
        shadow: bool,
        signs: bool,
    ) -> None:
        self._writer = writer
        self._pipeline = pipeline
        self._data_dir = data_dir
        self._sources = tuple(sources)
        self._clock = clock
        self._shadow = shadow
        self._signs = signs
        self._books = Books(recorder, pipeline, shadow=shadow)
        self._read_at: dict[str, int] = {}
        self._offset = clock.now() - clock.running()
        self._uneven_at: float | None = None
        self._waits: dict[str, tuple[str, ...]] = {}
        self._busy = asyncio.Lock()

    @classmethod
    def of(cls, settings: Settings, writer: Writer, recorder: Recorder, pipeline: Pipeline, clock: Clock) -> Scheduler:
        """The scheduler of a configured agent."""
        return cls(
            writer=writer,
            recorder=recorder,
            pipeline=pipeline,
            data_dir=settings.agent.data_dir,
            sources=settings.told_by,
            clock=clock,
            shadow=settings.agent.mode == "shadow",
            signs=settings.catalogue is not None,
        )

    async def adopt(self) -> None:
        """The rules in force changed: note since when each scheduled reward is."""
        names = [timed.spec.id for timed in self._pipeline.rulebook.scheduled]

        async def unit(connection: aiosqlite.Connection) -> None:
            await runs.keep_in_force(connection, names)

        await self._writer.run(unit)

    def on_page(self, page: Page) -> None:
        """Hear how far a source is read."""
        if page.caught_up:
            self._read_at[page.source] = self._clock.now()

    async def run(self) -> None:
        """Look for ever. What cannot be done now is told once and done later; a fault of this program ends it."""
        trouble = Trouble()
        while True:
            try:
                await self.look()
                trouble.is_over()
            except RewardsError as exc:
                if trouble.is_news(exc.message):
                    log.error("schedule_trouble", trouble=exc.message, do=exc.hint)
            await asyncio.sleep(LOOK_S)

    async def catch_up(self, read: Iterable[str]) -> list[Done]:
        """Decide everything that is due, once the sources ``read`` were just read to their ends."""
        self._read_at.update(dict.fromkeys(read, self._clock.now()))
        self._uneven_at = None
        return await self.look()

    async def look(self) -> list[Done]:
        """Decide everything that is due and waits for nothing, in the order of the times they are decided at."""
        async with self._busy:
            if not self._steady():
                return []
            done = await self._announced()
            done += await self._failed()
            while (more := await self._once()) is not None:
                done += more
            return done

    def _steady(self) -> bool:
        """Whether the clock can be trusted: it was not set lately."""
        now, running = self._clock.now(), self._clock.running()
        if abs((now - running) - self._offset) > JUMP_S:
            self._uneven_at = running
            log.warning("clock_jumped", seconds=round(now - running - self._offset))
            self._read_at.clear()
        self._offset = now - running
        if self._uneven_at is not None and running - self._uneven_at >= STEADY_S:
            self._uneven_at = None
        return self._uneven_at is None

    async def _once(self) -> list[Done] | None:
        """The first that can be decided now, or None."""
        rulebook, now = self._pipeline.rulebook, self._clock.now()
        if not rulebook.scheduled:
            return None
        with file.reading(self._data_dir) as connection:
            waits: dict[str, tuple[str, ...]] = {}
            coming = due.next_runs(connection, rulebook)
            for each in coming:
                reasons = due.waits_for(connection, each, rulebook, names=self._sources, read_at=self._read_at, now=now)
                reasons += first_of_all(each, coming)
                if not reasons:
                    empty = self._empty(connection, each, now) if due.is_empty(connection, each) else ()
                    break
                waits[each.name] = tuple(reasons)
            else:
                self._tell(waits, now)
                return None
        if empty:
            await self._close_empty(empty, rulebook, now)
            return []
        return [await self._decide(each, rulebook)]

    def _empty(self, connection: sqlite3.Connection, first: Due, now: int) -> tuple[Due, ...]:
        """``first`` and those right after it that are due and saw nothing either."""
        found = [first]
        while len(found) < AT_ONCE_MAX:
            nominal = first.timed.timetable.after(found[-1].nominal)
            if nominal is None:
                break
            each = due_at(first.timed, nominal)
            if each.at > now or not due.is_empty(connection, each):
                break
            if any(self._read_at.get(name, -1) < each.at for name in self._sources):
                break
            found.append(each)
        return tuple(found)

    def _tell(self, waits: Mapping[str, tuple[str, ...]], now: int) -> None:
        """Say once what a run that is due waits for."""
        for name, reasons in waits.items():
            if self._waits.get(name) != reasons and not reasons[0].startswith("its settle"):
                log.info("scheduled_waits", run=name, waits_for=list(reasons), at=now)
        self._waits = dict(waits)

    async def _close_empty(self, empty: Sequence[Due], rulebook: Rulebook, now: int) -> None:
        with file.reading(self._data_dir) as connection:
            seq, event = datasets.newest(connection)

        async def unit(connection: aiosqlite.Connection) -> None:
            for each in empty:
                run = self._run(each, rulebook, AsOf(seq=seq, event=event, begins=each.span.begin, ends=each.span.end))
                await self._books.close(connection, run, (), now)

        await self._writer.run(unit)

    async def _failed(self) -> list[Done]:
        """Runs that failed a while ago, tried again."""
        rulebook, now = self._pipeline.rulebook, self._clock.now()
        if not rulebook.scheduled:
            return []
        with file.reading(self._data_dir) as connection:
            ready = [
                each
                for each, run in due.again(connection, rulebook)
                if not 0 <= now - run.decided_at < RETRY_S
                and not due.waits_for(connection, each, rulebook, names=self._sources, read_at=self._read_at, now=now)
            ]
        return [await self._decide(each, rulebook) for each in ready]

    async def _decide(self, each: Due, rulebook: Rulebook) -> Done:
        """One run; where it fails, its error is kept and nothing else."""
        with file.reading(self._data_dir) as connection:
            seq, event = datasets.newest(connection)
        of = AsOf(seq=seq, event=event, begins=each.span.begin, ends=each.span.end)
        run = self._run(each, rulebook, of)
        try:
            done = await self._decided(each, run, rulebook, of)
        except Exception as exc:  # noqa: BLE001 - whatever is wrong with one run must not stop the others
            return await self._keep_failed(run, _told(exc), exc)
        log.info("scheduled_run", run=done.run, state=done.state, winners=done.winners, entries=done.entries)
        return done

    async def _decided(self, each: Due, run: Run, rulebook: Rulebook, of: AsOf) -> Done:
        found = await asyncio.to_thread(self._look, each.timed, rulebook, of)
        now = self._clock.now()
        run = replace(run, report=found.report())
        if found.tickets and not self._in_shadow(each.timed):
            return await self._announce(each, run, found.tickets, now)
        if found.tickets:
            run = replace(run, report={**run.report, "tickets": sum(found.tickets.values())})
        judged = verdicts(found.winners, each.timed, each.nominal, rulebook)
        recorded = await self._writer.run(partial(self._books.close, run=run, verdicts=judged, now=now))
        return _closed(each.name, len(found.winners), recorded)

    def _look(self, timed: Timed, rulebook: Rulebook, of: AsOf) -> Look:
        with file.reading(self._data_dir) as connection:
            return looking.look(connection, timed, rulebook, of)

    def _in_shadow(self, timed: Timed) -> bool:
        return self._shadow or timed.rule.mode == "shadow"

    async def _announce(self, each: Due, run: Run, tickets: Mapping[str, int], now: int) -> Done:
        spec = each.timed.spec.draw
        if spec is not None and spec.seed == "receipt" and not self._signs:
            raise ConfigError(
                f"draw {each.timed.spec.id} needs a catalogue, whose signature is the seed",
                hint='add [catalogue] and enrol, or write draw = { seed = "chain", … }: then whoever runs the agent'
                " could try until the result pleases",
            )
        report = {**run.report, "to_win": spec.winners if spec is not None else 0, "tickets": sum(tickets.values())}
        unit = partial(
            self._books.announce, run=replace(run, report=report), timed=each.timed, tickets=tickets, now=now
        )
        kept = await self._writer.run(unit)
        if kept is not None and spec is not None and spec.seed == "chain":
            done = await self._drawn(kept)
            if done is not None:
                return done
        return Done(run=each.name, state="announced", winners=0, entries=1)

    async def _announced(self) -> list[Done]:
        """Draws whose seed is there by now."""
        with file.reading(self._data_dir) as connection:
            waiting = runs.listed(connection, states=("announced",))
        done = []
        for run in waiting:
            try:
                one = await self._drawn(run)
            except Exception as exc:  # noqa: BLE001 - as in `_decide`
                await self._keep_trouble(run, exc)
                continue
            if one is not None:
                done.append(one)
        return done

    async def _keep_trouble(self, run: Run, exc: Exception) -> None:
        """A draw that cannot be drawn yet: its list stands, and why is kept."""
        error = _told(exc)
        if error == run.error:
            return
        log.error("scheduled_failed", run=run_name(run.scheduled, run.nominal), error=error)

        async def unit(connection: aiosqlite.Connection) -> None:
            if not await runs.is_closed(connection, run.scheduled, run.nominal):
                await runs.keep(connection, replace(run, error=error))

        await self._writer.run(unit)

    async def _drawn(self, run: Run) -> Done | None:
        """Who wins, by the rules of when the list was fixed; None where the seed is not there yet."""
        rulebook = self._pipeline.rulebook_of(run.rules_version)
        timed = next((one for one in rulebook.scheduled if one.spec.id == run.scheduled), None)
        if timed is None:
            return None
        with file.reading(self._data_dir) as connection:
            alone = timed.spec.draw is not None and timed.spec.draw.seed == "chain"
            seed = drawing.seed_of(connection, run, chain_alone=alone)
            if seed is None:
                return None
            winners, report = drawing.drawn(connection, run, timed, seed)
        now = self._clock.now()
        judged = verdicts(winners, timed, run.nominal, rulebook)
        drawn = replace(run, report=report, error="")
        recorded = await self._writer.run(partial(self._books.close, run=drawn, verdicts=judged, now=now))
        done = _closed(run_name(run.scheduled, run.nominal), len(winners), recorded)
        log.info("scheduled_run", run=done.run, state=done.state, winners=done.winners, entries=done.entries)
        return done

    async def _keep_failed(self, run: Run, error: str, exc: Exception) -> Done:
        name = run_name(run.scheduled, run.nominal)
        log.error("scheduled_failed", run=name, error=error, do=getattr(exc, "hint", ""))
        now = self._clock.now()

        async def unit(connection: aiosqlite.Connection) -> None:
            if not await runs.is_kept(connection, run.scheduled, run.nominal):
                await runs.keep(connection, replace(run, state="failed", error=error, decided_at=now))

        await self._writer.run(unit)
        return Done(run=name, state="failed", winners=0, entries=0, error=error)

    def _run(self, each: Due, rulebook: Rulebook, of: AsOf) -> Run:
        return Run(
            scheduled=each.timed.spec.id,
            nominal=each.nominal,
            begins=of.begins,
            ends=of.ends,
            state="closed",
            rules_version=rulebook.version,
            counts=each.timed.spec.counts,
            as_of_seq=of.seq,
            as_of_event=of.event,
            decided_at=self._clock.now(),
        )


def _closed(name: str, winners: int, recorded: Recorded | None) -> Done:
    """A run that is over; what a brake or a budget holds of its prizes is told at once."""
    held = recorded.outcomes.get(Outcome.held, 0) if recorded is not None else 0
    if held:
        do = "look: rewards-agent review list --kind budget"
        log.warning("issuing_held", reason=f"prizes of {name}", held=held, do=do)
    return Done(run=name, state="closed", winners=winners, entries=recorded.entries if recorded is not None else 0)


def _told(exc: Exception) -> str:
    """What is wrong with one run.

    Raises:
        TransientError: it is the machine, and this run is as good as any.
        Exception: the error itself, where it is about no run at all.
    """
    if isinstance(exc, RewardsError) and not isinstance(exc, TransientError):
        return exc.message
    apart.require_of_data(exc)
    return apart.fault_of(exc)
