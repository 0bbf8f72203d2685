"""The collector of what the log missed: from time to time it walks through the state tables, a slice at a time."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from statistics import median_low
from types import MappingProxyType

from agent.clock import Clock
from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Rows, Unreadable
from agent.collectors.logstore.draft import Draft, Kinds, drafts_of, observation_of
from agent.collectors.logstore.lookups import look_up
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.states import late, shown
from agent.collectors.states.found import Found
from agent.collectors.states.late import Late
from agent.collectors.states.stood import behind_since, stood
from agent.collectors.states.tables import TABLES, Table, as_told
from agent.collectors.states.told import PAUSE_S, Restores, untold_by, untold_until
from agent.collectors.unsure import SURE, unread_since, widened
from agent.config.kinds import KindTable
from agent.config.ways_in import SUFFIX
from agent.model import Demand, Observation, Page, SourceState

SPAN_IDS = 1_000
"""Ids of a state table that one page passes."""
HEARTBEAT_S = 60.0
"""How often a page tells that the source lives while there is nothing to read."""
BEGUN_LOOK_S = 2.0
"""How often it is looked whether payment by the log has begun."""
NEIGHBOURS = 25
"""Rows with lower ids, of other courses, whose times tell roughly when a row was made."""

_NEWEST = "SELECT MIN(id), MAX(id) FROM {[table]}"


class _Sweep:
    """One walk: what was changed after ``since`` and not after ``until``, at which table it is, and after which id.

    Of a table that could not be read for a while all since then is looked at: ``unread`` says after when. ``lost`` are
    tables that cannot be read in this walk.
    """

    __slots__ = ("after", "lost", "newest", "restores", "since", "table", "unread", "until")

    def __init__(self, since: int, until: int, unread: Mapping[str, int] = MappingProxyType({})) -> None:
        self.since = since
        self.until = until
        self.unread = unread
        self.restores = Restores(since=min(since, *unread.values()) if unread else since, began=until)
        self.table = 0
        self.after: int | None = None
        self.newest = 0
        self.lost: set[str] = set()

    @property
    def over(self) -> bool:
        """Whether every table was walked through."""
        return self.table >= len(TABLES) or self.until <= self.since

    def since_of(self, table: Table) -> int:
        """After when a table's rows are looked at."""
        return min(self.since, self.unread.get(table.name, self.since))

    def still_unread(self, demand: Demand) -> dict[str, int]:
        """Of which tables that are wanted nothing could be read, and since when."""
        return {
            table.name: self.since_of(table) for table in TABLES if table.name in self.lost and table.wanted(demand)
        }


class StateCollector:
    """The state tables behind the log that ``options`` name; looked at every ``every_s``.

    ``begins`` tells when payment by that log begins, None as long as it was never read. Only what has stood for the
    log's ``gap_patience`` is looked at. A walk that was broken off is done again: what it told is recognised.

    What a table that cannot be read costs is looked for again, at each walk: what would have been looked up in it, and,
    where it is one of the tables that are walked through, all that was changed since.
    """

    def __init__(
        self,
        options: LogstoreOptions,
        clock: Clock,
        kinds: Callable[[], KindTable],
        *,
        every_s: float,
        begins: Callable[[], int | None],
    ) -> None:
        self._options = options
        self._clock = clock
        self._table = kinds
        self._every_s = every_s
        self._begins = begins
        self._log = database_for(options, log=True)
        self._states = self._log if options.log_url is None else database_for(options)
        self._late = Late()
        self._blind = False

    @property
    def name(self) -> str:
        """The log source's name and `/state`."""
        return self._options.name + SUFFIX

    async def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
        """Pages from where ``state`` says; see `Collector.pages`."""
        state = replace(state, fault="")
        while True:
            begins = self._begins()
            if begins is not None:
                first = not state.high_water
                state = replace(state, start_at=begins)
                async for page in self._looked_again(state, demand):
                    state = page.state
                    yield page
                before = state.high_water
                async for page in self._walked(state, demand):
                    state = page.state
                    yield page
                async for page in self._shown_since(before, state, demand):
                    yield page
                async for page in self._looked_back(state, demand, first=first):
                    state = page.state
                    yield page
            else:
                yield self._page(state, demand(), (), caught_up=True)
            if not follow:
                return
            until = self._clock.running() + (self._every_s if begins is not None else BEGUN_LOOK_S)
            while (left := until - self._clock.running()) > 0:
                await asyncio.sleep(min(HEARTBEAT_S, left))
                yield self._page(state, demand(), (), caught_up=True)

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._log.close()
        await self._states.close()

    async def _walked(self, state: SourceState, demand: Callable[[], Demand]) -> AsyncGenerator[Page, None]:
        """One walk through every wanted table. Only its last page moves the time up to which everything is compared."""
        patience = int(self._options.gap_patience_s)
        found = await stood(self._states, state.counts)
        # The last walk was ``patience`` after what it compared: what came since then and is older came late.
        whole = behind_since(found, state.counts, state.high_water)
        known = state.high_water if whole is None else min(state.high_water, whole)
        since = max((state.start_at or 0) - 1, known - 2 * patience)
        marks = {table.name: state.counts.get(unread_since(table.name)) for table in TABLES}
        unread = {name: after for name, after in marks.items() if after is not None}
        sweep = _Sweep(since=since, until=self._clock.now() - patience, unread=unread)
        while not sweep.over:
            page = await self._slice(sweep, TABLES[sweep.table], state, demand())
            state = page.state
            if page.observations:
                yield page
        counts = {name: count for name, count in state.counts.items() if name not in set(map(unread_since, marks))}
        still = sweep.still_unread(demand()) if sweep.over and sweep.table else unread
        counts |= {unread_since(name): after for name, after in still.items()}
        counts = found.counted(counts)
        state = replace(state, high_water=max(state.high_water, sweep.until), counts=counts)
        yield self._page(state, demand(), (), caught_up=True)

    async def _looked_again(self, state: SourceState, demand: Callable[[], Demand]) -> AsyncGenerator[Page, None]:
        """What was told while something about it could not be looked up: shown again, where it can be now."""
        if state.unsure == SURE:
            return
        sweep = _Sweep(*state.unsure)
        while not sweep.over:
            page = await self._slice(sweep, TABLES[sweep.table], state, demand())
            if self._blind or sweep.lost:
                return
            counts = Counter(page.state.counts)
            counts["states_looked_up_again"] += len(page.observations)
            state = replace(page.state, unsure=SURE if sweep.over else state.unsure, counts=dict(counts))
            if page.observations or sweep.over:
                yield replace(page, state=state, again=True)

    async def _shown_since(
        self, since: int, state: SourceState, demand: Callable[[], Demand]
    ) -> AsyncGenerator[Page, None]:
        """What the log told of grades that can be seen since the walk before, shown again; nothing at the first."""
        if not since or not shown.wanted(demand()):
            return
        for item in await shown.items_since(self._states, since, self._clock.now()):
            after = 0
            while grades := await shown.grades_of(self._states, item, after):
                seen = await self._told_of(item, grades, state, demand())
                if seen:
                    yield replace(self._page(state, demand(), seen, caught_up=False), again=True)
                after = grades[-1]

    async def _told_of(
        self, item: shown.Item, grades: Sequence[int], state: SourceState, demand: Demand
    ) -> list[Observation]:
        """The rows of the log about these grades of an item, with what is looked up for them now."""
        kinds = Kinds(self._table())
        async with self._snapshots():
            rows = await shown.rows_about(self._log, item, grades, state.start_at or 0)
            drafts = drafts_of(rows, kinds, demand.facts, start_at=0, backdated=frozenset(), seen=Counter())
            await look_up(self._states, drafts, demand, kinds, self._options, now=self._clock.now())
        return [observation_of(draft, source=self.name, site=self._options.site_name) for draft in drafts]

    async def _looked_back(
        self, state: SourceState, demand: Callable[[], Demand], *, first: bool
    ) -> AsyncGenerator[Page, None]:
        """Once a day: what came into the tables behind all walks. There is none where the ``first`` was just made."""
        now = self._clock.now()
        if now - state.proven_at < late.EVERY_S:
            return
        since = max((state.start_at or 0) - 1, now - late.BACK_S)
        for table in () if first else TABLES:
            if not table.late or not table.wanted(demand()):
                continue
            counts = Counter(state.counts)
            found = await self._behind(table, since, state.high_water - 2 * int(self._options.gap_patience_s), counts)
            untold = await untold_until(self._log, found, now)
            restores = Restores(since=since, began=now)
            state = replace(state, counts=dict(counts))
            for part in late.near_by(untold, SPAN_IDS):
                page = await self._late_page(table, part, restores, state, demand())
                state = page.state
                yield page
            self._late.passed(found, now)
        self._late.forget(now)
        yield self._page(replace(state, proven_at=now), demand(), (), caught_up=True)

    async def _behind(self, table: Table, since: int, until: int, counts: Counter[str]) -> list[Found]:
        """The rows of a table between two times that were never looked at, its slices one short transaction each."""
        found: list[Found] = []
        async with self._states.snapshot():
            ((lowest, newest),) = await self._ask(_NEWEST.replace("[table]", table.name), counts) or [(None, None)]
        after = (lowest or 1) - 1
        while after < (newest or 0) and len(found) < late.ROWS_MAX:
            async with self._states.snapshot():
                rows = await self._ask(table.rows, counts, after, after + SPAN_IDS, since, until)
            found += self._late.new(map(table.found, rows))
            after += SPAN_IDS
            await asyncio.sleep(PAUSE_S)
        return found

    async def _late_page(
        self, table: Table, found: Sequence[Found], restores: Restores, state: SourceState, demand: Demand
    ) -> Page:
        """Rows that came late; who is later than a late row of the log may be is held, as that one is."""
        counts = Counter(state.counts)
        async with self._snapshots():
            drafts = await self._drafts(table, found, restores, state, demand, counts)
        held = self._clock.now() - self._options.backdated_after_s - late.EVERY_S
        first = state.position + 1
        seen = [self._observation(draft, one, first + n) for n, (draft, one) in enumerate(drafts)]
        seen = [replace(one, marks=one.marks | {"backdated"}) if one.occurred_at < held else one for one in seen]
        counts["states_late"] += len(seen)
        state = self._unsure(state, [one for _, one in drafts])
        return self._page(
            replace(state, position=state.position + len(found), counts=dict(counts)), demand, seen, caught_up=False
        )

    def _unsure(self, state: SourceState, found: Sequence[Found]) -> SourceState:
        """The state after something about these could not be looked up, where that was so."""
        return widened(state, [one.at for one in found], lost=self._blind)

    async def _slice(self, sweep: _Sweep, table: Table, state: SourceState, demand: Demand) -> Page:
        """The next ids of a table, in one short transaction; the sweep goes on to the next table after its last."""
        if not table.wanted(demand):
            sweep.table, sweep.after = sweep.table + 1, None
            return self._page(state, demand, (), caught_up=False)
        counts = Counter(state.counts)
        unreadable, self._blind = counts["tables_unreadable"], False
        async with self._snapshots():
            if sweep.after is None:
                ((lowest, newest),) = await self._ask(_NEWEST.replace("[table]", table.name), counts) or [(None, None)]
                sweep.after, sweep.newest = (lowest or 1) - 1, newest or 0
            after, upto = sweep.after, min(sweep.newest, sweep.after + SPAN_IDS)
            rows = await self._ask(table.rows, counts, after, upto, sweep.since_of(table), sweep.until)
            there = [table.found(row) for row in rows]
            found = await untold_by(self._log, there) if there else []
            drafts = await self._drafts(table, found, sweep.restores, state, demand, counts) if found else []
        if counts["tables_unreadable"] > unreadable:
            sweep.lost.add(table.name)
        if table.late:
            self._late.passed(there, self._clock.now())
        sweep.after = upto
        if upto >= sweep.newest:
            sweep.table, sweep.after = sweep.table + 1, None
        first = state.position + 1
        seen = [self._observation(draft, one, first + n) for n, (draft, one) in enumerate(drafts)]
        state = self._unsure(state, [one for _, one in drafts])
        state = replace(state, position=state.position + len(rows), counts=dict(counts))
        return self._page(state, demand, seen, caught_up=False)

    async def _drafts(
        self,
        table: Table,
        found: Sequence[Found],
        restores: Restores,
        state: SourceState,
        demand: Demand,
        counts: Counter[str],
    ) -> list[tuple[Draft, Found]]:
        """What is left when copies are put aside, as rows of the log would be taken, with what is looked up."""
        await restores.look(self._log, found)
        original = [one for one in found if not restores.copied(one)]
        doubtful = await self._doubtful(table, original, restores, counts)
        fresh = [one for one in found if one.at > state.high_water]
        counts["states_untold"] += len(fresh)
        counts["states_copied"] += sum(restores.copied(one) for one in fresh)
        counts["states_doubtful"] += sum(one.id in doubtful for one in fresh)
        drafts = []
        kinds = Kinds(self._table())
        for one in original:
            late = frozenset({0} if one.id in doubtful else ())
            for draft in drafts_of([one.row], kinds, demand.facts, start_at=0, backdated=late, seen=Counter()):
                as_told(draft, one)
                drafts.append((draft, one))
        for number, (draft, _) in enumerate(drafts):
            draft.position = number
        told = [draft for draft, _ in drafts]
        self._blind = bool(await look_up(self._states, told, demand, kinds, self._options, now=self._clock.now()))
        return drafts

    async def _doubtful(
        self, table: Table, found: Sequence[Found], restores: Restores, counts: Counter[str]
    ) -> frozenset[int]:
        """Ids of rows that a restore may have brought: the log does not go back so far, or the ids run against them."""
        doubtful = {one.id for one in found if restores.unknown(one)}
        if table.ids and found:
            near = await self._ask(table.ids, counts, min(one.id for one in found) - SPAN_IDS, found[-1].id)
            numbers = [number for number, _, _ in near]
            for one in found:
                lower = (near[place] for place in reversed(range(bisect_left(numbers, one.id))))
                below = list(islice((at for _, at, course in lower if course != one.course), NEIGHBOURS))
                if below and median_low(below) > one.at:
                    doubtful.add(one.id)
        return frozenset(doubtful)

    def _observation(self, draft: Draft, one: Found, position: int) -> Observation:
        seen = observation_of(draft, source=self.name, site=self._options.site_name)
        return replace(seen, position=position, natural_key=one.natural_key)

    async def _ask(self, sql: str, counts: Counter[str], *params: int) -> Rows:
        """The rows, none where the table cannot be read: what it would tell is then not told."""
        (answer,) = await self._states.fetch_all([self._states.schema.query(sql, *params)])
        if isinstance(answer, Unreadable):
            counts["tables_unreadable"] += 1
            return []
        return answer

    def _page(self, state: SourceState, demand: Demand, seen: Sequence[Observation], *, caught_up: bool) -> Page:
        return Page(
            source=self.name,
            observations=seen,
            state=state,
            rules_version=demand.rules_version,
            caught_up=caught_up,
            newest=state.position,
        )

    @asynccontextmanager
    async def _snapshots(self) -> AsyncIterator[None]:
        """One transaction on the state tables' database, and one on the log's where that is another."""
        async with self._log.snapshot():
            if self._states is self._log:
                yield
            else:
                async with self._states.snapshot():
                    yield
