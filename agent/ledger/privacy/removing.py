"""What is done to a ledger file, table by table, so that somebody is in it no longer: planned by reading, then written.

It works on copies of older schemas as well: a table that is not there yet has nothing to take away.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agent.ledger.privacy.clearing import Clearing
from agent.ledger.privacy.holdings import Subject, pseudonyms_of, subject_of
from agent.ledger.privacy.statements import Statement, tables_of
from agent.ledger.record.erased import Account, Erased

_ACTS = """
SELECT v.event_no, v.event_id, v.position, n.text, coalesce(CAST(v.payload AS TEXT) ->> 'si', n.text), v.payload,
  EXISTS (SELECT 1 FROM decision d WHERE d.event_no = v.event_no AND d.learner <> ''
    AND d.learner NOT IN (SELECT value FROM json_each(:learners)))
FROM json_each(:events) w JOIN event v ON v.event_no = w.value JOIN name n ON n.no = v.source_no
"""
_DECISIONS = """
SELECT d.decision_no, d.event_no, d.detail, d.learner IN (SELECT value FROM json_each(:learners))
FROM decision d WHERE d.event_no IN (SELECT value FROM json_each(:events))
"""
_HOLDS = "SELECT h.decision_no, h.learner, h.scope, h.state, h.promise FROM hold h"
_AWARDS = "SELECT a.marker, a.person_no, a.award FROM undoable a"
_OBJECTS = """
SELECT u.meter_no, u.bucket, u.person_no, u.slot, u.seq, n.text FROM name n JOIN quota_use u ON u.meter_no = n.no
WHERE n.kind = 'meter' AND u.person_no = 0 AND (n.text GLOB '*object:*' OR n.text GLOB '*undone:*'
  OR n.text GLOB '*again:*' OR n.text GLOB '*check:*')
"""
_NAMING = """
SELECT u.meter_no, u.bucket, u.person_no, u.slot, n.text FROM name n JOIN quota_use u ON u.meter_no = n.no
WHERE n.kind = 'meter' AND (instr(u.bucket, 'subject=') OR instr(u.bucket, 'event=') OR instr(n.text, ':pair:'))
"""
_DELETE_USE = "DELETE FROM quota_use WHERE meter_no = ? AND bucket = ? AND person_no = ? AND slot = ?"
_MOVE_USE = (
    "UPDATE OR REPLACE quota_use SET bucket = ? WHERE meter_no = ? AND bucket = ? AND person_no = ? AND slot = ?"
)
_FREE_USE = "UPDATE quota_use SET freed = 1 WHERE meter_no = ? AND bucket = ? AND person_no = ? AND slot = ?"
_ALIASES = "FROM alias WHERE (site, lms_user) = (?1, ?2) OR (into_site, into_user) = (?1, ?2)"
_ALIASES_6 = "FROM alias WHERE (site, lms_user) = (?1, ?2) OR (site, into_user) = (?1, ?2)"
"""Before schema 15 accounts were merged within one site."""
_TAGS = "FROM account_tag WHERE site = ? AND lms_user = ?"
_OUT = "FROM opted_out WHERE site = ? AND lms_user = ?"
_AGREED = "FROM agreed WHERE site = ? AND lms_user = ?"
_SAID = "FROM name_said WHERE site = ? AND lms_user = ?"
_LINKS = "SELECT site, lms_user, others FROM link_held"
_UNTOLD = "DELETE FROM link_untold WHERE site = ? AND lms_user = ?"
_TOLD_OF = """
SELECT 1 FROM link_untold WHERE (site, lms_user) = (?1, ?2)
UNION ALL SELECT 1 FROM account_tag WHERE (site, lms_user) = (?1, ?2)
UNION ALL SELECT 1 FROM alias WHERE (site, lms_user) = (?1, ?2) OR (into_site, into_user) = (?1, ?2)
"""
_BY_PERSON = (
    "quota_use",
    "undoable",
    "restored_award",
    "lot_notice",
    "wish",
    "allowance",
    "elsewhere",
    "name_told",
    "person",
)
_BY_EVENT = ("state_event", "partial_event", "event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What is to be written. ``pseudonyms`` are those of the person, ``acts`` how many acts go or are cleared."""

    statements: tuple[Statement, ...]
    pseudonyms: tuple[str, ...]
    acts: int

    @property
    def changes(self) -> bool:
        """Whether the person is in the file at all."""
        return any(rows for _, rows in self.statements)


def planned(
    connection: sqlite3.Connection, accounts: Sequence[Account], erased: Erased, sites: Iterable[tuple[str, str]]
) -> Removal:
    """How to take the person of these accounts out of a ledger file; ``sites`` are (source, its site).

    Nothing else may write the file until it is done.
    """
    plan = _Plan(connection, subject_of(connection, accounts), erased, dict(sites))
    statements = tuple(one for part in plan.parts() for one in part())
    return Removal(
        statements=statements,
        pseudonyms=pseudonyms_of(connection, plan.subject),
        acts=len(plan.subject.events),
    )


class _Plan:
    """The parts in the order in which they are written."""

    def __init__(
        self, connection: sqlite3.Connection, subject: Subject, erased: Erased, sites: Mapping[str, str]
    ) -> None:
        self._connection = connection
        self.subject = subject
        self._sites = sites
        self._tables = tables_of(connection)
        self._learners = [":".join(one) for one in subject.accounts]
        rows = self._ask(_ACTS).fetchall()
        self._shared = {row[0]: row for row in rows if row[6]}
        self._own = [row[0] for row in rows if not row[6]]
        self._ids = {row[1]: erased.of_event(row[1]) for row in rows}
        self._slots = {row[2] << 8 | zlib.crc32(row[3].encode()) & 0xFF for row in rows}
        self._clearing = Clearing.of(erased, subject.accounts, self._ids)
        self._meters = dict(connection.execute("SELECT text, no FROM name WHERE kind = 'meter'").fetchall())
        self._gone_decisions: list[int] = []

    def parts(self) -> tuple[Callable[[], Iterator[Statement]], ...]:
        """Each gives statements."""
        return (
            self._acts,
            self._decisions,
            self._holds,
            self._awards,
            self._objects,
            self._others_uses,
            self._by_number,
            self._accounts,
            self._links,
            self._anchors,
        )

    def _ask(self, sql: str) -> sqlite3.Cursor:
        lists = self.subject.parameters() | {"learners": orjson.dumps(self._learners).decode()}
        return self._connection.execute(sql, lists)

    def _acts(self) -> Iterator[Statement]:
        """What stays for others says nothing of the person; posts that lacked a part point to the other id."""
        rows = [
            (self._ids[row[1]], self._clearing.payload(row[5], row[4]), number) for number, row in self._shared.items()
        ]
        yield "UPDATE event SET event_id = ?, payload = ? WHERE event_no = ?", rows
        if "partial_event" in self._tables:
            told = [(after, before) for before, after in self._ids.items()]
            yield "UPDATE partial_event SET told = ? WHERE told = ?", told

    def _decisions(self) -> Iterator[Statement]:
        gone, kept = [], []
        for number, event_no, detail, mine in self._ask(_DECISIONS):
            if mine or event_no not in self._shared:
                gone.append((number,))
            elif (cleared := self._clearing.detail(detail, self._shared[event_no][4])) != detail:
                kept.append((cleared, number))
        self._gone_decisions = [number for (number,) in gone]
        yield "UPDATE decision SET detail = ? WHERE decision_no = ?", kept
        yield "DELETE FROM decision WHERE decision_no = ?", gone

    def _holds(self) -> Iterator[Statement]:
        """The person's go, and give back what they kept from others; those of others forget the person."""
        gone, others = [], []
        freed: list[tuple[Any, ...]] = []
        deleted: list[tuple[Any, ...]] = []
        numbers = set(self._gone_decisions)
        for number, learner, scope, state, promise in self._connection.execute(_HOLDS):
            if learner in self._learners or number in numbers:
                gone.append((number,))
                if state == "open":
                    self._given_back(number, orjson.loads(promise), freed, deleted)
                continue
            cleared = (self._clearing.scope(scope), self._clearing.promise(promise))
            if cleared[0] != scope or orjson.loads(cleared[1]) != orjson.loads(promise):
                others.append((*cleared, number))
        yield _FREE_USE, freed
        yield _DELETE_USE, deleted
        yield "UPDATE hold SET scope = ?, promise = ? WHERE decision_no = ?", others
        yield "DELETE FROM hold WHERE decision_no = ?", gone

    def _given_back(
        self,
        number: int,
        promise: Mapping[str, Any],
        freed: list[tuple[Any, ...]],
        deleted: list[tuple[Any, ...]],
    ) -> None:
        """What a hold keeps of everybody's budgets; its own uses go with the person."""
        for meter, bucket, learner, _, _, slot in promise["u"][: promise.get("r", 0)]:
            if not learner and meter in self._meters:
                key = (self._meters[meter], bucket, 0, slot if slot >= 0 else -number)
                (freed if slot >= 0 else deleted).append(key)

    def _awards(self) -> Iterator[Statement]:
        """What others' undos know of the person."""
        others = []
        mine = set(self.subject.persons)
        for marker, person_no, award in self._rows("undoable", _AWARDS):
            cleared = self._clearing.award(award)
            if person_no not in mine and orjson.loads(cleared) != orjson.loads(award):
                others.append((cleared, marker))
        yield "UPDATE undoable SET award = ? WHERE marker = ?", others

    def _objects(self) -> Iterator[Statement]:
        """Uses without a learner that are about what the person made: objects that an undo finds, sketches of texts."""
        markers = {-number for number in self._gone_decisions}
        listed = orjson.dumps(self.subject.persons).decode()
        sql = "SELECT seq FROM entry WHERE person_no IN (SELECT value FROM json_each(?))"
        markers |= {seq for (seq,) in self._connection.execute(sql, (listed,))}
        gone = [
            row[:4]
            for row in self._connection.execute(_OBJECTS)
            if (row[3] in self._slots if "check:" in row[5] else row[4] in markers)
        ]
        yield _DELETE_USE, gone

    def _others_uses(self) -> Iterator[Statement]:
        """Scopes and pairs of others that name the person, or an act whose id has changed."""
        mine, moved = set(self.subject.persons), []
        for meter_no, bucket, person_no, slot, meter in self._connection.execute(_NAMING):
            cleared = self._clearing.bucket(meter, bucket)
            if cleared != bucket and person_no not in mine:
                moved.append((cleared, meter_no, bucket, person_no, slot))
        yield _MOVE_USE, moved

    def _by_number(self) -> Iterator[Statement]:
        yield from self._numbered(_BY_PERSON, "person_no", self.subject.persons)
        yield from self._numbered(_BY_EVENT, "event_no", self._own)

    def _numbered(self, tables: Sequence[str], column: str, numbers: Sequence[int]) -> Iterator[Statement]:
        listed = orjson.dumps(numbers).decode()
        for table in tables:
            if table in self._tables:
                of = f"FROM {table} WHERE {column}"
                among = f"SELECT DISTINCT {column} {of} IN (SELECT value FROM json_each(?))"  # noqa: S608 - our own names
                held = self._connection.execute(among, (listed,))
                yield f"DELETE {of} = ?", held.fetchall()

    def _accounts(self) -> Iterator[Statement]:
        if "alias" in self._tables:
            yield from self._there(_ALIASES if "into_site" in self._tables["alias"] else _ALIASES_6)
        if "account_tag" in self._tables:
            yield from self._there(_TAGS)
        if "opted_out" in self._tables:
            yield from self._there(_OUT)
        if "agreed" in self._tables:
            yield from self._there(_AGREED)
        if "name_said" in self._tables:
            yield from self._there(_SAID)
        if "link_untold" in self._tables:
            # Also what the statements before let the ledger note: that their aliases and digests are gone.
            yield (
                _UNTOLD,
                sorted(one for one in self.subject.accounts if self._connection.execute(_TOLD_OF, one).fetchone()),
            )

    def _there(self, of: str) -> Iterator[Statement]:
        """What a table has of any of the accounts."""
        found = [one for one in self.subject.accounts if self._connection.execute(f"SELECT 1 {of}", one).fetchone()]
        yield f"DELETE {of}", found

    def _links(self) -> Iterator[Statement]:
        gone: list[tuple[str, str]] = []
        left: list[tuple[str, str, str]] = []
        for site, user, others in self._rows("link_held", _LINKS):
            named = [one for one in orjson.loads(others) if one not in self._learners]
            if (site, user) in self.subject.accounts or not named:
                gone.append((site, user))
            elif named != orjson.loads(others):
                left.append((orjson.dumps(named).decode(), site, user))
        if "link_held" in self._tables:
            yield "DELETE FROM link_held WHERE site = ? AND lms_user = ?", gone
            yield "UPDATE link_held SET others = ? WHERE site = ? AND lms_user = ?", left

    def _anchors(self) -> Iterator[Statement]:
        sql = "SELECT source, position, user FROM source_anchor"
        gone = [
            (source, position)
            for source, position, user in self._rows("source_anchor", sql)
            if (self._sites.get(source, source), str(user)) in self.subject.accounts
        ]
        yield "DELETE FROM source_anchor WHERE source = ? AND position = ?", gone

    def _rows(self, table: str, sql: str) -> Iterable[tuple[Any, ...]]:
        return self._connection.execute(sql) if table in self._tables else ()
