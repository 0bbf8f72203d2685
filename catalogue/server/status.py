"""What a server tells machines about itself: why it is not ready, and its figures."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from catalogue.config import Config
from catalogue.errors import ConfigError, UnavailableError
from catalogue.health import figures
from catalogue.health.counts import Counts
from catalogue.health.figures import Books
from catalogue.server.jobs import Worker
from catalogue.server.vouchers import Vouchers
from catalogue.store import Store

FREE_BYTES_MIN = 200_000_000
"""Below this much room on the disk of an embedded database a server is not ready."""
STILL_S = 600.0
"""A job that is needed and was not done for so long stands still, in seconds."""
BOOKS_S_MAX = 10.0
"""How long the books are looked at for figures, in seconds."""


class Told:
    """One server's answers; ``config`` gives the settings of now."""

    def __init__(
        self,
        config: Callable[[], Config],
        store: Store,
        counts: Counts,
        workers: Sequence[Worker],
        vouchers: Vouchers,
    ) -> None:
        self._config = config
        self._store = store
        self._counts = counts
        self._workers = workers
        self._started_at = int(time.time())
        self._vouchers = vouchers
        self._one_at_a_time = asyncio.Lock()

    async def unready(self) -> list[str]:
        """Why it is not ready, in sentences with what to do; none where it is."""
        told = []
        try:
            async with self._one_at_a_time:
                await self._store.stands()
        except (ConfigError, UnavailableError) as exc:
            told.append(f"{exc.message}; {exc.hint}")
        free = shutil.disk_usage(self._config().data_dir).free
        if self._config().database.get_backend_name() == "sqlite" and free < FREE_BYTES_MIN:
            told.append(f"less than {FREE_BYTES_MIN // 1_000_000} MB of room are left for the database; make room")
        told += [
            f"the {worker.job.name} has done nothing for {worker.still_s():.0f} s; its trouble is in the log"
            " (job_failed), and where there is none restart the service"
            for worker in self._workers
            if worker.job.needed and worker.still_s() > STILL_S
        ]
        return told

    async def figures(self) -> bytes:
        """Everything, as Prometheus reads it; nothing of the books where they cannot be read."""
        registry = CollectorRegistry()
        async with self._one_at_a_time:
            books = await self._books()
        config = self._config()
        families = [*self._counts.families(), *self._of_machine(books), *_of_jobs(self._workers)]
        if books is not None:
            families += figures.families(books, backups=config.backup_within_s is not None)
        registry.register(_Made(families))
        return generate_latest(registry)

    async def _books(self) -> Books | None:
        try:
            async with asyncio.timeout(BOOKS_S_MAX), self._store.reading() as conn:
                return await figures.look(conn, now=int(time.time()))
        except (SQLAlchemyError, OSError, TimeoutError):
            return None

    def _of_machine(self, books: Books | None) -> Iterable[Metric]:
        readable = GaugeMetricFamily("rewards_catalogue_database_up", "1 where the books can be read.")
        readable.add_metric((), int(books is not None))
        free = GaugeMetricFamily("rewards_catalogue_disk_free_bytes", "Room on the disk of data_dir.")
        free.add_metric((), shutil.disk_usage(self._config().data_dir).free)
        vouchers = GaugeMetricFamily(
            "rewards_catalogue_vouchers_unreadable", "1 where this server's vouchers.key opens no voucher of the books."
        )
        vouchers.add_metric((), int(self._vouchers.unreadable))
        started = GaugeMetricFamily("rewards_catalogue_started_timestamp_seconds", "When this server began to work.")
        started.add_metric((), self._started_at)
        return readable, free, vouchers, started


def _of_jobs(workers: Iterable[Worker]) -> Iterable[Metric]:
    tries = GaugeMetricFamily(
        "rewards_catalogue_job_attempts", "Failed attempts of a job since its last success.", labels=("task",)
    )
    done = GaugeMetricFamily(
        "rewards_catalogue_job_ok_timestamp_seconds", "When a job was last done; 0 for never.", labels=("task",)
    )
    for worker in workers:
        tries.add_metric((worker.job.name,), worker.attempts)
        done.add_metric((worker.job.name,), worker.ok_at or 0)
    return tries, done


class _Made(Collector):
    """Figures that were put together already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._families
