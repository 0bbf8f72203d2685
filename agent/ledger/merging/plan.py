"""What a merge of two accounts changes: worked out from the ledger, nothing written yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, NamedTuple

import aiosqlite
import orjson

from agent.ledger.record import BADGE_PREFIX
from agent.ledger.record.people import Person
from wire import entry as wire_entry

ONCE = "once:"
_ENTRIES = """
SELECT e.seq, e.body, e.event_no, e.decision_no, coalesce(d.role, 'subject')
FROM entry e LEFT JOIN decision d ON d.decision_no = e.decision_no WHERE e.person_no = ? ORDER BY e.seq
"""
# What a referrer was paid for is the act of somebody else: that is said under their name.
_USES = """
SELECT n.text, u.bucket, u.slot, u.at, u.amount, u.seq, u.freed, u.person_no,
       coalesce(p.site || ':' || p.lms_user, '')
FROM quota_use u JOIN name n ON n.no = u.meter_no LEFT JOIN person p ON p.person_no = u.person_no
WHERE u.person_no IN (?, ?) OR (u.seq > 0 AND (u.person_no = 0 OR n.text LIKE 'object:%') AND EXISTS (
  SELECT 1 FROM entry e WHERE e.seq = u.seq AND e.person_no IN (?, ?)))
ORDER BY u.seq
"""

_RESTORED = """
SELECT first_seq, person_no, rule, event_ref FROM restored_award
WHERE person_no IN (?, ?) AND event_ref <> '' AND undone = 0
"""
_EVENT_IDS = "SELECT event_no, event_id FROM event WHERE event_no IN (SELECT value FROM json_each(?))"
_TWICE = "the other account was paid for the same act"

Verb = Literal["moved", "compensated"]


class UseRow(NamedTuple):
    """One row of `quota_use` with its meter's name and its learner (empty where it counts everybody)."""

    meter: str
    bucket: str
    slot: int
    at: int
    amount: int
    seq: int
    freed: int
    person_no: int
    learner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What one decision (or hand) paid and what still stands of it: to whom, in which ``role``.

    ``marker`` is the seq of its first entry.
    """

    marker: int
    kind: str
    role: str
    event_no: int | None
    entries: tuple[Mapping[str, Any], ...]
    uses: tuple[UseRow, ...]

    @property
    def once(self) -> UseRow | None:
        """What makes it unique."""
        return next((use for use in self.uses if use.meter.startswith(ONCE)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One award or adjustment of either account (``of_into``: of INTO).

    ``moved`` is answered on FROM and given to INTO, without ``dropped`` accounts (badges that INTO has already);
    ``compensated`` is answered only.
    """

    verb: Verb
    paid: Paid
    of_into: bool = False
    dropped: frozenset[str] = frozenset()
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All changes in order, and the uses of FROM that belong to no award and are INTO's from now on.

    ``anew`` are the first seqs of awards that a restore brought back whose act was paid to the other account since.
    ``slots`` has the newest generation of each of INTO's scopes, ``used`` are those that an award of INTO's stands in.
    """

    changes: tuple[Change, ...] = ()
    anew: frozenset[int] = frozenset()
    sets: tuple[UseRow, ...] = ()
    slots: Mapping[tuple[str, str], int] = field(default_factory=dict)
    used: frozenset[tuple[str, str]] = frozenset()


Sets = Mapping[tuple[str, str], Mapping[int, int]]
"""(meter, scope) → what both accounts put there together: slot of each member → when it happened first, seconds UTC."""

Most = Callable[[str, str, Sets], int]
"""(rule, scope, what the accounts put into sets) → how many awards the rule pays there."""

Only = Callable[[Sequence[Paid]], Awaitable[Sequence[Paid]]]
"""What stands → that of it which is to change hands."""


async def planned(
    connection: aiosqlite.Connection,
    source: int,
    target: int,
    most: Most,
    only: Only | None = None,
    both: tuple[Person, Person] | None = None,
) -> Plan:
    """What becomes of what person ``source`` has when it is ``target``'s.

    With ``only`` some of it, and no use that belongs to no award: nobody can say whose that was. ``both`` are the two
    persons, where an act that a restore brought back may have been paid to the other since.
    """
    rows = [UseRow(*row) for row in await connection.execute_fetchall(_USES, (source, target, source, target))]
    by_seq: defaultdict[int, list[UseRow]] = defaultdict(list)
    for use in rows:
        if use.seq > 0 and not use.freed:
            by_seq[use.seq].append(use)
    mine = _standing(list(await connection.execute_fetchall(_ENTRIES, (source,))), by_seq)
    if only is not None:
        mine = list(await only(mine))
    theirs = {
        one.marker: one for one in _standing(list(await connection.execute_fetchall(_ENTRIES, (target,))), by_seq)
    }
    anew = await _paid_anew(connection, both, mine, list(theirs.values())) if both is not None else frozenset()
    changes = [
        Change(verb="compensated", paid=theirs.pop(seq), of_into=True, why=_TWICE)
        for seq in sorted(anew & theirs.keys())
    ]
    taken: defaultdict[tuple[str, str], list[UseRow]] = defaultdict(list)
    for use in rows:
        if use.person_no == target and not use.freed and use.meter.startswith(ONCE):
            taken[use.meter, use.bucket].append(use)
    used = frozenset(taken)
    badges = {str(entry["currency"]) for one in theirs.values() for entry in one.entries if _is_badge(entry)}
    sets = _together(rows, (source, target))
    for paid in mine:
        if paid.marker in anew:
            changes.append(Change(verb="compensated", paid=paid, why=_TWICE))
            continue
        changes += _change(paid, taken, theirs, badges, lambda rule, scope: most(rule, scope, sets))
    standing = {one.marker for one in mine}
    return Plan(
        changes=tuple(changes),
        anew=anew,
        sets=tuple(
            use
            for use in rows
            if only is None and use.person_no == source and not use.freed and use.seq not in standing
        ),
        slots=_newest_slots(rows, target),
        used=used,
    )


async def _paid_anew(
    connection: aiosqlite.Connection, both: tuple[Person, Person], mine: Sequence[Paid], theirs: Sequence[Paid]
) -> frozenset[int]:
    """First seqs of restored awards whose act came again as the other account's, before anybody knew it was one."""
    source, target = both
    rows = await connection.execute_fetchall(_RESTORED, (source.person_no, target.person_no))
    restored = {(person_no, rule, ref): seq for seq, person_no, rule, ref in rows}
    if not restored:
        return frozenset()
    standing = {paid.marker for paid in (*mine, *theirs)}
    numbers = orjson.dumps([paid.event_no for paid in (*mine, *theirs)]).decode()
    events = {number: event_id for number, event_id in await connection.execute_fetchall(_EVENT_IDS, (numbers,))}  # noqa: C416 - rows
    found = {
        restored.get((person.person_no, paid.entries[0]["rule"], person.event_ref(events[paid.event_no])), 0)
        for person, others in ((target, mine), (source, theirs))
        for paid in others
        if paid.event_no in events
    }
    return frozenset(found & standing)


def _change(
    paid: Paid,
    taken: defaultdict[tuple[str, str], list[UseRow]],
    theirs: Mapping[int, Paid],
    badges: set[str],
    most: Callable[[str, str], int],
) -> list[Change]:
    """What becomes of one thing that was paid; ``taken`` and ``badges`` go along."""
    once, before = paid.once, list[Change]()
    if once is not None:
        key = (once.meter, once.bucket)
        others = taken[key]
        if len(others) >= most(once.meter.removeprefix(ONCE), once.bucket):
            last = max(others, key=lambda use: (use.at, use.seq))
            if last.seq not in theirs or (last.at, last.seq) <= (once.at, once.seq):
                return [Change(verb="compensated", paid=paid, why="the other account was paid for it")]
            answered = theirs[last.seq]
            before.append(Change(verb="compensated", paid=answered, of_into=True, why="it was earned earlier"))
            badges -= {str(entry["currency"]) for entry in answered.entries if _is_badge(entry)}
            others.remove(last)
        others.append(once)
    held = frozenset(str(entry["currency"]) for entry in paid.entries if entry["currency"] in badges)
    if len(held) == len(paid.entries):
        return [*before, Change(verb="compensated", paid=paid, why="the other account has it")]
    badges |= {str(entry["currency"]) for entry in paid.entries if _is_badge(entry)}
    return [*before, Change(verb="moved", paid=paid, dropped=held)]


def _standing(rows: Sequence[Any], uses: Mapping[int, Sequence[UseRow]]) -> list[Paid]:
    """What nobody has answered, oldest first."""
    entries = [(seq, wire_entry.decode(body), *about) for seq, body, *about in rows]
    answered = {fields["reverses"] for _, fields, *_ in entries if fields["kind"] == "reversal"}
    kept = [one for one in entries if one[1]["kind"] != "reversal" and one[1]["entry_id"] not in answered]
    found = []
    for _, group in groupby(kept, key=lambda one: -one[0] if one[3] is None else one[3]):
        award = list(group)
        marker = award[0][0]
        found.append(
            Paid(
                marker=marker,
                kind=award[0][1]["kind"],
                role=award[0][4],
                event_no=award[0][2],
                entries=tuple(fields for _, fields, *_ in award),
                uses=tuple(uses.get(marker, ())),
            )
        )
    return found


def _is_badge(entry: Mapping[str, Any]) -> bool:
    return str(entry["currency"]).startswith(BADGE_PREFIX)


def _together(rows: Sequence[UseRow], persons: tuple[int, int]) -> Sets:
    found: defaultdict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for use in rows:
        if use.person_no in persons and not use.freed:
            members = found[use.meter, use.bucket]
            members[use.slot] = min(use.at, members.get(use.slot, use.at))
    return found


def _newest_slots(rows: Sequence[UseRow], target: int) -> dict[tuple[str, str], int]:
    """The newest generation of each of ``target``'s scopes, given back ones too."""
    found: dict[tuple[str, str], int] = {}
    for use in rows:
        if use.person_no == target and use.meter.startswith(ONCE):
            key = (use.meter, use.bucket)
            found[key] = max(found.get(key, -1), use.slot)
    return found
