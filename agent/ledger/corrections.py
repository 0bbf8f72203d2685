"""What people change by hand, always by a later entry or a settled hold, with who and why. Units for the writer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import aiosqlite

from agent.errors import InvalidInputError
from agent.ledger.record import BADGE_PREFIX, LOWERED, Movement, Recorder
from agent.ledger.record.people import Person, split_learner
from agent.ledger.record.undoing import COOLDOWN
from wire import entry as wire_entry

MANUAL_RULE = "manual"
"""rule_id and source of entries that no rule made."""

_AWARD_OF = """
SELECT o.seq, o.body, o.person_no, p.site, p.lms_user, p.secret, p.pseudonym
FROM entry e CROSS JOIN entry o ON o.seq BETWEEN e.seq - 50 AND e.seq + 50
  AND (o.seq = e.seq OR o.decision_no = e.decision_no)
LEFT JOIN person p ON p.person_no = o.person_no
WHERE e.seq = ? ORDER BY o.seq
"""
"""The entries of one decision stand together."""

_REVERSED_BY = """
SELECT CAST(body AS TEXT) ->> 'entry_id' FROM entry
WHERE seq > ? AND CAST(body AS TEXT) ->> 'kind' = 'reversal'
  AND CAST(body AS TEXT) ->> 'reverses' IN (SELECT value FROM json_each(?))
"""


_STANDING = """
SELECT e.seq, e.body, coalesce(e.decision_no, -e.seq), p.person_no, p.site, p.lms_user, p.secret, p.pseudonym
FROM entry e LEFT JOIN person p ON p.person_no = e.person_no
WHERE CAST(e.body AS TEXT) ->> 'kind' = 'award' AND CAST(e.body AS TEXT) ->> 'rule' = :rule
  AND CAST(e.body AS TEXT) ->> 'occurred_at' >= :since AND CAST(e.body AS TEXT) ->> 'occurred_at' < :until
  AND CAST(e.body AS TEXT) ->> 'entry_id' NOT IN (
    SELECT CAST(body AS TEXT) ->> 'reverses' FROM entry WHERE CAST(body AS TEXT) ->> 'kind' = 'reversal')
ORDER BY e.seq
"""
"""Awards of one rule that nobody has reversed."""

BULK_ENTRIES_MAX = 10_000
"""Entries that one transaction reverses; where there are more, the whole awards that fit, and then again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a rule has paid that still stands: awards, entries and learners, and the totals by currency.

    ``erased`` awards belong to nobody any more and stay as they are.
    """

    awards: int
    entries: int
    learners: int
    erased: int
    amounts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What a person asked for: why (shown to the learner) and by whom."""

    reason: str
    by: str

    def text(self) -> str:
        """As it stands in the entry.

        Raises:
            InvalidInputError: it is not text (a terminal handed over bytes that are not UTF-8).
        """
        text = f"{self.reason} (by {self.by})" if self.by else self.reason
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidInputError("the reason is not UTF-8 text", hint="type it again in plain letters") from None
        return text


async def adjust(
    connection: aiosqlite.Connection,
    recorder: Recorder,
    *,
    learner: str,
    currency: str,
    amount: int,
    correction: Correction,
    now: int,
    lower_level: bool = False,
) -> int:
    """Give (or take, below zero) ``amount`` to a learner by hand; returns the entry's seq.

    With ``lower_level`` the lifetime total, and with it levels, is what is left.

    Raises:
        InvalidInputError: the amount is zero or beyond every bound, or ``learner`` is not ``<site>:<LMS user id>``.
    """
    if not all(split_learner(learner)):
        raise InvalidInputError(f"{learner!r} is no learner", hint="name the site and the LMS user id: moodle:35")
    if not amount or abs(amount) > wire_entry.AMOUNT_MAX:
        hint = f"give a whole number from 1 to {wire_entry.AMOUNT_MAX}, or below zero to take"
        raise InvalidInputError(f"{amount} is no amount to adjust by", hint=hint)
    person = (await recorder.people.find_or_make(connection, [learner], now))[learner]
    movement = Movement(
        kind="adjustment",
        person=person,
        currency=currency,
        amount=amount,
        rule_id=LOWERED if lower_level else MANUAL_RULE,
        rules_version="",
        source=MANUAL_RULE,
        trust="server_verified",
        occurred_at=now,
        reason=correction.text(),
    )
    return (await recorder.append(connection, [movement], now))[0]


async def reverse(
    connection: aiosqlite.Connection, recorder: Recorder, *, seq: int, correction: Correction, now: int
) -> list[int]:
    """Answer an award or adjustment by compensating entries, one for each entry of the same award; returns their seqs.

    Its scope and quotas are free again (cooldowns are not), so that the fact may earn once more.

    Raises:
        InvalidInputError: there is no such entry, it is itself a reversal, it was reversed already, or its person is
            erased.
    """
    entries = await _award_of(connection, seq)
    if not entries:
        raise InvalidInputError(f"there is no entry {seq}", hint="see: rewards-agent ledger list")
    movements = [_opposite(seq, body, person, correction) for _, body, person in entries]
    await _refuse_reversed(connection, seq, {movement.reverses for movement in movements})
    seqs = await recorder.append(connection, movements, now)
    if not movements[0].rule_id.startswith(BADGE_PREFIX):  # criteria would give it again at once
        await _free(connection, [entries[0][0]])
    return seqs


def _opposite(seq: int, body: bytes, person: Person, correction: Correction) -> Movement:
    fields = wire_entry.decode(body)
    if fields["kind"] == "reversal":
        raise InvalidInputError(f"entry {seq} is itself a reversal", hint="use: rewards-agent ledger adjust")
    return Movement(
        kind="reversal",
        person=person,
        currency=fields["currency"],
        amount=-fields["amount"],
        rule_id=fields["rule"],
        rules_version=fields["rules_version"],
        source=fields["source"],
        trust=fields["trust"],
        occurred_at=fields["occurred_at"],
        generation=fields.get("generation", 0),
        reason=correction.text(),
        reverses=fields["entry_id"],
    )


async def _free(connection: aiosqlite.Connection, markers: Sequence[int]) -> None:
    """Give back what awards had used, by the seq of their first entries; cooldowns run on."""
    await connection.execute(
        "UPDATE quota_use SET freed = 1 WHERE seq IN (SELECT value FROM json_each(?))"
        " AND meter_no NOT IN (SELECT no FROM name WHERE kind = 'meter' AND text LIKE ?)",
        (json.dumps(markers), f"{COOLDOWN}%"),
    )


async def standing(connection: aiosqlite.Connection, *, rule: str, since: int, until: int) -> Standing:
    """What `reverse_rule` would answer: awards of ``rule`` for acts from ``since`` until before ``until``."""
    rows = list(await connection.execute_fetchall(_STANDING, {"rule": rule, "since": since, "until": until}))
    kept = [row for row in rows if row[6] is not None]
    amounts: Counter[str] = Counter()
    for row in kept:
        fields = wire_entry.decode(row[1])
        amounts[fields["currency"]] += fields["amount"]
    return Standing(
        awards=len({row[2] for row in kept}),
        entries=len(kept),
        learners=len({row[3] for row in kept}),
        erased=len({row[2] for row in rows if row[6] is None}),
        amounts=dict(amounts),
    )


async def reverse_rule(
    connection: aiosqlite.Connection,
    recorder: Recorder,
    *,
    rule: str,
    since: int,
    until: int,
    correction: Correction,
    now: int,
    most: int = BULK_ENTRIES_MAX,
) -> int:
    """Answer what still stands of a rule's awards, oldest first, at most ``most`` entries; returns how many.

    Doing it again reverses nothing twice. Awards of erased persons stand.
    """
    rows = await connection.execute_fetchall(_STANDING, {"rule": rule, "since": since, "until": until})
    kept = [row for row in rows if row[6] is not None]
    movements: list[Movement] = []
    firsts: list[int] = []
    for _, group in groupby(kept, key=lambda row: row[2]):
        award = list(group)
        if movements and len(movements) + len(award) > most:
            break
        firsts.append(award[0][0])
        for seq, body, _, no, site, user, secret, pseudonym in award:
            person = Person(person_no=no, learner=f"{site}:{user}", secret=secret, pseudonym=pseudonym)
            movements.append(_opposite(seq, body, person, correction))
    await recorder.append(connection, movements, now)
    await _free(connection, firsts)
    return len(movements)


async def _award_of(connection: aiosqlite.Connection, seq: int) -> list[tuple[int, bytes, Person]]:
    rows = await connection.execute_fetchall(_AWARD_OF, (seq,))
    award = []
    for number, body, no, site, user, secret, pseudonym in rows:
        if secret is None:
            raise InvalidInputError(f"entry {seq} belongs to an erased person", hint="it stands as it is")
        award.append((number, body, Person(person_no=no, learner=f"{site}:{user}", secret=secret, pseudonym=pseudonym)))
    return award


async def _refuse_reversed(connection: aiosqlite.Connection, seq: int, entry_ids: set[str]) -> None:
    rows = await connection.execute_fetchall(_REVERSED_BY, (seq, json.dumps(sorted(entry_ids))))
    for (by_entry,) in rows:
        raise InvalidInputError(
            f"entry {seq} was reversed already, by {by_entry}", hint="see: rewards-agent ledger list"
        )


async def close_hold(
    connection: aiosqlite.Connection, *, decision_no: int, state: str, correction: Correction, now: int
) -> None:
    """Settle an open hold as ``approved`` or ``rejected``.

    Raises:
        InvalidInputError: there is no such hold, or it is settled already (by whom is told).
    """
    async with connection.execute("SELECT state, settled_by FROM hold WHERE decision_no = ?", (decision_no,)) as cursor:
        row = await cursor.fetchone()
    if row is None:
        raise InvalidInputError(f"no decision {decision_no} is held", hint="see: rewards-agent review list")
    if row[0] != "open":
        by = f" by {row[1]}" if row[1] else ""
        raise InvalidInputError(f"decision {decision_no} is {row[0]} already{by}")
    await connection.execute(
        "UPDATE hold SET state = ?, settled_at = ?, settled_by = ?, note = ? WHERE decision_no = ?",
        (state, now, correction.by, correction.reason, decision_no),
    )
