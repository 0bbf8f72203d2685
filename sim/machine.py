"""A process that can die at any step: what belongs to it is marked, and from its death on nothing of it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any


class Killed(Exception):  # noqa: N818 - it is no error: somebody wanted it
    """Told to whoever waits for a process that was killed meanwhile."""


@dataclass(eq=False, slots=True)
class Process:
    """One life of a program.

    ``fuse`` counts down at each call into a database or a file, and at nought kills it; ``on_near`` is told one call
    before, when what is on disk is what the last call finds there.

    A killed process is not unwound: no ``finally`` of it runs, no transaction of it ends. Its handles are put aside
    until the simulation is over, when it is `thawed` to let go of its threads; what it still does then, nobody sees.
    """

    name: str
    on_kill: Callable[[Process], None]
    on_near: Callable[[], None] = lambda: None
    fuse: int = 0
    dead: bool = False
    stopping: bool = False
    """Whether it was told to end: what others ask of it meanwhile may find its files closed."""
    parked: list[asyncio.Handle] = field(default_factory=list)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    signals: dict[int, Callable[[], object]] = field(default_factory=dict)
    ended: list[Callable[[], None]] = field(default_factory=list)
    files: list[Callable[[], None]] = field(default_factory=list)
    """What lets go of the files that it has open."""

    def called(self) -> None:
        """It has called into a database or a file, and the answer stands."""
        if self.fuse > 0 and not self.dead:
            self.fuse -= 1
            if self.fuse == 1:
                self.on_near()
            elif self.fuse == 0:
                self.kill()

    def kill(self) -> None:
        """Now."""
        if not self.dead:
            self.dead = True
            self.on_kill(self)
            for tell in self.ended:
                tell()

    def exit(self) -> None:
        """It has come to its end: what is still under way goes no further, its files and connections are closed."""
        if not self.dead:
            self.dead = True
            for let_go in (*self.files, *self.ended):
                let_go()

    def thaw(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let it come to its end, with nobody looking."""
        self.dead = False
        parked, self.parked = self.parked, []
        for handle in parked:
            loop.call_soon(handle._run)  # noqa: SLF001 - a handle has no other way to run

    def start(self, main: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any]:
        """Run a coroutine function as this process; all that it starts belongs to it."""
        context = copy_context()
        context.run(_WHOSE.set, self)
        return loop.create_task(main(), name=self.name, context=context)


_WHOSE: ContextVar[Process | None] = ContextVar("whose", default=None)


def whose(context: Any) -> Process | None:
    """The process that a context belongs to; None is the simulation itself."""
    found: Process | None = context.get(_WHOSE)
    return found


def mine() -> Process | None:
    """The process that is running now."""
    return _WHOSE.get()
