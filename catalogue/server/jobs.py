"""What a server does beside answering: again and again, each by itself, trouble told and tried again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from catalogue.store import database_said

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """``work`` is done at once and then ``every_s`` seconds after it ended; at once again where it says there is more.

    A server is not ready without a job that is ``needed``.
    """

    name: str
    every_s: float
    work: Callable[[], Awaitable[object]]
    needed: bool = False


class Worker:
    """How one job goes."""

    def __init__(self, job: Job, clock: Callable[[], float] = time.monotonic) -> None:
        self.job = job
        self.attempts = 0
        """Failed attempts since the last success."""
        self.ok_at: int | None = None
        """When it was last done, in seconds UTC."""
        self._clock = clock
        self._since = clock()

    def still_s(self) -> float:
        """For how many seconds it was not done."""
        return self._clock() - self._since

    async def once(self) -> bool:
        """Do it; whether there is more to do at once. Trouble is told, and must end neither the others nor the door."""
        try:
            more = await self.job.work()
        except Exception as exc:  # noqa: BLE001 - as it says above
            self.attempts += 1
            cause = exc.orig if isinstance(exc, DBAPIError) and exc.orig is not None else exc
            log.error("job_failed", job=self.job.name, kind=type(cause).__name__, said=database_said(exc))
            return False
        self.attempts, self.ok_at, self._since = 0, int(time.time()), self._clock()
        return bool(more)

    async def run(self) -> None:
        """Do it for ever."""
        while True:
            if not await self.once():
                await asyncio.sleep(self.job.every_s)


@contextlib.asynccontextmanager
async def running(jobs: Sequence[Job]) -> AsyncIterator[Sequence[Worker]]:
    """Do these jobs while the block lasts, which sees how they go."""
    workers = [Worker(job) for job in jobs]
    tasks = [asyncio.create_task(worker.run(), name=worker.job.name) for worker in workers]
    try:
        yield workers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
