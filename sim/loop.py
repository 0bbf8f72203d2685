"""An event loop whose time is a number: it jumps to the next timer, and every step of a run follows from the seed.

Threads are the one thing here that the machine would schedule, so there are none: what a program gives to a thread (a
statement for SQLite, a look into a file) is done at once, and the answer is handed on after a virtual delay drawn from
the seed. Virtual time stands still meanwhile.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import closing
from contextvars import Context, copy_context
from random import Random
from typing import Any
from weakref import WeakSet

from aiohttp import connector
from aiosqlite import core

from sim.machine import mine, whose
from sim.network import Network

HOP_S_MAX = 0.003
"""Longest that an answer is on its way from what would be a thread, in virtual seconds."""
BUSY_S_MAX = 5.0
"""Longest that a statement waits for a database that another connection writes to, in virtual seconds."""
BUSY_LOOK_S = 0.01
"""How often it looks meanwhile."""
STEPS_MAX = 5_000_000
"""A run that has not ended after so many never will."""

Callback = Callable[..., object]


class StuckError(RuntimeError):
    """Nothing is left to do, or it never ends, or something was left to chance."""


class Step(asyncio.TimerHandle):
    """A callback whose time comes; made half a million times in a hundred runs, so it does as little as it can."""

    __slots__ = ()

    def __init__(
        self, loop: VirtualLoop, when: float, callback: Callback, args: tuple[Any, ...], context: Context | None
    ) -> None:  # the base class's would look whether the loop is in debug mode, twice
        self._loop: Any = loop
        self._when = when
        self._callback: Any = callback
        self._args: Any = args
        self._context = copy_context() if context is None else context
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._scheduled = False

    @property
    def context(self) -> Context:
        """What it runs in."""
        return self._context


class Job(asyncio.Task[Any]):
    """A task that sets put in the order of its number: where it lies in memory is chance."""

    def __init__(self, coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any], number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        """Its number."""
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """One run's loop. ``chance`` draws how long answers are on their way."""

    def __init__(self, chance: Random, network: Network) -> None:
        super().__init__()
        self._chance = chance
        self._network = network
        self._now = 0.0
        self._numbers = itertools.count()
        self._jobs = itertools.count()
        self._due: deque[Step] = deque()
        self._timers: list[tuple[float, int, Step]] = []
        self._last_answer: dict[object, float] = {}
        self._connections: list[Connection] = []
        self._home = threading.get_ident()
        self.steps = 0
        self.calls = 0
        """Calls into databases and files."""
        self.troubles: list[str] = []
        """What nobody handled."""
        self.set_exception_handler(self._note)

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callback, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As the base class."""
        handle = Step(self, self._now, callback, args, context)
        self._due.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callback, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As the base class."""
        handle = Step(self, when, callback, args, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callback, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As the base class."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callback, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As `call_soon`: there is no other thread.

        Raises:
            StuckError: there is one, and what follows from it would not follow from the seed.
        """
        if threading.get_ident() != self._home:
            self.troubles.append(f"a thread that the simulation does not know of asks for {callback}")
            raise StuckError(self.troubles[-1])
        return self.call_soon(callback, *args, context=context)

    def run_forever(self) -> None:
        """As the base class; meanwhile who connects to SQLite is given a connection without a thread behind it.

        How long connections over the network rest is counted by this clock: on a slow machine a run takes longer.
        """
        threaded, core.Connection = core.Connection, Connection  # type: ignore[misc]
        real, connector.monotonic = connector.monotonic, self.time  # type: ignore[attr-defined]
        try:
            super().run_forever()
        finally:
            core.Connection = threaded  # type: ignore[misc]
            connector.monotonic = real  # type: ignore[attr-defined]

    def create_task(
        self, coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **options: Any
    ) -> asyncio.Task[Any]:
        """As the base class; a process keeps its tasks."""
        task = Job(coro, next(self._jobs), loop=self, **options)
        context = options.get("context")
        process = whose(context) if context is not None else mine()
        if process is not None:
            process.tasks.append(task)
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Done at once, told later."""
        future = self.create_future()
        self.do(executor, future, lambda: func(*args))
        return future

    def do(self, by: object, future: asyncio.Future[Any] | None, work: Callable[[], Any]) -> None:
        """Do what a thread would do, and hand its answer on; those of one thread come in their order.

        ``by`` stands for the thread and is kept: another in its place in memory would wait for the answers to this one.
        """
        try:
            self.answer(by, future, _set_result, work())
        except BaseException as exc:  # noqa: BLE001 - as a thread does: told to whoever asked
            self.answer(by, future, _set_exception, exc)

    def answer(self, by: object, future: asyncio.Future[Any] | None, tell: Callback, answer: object) -> None:
        """Hand on what came of it."""
        self.calls += 1
        when = max(self._now + self._chance.random() * HOP_S_MAX, self._last_answer.get(by, 0.0))
        self._last_answer[by] = when
        if (process := mine()) is not None:
            process.called()
        if future is not None:
            self.call_at(when, tell, future, answer)

    def keep(self, connection: Connection) -> None:
        """Close it at the end, of its process or of all, where nobody did before."""
        self._connections.append(connection)
        if (process := mine()) is not None:
            process.files.append(connection.let_go)

    def close(self) -> None:
        """As the base class; connections that a killed process left open are closed too."""
        for connection in self._connections:
            connection.let_go()
        super().close()

    def add_signal_handler(self, sig: int, callback: Callback, *args: Any) -> None:  # type: ignore[override]
        """Signals are sent by whoever plays the operator."""
        process = mine()
        if process is not None:
            context = copy_context()
            process.signals[sig] = lambda: self.call_soon(callback, *args, context=context)

    def remove_signal_handler(self, sig: int) -> bool:
        """Nobody listens any more."""
        process = mine()
        return process is not None and process.signals.pop(sig, None) is not None

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """The way there is looked for when the connection is made."""
        self._network.aim(sock, address)

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], **options: Any
    ) -> Any:
        """Through the simulated network."""
        return await self._network.connect(self, protocol_factory, options["sock"])

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], host: Any, port: Any, **_: Any
    ) -> Any:
        """At the simulated network."""
        return self._network.listen(protocol_factory, (host, port))

    async def create_unix_server(self, protocol_factory: Callable[[], Any], path: Any = None, **_: Any) -> Any:
        """At the simulated network, where nobody asks."""
        return self._network.listen(protocol_factory, (str(path), 0))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

    def _run_once(self) -> None:
        """What is due, step by step."""
        if not self._due:
            self._to_the_next_timer()
        while self._due and not self._stopping:  # type: ignore[attr-defined]
            self._step(self._due.popleft())

    def _step(self, step: Step) -> None:
        if step.cancelled():
            return
        process = whose(step.context)
        if process is not None and process.dead:
            process.parked.append(step)
            return
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise StuckError(f"{STEPS_MAX} steps and no end, at {self._now:.1f} s")
        step._run()  # noqa: SLF001 - what a loop does

    def _to_the_next_timer(self) -> None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise StuckError(f"everybody waits for somebody else, at {self._now:.1f} s")
        self._now = max(self._now, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self._now:
            self._due.append(heapq.heappop(self._timers)[2])

    def _note(self, _loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        process = mine()
        error = about.get("exception")
        said = f"{about.get('message')}: {type(error).__name__}: {error}" if error else str(about.get("message"))
        self.troubles.append(f"{process.name if process else 'simulation'}: {said}")


class Connection(core.Connection):
    """One to SQLite whose statements are done at once, by a loop instead of a thread."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop), "not in a simulation"  # noqa: S101 - said to the type checker
        self._tx: Any = _AtOnce(loop, self._without_waiting, self._keep)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()
        loop.keep(self)

    def __await__(self) -> Generator[Any, None, Connection]:
        """As the base class, which starts its thread before."""
        yield from self._connect().__await__()
        return self

    def _without_waiting(self) -> None:
        """See that the statement which comes does not wait in the machine's time, whatever the program asked for."""
        if self._connection is not None:
            self._connection.execute("PRAGMA busy_timeout = 0")

    def _keep(self, answer: object) -> None:
        """Remember a cursor that the program is given."""
        if isinstance(answer, sqlite3.Cursor):
            self._cursors.add(answer)

    def let_go(self) -> None:
        """Close it, whoever has it open.

        A statement under way keeps the file locked after its connection is closed, when its cursor cannot be closed
        any more; it can only begin anew, somewhere else.
        """
        with closing(sqlite3.connect(":memory:")) as elsewhere:
            for cursor in self._cursors:
                sqlite3.Cursor.__init__(cursor, elsewhere)
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _AtOnce:
    """In place of the queue to a thread: what is put into it is done, in its order.

    What another connection keeps from it for now is tried again in virtual time, as SQLite does in the machine's.
    """

    def __init__(self, loop: VirtualLoop, before: Callable[[], None], after: Callable[[object], None]) -> None:
        self._loop = loop
        self._before = before
        self._after = after
        self._waiting: deque[tuple[asyncio.Future[Any] | None, Callable[[], Any]]] = deque()

    def put_nowait(self, wanted: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        """Do it, and tell whoever asked."""
        self._waiting.append(wanted)
        if len(self._waiting) == 1:
            self._go_on(self._loop.time() + BUSY_S_MAX)

    def _go_on(self, until: float) -> None:
        """Do what waits; the first of it not after ``until``."""
        tell: Callback
        while self._waiting:
            future, work = self._waiting[0]
            try:
                self._before()
                tell, answer = _set_result, work()
                self._after(answer)
            except BaseException as exc:  # noqa: BLE001 - as a thread does: told to whoever asked
                if _is_busy(exc) and self._loop.time() < until:
                    self._loop.call_later(BUSY_LOOK_S, self._go_on, until)
                    return
                tell, answer = _set_exception, exc
            self._waiting.popleft()
            self._loop.answer(self, future, tell, answer)
            until = self._loop.time() + BUSY_S_MAX


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY


def _set_result(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
