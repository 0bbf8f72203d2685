"""What `init` and `doctor` ask of a source: does it answer, what may we read, how far back and how fresh is the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Answer, Database, Query, Right, Schema, Unreadable
from agent.collectors.logstore.grants import AGREEMENT, LOG_TABLE, log_unreadable, tables_needed, tables_of_agreement
from agent.collectors.logstore.kept import Kept, kept
from agent.collectors.logstore.options import Asked, LogstoreOptions
from agent.collectors.logstore.reading.columns import COLUMNS
from agent.collectors.logstore.symptoms import Symptoms, symptoms
from agent.config.facts import FactTable

RECENT_IDS = 50_000
"""How many of the newest ids are looked through for what happens on the site at all."""

_READABLE = "SELECT id FROM {%s} WHERE id = 0"
_HAS = "SELECT %s FROM {%s} WHERE id = 0"
_RECENT = "SELECT eventname, COUNT(*) FROM {log} WHERE id > ? GROUP BY eventname"
_TRACKING = "SELECT COUNT(*), SUM(enablecompletion) FROM {course} WHERE category <> 0"
_TOO_MUCH: Mapping[str, str] = {
    "the config table, with the mail server's password in it": "SELECT id FROM {config} WHERE id = 0",
    "the settings of plugins, with their passwords in them": "SELECT id FROM {config_plugins} WHERE id = 0",
    "the password column of the user table": "SELECT password FROM {user} WHERE id = 0",
}
_LOG = "SELECT MIN(id), MAX(id), MIN(timecreated), MAX(timecreated) FROM {log}"

Lacks = Mapping[str, Unreadable]
"""Columns of one table that cannot be read, with why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProbe:
    """One table (without prefix): whether it can be read, why not, and which of the asked facts depend on it.

    ``gone`` are columns that it should have and has not, ``kept_from`` those that the account may not read.
    """

    table: str
    readable: bool
    reason: str
    facts: frozenset[str]
    gone: tuple[str, ...] = ()
    kept_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """How many of the site's courses track completion; without it nothing is ever completed."""

    courses: int
    tracked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a source looks like now.

    Ids and times (seconds since 1970) are None where the log is empty; ``step`` is by how much its ids grow;
    ``clock`` is the server's (None: it has none of its own); ``account_host`` is what it keeps with our account;
    ``too_many_rights`` are grants that let the account do more than read, ``reads_too_much`` what it reads and should
    not; ``recent`` counts the newest rows (`RECENT_IDS` ids) by event name; ``tracking`` is None where courses cannot
    be read.
    """

    server: str
    version: str
    account_host: str
    tables: tuple[TableProbe, ...]
    too_many_rights: tuple[Right, ...]
    first_id: int | None
    last_id: int | None
    oldest_at: int | None
    newest_at: int | None
    step: int
    clock: int | None
    reads_too_much: tuple[str, ...]
    recent: Mapping[str, int]
    tracking: Tracking | None
    kept: Kept
    symptoms: Symptoms

    @property
    def unreadable(self) -> tuple[TableProbe, ...]:
        """The tables that cannot be read, or not whole."""
        return tuple(table for table in self.tables if not table.readable or table.kept_from)

    @property
    def maimed(self) -> tuple[TableProbe, ...]:
        """The tables that can be read and lack columns."""
        return tuple(table for table in self.tables if table.gone)


async def probe(options: LogstoreOptions, facts: Iterable[str], kinds: Iterable[str] = ()) -> Probe:
    """Connect and look; ``facts`` and ``kinds`` are what the rules need (none of either: everything).

    Raises:
        ConfigError: credentials, database or log table are refused; the message names the key or the GRANT.
        TransientError: it cannot be reached.
    """
    wanted, of_kinds = frozenset(facts), tuple(kinds)
    log = database_for(options, log=True)
    state = log if options.log_url is None else database_for(options)
    try:
        (answer,) = await log.fetch_all([log.schema.query(_LOG)])
        if isinstance(answer, Unreadable):
            there = await log.places_of(LOG_TABLE)
            raise log_unreadable(answer, options, log.schema, host=await log.account_host(), there=there)
        first_id, last_id, oldest_at, newest_at = answer[0]
        seen = await symptoms(log, state, after=(last_id or 0) - RECENT_IDS)
        if seen.denied is not None:
            raise log_unreadable(seen.denied, options, log.schema, host=await log.account_host())
        return Probe(
            server=await log.server(),
            version=await log.version(),
            account_host=await state.account_host(),
            tables=await _tables(state, wanted, of_kinds, options.asked),
            too_many_rights=await _rights(log, state),
            first_id=first_id,
            last_id=last_id,
            oldest_at=oldest_at,
            newest_at=newest_at,
            step=await log.step(),
            clock=await log.clock(),
            reads_too_much=await _too_much(state, options),
            recent=await _recent(log, last_id),
            tracking=await _tracking(state),
            kept=await _kept(state, options),
            symptoms=seen,
        )
    finally:
        await log.close()
        await state.close()


async def _rights(log: Database, state: Database) -> tuple[Right, ...]:
    """Those at both servers; two accounts of one server may well be the same one."""
    told = await state.rights_to_write()
    return told if log is state else tuple(dict.fromkeys((*told, *await log.rights_to_write())))


async def _kept(state: Database, options: LogstoreOptions) -> Kept:
    """The settings; where another store writes the log, the standard one may well be off."""
    found = await kept(state)
    return found if options.log_table is None else replace(found, log_is_on=None)


async def _recent(log: Database, last_id: int | None) -> Mapping[str, int]:
    (answer,) = await log.fetch_all([log.schema.query(_RECENT, (last_id or 0) - RECENT_IDS)])
    return {} if isinstance(answer, Unreadable) else {str(name): int(count) for name, count in answer}


async def _tracking(state: Database) -> Tracking | None:
    (answer,) = await state.fetch_all([state.schema.query(_TRACKING)])
    if isinstance(answer, Unreadable):
        return None
    return Tracking(courses=int(answer[0][0]), tracked=int(answer[0][1] or 0))


async def _too_much(state: Database, options: LogstoreOptions) -> tuple[str, ...]:
    if options.url.startswith("sqlite:"):
        return ()  # a file has no accounts
    answers = await state.fetch_all([state.schema.query(question) for question in _TOO_MUCH.values()])
    return tuple(what for what, answer in zip(_TOO_MUCH, answers, strict=True) if not isinstance(answer, Unreadable))


async def _tables(
    database: Database, facts: frozenset[str], kinds: tuple[str, ...], asked: Asked | None
) -> tuple[TableProbe, ...]:
    feeds = FactTable().tables_for(facts, kinds)
    consent = tables_of_agreement(asked)
    names = sorted({*tables_needed(facts, kinds), *consent})
    answers = await database.fetch_all([_question(database.schema, name) for name in names])
    lacks = await _lacks(database, [n for n, a in zip(names, answers, strict=True) if not isinstance(a, Unreadable)])
    return tuple(
        TableProbe(
            table=name,
            readable=not isinstance(answer, Unreadable),
            reason=_why(answer, lacks.get(name)),
            facts=feeds.get(name, frozenset()) | ({AGREEMENT} if name in consent else set()),
            gone=_of(lacks.get(name), denied=False),
            kept_from=_of(lacks.get(name), denied=True),
        )
        for name, answer in zip(names, answers, strict=True)
    )


def _of(lacks: Lacks | None, *, denied: bool) -> tuple[str, ...]:
    return tuple(column for column, answer in (lacks or {}).items() if answer.denied == denied)


def _why(answer: Answer, lacks: Lacks | None) -> str:
    """Why a table, or what of it we may not read, is unreadable; empty where all of it can be read."""
    if isinstance(answer, Unreadable):
        return answer.reason
    return next((one.reason for one in (lacks or {}).values() if one.denied), "")


async def _lacks(database: Database, tables: list[str]) -> Mapping[str, Lacks]:
    """Table → its columns that are not there or that we may not read, each with the server's word."""
    known = [table for table in tables if table in COLUMNS]
    asked = await database.fetch_all([_all_of(database.schema, table, COLUMNS[table]) for table in known])
    doubtful = [table for table, answer in zip(known, asked, strict=True) if isinstance(answer, Unreadable)]
    each = [(table, column) for table in doubtful for column in COLUMNS[table]]
    answers = await database.fetch_all([_all_of(database.schema, table, (column,)) for table, column in each])
    told: dict[str, dict[str, Unreadable]] = defaultdict(dict)
    for (table, column), answer in zip(each, answers, strict=True):
        if isinstance(answer, Unreadable):
            told[table][column] = answer
    return told


def _all_of(schema: Schema, table: str, columns: tuple[str, ...]) -> Query:
    return schema.query(_HAS % (", ".join(columns), table))


def _question(schema: Schema, table: str) -> Query:
    return schema.query(_READABLE % table)
