"""Recognises, when a log is read again after a restore, the acts that the restored entries have paid.

An entry names its act by a MAC under the person's secret, so an act is compared with what was paid for it to the bit.
Its scope and what an undo must know are then known in clear again. Nothing is paid here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import aiosqlite
import orjson

from agent.ledger import codec
from agent.ledger.merging import aliases
from agent.ledger.record import Behind, Recorder
from agent.ledger.record.people import Person
from agent.ledger.record.undoing import FREE, is_object, remember
from agent.model import Decision, Event, Outcome, Posting, Use

ONCE = "once:"
"""How the meters begin that make an award unique in its scope."""

_COLUMNS = (
    "r.first_seq, r.last_seq, r.person_no, r.rule, r.scope_ref, r.generation, r.event_no, r.decision_no,"
    " r.scope_known, r.undone"
)
_BY_EVENT = f"""
SELECT w.value, {_COLUMNS} FROM json_each(?) w CROSS JOIN restored_award r ON r.event_ref = w.value
ORDER BY r.first_seq
"""  # noqa: S608 - columns alone
_BY_SCOPE = f"""
SELECT w.value, {_COLUMNS} FROM json_each(?) w CROSS JOIN restored_award r ON r.scope_ref = w.value
WHERE r.scope_known = 0 ORDER BY r.first_seq
"""  # noqa: S608 - columns alone
_GIVEN_OVER = """
SELECT of_seq, max(seq) FROM lot_moved WHERE of_seq IN (SELECT value FROM json_each(?)) GROUP BY of_seq
"""
"""Of an entry that was given over: what stands for it, however often it was."""
_GENERATIONS = "SELECT coalesce(max(generation), 0) FROM restored_award"
_BODIES = """
SELECT w.key, e.body FROM json_each(?) w CROSS JOIN entry e ON e.seq BETWEEN w.value ->> 0 AND w.value ->> 1
ORDER BY e.seq
"""
_USE = """
INSERT OR IGNORE INTO quota_use (meter_no, bucket, person_no, slot, at, amount, seq) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_EVENT = """
INSERT INTO event (event_no, occurred_at, event_id, source_no, position, trust, recorded_at, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_DECISION = """
INSERT INTO decision (decision_no, event_no, rule_no, version_no, role, learner, outcome, reason, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, '', ?)
"""


class Award(NamedTuple):
    """A restored award whose act was not seen again yet."""

    first_seq: int
    last_seq: int
    person_no: int
    rule: str
    scope_ref: str
    generation: int
    event_no: int | None
    decision_no: int
    scope_known: int
    undone: int


class Wish(NamedTuple):
    """One rule's word about one recipient of an act; ``alone`` is what it would do if nothing had happened before."""

    event: Event
    rule: str
    learner: str
    scope: str
    alone: Callable[[], Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Which wishes (by their place) a restored award has paid, and the numbers of the events recorded with that."""

    paid: Collection[int]
    numbers: Mapping[bytes, int]


class _Match(NamedTuple):
    """An award, and who it was paid to: the learner themselves, or an account that was merged into theirs since.

    ``seq`` is the first entry of what stands for it now: 0 for nothing, where a merge only answered it.
    """

    award: Award
    payee: Person
    seq: int


class _Paid(NamedTuple):
    """A wish and the award that answered it; ``decision`` is what was decided then, as far as it is known."""

    wish: Wish
    match: _Match
    decision: Decision
    scope_fits: bool


async def load(connection: aiosqlite.Connection) -> dict[str, int] | None:
    """Up to where each source's acts are only recognised; None where nothing is left to recognise."""
    upto = {source: at for source, at in await connection.execute_fetchall("SELECT source, upto FROM restored_source")}  # noqa: C416 - rows
    left = list(await connection.execute_fetchall("SELECT 1 FROM restored_award LIMIT 1"))
    return upto if upto or left else None


async def passed(connection: aiosqlite.Connection, source: str) -> None:
    """A source is read to where it had been: from here on its acts are decided."""
    await connection.execute("DELETE FROM restored_source WHERE source = ?", (source,))


async def recognise(
    connection: aiosqlite.Connection,
    recorder: Recorder,
    wishes: Sequence[Wish],
    *,
    fresh: Collection[bytes],
    version_no: int,
    now: int,
) -> Found:
    """Find what the restored entries have paid, and keep what is known of it again; inside one of the writer's units.

    ``fresh`` are the ids of events that are not recorded; those that are recognised are recorded here.
    """
    merged = await aliases.load(connection)
    learners = {wish.learner for wish in wishes if wish.learner}
    kin = {learner: (learner, *merged.of_learner(learner)) for learner in learners}
    people = await recorder.people.find(connection, {one for accounts in kin.values() for one in accounts})
    payees = {learner: [people[one] for one in accounts if one in people] for learner, accounts in kin.items()}
    by_place = await _as_it_stands(connection, wishes, await _by_event(connection, wishes, payees))
    paid = await _answers(connection, [(wishes[place], match) for place, match in by_place.items()])
    taken = await _as_it_stands(connection, wishes, await _by_scope(connection, wishes, payees, by_place))
    numbers = await _events(connection, recorder, paid, fresh, now)
    await _decisions(connection, recorder, paid, numbers, version_no)
    scopes = [(one.wish, one.match) for one in paid if one.scope_fits]
    scopes += [(wishes[place], match) for place, match in taken.items()]
    await _take_scopes(connection, recorder, scopes, people)
    await _undoable(connection, recorder, paid, people)
    done = [(one.match.award.first_seq,) for one in paid if one.scope_fits or not one.match.award.scope_ref]
    await connection.executemany("DELETE FROM restored_award WHERE first_seq = ?", done)
    known = [(one.award.first_seq,) for one in taken.values()]
    await connection.executemany("UPDATE restored_award SET scope_known = 1 WHERE first_seq = ?", known)
    return Found(paid=by_place.keys(), numbers=numbers)


async def _by_event(
    connection: aiosqlite.Connection, wishes: Sequence[Wish], payees: Mapping[str, Sequence[Person]]
) -> dict[int, _Match]:
    """Place of a wish → the award that its very act was paid by."""
    asked: defaultdict[str, list[tuple[int, Person]]] = defaultdict(list)
    for place, wish in enumerate(wishes):
        for person in payees.get(wish.learner, ()):
            asked[person.event_ref(wish.event.event_id)].append((place, person))
    found: dict[int, _Match] = {}
    rows = await connection.execute_fetchall(_BY_EVENT, (orjson.dumps(list(asked)).decode(),))
    # What the learners were paid themselves stands for what accounts of theirs were paid before a merge.
    for ref, *row in sorted(rows, key=lambda one: all(wishes[at].learner != who.learner for at, who in asked[one[0]])):
        award = Award(*row)
        mine = [one for one in asked[ref] if wishes[one[0]].rule == award.rule and one[0] not in found]
        if mine:
            place, payee = mine[0]
            found[place] = _Match(award, payee, award.first_seq)
    return found


async def _as_it_stands(
    connection: aiosqlite.Connection, wishes: Sequence[Wish], found: Mapping[int, _Match]
) -> dict[int, _Match]:
    """The same, of what was given over since with what stands for it."""
    away = {place for place, match in found.items() if match.payee.learner != wishes[place].learner}
    if not away:
        return dict(found)
    asked = orjson.dumps([found[place].seq for place in sorted(away)]).decode()
    now = {of: seq for of, seq in await connection.execute_fetchall(_GIVEN_OVER, (asked,))}  # noqa: C416 - rows
    return {
        place: match._replace(seq=now.get(match.seq, 0)) if place in away else match for place, match in found.items()
    }


async def _by_scope(
    connection: aiosqlite.Connection,
    wishes: Sequence[Wish],
    payees: Mapping[str, Sequence[Person]],
    paid: Collection[int],
) -> dict[int, _Match]:
    """Acts that were not paid, in a scope that another act was paid for: it is taken, whatever becomes of them."""
    left = [
        (place, wish, person)
        for place, wish in enumerate(wishes)
        if wish.scope and place not in paid
        for person in payees.get(wish.learner, ())
    ]
    if not left:
        return {}
    ((most,),) = await connection.execute_fetchall(_GENERATIONS)
    asked: dict[str, tuple[int, Person]] = {}
    for place, wish, person in left:
        for generation in range(most + 1):
            asked.setdefault(person.scope_ref(wish.rule, wish.scope, generation), (place, person))
    rows = await connection.execute_fetchall(_BY_SCOPE, (orjson.dumps(list(asked)).decode(),))
    found = [(*asked[ref], Award(*row)) for ref, *row in rows]
    return {place: _Match(award, payee, award.first_seq) for place, payee, award in found}


async def _answers(connection: aiosqlite.Connection, found: Sequence[tuple[Wish, _Match]]) -> list[_Paid]:
    """What was decided then: the amounts are the entries', the rest is what the rules would use now."""
    spans = orjson.dumps([(one.award.first_seq, one.award.last_seq) for _, one in found]).decode()
    postings: defaultdict[int, list[Posting]] = defaultdict(list)
    for place, body in await connection.execute_fetchall(_BODIES, (spans,)):
        fields = orjson.loads(body)
        postings[place].append(Posting(currency=fields["currency"], amount=fields["amount"]))
    answers = []
    for place, (wish, match) in enumerate(found):
        award, alone = match.award, wish.alone()
        others = tuple(use for use in alone.uses if not use.meter.startswith(ONCE))
        decision = replace(
            alone,
            outcome=Outcome.awarded,
            reason="",
            hold=None,
            generation=award.generation,
            postings=tuple(postings[place]),
            uses=(*_once(wish, award), *others),
        )
        known = match.payee.scope_ref(wish.rule, wish.scope, award.generation)
        answers.append(_Paid(wish, match, decision, bool(wish.scope) and known == award.scope_ref))
    return answers


def _once(wish: Wish, award: Award) -> tuple[Use, ...]:
    if not wish.scope:
        return ()
    at, slot = wish.event.seen.occurred_at, award.generation
    return (Use(meter=f"{ONCE}{wish.rule}", bucket=wish.scope, learner=wish.learner, at=at, amount=1, slot=slot),)


async def _events(
    connection: aiosqlite.Connection, recorder: Recorder, paid: Iterable[_Paid], fresh: Collection[bytes], now: int
) -> dict[bytes, int]:
    """Record the acts that were paid under the numbers that their entries point to."""
    events: dict[bytes, tuple[Event, int]] = {}
    for wish, (award, *_), _, _ in paid:
        if wish.event.event_id in fresh and award.event_no is not None:
            events.setdefault(wish.event.event_id, (wish.event, award.event_no))
    sources = await recorder.names.number(connection, "source", {event.seen.source for event, _ in events.values()})
    rows = []
    for event_id, (event, number) in events.items():
        seen = event.seen
        place = (number, seen.occurred_at, event_id, sources[seen.source], seen.position)
        rows.append((*place, int(event.trust), now, codec.encode_event(seen)))
    await connection.executemany(_EVENT, rows)
    return {event_id: number for event_id, (_, number) in events.items()}


async def _decisions(
    connection: aiosqlite.Connection,
    recorder: Recorder,
    paid: Sequence[_Paid],
    numbers: Mapping[bytes, int],
    version_no: int,
) -> None:
    stands = [one for one in paid if numbers.get(one.wish.event.event_id) == one.match.award.event_no]
    rules = await recorder.names.number(connection, "rule", {one.wish.rule for one in stands})
    rows = []
    for wish, (award, *_), decision, _ in stands:
        place = (award.decision_no, award.event_no, rules[wish.rule], version_no, decision.role, wish.learner)
        rows.append((*place, int(decision.outcome), codec.encode_detail(decision)))
    await connection.executemany(_DECISION, rows)


async def _take_scopes(
    connection: aiosqlite.Connection,
    recorder: Recorder,
    scopes: Sequence[tuple[Wish, _Match]],
    people: Mapping[str, Person],
) -> None:
    uses = [(use, match) for wish, match in scopes for use in _once(wish, match.award)]
    await _write(connection, recorder, uses, people)


async def _undoable(
    connection: aiosqlite.Connection, recorder: Recorder, paid: Sequence[_Paid], people: Mapping[str, Person]
) -> None:
    """What an undo finds an award by, and what it then takes back."""
    known = [one for one in paid if one.match.seq]
    objects = [(use, one.match) for one in known for use in one.decision.uses if is_object(use.meter)]
    await _write(connection, recorder, objects, people)
    async with Behind(connection) as behind:
        await remember(behind, [(one.match.seq, one.decision) for one in known], people)


async def _write(
    connection: aiosqlite.Connection,
    recorder: Recorder,
    uses: Sequence[tuple[Use, _Match]],
    people: Mapping[str, Person],
) -> None:
    """Uses of restored awards; what is there already stays. Those of an award that was reversed are free again.

    The scope of what was given over stays with the entry that names it, free again, and is INTO's by no entry, unless
    it was undone before.
    """
    meters = await recorder.names.number(connection, "meter", {use.meter for use, _ in uses})
    rows, freed = [], []
    for use, (award, payee, seq) in uses:
        person_no = people[use.learner].person_no if use.learner else 0
        place = (meters[use.meter], use.bucket)
        if use.meter.startswith(ONCE) and payee.learner != use.learner:
            if not award.undone:
                rows.append((*place, person_no, use.slot, use.at, use.amount, 0))
            before = (*place, payee.person_no, use.slot)
            rows.append((*before, use.at, use.amount, award.first_seq))
            freed.append(before)
            continue
        slot = use.slot if use.slot >= 0 else seq
        rows.append((*place, person_no, slot, use.at, use.amount, seq))
        if award.undone:
            freed.append((*place, person_no, slot))
    await connection.executemany(_USE, rows)
    await connection.executemany(FREE, freed)
