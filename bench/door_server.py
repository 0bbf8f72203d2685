"""What the door's benchmark posts to, as a process of its own: `python -m bench.door_server ours|bare DIRECTORY`.

Prints its port. Bare is an aiohttp handler that reads the body and answers; ours keeps the post first.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from aiohttp import web

from agent.clock import SystemClock
from agent.collectors.door.app import Door
from agent.collectors.inbox.store import Inbox
from agent.config.kinds import KindTable
from machine.interpreter import at_work
from tests.posts import door_source


async def _bare() -> int:
    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"status": "kept", "number": 1})

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


async def _ours(directory: Path, stack: contextlib.AsyncExitStack) -> int:
    inbox = await Inbox.open(directory)
    stack.push_async_callback(inbox.close)
    door = Door([door_source()], inbox, SystemClock(), kinds=KindTable, listen=("127.0.0.1", 0))
    await door.open()
    stack.push_async_callback(door.close)
    return door.port


async def _main(kind: str, directory: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with at_work():
        async with contextlib.AsyncExitStack() as stack:
            print(await _bare() if kind == "bare" else await _ours(directory, stack), flush=True)
            await stop.wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2])))
