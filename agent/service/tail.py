"""Following one source: pages from the collector into the pipeline, and what happens when either cannot go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog

from agent import apart
from agent.clock import Clock
from agent.errors import ConfigError, IntegrityError, RewardsError, TransientError, UnexpectedError
from agent.model import Demand, Page, SourceState
from agent.service.aside import Careful

UNREACHABLE_MAX_S = 30.0
"""`run --until-caught-up` gives up on a source that cannot be reached for this long."""
FAULT_LOOK_S = 2.0
"""How often a stopped source looks whether its log was accepted anew."""
BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 60.0

log = structlog.get_logger()


class Source(Protocol):
    """What a tail needs of a collector (`collectors.base.Collector`)."""

    @property
    def name(self) -> str:
        """The source's configured name."""
        ...

    def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
        """Pages in order, for ever with ``follow``."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Ledger(Protocol):
    """What a tail needs of the heart: where a source stands, taking a page, and remembering a fault."""

    def stands(self, source: str) -> SourceState:
        """The state to go on from, as stored."""
        ...

    def expect(self, page: Page) -> None:
        """``page`` is taken next of its source."""
        ...

    async def take(self, page: Page) -> Any:
        """Record a page; when this returns it is on disk."""
        ...

    async def stop_source(self, source: str, fault: str) -> None:
        """Remember that ``source`` has an integrity fault and must not be read."""
        ...


class LedgerFaultError(Exception):
    """The ledger itself, not the source, is damaged: everything that writes it must stop."""

    def __init__(self, cause: IntegrityError) -> None:
        super().__init__(cause.message)
        self.cause = cause


class Tail:
    """One source being followed. ``demand`` is asked per page; ``on_page`` is told what each page came to."""

    def __init__(
        self,
        *,
        source: Source,
        ledger: Ledger,
        demand: Callable[[], Demand],
        clock: Clock,
        on_page: Callable[[Page, Any], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.source = source
        self.trouble: RewardsError | None = None
        """Why it cannot be read or recorded now; None where it can."""
        self._ledger = ledger
        self._careful = Careful(ledger, clock)
        self._demand = demand
        self._clock = clock
        self._on_page = on_page
        self._sleep = sleep
        self._untried = True
        self._failing_since: float | None = None
        self._backoff_s = BACKOFF_FIRST_S

    async def run(self, *, follow: bool) -> RewardsError | None:
        """Follow the source; returns why it stopped, or None where it was read to its end.

        With ``follow`` no trouble of the source ends it but a fault of the configuration at its very first try: it is
        told and tried again, and after an integrity fault it waits until somebody has accepted the log anew. So is what
        this program does not expect: it ends no other source.

        Raises:
            IntegrityError: with ``follow``, the ledger itself is damaged.
        """
        try:
            while True:
                stop, error = await self._once(follow=follow)
                if error is not None:
                    apart.forget_way(error)
                if stop:
                    return error
                await self._sleep(self._backoff_s)
                self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)
        finally:
            await self.source.close()

    async def _once(self, *, follow: bool) -> tuple[bool, RewardsError | None]:
        try:
            await self._read(follow=follow)
        except LedgerFaultError as fault:
            if follow:
                raise fault.cause from None
            return True, fault.cause
        except IntegrityError as exc:
            self.trouble = exc
            log.error("source_fault", source=self.source.name, fault=exc.message, do=exc.hint)
            await self._remember_fault(exc)
            if not follow:
                return True, exc
            await self._until_accepted()
            return False, exc
        except (TransientError, ConfigError) as exc:
            return self._judge(exc, follow=follow), exc
        except Exception as exc:
            hindered = apart.of_machine(exc)
            if hindered is None and not apart.is_of_data(exc):
                raise
            trouble = hindered or self._unexpected(exc)
            return self._judge(trouble, follow=follow), trouble
        return True, None

    def _unexpected(self, exc: Exception) -> UnexpectedError:
        """A fault of this program, told once with the way to it."""
        found = UnexpectedError(
            f"{self.source.name} cannot go on: {apart.fault_of(exc)}",
            hint="nothing is lost, it is tried again; update the agent, or report this line to its makers",
        )
        if not self._is_known(found):
            self.trouble = found
            log.error(
                "source_failed",
                source=self.source.name,
                fault=apart.fault_of(exc),
                way=apart.way_to(exc),
                do=found.hint,
            )
        return found

    def _is_known(self, error: RewardsError) -> bool:
        return self.trouble is not None and self.trouble.message == error.message

    async def _remember_fault(self, exc: IntegrityError) -> None:
        if not self._ledger.stands(self.source.name).fault:
            await self._ledger.stop_source(self.source.name, exc.message)

    async def _until_accepted(self) -> None:
        while self._ledger.stands(self.source.name).fault:
            await self._sleep(FAULT_LOOK_S)
        self._backoff_s = BACKOFF_FIRST_S

    def _judge(self, exc: TransientError | ConfigError | UnexpectedError, *, follow: bool) -> bool:
        now = self._clock.running()
        first, self._untried = self._untried, False
        if self._failing_since is None:
            self._failing_since = now
        if not self._is_known(exc):
            log.warning("source_trouble", source=self.source.name, trouble=exc.message, do=exc.hint)
        self.trouble = exc
        if follow:
            return first and isinstance(exc, ConfigError)
        return not isinstance(exc, TransientError) or now - self._failing_since >= UNREACHABLE_MAX_S

    async def _read(self, *, follow: bool) -> None:
        state = self._stands()
        if state.fault:
            raise IntegrityError(
                state.fault, hint=f"look first, then: rewards-agent source accept-rewind {self.source.name}"
            )
        pages = self.source.pages(state, self._demand, follow=follow)
        async with contextlib.AsyncExitStack() as stack:
            if isinstance(pages, AsyncGenerator):
                stack.push_async_callback(pages.aclose)
            await self._take_each(pages)

    async def _take_each(self, pages: AsyncIterator[Page]) -> None:
        """Take page after page; while one is being written the next is read."""
        coming = asyncio.ensure_future(_next(pages))
        taking: asyncio.Future[Any] | None = None
        try:
            while (page := await coming) is not None:
                taking = asyncio.ensure_future(self._take(page))
                coming = asyncio.ensure_future(_next(pages))
                await asyncio.wait({taking, coming}, return_when=asyncio.FIRST_COMPLETED)
                if not taking.done() and coming.exception() is None and (ahead := coming.result()) is not None:
                    self._ledger.expect(ahead)
                tally = await taking
                self._untried = False
                if self.trouble:
                    log.info("source_recovered", source=self.source.name)
                self.trouble, self._failing_since, self._backoff_s = None, None, BACKOFF_FIRST_S
                self._on_page(page, tally)
        finally:
            under_way = [task for task in (taking, coming) if task is not None]
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    def _stands(self) -> SourceState:
        try:
            return self._ledger.stands(self.source.name)
        except IntegrityError as exc:
            raise LedgerFaultError(exc) from exc

    async def _take(self, page: Page) -> Any:
        try:
            return await self._careful.take(page)
        except IntegrityError as exc:
            raise LedgerFaultError(exc) from exc


def failing(tails: Sequence[Tail]) -> list[dict[str, Any]]:
    """The sources that cannot go on by a fault of this program: {source, trouble, do}."""
    return [
        {"source": tail.source.name, "trouble": tail.trouble.message, "do": tail.trouble.hint}
        for tail in tails
        if isinstance(tail.trouble, UnexpectedError)
    ]


async def _next(pages: AsyncIterator[Page]) -> Page | None:
    return await anext(pages, None)
