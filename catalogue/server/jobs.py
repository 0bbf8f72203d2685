"""What a server does beside answering: again and again, each by itself, trouble told and tried again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """``work`` is done at once and then ``every_s`` seconds after it ended."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def running(jobs: Sequence[Job]) -> AsyncIterator[None]:
    """Do these jobs while the block lasts."""
    tasks = [asyncio.create_task(_repeat(job), name=job.name) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(job: Job) -> None:
    while True:
        try:
            await job.work()
        except Exception as exc:  # noqa: BLE001 - one job's trouble must not end the others, nor the door
            cause = exc.orig if isinstance(exc, DBAPIError) and exc.orig is not None else exc
            said = (str(cause).splitlines() or [""])[0]
            structlog.get_logger("catalogue").error("job failed", job=job.name, kind=type(cause).__name__, said=said)
        await asyncio.sleep(job.every_s)
