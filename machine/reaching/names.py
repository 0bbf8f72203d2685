"""Looking up names on threads that nobody waits for: a resolver that answers nothing holds up nobody else.

The event loop asks on the few threads that everything else shares, and a silent resolver holds each for half a minute:
eight names stop all of them. Here each name is asked once at a time, on a thread of its own; whoever asks waits so long
and no longer, and is told which resolver it was. An answer that comes later is there for who asks next.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Coroutine, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

ANSWER_S_MAX = 8.0
"""How long an answer is waited for: the machine's own resolver asks the second server after five."""
SILENT_S = 30.0
"""How long a name that was not answered counts as such, and an answer that came too late is kept."""
RESOLVERS = Path("/etc/resolv.conf")


class UnansweredError(socket.gaierror):
    """No resolver said anything about a name, not even that there is none."""

    def __init__(self, host: str) -> None:
        told = f"no name server answers who {host} is (asked: {', '.join(resolvers()) or 'the machine'})"
        super().__init__(socket.EAI_AGAIN, told)


def resolvers(place: Path = RESOLVERS) -> list[str]:
    """The addresses of those that this machine asks; empty where nobody can tell."""
    try:
        lines = place.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [words[1] for line in lines if len(words := line.split()) > 1 and words[0] == "nameserver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What this process heard of names lately, by a clock that nobody sets: who gave no answer, and what came late."""

    silent: dict[Hashable, float] = field(default_factory=dict)
    late: dict[Hashable, tuple[float, Any]] = field(default_factory=dict)


_HEARD = Heard()


def apart(loop: asyncio.AbstractEventLoop, heard: Heard = _HEARD) -> None:
    """Let everybody on this loop look up names so."""
    loop.getaddrinfo = _Lookups(loop, heard).look_up  # type: ignore[method-assign]


def runner() -> asyncio.Runner:
    """Runs coroutines on a loop whose names are looked up so."""
    return asyncio.Runner(loop_factory=_loop)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """As `asyncio.run`, on such a loop."""
    with runner() as one:
        return one.run(work)


def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    apart(loop)
    return loop


class _Lookups:
    """Those of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, heard: Heard) -> None:
        self._loop = loop
        self._heard = heard
        self._asked: dict[Hashable, asyncio.Future[Any]] = {}

    async def look_up(self, host: Any, port: Any, **how: int) -> Any:
        """As the loop's own: ``how`` are family, type, proto and flags.

        Raises:
            UnansweredError: nobody answers.
            OSError: what the resolver said.
        """
        question = (host, port, *(how.get(name, 0) for name in ("family", "type", "proto", "flags")))
        until, answer = self._heard.late.pop(question, (0.0, None))
        if time.monotonic() < until:
            return answer
        if time.monotonic() < self._heard.silent.get(host, 0.0):
            raise UnansweredError(str(host))
        asked = self._asked.get(question) or self._ask(question)
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                return await asyncio.shield(asked)
        except TimeoutError:
            self._heard.silent[host] = time.monotonic() + SILENT_S
            raise UnansweredError(str(host)) from None

    def _ask(self, question: tuple[Any, ...]) -> asyncio.Future[Any]:
        asked: asyncio.Future[Any] = self._loop.create_future()
        asked.add_done_callback(lambda one: one.cancelled() or one.exception())  # it may be that nobody waits any more
        self._asked[question] = asked

        def ask() -> None:
            answer, fault = None, None
            try:
                answer = socket.getaddrinfo(*question)
            except Exception as exc:  # noqa: BLE001 - whoever asked is told
                fault = exc
            if fault is None:
                self._heard.late[question] = (time.monotonic() + SILENT_S, answer)
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._settle, question, answer, fault)

        threading.Thread(target=ask, name=f"name-{question[0]}", daemon=True).start()
        return asked

    def _settle(self, question: tuple[Any, ...], answer: Any, fault: Exception | None) -> None:
        asked = self._asked.pop(question)
        was_silent = self._heard.silent.pop(question[0], None) is not None
        if not was_silent:
            self._heard.late.pop(question, None)  # who asked has it
        elif fault is not None:
            self._heard.silent[question[0]] = time.monotonic() + SILENT_S
        if fault is None:
            asked.set_result(answer)
        else:
            asked.set_exception(fault)
