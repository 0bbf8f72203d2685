"""The composition root: one campus, put together of all its classes and open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from agent.arriving.tally import Tally
from agent.backfill.backfill import Backfill
from agent.backfill.requeueing import Requeue
from agent.backfill.taking import Taking
from agent.chance import Chance, SystemChance
from agent.clock import Clock, SystemClock
from agent.collectors.base import Collector
from agent.collectors.door.app import Door
from agent.collectors.door.built import door_of, inbox_collectors
from agent.collectors.inbox.importing import Imports
from agent.collectors.inbox.store import Inbox
from agent.collectors.pull.built import pulls_of
from agent.collectors.pull.driver import Pull
from agent.collectors.systems.registry import SYSTEMS
from agent.config import support
from agent.config.kinds import KindTable
from agent.config.rulefile import RuleFile
from agent.config.settings import Settings
from agent.ledger.acts.journal import Journal
from agent.ledger.record import Recorder
from agent.ledger.rules import versions
from agent.ledger.writer import Writer
from agent.model import Page
from agent.operations import Operations
from agent.outbox.bothways import BothWays
from agent.outbox.callbacks.reader import Callback
from agent.pipeline import Pipeline
from agent.recognition.following import Following
from agent.review.noticed import Noticed
from agent.schedule.expiry import Expiry
from agent.schedule.runner import Scheduler
from agent.service.run import Asking, Ending
from agent.service.tail import Tail
from agent.service.watch import RulesWatch
from agent.wiring.callbacks import callbacks_of
from agent.wiring.campus import left_logs, settle_campus
from agent.wiring.catalogue import road_to_catalogue
from agent.wiring.enrolling import Enrolling
from agent.wiring.naming import doubts, names_of
from agent.wiring.people.erasing import erasing_of, sites_of
from agent.wiring.people.forgetting import forgetting_of
from agent.wiring.people.kudos import kudos_heard
from agent.wiring.people.linking import linking_of
from agent.wiring.people.naming import heard_of
from agent.wiring.rules import adopt, ceilings_of, compile_text, read_rules
from agent.wiring.sources.logs import (
    act_at,
    collectors_of,
    consents_of,
    logs_of,
    require_secrets,
    rewinding,
    states_of,
)
from agent.wiring.sources.webservices import look_ups, web_services, web_states
from agent.wiring.textkey import settle_text_key

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Everything of one campus, put together and open; `opened` makes it and lets it go.

    ``warnings`` are about the rules; ``not_active`` names settings that have no effect in this version.
    """

    settings: Settings
    writer: Writer
    recorder: Recorder
    pipeline: Pipeline
    collectors: Mapping[str, Collector]
    door: Door | None
    pulls: Sequence[Asking]
    outbox: BothWays | None
    scheduler: Scheduler
    ending: Sequence[Ending]
    callbacks: Sequence[Callback]
    operations: Operations
    reload: Callable[[], Awaitable[str]]
    watch: RulesWatch
    warnings: Sequence[str]
    not_active: Sequence[str]
    clock: Clock

    def tails(self, on_page: Callable[[Page, Tally], None]) -> list[Tail]:
        """One tail for each source; ``on_page`` is told what each page came to."""
        noticed = Noticed(self.clock)

        def heard(page: Page, tally: Tally) -> None:
            self.scheduler.on_page(page)
            noticed.look(tally.reasons)
            noticed.remind(self.pipeline.rulebook.remind_after, self.settings.agent.data_dir)
            on_page(page, tally)

        return [
            Tail(
                source=collector,
                ledger=self.pipeline,
                demand=self.pipeline.demand,
                clock=self.clock,
                on_page=heard,
            )
            for collector in self.collectors.values()
        ]


@contextlib.asynccontextmanager
async def opened(
    settings: Settings, *, clock: Clock | None = None, chance: Chance | None = None
) -> AsyncIterator[Agent]:
    """Lock the data directory, open the ledger, adopt the rules, make collectors and outbox; close them all at the end.

    Raises:
        ConfigError: an edit cures it (rules, secrets, directory, a setting that this version cannot honour, a campus
            that is not this ledger's).
        TransientError: another agent has the directory, the disk is full.
        IntegrityError: the ledger is damaged or newer than this program.
    """
    clock, chance = clock or SystemClock(), chance or SystemChance()
    support.check(settings)
    file, rulebook = read_rules(settings)
    kinds = _Kinds(file)
    async with contextlib.AsyncExitStack() as stack:
        require_secrets(settings)
        writer = await _writer(stack, settings, clock)
        _closing(stack, (logs := collectors_of(settings, clock, kinds, await left_logs(writer, settings))).values())
        pipeline = _pipeline(settings, writer, recorder := Recorder(chance), clock)
        await adopt(pipeline, file, rulebook)
        scheduler, expiry = await _by_the_clock(settings, writer, recorder, pipeline, clock)
        inbox = await _inbox(stack, settings, pipeline)
        outbox = await road_to_catalogue(stack, settings, writer, clock, chance)
        callbacks = await callbacks_of(stack, settings, writer, pipeline, clock)
        reload = _reloading(settings, writer, pipeline, (scheduler, expiry), kinds)
        readers = _readers(stack, settings, inbox, clock, kinds, pipeline)
        yield Agent(
            settings=settings,
            writer=writer,
            recorder=recorder,
            pipeline=pipeline,
            collectors=logs | readers,
            door=door_of(settings, inbox, clock, kinds, stuck=lambda: writer.trouble is not None),
            pulls=_asking(stack, settings, inbox, clock, kinds, pipeline, outbox),
            outbox=outbox,
            scheduler=scheduler,
            ending=(expiry, forgetting_of(settings, writer, pipeline, clock)),
            callbacks=callbacks,
            operations=Operations(
                writer=writer,
                recorder=recorder,
                pipeline=pipeline,
                rewind=rewinding(settings, pipeline.stands, clock),
                sync=outbox,
                enrolling=Enrolling(settings, writer, clock, recorder.forget) if settings.catalogue else None,
                reload=reload,
                backfill=_backfill(settings, writer, recorder, pipeline, kinds, clock),
                scheduler=scheduler,
                imports=_importing(settings, inbox, kinds, clock),
                requeue=_requeue(settings, inbox, readers, pipeline, writer, clock, kinds),
                erasing=erasing_of(settings, writer, recorder, pipeline, inbox, clock),
                clock=clock,
                callbacks=callbacks,
            ),
            reload=reload,
            watch=RulesWatch(settings.rule_files),
            warnings=tuple(map(str, file.warnings)),
            not_active=support.not_active(settings),
            clock=clock,
        )


async def _writer(stack: contextlib.AsyncExitStack, settings: Settings, clock: Clock) -> Writer:
    """The ledger, as that of this campus, with which key of texts and in which mode it goes on."""
    writer = await Writer.open(settings.agent.data_dir)
    stack.push_async_callback(writer.close)
    await settle_campus(writer, settings)
    await settle_text_key(writer, settings.agent.data_dir, clock)
    await Journal(writer, clock).mode(settings.agent.mode)
    return writer


def _pipeline(settings: Settings, writer: Writer, recorder: Recorder, clock: Clock) -> Pipeline:
    writer.on_rollback(recorder.forget)
    return Pipeline(
        writer,
        recorder,
        data_dir=settings.agent.data_dir,
        ceilings=ceilings_of(settings),
        compile_text=compile_text,
        clock=clock,
        shadow=settings.agent.mode == "shadow",
        linking=linking_of(settings),
        consents=consents_of(settings),
        heard=heard_of(settings),
        sites={name: site for name, (_, site) in sites_of(settings).items()},
    )


async def _by_the_clock(
    settings: Settings, writer: Writer, recorder: Recorder, pipeline: Pipeline, clock: Clock
) -> tuple[Scheduler, Expiry]:
    """What is decided at a time, and what ends at one; wallets in a catalogue end there."""
    scheduler = Scheduler.of(settings, writer, recorder, pipeline, clock)
    await scheduler.adopt()
    expiry = Expiry(writer, pipeline, clock, active=settings.catalogue is None)
    await expiry.adopt()
    return scheduler, expiry


def _backfill(
    settings: Settings, writer: Writer, recorder: Recorder, pipeline: Pipeline, kinds: _Kinds, clock: Clock
) -> Backfill:
    return Backfill(
        writer=writer,
        recorder=recorder,
        pipeline=pipeline,
        data_dir=settings.agent.data_dir,
        log_from=logs_of(settings, clock, kinds),
        ceilings=ceilings_of(settings),
        clock=clock,
        followed=Following(pipeline, recorder).after,
    )


def _requeue(
    settings: Settings,
    inbox: Inbox | None,
    readers: Mapping[str, Collector],
    pipeline: Pipeline,
    writer: Writer,
    clock: Clock,
    kinds: _Kinds,
) -> Requeue:
    data_dir = settings.agent.data_dir
    taking = Taking(
        act_at(settings, clock, kinds),
        late_s={source.name: source.backdated_after_s for source in settings.log_sources},
        pipeline=pipeline,
        writer=writer,
        data_dir=data_dir,
    )
    return Requeue(
        inbox,
        readers,
        pipeline=pipeline,
        writer=writer,
        ceilings=ceilings_of(settings),
        taking=taking,
        data_dir=data_dir,
    )


def _importing(settings: Settings, inbox: Inbox | None, kinds: _Kinds, clock: Clock) -> Imports | None:
    """What takes imported events, for the sources that speak the canonical schema."""
    names = frozenset(source.name for source in settings.post_sources if source.kind == "generic")
    return Imports(inbox, names, SYSTEMS["generic"], kinds, clock) if inbox is not None else None


def _readers(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    inbox: Inbox | None,
    clock: Clock,
    kinds: _Kinds,
    pipeline: Pipeline,
) -> dict[str, Collector]:
    """The readers of what the logs and posts missed and of what was posted; ``stack`` closes them."""
    states = states_of(settings, clock, kinds, pipeline.stands)
    for reader in states.values():
        stack.push_async_callback(reader.close)
    services = web_services(settings, clock)
    for service in services.values():
        stack.push_async_callback(service.close)
    asked = look_ups(settings, services, clock, kinds)
    posts = inbox_collectors(settings, inbox, clock, kinds, asked, pipeline.whose.is_gone)
    return {**states, **web_states(settings, services, clock, kinds), **posts}


def _closing(stack: contextlib.AsyncExitStack, opened: Iterable[Collector | Pull]) -> None:
    for one in opened:
        stack.push_async_callback(one.close)


def _asking(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    inbox: Inbox | None,
    clock: Clock,
    kinds: _Kinds,
    pipeline: Pipeline,
    outbox: BothWays | None,
) -> list[Asking]:
    """What asks systems for what they did not post, and the catalogue for kudos; ``stack`` closes it."""
    pulls = pulls_of(settings, inbox, clock, kinds, pipeline.whose.is_gone)
    _closing(stack, pulls)
    return [*pulls, *kudos_heard(settings, outbox, inbox, clock)]


async def _inbox(stack: contextlib.AsyncExitStack, settings: Settings, pipeline: Pipeline) -> Inbox | None:
    """The inbox, where a source posts."""
    if not settings.post_sources:
        return None
    floor = max(pipeline.stands(source.name).position for source in settings.post_sources)
    inbox = await Inbox.open(settings.agent.data_dir, floor=floor)
    stack.push_async_callback(inbox.close)
    return inbox


class _Kinds:
    """The table of kinds in force: Moodle's, and what `[[kind]]` of the rules in force adds."""

    def __init__(self, file: RuleFile) -> None:
        self.replace(file)

    def replace(self, file: RuleFile) -> None:
        """Other rules are in force."""
        self._table = KindTable().extended(file.kinds)

    def __call__(self) -> KindTable:
        return self._table


def _reloading(
    settings: Settings, writer: Writer, pipeline: Pipeline, followers: Sequence[Scheduler | Expiry], kinds: _Kinds
) -> Callable[[], Awaitable[str]]:
    one_at_a_time = asyncio.Lock()  # else who read first, and waited longer for an LMS, would have the last word

    async def reload() -> str:
        async with one_at_a_time:
            file, rulebook = read_rules(settings)
            # What cannot be reached now says nothing against new rules; a name that means two things there does.
            found = await names_of(settings, rulebook, strict=True)
            await adopt(pipeline, file, rulebook)
            doubtful = doubts(settings, found)
            await writer.run(partial(versions.keep_doubts, doubts=doubtful))
            for warning in (*map(str, file.warnings), *doubtful):
                log.warning("rules_warning", warning=warning)
            for each in followers:
                await each.adopt()
            kinds.replace(file)
            return rulebook.version

    return reload
