"""An account of another site that was linked by mistake becomes its own again, by entries. A unit of the writer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import aiosqlite

from agent.errors import InvalidInputError
from agent.ledger.merging import aliases, held, merge, tags
from agent.ledger.merging.aliases import Account, Aliases
from agent.ledger.merging.merge import Merge
from agent.ledger.merging.plan import Paid, Plan, planned
from agent.ledger.past import again as past_again
from agent.ledger.record import Recorder
from agent.ledger.record.people import split_learner
from agent.model import Event

_HOLDS = """
SELECT h.decision_no, h.promise, d.event_no FROM hold h JOIN decision d USING (decision_no)
WHERE h.learner = ? AND h.state = 'open'
"""
_LINKED = """
SELECT v.event_no FROM event v JOIN name n ON n.no = v.source_no
WHERE coalesce(CAST(v.payload AS TEXT) ->> 'si', n.text) = ?
  AND EXISTS (SELECT 1 FROM json_each(CAST(v.payload AS TEXT), '$.ac') a WHERE a.key = ?)
"""
_NO_ALIAS = "DELETE FROM alias WHERE site = ? AND lms_user = ?"
LATER = "later"
"""`kept_under` of whose sealed copy is made anew only after the entries that took an account out of it are delivered.

Made before, it would say what no entry bears out: after a lost disk nobody would know the account's acts, and they
would be paid once more.
"""
_SEAL_ANEW = """
UPDATE person SET kept_under = iif(site || ':' || lms_user = :root AND kept_under <> '', :later, '')
WHERE site || ':' || lms_user IN (:root, :account)
"""


async def whose(connection: aiosqlite.Connection, account: str) -> str:
    """The learner whose account it is now.

    Raises:
        InvalidInputError: it is nobody's but its own.
    """
    known = await aliases.load(connection)
    root = known.learner(account)
    if root == account:
        raise InvalidInputError(
            f"{account} was neither merged into another account nor linked with one",
            hint="see: rewards-agent learner merges",
        )
    if split_learner(root)[0] == split_learner(account)[0]:
        raise InvalidInputError(
            f"{account} was merged into {root} of the same site: what it did since stands under that name",
            hint="correct amounts by hand: rewards-agent ledger adjust",
        )
    return root


async def plan_of(connection: aiosqlite.Connection, recorder: Recorder, back: Merge) -> Plan:
    """What `carry_out` would change: ``back`` is from the common wallet to the account."""
    found = await recorder.people.find(connection, [back.source, back.target])
    source, target = found.get(back.source), found.get(back.target)
    if source is None:
        return Plan()
    acted = await _Acted.of(connection, back)

    async def only(standing: Sequence[Paid]) -> Sequence[Paid]:
        events = await merge.events_of(connection, [one.event_no for one in standing])
        return [one for one in standing if one.event_no in events and acted(events[one.event_no][1])]

    return await planned(connection, source.person_no, 0 if target is None else target.person_no, back.most, only)


async def carry_out(connection: aiosqlite.Connection, recorder: Recorder, back: Merge) -> Plan:
    """Do it; what was done. What the account did is its own again, and what it does from now on."""
    plan = await plan_of(connection, recorder, back)
    acted = await _Acted.of(connection, back)
    await merge.given_over(connection, recorder, back, plan)
    waiting = list(await connection.execute_fetchall(_HOLDS, (back.source,)))
    events = await merge.events_of(connection, [event_no for _, _, event_no in waiting])
    theirs = [(number, promise) for number, promise, no in waiting if no in events and acted(events[no][1])]
    await held.over(connection, (back.source, back.target), plan, theirs, by=back.correction.by, now=back.now)
    account = split_learner(back.target)
    await connection.execute(_NO_ALIAS, account)
    await _own(connection, acted.mine, account)
    await connection.execute(_SEAL_ANEW, {"root": back.source, "account": back.target, "later": LATER})
    reason = f"they were taken apart: {back.correction.text()}"
    await tags.hold(connection, account, [split_learner(back.source)], reason, back.now)
    return plan


async def _own(connection: aiosqlite.Connection, mine: Iterable[Account], account: Account) -> None:
    """What is recorded of these accounts' acts says whose they are now."""
    for site, user in sorted(mine):
        numbers = [number for (number,) in await connection.execute_fetchall(_LINKED, (site, user))]
        changed = {}
        for number, event in (await merge.events_of(connection, numbers)).values():
            accounts = {one: whose for one, whose in event.seen.accounts.items() if one != user}
            if site != account[0]:
                accounts[user] = ":".join(account)
            changed[number] = replace(event, seen=replace(event.seen, accounts=accounts))
        await past_again.keep(connection, changed)


class _Acted:
    """Whether an event is by the account (or one that is its alias) and by no other of the common wallet."""

    def __init__(self, mine: frozenset[Account], others: frozenset[Account]) -> None:
        self.mine = mine
        self._others = others

    @classmethod
    async def of(cls, connection: aiosqlite.Connection, back: Merge) -> _Acted:
        known = await aliases.load(connection)
        account = split_learner(back.target)
        group = frozenset(known.group(account))
        apart = Aliases({one: into for one, into in (await aliases.pairs(connection)).items() if one != account})
        mine = frozenset(apart.group(account))
        return cls(mine, group - mine)

    def __call__(self, event: Event) -> bool:
        people = {(event.seen.site, user) for user in event.seen.people.values()}
        return bool(people & self.mine) and not people & self._others
