"""What stands around a run: what programs say goes into its trace, no garbage is collected in it, and it is buried."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from aiohttp import web_app
from aiohttp.http_exceptions import BadHttpMessage

from sim.machine import mine
from sim.world import World


@contextmanager
def logged(world: World) -> Iterator[None]:
    """What the programs log becomes part of the trace, under the name of who said it."""

    def noted(_logger: Any, _method: str, event: Any) -> Any:
        name = event.pop("event", "")
        process = mine()
        said = " ".join(f"{key}={event[key]!r}" for key in sorted(event))
        world.trace.say(f"{process.name if process else 'simulation'} {name} {said}".rstrip())
        raise structlog.DropEvent

    before, library = structlog.get_config(), logging.getLogger()
    handlers, level = library.handlers, library.level
    structlog.configure(processors=[noted], cache_logger_on_first_use=False)
    library.handlers = [_Library(world)]
    library.setLevel(logging.ERROR)
    try:
        yield
    finally:
        library.handlers = handlers
        library.setLevel(level)
        structlog.configure(**before)


class _Library(logging.Handler):
    """What the libraries say is noted; an error that a server answered 500 to is a trouble of ours."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        self._world.trace.say(f"library {record.name}: {record.getMessage().splitlines()[0]}")
        error = record.exc_info and record.exc_info[1]
        if record.name.startswith("aiohttp.server") and not isinstance(error, BadHttpMessage):  # that is a 400
            self._world.loop.troubles.append(f"{record.name}: {error!r}")


@contextmanager
def seeded(world: World) -> Iterator[None]:
    """Names and secrets that the programs draw are the seed's: each run draws the same."""
    chance, whole = world.chance("secrets"), secrets.token_bytes
    secrets.token_bytes = lambda nbytes=None: chance.randbytes(secrets.DEFAULT_ENTROPY if nbytes is None else nbytes)
    try:
        yield
    finally:
        secrets.token_bytes = whole


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Garbage is collected between runs: what is finalised in the middle of one would not be at the same step again."""
    gc.disable()
    try:
        yield
    finally:
        # aiohttp remembers the last thousand applications by their handlers, and each holds its whole world.
        web_app._cached_build_middleware.cache_clear()  # noqa: SLF001 - it has no other way to forget
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # who was killed has closed nothing
            gc.collect()
        gc.freeze()  # what lives on, caches mostly, is not looked at again after the next
        gc.enable()


def bury(world: World) -> None:
    """Let everything that is left come to its end, so that threads and files are let go; nobody looks any more."""

    async def end() -> None:
        world.network.weather.calm()
        if world.session is not None:
            await world.session.close()
        for program in world.programs:
            for process in program.lives:
                process.fuse = 0
                if process.dead:
                    process.thaw(world.loop)
        me = asyncio.current_task()
        for _ in range(100):
            left = [task for task in asyncio.all_tasks() if task is not me and not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            await asyncio.sleep(1)

    world.loop.run_until_complete(end())
    world.loop.run_until_complete(world.loop.shutdown_asyncgens())
    world.loop.close()
    world.moodle.close()
    if world.north is not None:
        world.north.moodle.close()
