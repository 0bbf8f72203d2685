"""Running the agent: to the end of what is there (`--until-caught-up`), or as a service until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import structlog

from agent import apart
from agent.config.ways_in import configured
from agent.errors import ConfigError, RewardsError, TransientError, UnexpectedError
from agent.service import control
from agent.service.tail import Tail, failing
from agent.service.watch import RulesWatch
from machine.listening.listener import CannotListenError
from machine.notify import notify, tell, watchdog_interval_s

LAST_DELIVERY_S = 10.0
"""How long `--until-caught-up` waits for a catalogue that does not answer."""
AGAIN_FIRST_S = 5.0
AGAIN_MAX_S = 300.0
"""After how long a part of the agent that failed by a fault of this program is begun again."""
REPORT = "nothing is lost, it is begun again; update the agent, or report this line to its makers"

log = structlog.get_logger()


class Deliverer(Protocol):
    """Who brings the ledger to the catalogue."""

    async def run(self) -> None:
        """Deliver for ever."""
        ...

    async def drain(self, *, limit_s: float) -> bool:
        """Deliver all there is; False where the catalogue did not answer within ``limit_s``."""
        ...


class Ending(Protocol):
    """What is over at a time: lots, and what is remembered of acts."""

    async def run(self) -> None:
        """Look for them for ever."""
        ...

    async def look(self) -> object:
        """Let those go that are over now."""
        ...


class Asking(Protocol):
    """Who asks one system for what it did not post."""

    @property
    def name(self) -> str:
        """The source's configured name."""
        ...

    async def run(self) -> None:
        """Ask for ever."""
        ...

    async def catch_up(self) -> RewardsError | None:
        """Ask once, for all there is; why it could not be had."""
        ...


class Scheduling(Protocol):
    """Who decides what is due at a time."""

    async def run(self) -> None:
        """Look for ever whether something is due."""
        ...

    async def catch_up(self, read: Iterable[str]) -> Any:
        """Decide everything that is due, where the sources ``read`` were just read to their ends."""
        ...


class Listener(Protocol):
    """What listens: the door for posts, and what tells how the agent is."""

    async def open(self) -> None:
        """Listen."""
        ...

    async def close(self) -> None:
        """Take no more, and answer what is under way."""
        ...


@contextlib.asynccontextmanager
async def _open(listeners: Iterable[Listener]) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for listener in listeners:
            try:
                await listener.open()
            except CannotListenError as error:
                raise ConfigError(error.message, hint=error.hint) from error
            stack.push_async_callback(listener.close)
        yield


async def until_caught_up(
    tails: Sequence[Tail],
    deliverer: Deliverer | None,
    scheduling: Scheduling | None = None,
    callbacks: Sequence[Deliverer] = (),
    ending: Sequence[Ending] = (),
    pulls: Sequence[Asking] = (),
) -> int:
    """Read every source to the newest number it had at the start, decide what is due, empty the outbox.

    Returns the exit code.

    SIGTERM and SIGINT end it early with 0: what was recorded stands, the next run goes on from there.
    """
    stop = asyncio.Event()
    work = asyncio.create_task(_finish(tails, deliverer, scheduling, callbacks, ending, pulls))
    with _signals(asyncio.get_running_loop(), stop, _nothing_to_reload):
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return 0
    return work.result()


async def _finish(
    tails: Sequence[Tail],
    deliverer: Deliverer | None,
    scheduling: Scheduling | None,
    callbacks: Sequence[Deliverer],
    ending: Sequence[Ending],
    pulls: Sequence[Asking],
) -> int:
    # What they tell stands in the inbox before its sources are read; they do not wait for each other.
    asked = await asyncio.gather(*(_asked(pull) for pull in pulls))
    code = await _to_the_end(
        tails,
        deliverer,
        scheduling,
        {pull.name: error for pull, error in zip(pulls, asked, strict=True) if error is not None},
    )
    for one in ending:
        await one.look()
    # One that is not there keeps no other waiting, and one that fails breaks no other off.
    ends = await asyncio.gather(*(one.drain(limit_s=LAST_DELIVERY_S) for one in callbacks), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return code


async def _to_the_end(
    tails: Sequence[Tail],
    deliverer: Deliverer | None,
    scheduling: Scheduling | None,
    unasked: Mapping[str, RewardsError],
) -> int:
    # One source after the other, as they are written: side by side their entries would interleave by chance.
    ends = [(tail.source.name, await tail.run(follow=False)) for tail in tails]
    errors = [*unasked.values(), *(error for _, error in ends if error is not None)]
    for error in errors:
        log.error("source_stopped", message=error.message, do=error.hint)
    read = [name for name, error in ends if error is None and name not in unasked]
    if scheduling is not None:
        await scheduling.catch_up(read)
    if deliverer is not None and await deliverer.drain(limit_s=LAST_DELIVERY_S) and scheduling is not None:
        # A draw that was announced has its seed now, and its prizes are to be delivered too.
        await scheduling.catch_up(read)
        await deliverer.drain(limit_s=LAST_DELIVERY_S)
    return max((error.exit_code for error in errors), default=0)


async def _nothing_to_reload() -> None:
    """A run that ends by itself keeps the rules it began with."""


async def serve(  # noqa: PLR0913 - one for each thing that runs beside the others
    tails: Sequence[Tail],
    deliverer: Deliverer | None,
    *,
    data_dir: Path,
    operations: Mapping[str, control.Operation],
    reload: Callable[[], Awaitable[object]],
    watch: RulesWatch,
    scheduling: Scheduling | None = None,
    listeners: Sequence[Listener] = (),
    callbacks: Sequence[Deliverer] = (),
    ending: Sequence[Ending] = (),
    pulls: Sequence[Asking] = (),
) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP reads the rules again, as does a change of their files.

    Returns 0: what was accepted is finished.

    A source that cannot be reached is tried again for ever; one with an integrity fault stays stopped and is told, and
    the others go on. What an edit of the configuration cures ends the start with 2 and is only told later.
    """
    code = 0
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with _signals(loop, stop, reload):
        asked: dict[str, control.Operation] = {**operations, "sources.failing": partial(_failing, tails)}
        async with control.listening(data_dir, asked), _open(listeners):
            tasks: list[asyncio.Task[object]] = []
            tasks += [asyncio.create_task(tail.run(follow=True), name=f"tail-{tail.source.name}") for tail in tails]
            tasks += [_going_on(f"pull-{pull.name}", pull.run) for pull in pulls]
            tasks += [_going_on("deliver", partial(_deliver, one)) for one in ([deliverer] if deliverer else [])]
            tasks += [_going_on("callback", partial(_deliver, one)) for one in callbacks]
            tasks += [_going_on("schedule", one.run) for one in ([scheduling] if scheduling else [])]
            tasks += [_going_on("ending", one.run) for one in ending]
            tasks.append(asyncio.create_task(_watchdog(), name="watchdog"))
            tasks.append(_going_on("rules", partial(watch.run, partial(_read_again, reload))))
            notify("READY=1")
            followed = dict.fromkeys(configured(tail.source.name) for tail in tails)
            tell(f"follows {', '.join(followed) or 'no log'}")
            try:
                code = await _until(stop, tasks)
            finally:
                notify("STOPPING=1")
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    return code


async def _until(stop: asyncio.Event, tasks: Sequence[asyncio.Task[object]]) -> int:
    """The exit code: 0 when told to stop, that of the error where a source cannot even begin."""
    stopping = asyncio.create_task(stop.wait())
    waiting: set[asyncio.Task[object]] = {stopping, *tasks}
    try:
        while not stopping.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                # Anything raised here is a fault of the program itself.
                error = task.result()
                if isinstance(error, RewardsError):
                    log.error("source_stopped", message=error.message, do=error.hint)
                    return error.exit_code
    finally:
        stopping.cancel()
    return 0


async def _failing(tails: Sequence[Tail]) -> list[dict[str, Any]]:
    return failing(tails)


def _going_on(name: str, work: Callable[[], Coroutine[Any, Any, object]]) -> asyncio.Task[object]:
    """A task that does ``work``; where that fails by a fault of this program or of the machine it is begun again."""

    async def again() -> object:
        wait_s = AGAIN_FIRST_S
        while True:
            try:
                return await work()
            except Exception as error:
                if (trouble := apart.of_machine(error)) is not None:
                    log.warning("part_trouble", part=name, trouble=trouble.message, do=trouble.hint)
                elif apart.is_of_data(error):
                    _tell(name, error)
                else:
                    raise
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, AGAIN_MAX_S)

    return asyncio.create_task(again(), name=name)


def _tell(part: str, error: Exception) -> None:
    log.error("part_failed", part=part, fault=apart.fault_of(error), way=apart.way_to(error), do=REPORT)


async def _asked(pull: Asking) -> RewardsError | None:
    """Ask one system once; why it could not be had."""
    try:
        return await pull.catch_up()
    except Exception as error:
        if (trouble := apart.of_machine(error)) is not None:
            return trouble
        if not apart.is_of_data(error):
            raise
        _tell(f"pull-{pull.name}", error)
        return UnexpectedError(f"{pull.name} cannot be asked: {apart.fault_of(error)}", hint=REPORT)


async def _deliver(deliverer: Deliverer) -> None:
    while True:
        try:
            await deliverer.run()
        except TransientError as exc:
            log.warning("delivery_trouble", trouble=exc.message, do=exc.hint)
        except RewardsError as exc:
            log.error("delivery_stopped", trouble=exc.message, do=exc.hint)
        await asyncio.sleep(LAST_DELIVERY_S)


async def _watchdog() -> None:
    interval = watchdog_interval_s()
    while interval is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)


async def _read_again(reload: Callable[[], Awaitable[object]]) -> None:
    """Read the rules again; where they have faults the running ones stay, and the faults are told."""
    notify("RELOADING=1")
    try:
        version = str(await reload())[:12]
        log.info("rules_adopted", rules_version=version)
        tell(f"rules {version} adopted")
    except RewardsError as exc:
        log.error("rules_refused", message=str(exc))
        tell(f"the rules before go on, the new ones are refused: {exc.message}")
    finally:
        notify("READY=1")


@contextlib.contextmanager
def _signals(
    loop: asyncio.AbstractEventLoop, stop: asyncio.Event, reload: Callable[[], Awaitable[object]]
) -> Iterator[None]:
    reloading: set[asyncio.Task[None]] = set()

    def on_hangup() -> None:
        task = loop.create_task(_read_again(reload))
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    try:
        yield
    finally:
        # Told again by an impatient supervisor, what is open is closed in order all the same; Ctrl-C may break it off.
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _ends_already)
        loop.remove_signal_handler(signal.SIGINT)
        for task in reloading:
            task.cancel()  # the ledger it would write to is being closed: that is no fault of the rules


def _ends_already() -> None:
    """Nothing is left to be told."""
