"""The composition root: the only file that knows which classes there are and puts them together."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import aiosqlite

from agent.backfill import Backfill
from agent.clock import Clock, SystemClock
from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.logstore.options import LogstoreOptions
from agent.config import support
from agent.config.kinds import KindTable
from agent.config.rulefile import RuleFile, load_rules, load_rules_text
from agent.config.secrets import read_secret
from agent.config.settings import LogSource, Settings
from agent.engine.rulebook import Rulebook
from agent.engine.rules import compile_rules
from agent.errors import ConfigError, InvalidInputError, TransientError
from agent.ledger import delivery, sources
from agent.ledger.file import ledger_path
from agent.ledger.record import Recorder
from agent.ledger.writer import Writer
from agent.model import Page, SourceState, Trust
from agent.operations import Operations, Rewind
from agent.outbox import enrol
from agent.outbox.client import Client, Place
from agent.outbox.sync import Outbox
from agent.pipeline import Pipeline, Tally
from agent.schedule.runner import Scheduler
from agent.service.tail import Tail
from agent.service.watch import RulesWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Everything of one campus, put together and open; `opened` makes it and lets it go.

    ``warnings`` are about the rules; ``not_active`` names settings that have no effect in this version.
    """

    settings: Settings
    writer: Writer
    recorder: Recorder
    pipeline: Pipeline
    collectors: Mapping[str, LogstoreCollector]
    outbox: Outbox | None
    scheduler: Scheduler
    operations: Operations
    reload: Callable[[], Awaitable[str]]
    watch: RulesWatch
    warnings: Sequence[str]
    not_active: Sequence[str]
    clock: Clock

    def tails(self, on_page: Callable[[Page, Tally], None]) -> list[Tail]:
        """One tail for each source; ``on_page`` is told what each page came to."""

        def heard(page: Page, tally: Tally) -> None:
            self.scheduler.on_page(page)
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


def read_rules(settings: Settings) -> tuple[RuleFile, Rulebook]:
    """The configured rules, loaded and compiled.

    Raises:
        FaultsError: everything that is wrong in them, with positions.
        ConfigError: a file is not there or not readable.
    """
    file = load_rules(settings.rule_files())
    return file, compile_rules(file, KindTable())


def compile_text(text: str) -> Rulebook:
    """The rulebook of a version's kept text."""
    return compile_rules(load_rules_text(text), KindTable())


def logstore_options(settings: Settings, source: LogSource) -> LogstoreOptions:
    """What the log-table collector is told about a configured source; reads its secrets.

    Raises:
        ConfigError: a secret is missing, empty, or others may read it.
    """

    def secret(name: str | None) -> str | None:
        return read_secret(settings.home, name).reveal() if name else None

    return LogstoreOptions(
        name=source.name,
        site=source.site_name,
        url=str(source.url),
        password=secret(source.password_file),
        table_prefix=source.table_prefix,
        log_url=str(source.log_url) if source.log_url else None,
        log_password=secret(source.log_password_file),
        log_table=source.log_table,
        start_at=source.start_at,
        poll_interval_s=source.poll_interval_s,
        gap_patience_s=float(source.gap_patience_s),
        backdated_after_s=source.backdated_after_s,
        site_admins=frozenset(source.site_admins),
        place=f"{settings.path}: [[source]] {source.name}",
    )


def collectors_of(settings: Settings, clock: Clock, kinds: Callable[[], KindTable]) -> dict[str, LogstoreCollector]:
    """A collector for each configured log table.

    Raises:
        ConfigError: a secret cannot be read.
    """
    return {
        source.name: LogstoreCollector(logstore_options(settings, source), clock, kinds)
        for source in settings.log_sources
    }


def log_from(
    settings: Settings, source: LogSource, since: int, clock: Clock, kinds: Callable[[], KindTable]
) -> LogstoreCollector:
    """A collector of its own that looks at a configured log from ``since`` (seconds UTC) on; whoever asks closes it.

    Raises:
        ConfigError: a secret cannot be read.
    """
    options = replace(logstore_options(settings, source), start_at=since or "beginning")
    return LogstoreCollector(options, clock, kinds)


def _logs_of(
    settings: Settings, clock: Clock, kinds: Callable[[], KindTable]
) -> Callable[[str, int], LogstoreCollector]:
    logs = {source.name: source for source in settings.log_sources}
    return lambda name, since: log_from(settings, logs[name], since, clock, kinds)


def ceilings_of(settings: Settings) -> dict[str, Trust]:
    """Each source's highest trust."""
    return {source.name: source.trust for source in settings.sources}


def client_of(settings: Settings, clock: Clock) -> Client | None:
    """The way to the configured catalogue, or None where there is none."""
    catalogue = settings.catalogue
    if catalogue is None:
        return None
    place = Place(
        url=str(catalogue.url), proxy=str(catalogue.proxy) if catalogue.proxy else None, ca_file=catalogue.ca_file
    )
    return Client(place, key_file=settings.key_file, clock=clock)


@contextlib.asynccontextmanager
async def opened(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Agent]:
    """Lock the data directory, open the ledger, adopt the rules, make collectors and outbox; close them all at the end.

    Raises:
        ConfigError: an edit cures it (rules, secrets, directory, a setting that this version cannot honour, a campus
            that is not this ledger's).
        TransientError: another agent has the directory, the disk is full.
        IntegrityError: the ledger is damaged or newer than this program.
    """
    clock = clock or SystemClock()
    support.check(settings)
    watch = RulesWatch(settings.rule_files)
    file, rulebook = read_rules(settings)
    kinds = _Kinds(file)
    async with contextlib.AsyncExitStack() as stack:
        collectors = collectors_of(settings, clock, kinds)
        for collector in collectors.values():
            stack.push_async_callback(collector.close)
        writer = await Writer.open(settings.agent.data_dir)
        stack.push_async_callback(writer.close)
        recorder = Recorder()
        writer.on_rollback(recorder.forget)
        await _settle_campus(writer, settings)
        pipeline = _pipeline(settings, writer, recorder, clock)
        await pipeline.adopt(rulebook, file.text)
        scheduler = Scheduler.of(settings, writer, recorder, pipeline, clock)
        await scheduler.adopt()
        outbox = await _outbox(stack, settings, writer, clock)
        reload = _reloading(settings, pipeline, scheduler, kinds, clock)
        yield Agent(
            settings=settings,
            writer=writer,
            recorder=recorder,
            pipeline=pipeline,
            collectors=collectors,
            outbox=outbox,
            scheduler=scheduler,
            operations=Operations(
                writer=writer,
                recorder=recorder,
                pipeline=pipeline,
                rewind=_rewinding(settings, pipeline, clock),
                sync=outbox,
                enrolling=_Enrolling(settings, writer, clock) if settings.catalogue is not None else None,
                reload=reload,
                backfill=_backfill(settings, writer, recorder, pipeline, kinds, clock),
                scheduler=scheduler,
                clock=clock,
            ),
            reload=reload,
            watch=watch,
            warnings=tuple(str(warning) for warning in file.warnings),
            not_active=support.not_active(settings),
            clock=clock,
        )


def _pipeline(settings: Settings, writer: Writer, recorder: Recorder, clock: Clock) -> Pipeline:
    return Pipeline(
        writer,
        recorder,
        data_dir=settings.agent.data_dir,
        ceilings=ceilings_of(settings),
        compile_text=compile_text,
        clock=clock,
        shadow=settings.agent.mode == "shadow",
    )


def _backfill(
    settings: Settings, writer: Writer, recorder: Recorder, pipeline: Pipeline, kinds: _Kinds, clock: Clock
) -> Backfill:
    return Backfill(
        writer=writer,
        recorder=recorder,
        pipeline=pipeline,
        data_dir=settings.agent.data_dir,
        log_from=_logs_of(settings, clock, kinds),
        ceilings=ceilings_of(settings),
        clock=clock,
        shadow=settings.agent.mode == "shadow",
    )


async def _outbox(stack: contextlib.AsyncExitStack, settings: Settings, writer: Writer, clock: Clock) -> Outbox | None:
    client = client_of(settings, clock)
    if client is None:
        return None
    outbox = Outbox(
        writer=writer,
        data_dir=settings.agent.data_dir,
        client=client,
        environment=settings.agent.environment,
        clock=clock,
    )
    stack.push_async_callback(outbox.close)
    return outbox


class _Enrolling:
    def __init__(self, settings: Settings, writer: Writer, clock: Clock) -> None:
        self._settings = settings
        self._writer = writer
        self._clock = clock

    async def enrol(self, token: str) -> Mapping[str, Any]:
        """See `outbox.enrol.enrol`."""
        settings = self._settings
        client = client_of(settings, self._clock)
        if client is None or settings.catalogue is None:
            raise ConfigError(f"{settings.path} has no [catalogue]", hint="add it, then enrol")
        async with client:
            answer = await enrol.enrol(
                token,
                client=client,
                writer=self._writer,
                campus=settings.agent.campus,
                environment=settings.agent.environment,
                url=str(settings.catalogue.url),
                clock=self._clock,
            )
        return {"campus": answer.campus, "agent": answer.agent}

    async def rotate(self) -> Mapping[str, Any]:
        """See `outbox.enrol.rotate`."""
        settings = self._settings
        client = client_of(settings, self._clock)
        if client is None or settings.catalogue is None:
            raise ConfigError(f"{settings.path} has no [catalogue]", hint="add it, then enrol")
        async with aiosqlite.connect(f"file:{ledger_path(settings.agent.data_dir)}?mode=ro", uri=True) as connection:
            who = await delivery.identity(connection)
        if who is None:
            raise ConfigError("this agent is not enrolled yet", hint="run: rewards-agent enrol TOKEN")
        async with client:
            key = await enrol.rotate(client=client, key_file=settings.key_file, who=who, clock=self._clock)
        return {"public_key": key.public.hex(), "fingerprint": key.fingerprint}


class _Kinds:
    """The table of kinds in force: Moodle's, and what `[[kind]]` of the rules in force adds."""

    def __init__(self, file: RuleFile) -> None:
        self.replace(file)

    def replace(self, file: RuleFile) -> None:
        """Other rules are in force."""
        self._table = KindTable().extended(file.kinds)

    def __call__(self) -> KindTable:
        return self._table


async def _suits_the_sources(settings: Settings, rulebook: Rulebook, clock: Clock) -> None:
    """What cannot be reached now says nothing against new rules; a name that means two things there does.

    Raises:
        ConfigError: the rules name something that is ambiguous in a source.
    """
    for collector in collectors_of(settings, clock, KindTable).values():
        try:
            with contextlib.suppress(TransientError):
                await collector.require(rulebook.demand)
        finally:
            await collector.close()


def _reloading(
    settings: Settings, pipeline: Pipeline, scheduler: Scheduler, kinds: _Kinds, clock: Clock
) -> Callable[[], Awaitable[str]]:
    async def reload() -> str:
        file, rulebook = read_rules(settings)
        await _suits_the_sources(settings, rulebook, clock)
        await pipeline.adopt(rulebook, file.text)
        await scheduler.adopt()
        kinds.replace(file)
        return rulebook.version

    return reload


def _rewinding(settings: Settings, pipeline: Pipeline, clock: Clock) -> Rewind:
    logs = {source.name: source for source in settings.log_sources}

    async def rewind(source: str) -> tuple[SourceState, dict[str, Any]]:
        if source not in logs:
            raise InvalidInputError(
                f"there is no log source {source!r}", hint=f"the configuration has: {', '.join(logs)}"
            )
        # On a connection of its own: the one that tails may be in the middle of something.
        collector = LogstoreCollector(logstore_options(settings, logs[source]), clock)
        try:
            found = await collector.rewound(pipeline.stands(source))
        finally:
            await collector.close()
        return found.state, {"rows": found.rows, "rows_to_pay": found.rows_to_pay}

    return rewind


async def _settle_campus(writer: Writer, settings: Settings) -> None:
    """A ledger belongs to one campus and one environment for ever: staging points must not reach real wallets.

    Raises:
        ConfigError: this ledger belongs to another.
    """
    mine = {delivery.CAMPUS: settings.agent.campus, "environment": settings.agent.environment}
    stored: dict[str, str] = {}

    async def unit(connection: Any) -> None:
        stored.update(await delivery.settings(connection, tuple(mine)))
        await delivery.keep_settings({key: value for key, value in mine.items() if key not in stored})(connection)

    await writer.run(unit)
    for key, value in mine.items():
        if stored.get(key, value) != value:
            raise ConfigError(
                f"the ledger in {settings.agent.data_dir} belongs to {key} {stored[key]!r}, not {value!r}",
                hint=f"set [agent] {key} back, or give this agent a data_dir of its own",
            )
    await writer.run(partial(_follow_new_names, settings))


async def _follow_new_names(settings: Settings, connection: Any) -> None:
    """A source that keeps the site of its old name (`site = "old"`) goes on where it stood under that name."""
    configured = {source.name for source in settings.sources}
    for source in settings.log_sources:
        if source.site_name not in configured:
            await sources.rename(connection, source.site_name, source.name)
