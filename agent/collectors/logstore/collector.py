"""The collector of kind `moodle-logstore`: tails the log table, page by page, each in one short transaction."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace

from agent import apart
from agent.apart import Aside
from agent.clock import Clock
from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Database, Row, Rows, Unreadable
from agent.collectors.logstore.draft import Draft, Kinds, drafts_of, observation_of
from agent.collectors.logstore.grants import log_unreadable
from agent.collectors.logstore.identity import Watch, anchored
from agent.collectors.logstore.lookups import look_up
from agent.collectors.logstore.names import Several, agreed, meanings, require_one_meaning, several
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.logstore.reading.ahead import Ahead, Place
from agent.collectors.logstore.reading.behind import Behind
from agent.collectors.logstore.reading.cleared import mark_cleared
from agent.collectors.logstore.reading.deleted import deleted, tell
from agent.collectors.logstore.reading.filling import Again, Change, fill, read_again
from agent.collectors.logstore.reading.gaps import GapKeeper, opened
from agent.collectors.logstore.reading.marked import markings, prompts, submissions, told_of, woven
from agent.collectors.logstore.reading.stretch import Filter, LogUnreadableError, Reader, filter_of
from agent.collectors.logstore.start import Rewind, again_from, first_state, rewind
from agent.collectors.systems.moodle import USER_DELETED, USER_UPDATED
from agent.collectors.unsure import SURE, narrowed, widened
from agent.config.facts import FactTable
from agent.config.kinds import KindTable
from agent.model import Demand, Observation, Page, SourceState

_NEWEST = "SELECT MAX(id) FROM {log}"


PAGE_ASIDE_MAX = 10
"""Rows of one page that are set aside at most: where more fail, it is no fault of theirs."""

ALWAYS = frozenset({USER_DELETED})
"""Events that are read whatever rules want: nobody earns any more whose account is deleted."""

LINKING = frozenset({USER_UPDATED})
"""Events that say who somebody is, read where that links accounts."""


class LogstoreCollector:
    """One log table, as configured by ``options``.

    ``kinds`` gives the kind table in force (rules can extend it); ``log`` is a database to use for the log instead of
    the one that the options name. Connections are made when first needed. While a page is being recorded the next one
    is already read; nothing is held open while there is nothing to read.
    """

    def __init__(
        self,
        options: LogstoreOptions,
        clock: Clock,
        kinds: Callable[[], KindTable] = KindTable,
        *,
        log: Database | None = None,
    ) -> None:
        self._options = options
        self._limits = options.limits
        self._clock = clock
        self._table = kinds
        self._kinds = Kinds(kinds())
        self._log = log or database_for(options, log=True)
        self._state = self._log if options.log_url is None else database_for(options)
        self._reader = Reader(database=self._log, limits=options.limits, backdated_after_s=options.backdated_after_s)
        self._ahead = Ahead(self._reader)
        self._watch = Watch(self._reader, options.name)
        self._behind = Behind(self._reader, self._state, options.name)
        self._gaps = GapKeeper(self._reader, options.gap_patience_s, clock, self._behind.lacking)
        self._filters: dict[str, Filter] = {}
        self._lost: dict[str, Unreadable] = {}
        self._lost_last: dict[str, Unreadable] = {}
        self._facts: frozenset[str] = frozenset()
        self._several: Several = frozenset()
        self._named_for = ""
        self._mark = clock.running()
        self._idle = False
        self._waits = False
        self._newest_id = 0
        self._again: Again | None = None
        self._look_again_at = 0.0

    @property
    def name(self) -> str:
        """The source's configured name."""
        return self._options.name

    @property
    def degraded(self) -> Mapping[str, frozenset[str]]:
        """Tables (without prefix) that could not be read when last needed, and the demanded facts lost with each."""
        feeds = FactTable().tables_for(self._facts, ())
        return {table: feeds.get(table, frozenset()) for table in sorted(self._lost)}

    async def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
        """Pages from where ``state`` says; see `Collector.pages`."""
        self._mark = self._look_again_at = self._clock.running()
        self._watch.forget()
        self._gaps.forget()
        self._ahead.forget()
        self._idle = False
        self._again = None
        with self._explained():
            new = state.start_at is None
            state = await self._begun(state)
            first = demand()
            await self.require(first, new=new)
            upto = None if follow else max(state.position, await self._newest())
            told: Page | None = None
            told_at = self._mark
            read = asyncio.ensure_future(self._step(state, first, upto))
            try:
                while True:
                    page = await read
                    waits = self._waits
                    over = page.caught_up and (follow or not self._may_look_again(page.state))
                    if not (over or waits):
                        read = asyncio.ensure_future(self._step(page.state, demand(), upto))
                    quiet_s = self._clock.running() - told_at
                    if told is None or quiet_s >= self._limits.heartbeat_s or _news(told, page):
                        told, told_at = page, self._clock.running()
                        yield page
                    if over and not follow:
                        return
                    if over or waits:
                        await asyncio.sleep(self._options.poll_interval_s)
                        read = asyncio.ensure_future(self._step(page.state, demand(), upto))
            finally:
                read.cancel()
                await asyncio.gather(read, return_exceptions=True)

    async def rewound(self, stored: SourceState) -> Rewind:
        """What `source accept-rewind` shows, and the state it stores when it is confirmed.

        Raises:
            ConfigError: the log cannot be read as configured.
            TransientError: it cannot be reached.
        """
        with self._explained():
            async with self._log.snapshot():
                return await rewind(self._reader, self.name, stored, self._clock.now())

    async def require(self, demand: Demand, *, new: bool = True) -> None:
        """Look which names of ``demand`` mean several things here.

        Where the source is ``new`` somebody is there to edit them. Later they come about in the LMS, and cost what
        names them and nothing else, like names that mean nothing. Who has agreed to take part is never left in doubt.

        Raises:
            ConfigError: some do and that must not be, and what to edit.
            TransientError: the database cannot be reached.
        """
        named = await meanings(self._state, (*demand.selectors, *agreed(self._options)))
        whose = set(agreed(self._options))
        require_one_meaning(self.name, [one for one in named if new or one.selector in whose])
        self._several, self._named_for = several(named), demand.rules_version

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._log.close()
        await self._state.close()

    async def _begun(self, state: SourceState) -> SourceState:
        """The stored state, or at the first connection the beginning."""
        await self._log.connect()
        if state.start_at is not None:
            placed = state if state.position >= 0 else await again_from(self._reader, state)
            return replace(placed, fault="")
        return await first_state(self._reader, self._options, self._clock.now())

    async def _newest(self) -> int:
        ((newest,),) = await self._reader.ask(self._log.schema.query(_NEWEST))
        return newest or 0

    async def _step(self, state: SourceState, demand: Demand, upto: int | None) -> Page:
        """The next page after ``state``: filled gaps first, else the tail."""
        if demand.rules_version != self._named_for:
            await self.require(demand, new=False)
        running = self._clock.running()
        state = replace(state, running_s=state.running_s + running - self._mark)
        self._mark = running
        now = self._clock.now()
        waited, self._waits = self._waits, False
        state, changed = await self._gaps.looked_at(state, running=running, now=now)
        self._again = self._again_of(state, changed)
        # With new rows coming in these come first; a run that ends has the time before it begins.
        unsure = self._may_look_again(state) and (self._idle or upto is not None)
        quiet = self._idle and not (changed or unsure) and self._again is None and not self._watch.is_due(running)
        if quiet and await self._newest() <= state.position:
            return self._page(state, demand, caught_up=True)
        async with self._snapshots():
            state = await self._watch.verified(state, running, now)
            if self._again is not None:
                return await self._read_again(state, demand, self._again, now)
            if changed:
                return await self._filled(state, demand, changed, now)
            if unsure:
                return await self._looked_again(state, demand, running, waited=waited)
            return await self._tail(state, demand, upto, now)

    async def _tail(self, state: SourceState, demand: Demand, upto: int | None, now: int) -> Page:
        """The ids after the position, as far as the tables go that they speak of."""
        reached = await self._behind.reached(now)
        end = min((one for one in (upto, reached) if one is not None), default=None)
        place = Place(wanted=self._filter(demand), position=state.position, high_water=state.high_water, upto=end)
        stretch = await self._ahead.stretch(place, now)
        stretch = stretch.without(await self._behind.lacking([(row[0], row[11]) for row in stretch.rows], now))
        step = self._watch.step if stretch.missing else 1
        before = state.position
        last = state.anchors[-1] if state.anchors else None
        gone = await deleted(self._reader, last, stretch, position=before, step=step, now=now)
        if gone is not None:
            tell(self.name, gone)
        state = replace(
            state,
            position=stretch.upto,
            high_water=stretch.high_water,
            anchors=anchored(() if gone and stretch.last else state.anchors, stretch.last, self._limits),
            gaps=opened(state, stretch, step, self._limits) if stretch.missing else state.gaps,
            counts=state.counts if gone is None else gone.counted(state.counts),
        )
        self._newest_id = stretch.newest
        self._idle = stretch.upto >= (stretch.newest if end is None else end)
        self._waits = self._idle and stretch.upto < (stretch.newest if upto is None else upto)
        over = self._idle and not self._waits
        more = replace(place, position=state.position, high_water=state.high_water)
        async with nullcontext() if self._idle else self._ahead.reading(more, now):
            return await self._observed(state, demand, stretch.rows, stretch.backdated, before=before, caught_up=over)

    async def _filled(self, state: SourceState, demand: Demand, changed: list[Change], now: int) -> Page:
        """What appeared in gaps; the position stays."""
        plain = [change for change in changed if not change.gap.present]
        step = self._watch.step
        wanted, lacking = self._filter(demand), self._behind.lacking
        filling = await fill(self._reader, wanted, state.gaps, plain, step=step, now=now, lacking=lacking)
        counts = Counter(state.counts)
        counts["ids_filled"] += filling.found
        state = replace(state, gaps=self._gaps.tidied(filling.gaps), counts=dict(counts))
        return await self._observed(
            state, demand, filling.rows, filling.backdated, before=state.position, caught_up=False
        )

    async def _looked_again(self, state: SourceState, demand: Demand, running: float, *, waited: bool) -> Page:
        """The first rows of those that could not be looked up; where they still cannot, later.

        Whether a row is backdated was found when it was new: it is called so again, and stays what it was.
        """
        rows = await self._reader.wanted(self._filter(demand), *state.unsure)
        backdated = frozenset(int(row[0]) for row in rows)
        page = await self._observed(state, demand, rows, backdated, before=state.position, caught_up=False)
        if self._lost_last:
            self._look_again_at = running + self._limits.look_again_s
            self._waits = waited
            return self._page(state, demand, caught_up=self._idle and not waited)
        self._lost, self._idle = {}, False
        found = narrowed(page.state, [row[0] for row in rows], self._limits.page_rows_max)
        counts = {**state.counts, "rows_looked_up_again": state.counts.get("rows_looked_up_again", 0) + len(rows)}
        return replace(page, state=replace(found, counts=counts), again=True)

    def _may_look_again(self, state: SourceState) -> bool:
        """Whether something could not be looked up and was not just tried again; a run does so before it ends."""
        return state.unsure != SURE and self._clock.running() >= self._look_again_at

    def _again_of(self, state: SourceState, changed: list[Change]) -> Again | None:
        """The merged gap to read again: the one under way, else the first that changed."""
        again = self._again
        if again is not None and any(again.stands_for(gap) for gap in state.gaps):
            return again
        merged = next((change.gap for change in changed if change.gap.present), None)
        if merged is None:
            return None
        return Again(gap=merged, position=merged.lo, present=0, high_water=merged.high_water)

    async def _read_again(self, state: SourceState, demand: Demand, again: Again, now: int) -> Page:
        """A stretch of a merged gap. Its count is corrected when all of it was read; until then it stands as it was."""
        rows, backdated, self._again, present = await read_again(
            self._reader, self._filter(demand), again, now=now, lacking=self._behind.lacking
        )
        if self._again is None:
            (self._gaps.hurry if self._state is self._log else self._gaps.rest)()
            gaps = (replace(gap, present=present) if again.stands_for(gap) else gap for gap in state.gaps)
            state = replace(state, gaps=tuple(gap for gap in gaps if gap.missing > 0))
        return await self._observed(state, demand, rows, backdated, before=state.position, caught_up=False)

    async def _observed(
        self,
        state: SourceState,
        demand: Demand,
        rows: Rows,
        backdated: frozenset[int],
        *,
        before: int,
        caught_up: bool,
    ) -> Page:
        """A page of what these rows show, with what is looked up for them; ids up to ``before`` were read earlier."""
        counts = Counter(state.counts)
        if rows:
            counts["rows_wanted"] += len(rows)

        async def part(some: Sequence[Row]) -> list[Observation]:
            seen, counted = await self._drafted(some, demand, backdated, start_at=state.start_at or 0, before=before)
            counts.update(counted)
            return seen

        self._lost_last = {}
        found, failed = await apart.by_halves(rows, part, most=PAGE_ASIDE_MAX)
        state = widened(state, [row[0] for row in rows], lost=bool(self._lost_last))
        return Page(
            source=self.name,
            observations=[seen for each in found for seen in each],
            state=replace(state, counts=dict(counts)),
            rules_version=demand.rules_version,
            caught_up=caught_up,
            newest=self._newest_id,
            set_aside=[Aside(position=row[0], what=row[1], fault=apart.fault_of(error)) for row, error in failed],
        )

    async def _drafted(
        self, rows: Sequence[Row], demand: Demand, backdated: frozenset[int], *, start_at: int, before: int
    ) -> tuple[list[Observation], Counter[str]]:
        """What rows show, with what is looked up for them and what they show again; and counts."""
        counts, kinds, reader = Counter[str](), self._kinds_now(), self._reader
        drafts = drafts_of(rows, kinds, demand.facts, start_at=start_at, backdated=backdated, seen=counts)
        self._facts = demand.facts
        await mark_cleared(reader, drafts, step=self._watch.step)
        self._lost_last |= await self._look_up(drafts, demand, kinds)
        admins = self._options.site_admins
        again = await submissions(reader, self._state, drafts, demand, upto=before, admins=admins)
        if again:
            shown = drafts_of(again, kinds, demand.facts, start_at=start_at, backdated=frozenset(), seen=Counter())
            self._lost_last |= await self._look_up(shown, demand, kinds)
            together = woven(drafts, shown)
            counts["rows_shown_again"] += len(together) - len(drafts)
            drafts = together
        self._lost |= self._lost_last
        if prompting := prompts(demand):
            drafts = [draft for draft in drafts if draft.event not in prompting or draft.event in demand.names]
        site = self._options.site_name
        return [observation_of(draft, source=self.name, site=site) for draft in drafts], counts

    async def _look_up(self, drafts: Sequence[Draft], demand: Demand, kinds: Kinds) -> Mapping[str, Unreadable]:
        """Fill in the drafts; which tables could not be read."""
        now = self._clock.now()
        return await look_up(self._state, drafts, demand, kinds, self._options, now=now, several=self._several)

    def _page(self, state: SourceState, demand: Demand, *, caught_up: bool) -> Page:
        return Page(
            source=self.name,
            observations=(),
            state=state,
            rules_version=demand.rules_version,
            caught_up=caught_up,
            newest=self._newest_id,
        )

    def _filter(self, demand: Demand) -> Filter:
        if demand.rules_version not in self._filters:
            beside = self._state is self._log
            # Whose idnumber or address is another now is looked at then, not when they next do something.
            told = LINKING if self._options.link_by else frozenset[str]()
            wanted = replace(demand, names=demand.names | ALWAYS | told | told_of(demand))
            made = filter_of(wanted, self._log.schema, markings(demand), with_courses=beside)
            self._filters = {demand.rules_version: made}
        return self._filters[demand.rules_version]

    def _kinds_now(self) -> Kinds:
        table = self._table()
        if table is not self._kinds.table and table != self._kinds.table:
            self._kinds = Kinds(table)
        return self._kinds

    @asynccontextmanager
    async def _snapshots(self) -> AsyncIterator[None]:
        """One transaction on the log's database, and one on the state tables' where that is another."""
        async with self._log.snapshot():
            if self._state is self._log:
                yield
            else:
                async with self._state.snapshot():
                    yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A log table that cannot be read is a fault of the configuration, told with its cure."""
        try:
            yield
        except LogUnreadableError as error:
            raise log_unreadable(error.answer, self._options, self._log.schema) from error


def _news(told: Page, page: Page) -> bool:
    """Whether ``page`` says anything that ``told`` did not; the running clock alone is no news."""
    return bool(page.observations) or replace(page.state, running_s=told.state.running_s) != told.state
