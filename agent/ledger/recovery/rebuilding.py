"""Puts a ledger together from the bytes that a catalogue acknowledged: entries, persons, balances, badges.

The bytes are the truth. What the ledger knew beside them and they do not tell (acts, scopes in clear, members of sets)
comes back when the log is read again (`recognising`); what is wanted for that is kept beside them.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.ledger import projections
from agent.ledger.delivery import CATALOGUE, KeptReceipt
from agent.ledger.merging.aliases import Account
from agent.ledger.record import BADGE_PREFIX
from agent.ledger.recovery.persons import Known
from agent.model import SourceState
from wire import chain
from wire import entry as wire_entry

GIVEN = "given:"
"""How the meters begin of badges that criteria gave (see `engine.recognition.model`)."""
_KNOWN_ALREADY = """
DELETE FROM restored_award WHERE substr(rule, 1, 6) = 'badge:' OR (event_ref = '' AND scope_ref = '')
"""
"""A badge that criteria gave is known by its account, and what people gave by hand has neither act nor scope."""
_ALIAS = """
INSERT INTO alias (merged_at, site, lms_user, into_site, into_user, merged_by, reason) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_UNTOLD = "INSERT OR REPLACE INTO link_untold (site, lms_user, must) VALUES (?, ?, 2)"
UNMERGED = "they were merged, and the catalogue has no entries of it: merge them again"
"""Why a link waits for a person after a restore."""
_EVENTS_REMEMBERED = 10_000


@dataclass(slots=True, kw_only=True, frozen=True)
class _Award:
    """The entries of one award: they stand together, one for each currency."""

    first_seq: int
    person_no: int
    fields: Mapping[str, Any]
    event_no: int | None
    decision_no: int
    currencies: list[str] = field(default_factory=list)

    def goes_on_with(self, fields: Mapping[str, Any]) -> bool:
        same = ("learner", "rule", "event_ref", "scope_ref", "generation", "kind")
        return fields["currency"] not in self.currencies and all(
            self.fields.get(name) == fields.get(name) for name in same
        )


class Rebuilding:
    """A fresh ledger of the newest schema on ``connection``, being filled in one transaction of the caller's.

    ``known`` are persons by pseudonym. Entries of a pseudonym that nobody knows stand, and lead to nobody.
    """

    def __init__(self, connection: sqlite3.Connection, known: Mapping[str, Known]) -> None:
        self._connection = connection
        self._known = known
        self._persons: dict[str, int] = {}
        self._accounts: dict[Account, str] = {}
        self._standing: Counter[int] = Counter()
        self._sums = projections.Sums()
        self._award: _Award | None = None
        self._events: dict[str, int] = {}
        self._event_no = 0
        self._decision_no = 0
        self._undone: list[tuple[int]] = []
        self._badges: list[tuple[str, int, int, int, int]] = []
        self.seq = 0
        self.head = chain.GENESIS
        self.strangers: set[str] = set()
        self.unmerged: list[str] = []

    def add(self, bodies: Sequence[bytes], kept: KeptReceipt) -> None:
        """The entries of the next batch, whose chain and receipt were verified."""
        rows = []
        for body in bodies:
            self.seq += 1
            self.head = chain.step(self.head, body)
            rows.append((self.seq, body, self.head, *self._pointers(body)))
        self._connection.executemany(
            "INSERT INTO entry (seq, body, hash, person_no, event_no, decision_no) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
        receipt = kept.receipt
        place = (CATALOGUE, receipt.epoch, receipt.first_seq, receipt.last_seq)
        self._connection.execute(
            "INSERT INTO receipt (reader, epoch, first_seq, last_seq, body, signature, received_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*place, kept.body, kept.signature, receipt.received_at),
        )
        self._connection.executemany(
            "INSERT INTO rejected_entry (reader, seq, reason, received_at) VALUES (?, ?, ?, ?)",
            [(CATALOGUE, item.seq, item.reason, receipt.received_at) for item in receipt.rejected],
        )

    def finish(
        self,
        settings: Mapping[str, str],
        states: Mapping[str, tuple[SourceState, int]],
        runs: Iterable[tuple[str, int]],
        *,
        now: int,
    ) -> None:
        """Everything beside the entries.

        ``states`` are where each source goes on and up to where its acts are only recognised, ``runs`` the newest
        decided time of each scheduled reward.
        """
        self._close_award()
        run = self._connection.executemany
        self._without_entries()
        self._whose(now)
        self._taking_part()
        run("UPDATE restored_award SET undone = 1 WHERE first_seq = ?", self._undone)
        self._badge_uses()
        self._connection.execute(_KNOWN_ALREADY)
        run(
            "INSERT INTO balance (person_no, currency, amount, lifetime) VALUES (?, ?, ?, ?)",
            [(*key, *total) for key, total in sorted(self._sums.balances().items())],
        )
        used = [("person", len(self._persons)), ("event", self._event_no), ("decision", self._decision_no)]
        # A person that gave way has left its number there.
        run(
            "INSERT INTO number_used (of, last) VALUES (?, ?) ON CONFLICT (of) DO UPDATE SET last = excluded.last", used
        )
        run("INSERT INTO setting (key, value) VALUES (?, ?)", list(settings.items()))
        run("INSERT INTO reader (name, acked_seq, last_ok_at) VALUES (?, ?, ?)", [(CATALOGUE, self.seq, now)])
        run("INSERT INTO schedule (scheduled, since, in_force) VALUES (?, ?, 1)", list(runs))
        run(
            "INSERT INTO source_state"
            " (source, position, high_water, start_at, running_s, proven_at, counts, updated_at)"
            " VALUES (?, ?, ?, ?, 0, 0, x'7b7d', ?)",
            [(name, s.position, s.high_water, s.start_at, now) for name, (s, _) in states.items()],
        )
        run("INSERT INTO restored_source VALUES (?, ?)", [(name, upto) for name, (_, upto) in states.items() if upto])

    def _pointers(self, body: bytes) -> tuple[int, int | None, int | None]:
        """(person, event, decision) of an entry; an unreadable one was rejected at the centre and is nobody's."""
        try:
            fields = wire_entry.decode(body)
        except wire_entry.MalformedEntryError:
            self._close_award()
            return self._person_no(""), None, None
        person_no = self._person_no(fields["learner"])
        self._sums.add(person_no, fields)
        self._standing[person_no] += -1 if fields["kind"] == "reversal" else 1
        if fields["kind"] == "reversal":
            number = fields["reverses"].rpartition("-")[2]
            self._undone.append((int(number) if number.isdecimal() else 0,))
        event_no = self._event_of(fields.get("event_ref", ""))
        award = self._award
        if award is None or not award.goes_on_with(fields):
            self._close_award()
            self._decision_no += 1
            award = self._award = _Award(
                first_seq=self.seq,
                person_no=person_no,
                fields=fields,
                event_no=event_no,
                decision_no=self._decision_no,
            )
        award.currencies.append(fields["currency"])
        return person_no, event_no, award.decision_no

    def _event_of(self, event_ref: str) -> int | None:
        if not event_ref:
            return None
        number = self._events.get(event_ref)
        if number is None:
            if len(self._events) >= _EVENTS_REMEMBERED:
                self._events.clear()
            self._event_no += 1
            number = self._events[event_ref] = self._event_no
        return number

    def _close_award(self) -> None:
        award, self._award = self._award, None
        if award is None or award.fields["kind"] != "award":
            return
        fields = award.fields
        at = fields["occurred_at"]
        for currency in award.currencies:
            if currency.startswith(BADGE_PREFIX):
                meters = [currency]
                if fields["rule"] == currency:
                    meters.append(GIVEN + currency.removeprefix(BADGE_PREFIX))
                self._badges += [(meter, award.person_no, award.first_seq, at, award.first_seq) for meter in meters]
        self._connection.execute(
            "INSERT INTO restored_award"
            " (first_seq, last_seq, person_no, rule, event_ref, scope_ref, generation, event_no, decision_no)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                award.first_seq,
                award.first_seq + len(award.currencies) - 1,
                award.person_no,
                fields["rule"],
                fields.get("event_ref", ""),
                fields.get("scope_ref", ""),
                fields.get("generation", 0),
                award.event_no,
                award.decision_no,
            ),
        )

    def _badge_uses(self) -> None:
        """That a badge is had is known from the bytes alone. One that was taken back may be earned again."""
        meters = {meter: no for no, meter in enumerate(dict.fromkeys(meter for meter, *_ in self._badges), 1)}
        self._connection.executemany(
            "INSERT INTO name (no, kind, text) VALUES (?, 'meter', ?)", [(no, meter) for meter, no in meters.items()]
        )
        self._connection.executemany(
            "INSERT INTO quota_use (meter_no, bucket, person_no, slot, at, amount, seq, freed)"
            " VALUES (?, '', ?, ?, ?, 1, ?, coalesce((SELECT undone FROM restored_award WHERE first_seq = ?), 0))",
            [(meters[meter], person, slot, at, seq, seq) for meter, person, slot, at, seq in self._badges],
        )

    def _without_entries(self) -> None:
        """Who was left with the catalogue and has no entry there yet.

        An older backup that was put back makes persons anew whom it does not know, and leaves them with the catalogue
        before anybody finds out: an account that has a person keeps it, and of several the newest stands.
        """
        for person in sorted(self._known.values(), key=lambda one: (-one.created_at, one.pseudonym)):
            if person.pseudonym not in self._persons and (person.site, person.lms_user) not in self._accounts:
                self._person_no(person.pseudonym)

    def _give_way(self, person: Known) -> None:
        """Whoever had the account before is a stranger: it was begun anew, as after `--lose-persons`."""
        account = (person.site, person.lms_user)
        before = self._accounts.get(account)
        if before is not None:
            self.strangers.add(before)
            self._connection.execute("DELETE FROM person WHERE pseudonym = ?", (before,))
        self._accounts[account] = person.pseudonym

    def _whose(self, now: int) -> None:
        """Whose accounts others are, as far as the entries bear it out; of two words about one the newest counts.

        A person's copy is left with the catalogue before the entries of a merge are delivered, and a ledger that is
        there may have merged in a history that never was. An account that still has something keeps it and is its own:
        what it did would be paid to the other a second time.
        """
        merged: dict[Account, Account] = {}
        apart: defaultdict[Account, set[Account]] = defaultdict(set)
        for said in sorted(self._said(), reverse=True):
            _, account, into, *_ = said
            if account in merged or _leads_to(into, account, merged):
                continue
            if self._standing[self._persons.get(self._accounts.get(account, ""), 0)]:
                apart[account].add(into)
                continue
            merged[account] = into
            at, _, _, by, why = said
            self._connection.execute(_ALIAS, (at, *account, *into, by, why))
        for account, others in sorted(apart.items()):
            self.unmerged.append(":".join(account))
            listed = json.dumps(sorted(":".join(one) for one in others))
            self._connection.execute("INSERT INTO link_held VALUES (?, ?, ?, ?, ?)", (*account, listed, UNMERGED, now))
            self._connection.execute(_UNTOLD, account)

    def _taking_part(self) -> None:
        """When whoever stands wanted no part."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO opted_out (site, lms_user, since, until, said_by) VALUES (?, ?, ?, ?, ?)",
            [tuple(span) for pseudonym in self._accounts.values() for span in self._known[pseudonym].out],
        )

    def _said(self) -> Iterable[tuple[int, Account, Account, str, str]]:
        """(when, which account, whose it is since, by whom, why) of everybody who stands."""
        for into, pseudonym in self._accounts.items():
            for user, at, by, why, *site in self._known[pseudonym].aliases:
                # A copy that was sealed before accounts of several sites were one says no site.
                yield int(at), (str(site[0]) if site else into[0], str(user)), into, str(by), str(why)

    def _person_no(self, pseudonym: str) -> int:
        number = self._persons.get(pseudonym)
        if number is not None:
            return number
        number = self._persons[pseudonym] = len(self._persons) + 1
        person = self._known.get(pseudonym)
        if person is None:
            self.strangers.add(pseudonym)
            return number
        self._give_way(person)
        self._connection.execute(
            "INSERT INTO person (person_no, site, lms_user, secret, pseudonym, created_at) VALUES (?, ?, ?, ?, ?, ?)",
            (number, person.site, person.lms_user, person.secret, pseudonym, person.created_at),
        )
        return number


def _leads_to(account: Account, target: Account, merged: Mapping[Account, Account]) -> bool:
    """Whether an account is ``target``, or became it by any number of merges."""
    while account != target and account in merged:
        account = merged[account]
    return account == target
