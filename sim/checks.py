"""What must hold at the end of every run, whatever happened in it; each look reads files and stored bytes alone."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import make_url

from agent.ledger import file
from agent.ledger.verify import verify
from catalogue import verify as central
from sim import kin, months, purse, sales, thanks
from sim.look import Seen, look
from sim.model import day, owed
from sim.programs import Books
from sim.purse import EARNED, Line
from sim.sales import Sold
from sim.world import CAMPUS, FORGETS, World
from wire import keys

K = TypeVar("K", str, tuple[str, str])
_TWICE = """
SELECT CAST(body AS TEXT) ->> 'learner', CAST(body AS TEXT) ->> 'rule', event_no, count(*) FROM entry
WHERE CAST(body AS TEXT) ->> 'kind' = 'award' AND event_no IS NOT NULL GROUP BY 1, 2, 3 HAVING count(*) > 1
"""
_OF_FORMS = """
SELECT CAST(e.body AS TEXT), EXISTS (SELECT 1 FROM hold h JOIN decision d USING (decision_no)
  WHERE h.rule_id = 'form' AND h.state = 'approved' AND d.event_no = e.event_no)
FROM entry e JOIN person USING (person_no)
WHERE CAST(e.body AS TEXT) ->> 'rule' = 'form' AND CAST(e.body AS TEXT) ->> 'kind' = 'award'
"""
_UNMERGED = """
SELECT a.site || ':' || a.lms_user, count(*)
FROM alias a JOIN person p USING (site, lms_user) JOIN entry e USING (person_no)
WHERE CAST(e.body AS TEXT) ->> 'kind' <> 'reversal' AND CAST(e.body AS TEXT) ->> 'entry_id' NOT IN (
  SELECT CAST(r.body AS TEXT) ->> 'reverses' FROM entry r WHERE CAST(r.body AS TEXT) ->> 'kind' = 'reversal'
) GROUP BY 1
"""
_BACKWARD = "SELECT site || ':' || lms_user, since, until FROM opted_out WHERE until < since"
_ASIDE = """
SELECT count(*) FROM entry AS e WHERE rejected IS NOT NULL AND NOT EXISTS (SELECT 1 FROM accepted_entry AS a
WHERE (a.campus, a.agent, a.epoch, a.seq) = (e.campus, e.agent, e.epoch, e.seq))
"""
_LINES = """
SELECT learner, kind, amount, ref, about, occurred_at, posted_at, expires_at, owe FROM movement
WHERE campus = ? ORDER BY no
"""


def is_settled(world: World, seen: Seen | None) -> bool:
    """Whether everybody has what they should and the catalogue knows it: the end that every run must come to."""
    if not (world.agent.runs and world.centre.runs) or world.posting:
        return False
    if seen is None or seen.wishes or _aside(world):
        return False
    if not seen.delivered or list(_undelivered(world)):  # a catalogue that was put back may not have told anybody yet
        return False
    return not [*_unpaid(world, seen), *_northern(world), *kin.untold(world)]


def _aside(world: World) -> int:
    """How many entries the catalogue has set aside."""
    with closing(sqlite3.connect(world.centre.home / "catalogue.db")) as db:
        return int(db.execute(_ASIDE).fetchone()[0])


def differences(world: World, seen: Seen | None) -> list[str]:
    """Who has something else than they should, and where delivery stands."""
    if seen is None:
        return ["there is no ledger"]
    return [
        *_unpaid(world, seen),
        *_northern(world),
        seen.delivery,
        f"open wishes: {seen.wishes}, entries aside: {_aside(world)}",
    ]


def _undelivered(world: World) -> Iterator[str]:
    """Agents of whose entries the catalogue has others or fewer."""
    with closing(sqlite3.connect(world.centre.home / "catalogue.db")) as db:
        for sidecar in world.sidecars:
            with file.reading(sidecar.program.home / "data") as ledger:
                yield from _chains(ledger, db, sidecar.name)


def _northern(world: World) -> Iterator[str]:
    """What is not right, or not yet, at the second agent, and of who learns at both."""
    if world.north is None:
        return
    seen = look(world.north.sidecar.program.home)
    if seen is None:
        yield "the second agent has no ledger"
        return
    should = owed(world.north.moodle.rows(), (), linked=world.linked)
    for difference in unequal(should, world.awards(seen.awards)):
        yield f"in the north {difference}"
    if not seen.delivered:
        yield f"in the north {seen.delivery}"
    yield from kin.unsettled(world)


def _unpaid(world: World, seen: Seen) -> Iterator[str]:
    least, most = world.owed(seen.marks)
    thanked = thanks.owed(world)
    yield from outside(least | thanked[0], most | thanked[1], world.awards(seen.awards))
    yield from unequal(world.earned(seen.earned), world.named(seen.balances))


def unequal(should: Mapping[K, int], have: Mapping[K, int]) -> list[str]:
    """Who has something else than they should, or something of it more or less often."""
    return outside(should, should, have)


def outside(least: Mapping[K, int], most: Mapping[K, int], have: Mapping[K, int]) -> list[str]:
    """Who has less than the least or more than the most that they may have."""
    return [
        f"{who} should have {least.get(who, 0)} to {most.get(who, 0)} and has {have.get(who, 0)}"
        for who in sorted(least.keys() | most.keys() | have.keys())
        if not least.get(who, 0) <= have.get(who, 0) <= most.get(who, 0)
    ]


async def faults(world: World) -> list[str]:
    """Everything that does not hold, in words."""
    home = world.agent.home
    seen = look(home)
    found = ["there is no ledger"] if seen is None else [*_unpaid(world, seen), *_untold(world, seen)]
    found += [*_northern(world), *thanks.judged(world), *months.judged(world)]
    for sidecar in world.sidecars:
        with file.reading(sidecar.program.home / "data") as ledger:
            found += [*_unfounded(ledger, world.rules), *_over(world, ledger)]
    homes = {sidecar.name: sidecar.program.home for sidecar in world.sidecars}
    now = world.clocks["catalogue"].now()
    return found + await books(homes, world.centre.home, world.sold, now=now, owners=world.owners)


def _over(world: World, ledger: sqlite3.Connection) -> Iterator[str]:
    """Days on which forms issued more than they may without a reviewer.

    Who reviewed what is not known any more where a disk was lost, nor of who was erased.
    """
    most = world.terms.forms_a_day
    if not most or world.trace.faults.keys() & FORGETS:
        return
    issued: Counter[str] = Counter()
    for body, reviewed in ledger.execute(_OF_FORMS):
        entry = json.loads(body)
        if not reviewed and not entry["reason"].startswith("merged"):
            issued[day(entry["occurred_at"])] += entry["amount"]
    for when, points in sorted(issued.items()):
        if points > most:
            yield f"forms issued {points} on {when} and nobody reviewed it; it is {most} at most"


def _untold(world: World, seen: Seen) -> Iterator[str]:
    if world.lost and not (seen.lost_ids or world.trace.faults.keys() & FORGETS):
        yield "rows were removed from the log before they were read, and nothing says so"


def _unfounded(ledger: sqlite3.Connection, rules: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Entries of another amount than the rules that they name say; a reversal is what it reverses, with a minus."""
    entries = [json.loads(body) for (body,) in ledger.execute("SELECT CAST(body AS TEXT) FROM entry ORDER BY seq")]
    amounts = {entry["entry_id"]: entry["amount"] for entry in entries}
    for entry in entries:
        rule, version = entry["rule"], entry["rules_version"]
        if entry["kind"] == "reversal":
            wanted = {-amounts[entry["reverses"]]}
        elif entry["reason"].startswith("merged"):  # what was promised before goes on with the person
            wanted = {pays.get(rule) for pays in rules.values()}
        else:
            wanted = {rules.get(version, {}).get(rule)}
        if entry["amount"] not in wanted:
            yield f"entry {entry['entry_id']} of {rule} is {entry['amount']} and not one of {wanted}"


async def books(
    homes: Mapping[str, Path], centre: Path, sold: Sold, *, now: int, owners: Mapping[str, object] | None = None
) -> list[str]:
    """What does not hold in the agents' books, the catalogue's, or between them; ``now`` is the catalogue's time.

    ``homes`` are the agents' by name; at the first of them learners redeem.
    """
    found = await _centre(centre, now)
    with closing(sqlite3.connect(centre / "catalogue.db")) as db:
        lines = [Line(*row) for row in db.execute(_LINES, (CAMPUS,))]
        for name, home in homes.items():
            with file.reading(home / "data") as ledger:
                found += [*_ledger(ledger), *_chains(ledger, db, name)]
        found += [*_posted(db, lines), *_wallets(lines, db)]
        name, home = next(iter(homes.items()))
        with file.reading(home / "data") as ledger:
            return [*found, *sales.judged(sold, lines, db, ledger, name, owners or {})]


def _ledger(ledger: sqlite3.Connection) -> Iterator[str]:
    for finding in verify(ledger).findings:
        yield f"ledger verify: {finding.seq}: {finding.what}"
    for user, rule, event, count in ledger.execute(_TWICE):
        yield f"rule {rule} paid event {event} of {user} {count} times"
    for account, count in ledger.execute(_UNMERGED):
        yield f"{account} is another's and has {count} entries of its own that stand"
    for account, since, until in ledger.execute(_BACKWARD):
        yield f"{account} took no part from {since} until {until}, before that"


async def _centre(centre: Path, now: int) -> list[str]:
    key = keys.load(centre / "catalogue.ed25519")
    store = await Books.open(make_url(f"sqlite:///{centre / 'catalogue.db'}"))
    try:
        async with store.reading() as conn:
            report = await central.verify(conn, key.public, now=now)
    finally:
        await store.close()
    return [f"catalogue verify: {fault}" for fault in report.faults]


def _chains(ledger: sqlite3.Connection, db: sqlite3.Connection, agent: str) -> Iterator[str]:
    """The catalogue keeps an agent's entries, byte for byte."""
    ours = [bytes(body) for (body,) in ledger.execute("SELECT body FROM entry ORDER BY seq")]
    there = [bytes(body) for (body,) in db.execute(
        "SELECT body FROM entry WHERE campus = ? AND agent = ? ORDER BY seq", (CAMPUS, agent)
    )]  # fmt: skip
    if ours != there:
        yield f"the catalogue keeps {len(there)} entries of {agent}, its ledger has {len(ours)}, or they differ"


def _wallets(lines: Iterable[Line], db: sqlite3.Connection) -> Iterator[str]:
    """Wallets are what the lines of the catalogue's ledger make of them."""
    wallets = dict(db.execute("SELECT learner, balance FROM wallet WHERE campus = ?", (CAMPUS,)).fetchall())
    purses, found = purse.folded(lines)
    yield from found
    for name in sorted(purses.keys() | wallets.keys()):
        should = purses[name].holds if name in purses else 0
        if wallets.get(name, 0) != should:
            yield f"wallet {name} holds {wallets.get(name, 0)}; its lines come to {should}"


def _posted(db: sqlite3.Connection, lines: Iterable[Line]) -> Iterator[str]:
    """Every entry moved the wallet that it names by what it says, once, and nothing else did."""
    said = [(agent, json.loads(body)) for agent, body in db.execute("SELECT agent, body FROM entry")]
    wanted = Counter((f"{agent}/{one['entry_id']}", one["learner"], one["kind"], one["amount"]) for agent, one in said)
    posted = Counter((line.ref, line.learner, line.kind, line.amount) for line in lines if line.kind in EARNED)
    for ref, learner, kind, amount in sorted(wanted.keys() | posted.keys()):
        times = posted[ref, learner, kind, amount] - wanted[ref, learner, kind, amount]
        if times:
            often = "often" if times > 0 else "rarely"
            yield f"{kind} {ref} of {amount} to {learner} is posted {abs(times)} times too {often}"


def counts(world: World) -> dict[str, Any]:
    """How much there was in a run."""
    with file.reading(world.agent.home / "data") as connection:
        entries = connection.execute("SELECT count(*) FROM entry").fetchone()[0]
    return {"rows": len(world.moodle.rows()), "entries": entries, "lives": len(world.agent.lives), **_moved(world)}


def _moved(world: World) -> dict[str, int]:
    """What the catalogue itself did to wallets."""
    with closing(sqlite3.connect(world.centre.home / "catalogue.db")) as db:
        kinds = Counter(kind for (kind,) in db.execute("SELECT kind FROM movement"))
    return {"redemptions": kinds["spend"], "refunds": kinds["refund"], "expiries": kinds["expiry"]}
