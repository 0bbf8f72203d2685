"""The figures that stand on disk, read when somebody asks for them, and what makes an agent not ready."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.clock import Clock
from agent.errors import RewardsError
from agent.ledger import file, sources
from agent.ledger.backup.taking import newest
from agent.ledger.feeds import aside
from agent.ledger.feeds.lost import lost

FREE_BYTES_MIN = 200_000_000
"""Below this much room on the disk the agent is not ready."""

_HOLDS = "SELECT kind, count(*), min(held_at) FROM hold WHERE state = 'open' GROUP BY kind"
_READERS = "SELECT name, acked_seq, attempts, last_ok_at, fault <> '' FROM reader"
_HEAD = "SELECT coalesce(max(seq), 0) FROM entry"


class Asked(Protocol):
    """How the asking of one source goes."""

    @property
    def source(self) -> str:
        """The source's name."""
        ...

    @property
    def ok_at(self) -> int:
        """When a round was last finished; 0 where none was."""
        ...

    @property
    def attempts(self) -> int:
        """Failed attempts since the last success."""
        ...

    @property
    def facts(self) -> int:
        """Facts that were kept."""
        ...


Posts = Callable[[], Mapping[tuple[str, str], int]]
"""(source, what became of a post) → how many since the start."""


class Figures(Collector):
    """Reads the ledger in ``data_dir`` each time.

    ``posts`` are the door's counts, ``asked`` how pulling goes, ``quiet`` which sources are quieter than
    their own weeks; ``logs`` are the sources that are read all the time, ``backups`` is whether anybody asks for
    backups of ours.
    """

    def __init__(
        self,
        data_dir: Path,
        clock: Clock,
        posts: Posts,
        asked: Callable[[], Iterable[Asked]] = tuple,
        quiet: Callable[[sqlite3.Connection], Collection[str]] = lambda _: (),
        *,
        logs: Collection[str] = (),
        backups: bool = True,
    ) -> None:
        self._data_dir = data_dir
        self._clock = clock
        self._posts = posts
        self._asked = asked
        self._quiet = quiet
        self._logs = logs
        self._backups = backups
        self._started_at = clock.now()

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering reads no file."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every figure; none of the ledger's where it cannot be read."""
        started = GaugeMetricFamily("rewards_started_timestamp_seconds", "When this process began to work.")
        started.add_metric((), self._started_at)
        yield started
        free = GaugeMetricFamily("rewards_disk_free_bytes", "Room on the disk of data_dir.")
        free.add_metric((), shutil.disk_usage(self._data_dir).free)
        yield free
        posts = CounterMetricFamily("rewards_posts", "Posts at the door.", labels=("source", "result"))
        for (source, result), count in sorted(self._posts().items()):
            posts.add_metric((source, result), count)
        yield posts
        yield from _of_pulls(self._asked())
        if self._backups:
            made = GaugeMetricFamily("rewards_backup_timestamp_seconds", "When the last backup was made; 0 for never.")
            last = newest(self._data_dir)
            made.add_metric((), last.made_at if last is not None else 0)
            yield made
        readable = GaugeMetricFamily("rewards_ledger_readable", "1 where the ledger can be read.")
        try:
            with closing(file.open_for_reading(self._data_dir)) as connection:
                yield from self._of_ledger(connection)
            readable.add_metric((), 1)
        except (RewardsError, sqlite3.Error):
            readable.add_metric((), 0)
        yield readable

    def _of_ledger(self, connection: sqlite3.Connection) -> Iterator[Metric]:
        entries = GaugeMetricFamily("rewards_ledger_entries", "The newest entry's number.")
        entries.add_metric((), connection.execute(_HEAD).fetchone()[0])
        size = GaugeMetricFamily("rewards_ledger_bytes", "Size of the ledger's file.")
        size.add_metric((), file.ledger_path(self._data_dir).stat().st_size)
        yield from (
            entries,
            size,
            *_of_sources(connection),
            self._of_quiet(connection),
            self._of_unread(connection),
            *self._of_holds(connection),
            *_of_readers(connection),
        )

    def _of_quiet(self, connection: sqlite3.Connection) -> Metric:
        gauge = GaugeMetricFamily(
            "rewards_source_quiet", "1 where it tells far less than its own weeks let expect.", labels=("source",)
        )
        silent = self._quiet(connection)
        for name in sources.names(connection):
            gauge.add_metric((name,), int(name in silent))
        return gauge

    def _of_unread(self, connection: sqlite3.Connection) -> Metric:
        """A running agent notes once a minute where each log stands, also where nothing happens."""
        gauge = GaugeMetricFamily(
            "rewards_source_unread_seconds", "For how long a log could not be read.", labels=("source",)
        )
        for name in sorted(self._logs):
            state, at = sources.load(connection, name), sources.updated_at(connection, name)
            stopped = state is not None and bool(state.fault)
            gauge.add_metric((name,), 0 if stopped else max(0, self._clock.now() - max(at or 0, self._started_at)))
        return gauge

    def _of_holds(self, connection: sqlite3.Connection) -> Iterable[Metric]:
        count = GaugeMetricFamily("rewards_holds", "Decisions that wait.", labels=("kind",))
        oldest = GaugeMetricFamily("rewards_hold_oldest_seconds", "Age of the oldest of them.", labels=("kind",))
        now = self._clock.now()
        for kind, number, since in connection.execute(_HOLDS):
            count.add_metric((kind,), number)
            oldest.add_metric((kind,), max(0, now - since))
        return count, oldest


def _of_sources(connection: sqlite3.Connection) -> Iterable[Metric]:
    gauges = {
        name: GaugeMetricFamily(f"rewards_source_{name}", told, labels=("source",))
        for name, told in (
            ("position", "The newest number that was read."),
            ("newest_event_timestamp_seconds", "When the newest event happened that was read."),
            ("updated_timestamp_seconds", "When a page of it was last recorded."),
            ("missing_ids", "Ids that are waited for."),
            ("lost_ids", "Ids that the LMS removed from its log before they were read, since payment began."),
            ("fault", "1 where it stands still until somebody accepts its log."),
            ("set_aside", "Events and posts that could not be taken, until they are put back in line."),
        )
    }
    apart = {one.source: one.count for one in aside.sums(connection)}
    for source in sources.names(connection):
        state = sources.load(connection, source)
        if state is None:
            continue
        missing, _, _ = sources.awaited(state.gaps)
        gone = lost(state.counts)
        values = (
            state.position,
            state.high_water,
            sources.updated_at(connection, source) or 0,
            missing,
            gone.ids if gone else 0,
            int(bool(state.fault)),
            apart.get(source, 0),
        )
        for gauge, value in zip(gauges.values(), values, strict=True):
            gauge.add_metric((source,), value)
    return gauges.values()


def _of_pulls(asked: Iterable[Asked]) -> Iterable[Metric]:
    tries = GaugeMetricFamily("rewards_pull_attempts", "Failed attempts since the last answer.", labels=("source",))
    ok = GaugeMetricFamily("rewards_pull_ok_timestamp_seconds", "Its last finished round.", labels=("source",))
    facts = CounterMetricFamily("rewards_pull_facts", "Facts that it told first.", labels=("source",))
    for one in asked:
        tries.add_metric((one.source,), one.attempts)
        ok.add_metric((one.source,), one.ok_at)
        facts.add_metric((one.source,), one.facts)
    return tries, ok, facts


def _of_readers(connection: sqlite3.Connection) -> Iterable[Metric]:
    acked = GaugeMetricFamily("rewards_reader_acked", "How far a reader of the ledger is.", labels=("reader",))
    tries = GaugeMetricFamily("rewards_reader_attempts", "Failed attempts since the last success.", labels=("reader",))
    ok = GaugeMetricFamily("rewards_reader_ok_timestamp_seconds", "Its last success.", labels=("reader",))
    fault = GaugeMetricFamily("rewards_reader_fault", "1 where it stands still.", labels=("reader",))
    for name, seq, attempts, last_ok, faulty in connection.execute(_READERS):
        acked.add_metric((name,), seq)
        tries.add_metric((name,), attempts)
        ok.add_metric((name,), last_ok or 0)
        fault.add_metric((name,), faulty)
    return acked, tries, ok, fault


def unready(data_dir: Path) -> list[str]:
    """Why the agent is not ready: sentences, none where it is."""
    told = []
    if shutil.disk_usage(data_dir).free < FREE_BYTES_MIN:
        told.append("the disk is nearly full")
    try:
        with closing(file.open_for_reading(data_dir)) as connection:
            for source in sources.names(connection):
                state = sources.load(connection, source)
                if state is not None and state.fault:
                    told.append(f"source {source} stands still: rewards-agent status")
    except (RewardsError, sqlite3.Error):
        told.append("the ledger cannot be read: rewards-agent doctor")
    return told
