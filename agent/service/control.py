"""The way commands reach a running agent: a Unix socket in the data directory, for the agent's own user only.

One process writes the ledger. A command that writes takes the lock where no agent runs, and asks the agent where one
does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import structlog
from aiohttp import web

from agent import apart
from agent.errors import (
    ConfigError,
    IntegrityError,
    InvalidInputError,
    RewardsError,
    TransientError,
    UnexpectedError,
)
from agent.ledger.acts import journal

SOCKET_NAME = "agent.sock"
BODY_BYTES_MAX = 1_000_000
ANSWER_WITHIN_S = 600

ALIVE = "agent.alive"
"""The command that changes nothing and is answered at once by every agent that works."""
ALIVE_WITHIN_S = 5.0

Operation = Callable[..., Awaitable[Any]]
"""Takes keyword arguments that JSON can carry, returns what JSON can carry."""

_ERRORS: Mapping[str, type[RewardsError]] = {
    kind.__name__: kind
    for kind in (ConfigError, TransientError, InvalidInputError, IntegrityError, UnexpectedError, RewardsError)
}
_OTHER_VERSION = "if the agent was updated since it started, restart it"

log = structlog.get_logger()


@contextlib.contextmanager
def _short_path(data_dir: Path) -> Iterator[str]:
    # A socket's address holds 107 bytes, a data directory's path may be longer: go through an open directory.
    directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{SOCKET_NAME}"
    finally:
        os.close(directory)


@contextlib.asynccontextmanager
async def listening(data_dir: Path, operations: Mapping[str, Operation]) -> AsyncIterator[None]:
    """Answer commands while the block runs. A socket left by a killed agent is replaced (the lock is ours)."""
    known = {ALIVE: _alive, **operations}

    async def answer(request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())
        command = str(asked.get("command", ""))
        operation = known.get(command)
        if operation is None:
            return _failure(InvalidInputError(f"this agent knows no command {command!r}", hint=_OTHER_VERSION))
        journal.ASKING.set(str(asked.get("account", "")))
        try:
            result = await operation(**asked.get("arguments", {}))
        except RewardsError as exc:
            return _failure(exc)
        except Exception as exc:  # noqa: BLE001 - told to whoever asked, and to the log
            return _failure(apart.of_machine(exc) or _unexpected(command, exc))
        return web.Response(body=orjson.dumps({"result": result}), content_type="application/json")

    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_post("/v1/command", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    path = data_dir / SOCKET_NAME
    path.unlink(missing_ok=True)
    previous = os.umask(0o177)
    try:
        with _short_path(data_dir) as short:
            await web.UnixSite(runner, short).start()
    finally:
        os.umask(previous)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        await runner.cleanup()


def _unexpected(command: str, exc: Exception) -> UnexpectedError:
    """A fault of this program, without the words of the error: they may hold what somebody wrote."""
    fault, do = apart.fault_of(exc), f"{_OTHER_VERSION}; else report this line to its makers"
    log.error("part_failed", part=f"command {command}", fault=fault, way=apart.way_to(exc), do=do)
    return UnexpectedError(f"{command} failed: {fault}", hint=do)


def _failure(exc: RewardsError) -> web.Response:
    """An error by the nearest kind that the other end knows."""
    kind = next(one.__name__ for one in type(exc).__mro__ if one.__name__ in _ERRORS)
    error = {"kind": kind, "message": exc.message, "hint": exc.hint}
    return web.Response(status=422, body=orjson.dumps({"error": error}), content_type="application/json")


async def _alive() -> dict[str, Any]:
    """That it works: who answers."""
    return {"process": os.getpid()}


async def ask(data_dir: Path, command: str, arguments: Mapping[str, Any], *, within_s: float = ANSWER_WITHIN_S) -> Any:
    """Have the running agent carry out ``command``; returns its result.

    Raises:
        TransientError: no agent answers, or not within ``within_s`` seconds.
        RewardsError: what the operation itself raised.
    """
    timeout = aiohttp.ClientTimeout(total=within_s, sock_connect=5)
    try:
        with _short_path(data_dir) as short:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(short), timeout=timeout) as session,
                session.post(
                    "http://agent/v1/command",
                    data=orjson.dumps({"command": command, "arguments": dict(arguments), "account": journal.account()}),
                ) as response,
            ):
                status, body = response.status, await response.read()
    except (OSError, aiohttp.ClientError, TimeoutError) as exc:
        raise TransientError(
            f"the agent that works on {data_dir} does not answer: {str(exc) or type(exc).__name__}",
            hint="if it has just started or is stopping, try again; else restart it",
        ) from exc
    try:
        answered = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise TransientError(
            f"the agent that works on {data_dir} failed at {command}: it answered {status}",
            hint=f"its log says why; {_OTHER_VERSION}",
        ) from None
    if "error" in answered:
        error = answered["error"]
        raise _ERRORS.get(error["kind"], RewardsError)(error["message"], hint=error["hint"])
    return answered["result"]
