"""Reads a stretch of the log inside one snapshot: the wanted rows, and the proof of which ids are not there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.collectors.logstore.dialects.database import Database, Query, Row, Rows, Schema, Unreadable
from agent.collectors.logstore.draft import COLUMNS
from agent.collectors.logstore.names import BY_NUMBER, id_of
from agent.collectors.logstore.options import Limits
from agent.collectors.ranges import joined, missing_runs
from agent.collectors.systems.moodle import OTHER_KEYS
from agent.errors import ConfigError
from agent.model import Anchor, Demand

_BOUNDS = "SELECT (SELECT MIN(id) FROM {log} WHERE id > ?), (SELECT MAX(id) FROM {log})"
_WANTED = "SELECT [columns] FROM {log} WHERE id > ? AND id <= ? AND ([wanted]) ORDER BY id LIMIT [most]"
_BLOCKS = (
    "SELECT id - id % [block] AS b, COUNT(*), MAX(CASE WHEN timecreated <= ? THEN timecreated END) "
    "FROM {log} WHERE id > ? AND id <= ? "
    "GROUP BY b ORDER BY b"
)
_IDS = "SELECT id - id % [block] AS b, [listing] FROM {log} WHERE [blocks] GROUP BY b"
_LISTED = "SELECT id, timecreated FROM {log} WHERE [blocks] ORDER BY id"
_LAST = "SELECT id, eventname, userid, timecreated FROM {log} WHERE id <= ? AND id > ? ORDER BY id DESC LIMIT 1"

_MARKING = "(eventname = ? AND userid > 0 AND userid <> relateduserid AND origin IN ('web', 'ws'))"
"""What cron or a restore writes is nobody's marking; nor is what Moodle marks by itself while the learner submits."""

_WITHIN = (
    "(eventname = ? AND (courseid IN ([ids]) OR courseid IN "
    "(SELECT id FROM {course} WHERE shortname IN ([marks]) OR idnumber IN ([marks]))))"
)
"""An event that matters in some courses alone; a database may find more than those that are called so to the letter."""

NOTHING = "1 = 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rows the rules want, as a condition and its parameters, and how to read their `other`.

    ``tables`` are those that the condition reads; ``wide`` wants the same rows of every course, and reads none.
    """

    condition: str
    params: tuple[str, ...]
    columns: str
    other_params: tuple[str, ...]
    tables: tuple[str, ...] = ()
    wide: Filter | None = None

    def around(self, query: Query) -> Query:
        """The query with this filter's parameters around its own."""
        params = (*self.other_params, *query.params, *self.params)
        return Query(sql=query.sql, params=params, tables=(*query.tables, *self.tables))


def filter_of(demand: Demand, schema: Schema, markings: Collection[str] = (), *, with_courses: bool = False) -> Filter:
    """The rows that ``demand`` wants, and of the events ``markings`` those by which one person marked another.

    `other` is read only of events of which something in it is needed. ``with_courses`` says that the log's database
    has the table of courses too, so that what matters in some of them alone is not read of the others.
    """
    placed = demand.placed if with_courses else {}
    names, suffixes = sorted(demand.names - placed.keys()), sorted(demand.suffixes)
    terms = [f"eventname IN ({','.join('?' * len(names))})"] if names else []
    terms += [schema.suffix("eventname", suffix) for suffix in suffixes]
    terms += [_MARKING] * len(markings)
    within = [_within(name, courses, schema) for name, courses in sorted(placed.items())]
    terms += [query.sql for query in within]
    read = demand.names | frozenset(markings)
    needed = tuple(name for name in OTHER_KEYS if name in read or name.endswith(tuple(suffixes)))
    other = f"CASE WHEN eventname IN ({','.join('?' * len(needed))}) THEN other END" if needed else "NULL"
    return Filter(
        condition=" OR ".join(terms) or NOTHING,
        params=(*names, *suffixes, *markings, *(text for query in within for text in map(str, query.params))),
        columns=COLUMNS.replace("[other]", other),
        other_params=needed,
        tables=("course",) if within else (),
        wide=filter_of(demand, schema, markings) if within else None,
    )


def _within(name: str, courses: Collection[str], schema: Schema) -> Query:
    """The condition for events ``name`` in these courses, with its parameters."""
    called = sorted(selector.removeprefix(BY_NUMBER) for selector in courses)
    ids = sorted(number for selector in courses if (number := id_of(selector)) is not None)
    return schema.query(_WITHIN, name, *called, *called, ids=ids, marks=",".join("?" * len(called)) or "NULL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What a read of the ids after a position gave.

    ``rows`` are the wanted ones up to ``upto``, ascending; ``missing`` the runs of ids that are not there;
    ``high_water`` the newest time of all ids up to ``upto``; ``backdated`` the positions of rows that are much older
    than their elders; ``last`` the last row there is; ``newest`` the log's highest id, 0 when it is empty;
    ``waters`` the newest time before each block.
    """

    rows: Rows
    upto: int
    newest: int
    missing: Sequence[tuple[int, int]]
    high_water: int
    backdated: frozenset[int]
    last: Anchor | None
    waters: Mapping[int, int]
    block_ids: int

    def without(self, ids: Collection[int]) -> Stretch:
        """As if these ids were not there."""
        rows = [row for row in self.rows if row[0] not in ids]
        return replace(self, rows=rows, missing=joined([*self.missing, *((one, one) for one in ids)])) if ids else self

    def water_before(self, position: int, otherwise: int) -> int:
        """The newest time of the ids before the block of ``position``; ``otherwise`` where it was not read."""
        return self.waters.get(position - position % self.block_ids, otherwise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What counting a range showed; fields as in `Stretch`, ``waters`` the newest time before and after each block."""

    missing: Sequence[tuple[int, int]]
    high_water: int
    backdated: frozenset[int]
    last: Anchor | None
    waters: Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads stretches from one database. ``backdated_after_s`` is how much older than its elders a row may be."""

    database: Database
    limits: Limits
    backdated_after_s: int

    async def tail(self, wanted: Filter, *, position: int, high_water: int, now: int, upto: int | None) -> Stretch:
        """The next stretch after ``position``, at most to ``upto``. Call it inside a snapshot.

        What is later than ``now`` by more than `ahead_max_s` does not count as newest, lest one row from a clock gone
        wrong make all after it look old.
        """
        ((first, newest),) = await self._ask(_BOUNDS, position)
        end = min(newest or 0, upto) if upto is not None else newest or 0
        if first is None or first > end:
            skipped = [(position + 1, end)] if end > position else []
            return _empty(max(end, position), newest or 0, skipped, high_water)
        end = min(end, first - 1 + self.limits.span_ids_max)
        rows = await self.wanted(wanted, first - 1, end)
        if len(rows) >= self.limits.page_rows_max:
            end = rows[-1][0]
        proof = await self.prove(rows, first, end, high_water, now)
        return Stretch(
            rows=rows,
            upto=end,
            newest=newest,
            missing=joined([*([(position + 1, first - 1)] if first > position + 1 else []), *proof.missing]),
            high_water=proof.high_water,
            backdated=proof.backdated,
            last=proof.last,
            waters={block: water[0] for block, water in proof.waters.items()},
            block_ids=self.limits.block_ids,
        )

    async def wanted(self, wanted: Filter, after: int, upto: int) -> Rows:
        """The wanted rows of the ids after ``after`` up to ``upto``, ascending, at most a page of them."""
        if wanted.condition == NOTHING:
            return []
        template = self.database.schema.query(
            _WANTED,
            after,
            upto,
            columns=wanted.columns,
            wanted=wanted.condition,
            most=[self.limits.page_rows_max],
        )
        try:
            return await self.ask(wanted.around(template))
        except LogUnreadableError as error:
            if wanted.wide is None or error.answer.table not in wanted.tables:
                raise
            return await self.wanted(wanted.wide, after, upto)

    async def prove(self, rows: Sequence[Row], first: int, end: int, high_water: int, now: int) -> Proof:
        """Which of first…end are missing, and which of ``rows`` are backdated.

        One counting scan; ids are listed only in blocks that are short or that hold a row which may be backdated.
        """
        size = self.limits.block_ids
        schema = self.database.schema
        # Where the log itself is ahead already, it is the machine's clock that is behind.
        believed = max(now, high_water) + self.limits.ahead_max_s
        counts, last = await self.ask_all(
            [schema.query(_BLOCKS, believed, first - 1, end, block=[size]), schema.query(_LAST, end, first - 1)]
        )
        counted = {row[0]: row for row in counts}
        blocks = _blocks(first, end, size)
        missing = [(lo, hi) for lo, hi in blocks if lo - lo % size not in counted]
        short = {lo for lo, hi in blocks if 0 < _count(counted, lo, size) < hi - lo + 1}
        waters, high = _waters(blocks, counted, size, high_water)
        doubtful: set[int] = set()
        backdated: set[int] = set()
        for row in rows:
            block = row[0] - row[0] % size
            before, after = waters[block]
            if row[11] < before - self.backdated_after_s:
                backdated.add(row[0])
            elif row[11] < after - self.backdated_after_s:
                doubtful.add(block)
        missing.extend(await self._holes([one for one in blocks if one[0] in short]))
        looked = await self._listed([one for one in blocks if one[0] - one[0] % size in doubtful])
        for (lo, _), found in looked.items():
            backdated |= self._exactly(rows, found, waters[lo - lo % size][0], believed)
        return Proof(
            missing=joined(missing),
            high_water=high,
            backdated=frozenset(backdated),
            last=anchor_of(last),
            waters=waters,
        )

    def _exactly(self, rows: Sequence[Row], listed: Rows, high_water: int, believed: int) -> set[int]:
        """Which of ``rows`` in this block are older than the newest before them, row by row."""
        times = {row[0]: row[11] for row in rows}
        found: set[int] = set()
        for position, time in listed:
            if position in times and time < high_water - self.backdated_after_s:
                found.add(position)
            high_water = max(high_water, time if time <= believed else 0)
        return found

    async def _holes(self, blocks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The missing runs of these blocks, each of which has some row."""
        if not blocks:
            return []
        size, listing = self.limits.block_ids, self.database.schema.listing("id")
        found = await self._ask(_IDS, block=[size], listing=listing, blocks=_any_of(blocks))
        ids = {row[0]: sorted(map(int, str(row[1]).split(","))) for row in found}
        return [run for lo, hi in blocks for run in missing_runs(lo, hi, ids[lo - lo % size])]

    async def _listed(self, blocks: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], Rows]:
        """(id, time) of every row of these blocks."""
        if not blocks:
            return {}
        found = await self._ask(_LISTED, blocks=_any_of(blocks))
        by_block: dict[tuple[int, int], Rows] = {block: [] for block in blocks}
        waiting = iter(blocks)
        block = next(waiting)
        for row in found:
            while row[0] > block[1]:
                block = next(waiting)
            by_block[block].append(row)
        return by_block

    async def _ask(self, template: str, *params: object, **parts: str | Iterable[int]) -> Rows:
        return await self.ask(self.database.schema.query(template, *params, **parts))

    async def ask(self, query: Query) -> Rows:
        """The rows of one query on the log; errors as `ask_all`."""
        return (await self.ask_all([query]))[0]

    async def ask_all(self, queries: Sequence[Query]) -> list[Rows]:
        """The rows of queries on the log.

        Raises:
            LogUnreadableError: the log table is not there or may not be read.
            TransientError: connection lost, time-out.
        """
        found: list[Rows] = []
        for answer in await self.database.fetch_all(queries):
            if isinstance(answer, Unreadable):
                raise LogUnreadableError(answer)
            found.append(answer)
        return found


class LogUnreadableError(ConfigError):
    """The log table cannot be read; `explain` turns it into a ConfigError that says what to do."""

    def __init__(self, answer: Unreadable) -> None:
        super().__init__(answer.reason)
        self.answer = answer


def anchor_of(found: Rows) -> Anchor | None:
    """The first row of (id, name, user, time) as an anchor."""
    if not found:
        return None
    position, name, user, time = found[0]
    return Anchor(position=position, lms_event=name, user=user, occurred_at=time)


def _empty(end: int, newest: int, missing: list[tuple[int, int]], high_water: int) -> Stretch:
    return Stretch(
        rows=[],
        upto=end,
        newest=newest,
        missing=missing,
        high_water=high_water,
        backdated=frozenset(),
        last=None,
        waters={},
        block_ids=1,
    )


def _blocks(first: int, end: int, size: int) -> list[tuple[int, int]]:
    """first…end cut at multiples of ``size``."""
    return [(max(first, lo), min(end, lo + size - 1)) for lo in range(first - first % size, end + 1, size)]


def _any_of(blocks: Sequence[tuple[int, int]]) -> str:
    """A condition for the ids of these blocks."""
    return " OR ".join(f"id BETWEEN {lo} AND {hi}" for lo, hi in joined(blocks))


def _count(counted: Mapping[int, Row], lo: int, size: int) -> int:
    row = counted.get(lo - lo % size)
    return 0 if row is None else int(row[1])


def _waters(
    blocks: Sequence[tuple[int, int]], counted: Mapping[int, Row], size: int, high_water: int
) -> tuple[dict[int, tuple[int, int]], int]:
    """Block → the newest time before it and up to its end; and that of all."""
    waters: dict[int, tuple[int, int]] = {}
    for lo, _ in blocks:
        block = lo - lo % size
        row = counted.get(block)
        after = high_water if row is None or row[2] is None else max(high_water, row[2])
        waters[block] = (high_water, after)
        high_water = after
    return waters, high_water
