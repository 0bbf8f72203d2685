"""Every table of the ledger, and what it holds about a person. A table that is not listed here fails a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Fate = Literal["removed", "cleared", "kept"]
"""On erasure rows go, or stay without the person, or stay as they are because nothing in them leads to anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a table ``holds`` about a person (empty: nothing), and its ``fate`` when the person is erased: why."""

    holds: str = ""
    fate: Fate = "kept"
    why: str


LEDGER: Mapping[str, Table] = {
    "person": Table(
        holds="the account, its secret and the pseudonym that is used outside the campus",
        fate="removed",
        why="with the secret everything that was hashed leads to nobody",
    ),
    "alias": Table(
        holds="accounts that were merged into it or linked with it",
        fate="removed",
        why="it names accounts",
    ),
    "account_tag": Table(
        holds="keyed digests of the idnumber and e-mail, to know the same person in another site",
        fate="removed",
        why="the link key would test any address against them",
    ),
    "link_held": Table(
        holds="accounts that may be the same person, waiting for somebody to decide",
        fate="removed",
        why="it names accounts; of links of others the account is taken out",
    ),
    "link_untold": Table(
        holds="that the catalogue is still to be told what the account is known by, in keyed digests",
        fate="removed",
        why="it names the account",
    ),
    "elsewhere": Table(
        holds="sums of what the person has at other agents of the campus, and the pseudonyms there",
        fate="removed",
        why="it ties the person to wallets elsewhere",
    ),
    "name_told": Table(
        holds="that the catalogue was told what the person is called, when, and a keyed digest of it",
        fate="removed",
        why="nobody is left to be called anything; the catalogue takes the name away",
    ),
    "name_said": Table(
        holds="what a system that posts calls the person, where names leave the campus and nobody else can be asked",
        fate="removed",
        why="it is the name",
    ),
    "event": Table(
        holds="acts as they were seen: when, what, who took part, looked-up facts",
        fate="removed",
        why="an act names its people; one that others have earned by stays for them, without the person",
    ),
    "decision": Table(
        holds="what each rule answered to each act, with the reason",
        fate="removed",
        why="it names the learner",
    ),
    "hold": Table(
        holds="decisions that wait, or waited, for somebody",
        fate="removed",
        why="it names the learner; what it kept from others is given back",
    ),
    "entry": Table(
        holds="every movement of points and badges, under the pseudonym",
        fate="kept",
        why="sums and hashes stay provable; without the secret the pseudonym leads to nobody",
    ),
    "balance": Table(
        holds="sums of the entries by currency",
        fate="kept",
        why="it is what the entries add up to, under a number that leads to nobody",
    ),
    "statement": Table(
        holds="what was spent, expired or was refunded",
        fate="kept",
        why="amounts under a number that leads to nobody; lots and sums need them",
    ),
    "centre_line": Table(
        holds="what the catalogue did to the wallet: spends, refunds, expiries, under the pseudonym",
        fate="kept",
        why="the catalogue's chain stays provable; without the secret the pseudonym leads to nobody",
    ),
    "wish": Table(
        holds="what was asked for in the catalogue of rewards, and what became of it",
        fate="removed",
        why="it says what somebody likes; the centre keeps the redemption under the pseudonym",
    ),
    "allowance": Table(
        holds="vouchers that were made beforehand, and whether they were given out",
        fate="removed",
        why="it says what somebody likes; the centre keeps the redemption under the pseudonym",
    ),
    "lot_notice": Table(
        holds="notices that something expires soon",
        fate="removed",
        why="nobody is left to be told",
    ),
    "quota_use": Table(
        holds="what counts towards limits, streaks, programmes and challenges: lesson, course or day",
        fate="removed",
        why="it is a diary of what the person did; where others' uses name the account, it is taken out",
    ),
    "undoable": Table(
        holds="what an undo would take back",
        fate="removed",
        why="it names the learner and the act",
    ),
    "restored_award": Table(
        holds="awards that came back from the catalogue and whose act was not read again yet",
        fate="removed",
        why="nobody is left whose act could be recognised",
    ),
    "state_event": Table(
        holds="which acts were found in a state table and not in the log",
        fate="removed",
        why="it goes with the act",
    ),
    "partial_event": Table(
        holds="which acts came from posts that lack a part of their key",
        fate="removed",
        why="it goes with the act",
    ),
    "source_anchor": Table(
        holds="rows of the log that are remembered to know the log again: event name, user, time",
        fate="removed",
        why="it names the user; the other anchors know the log as well",
    ),
    "scheduled_run": Table(
        holds="lists of draws, by pseudonym",
        fate="kept",
        why="anybody can verify a draw by its list, and the pseudonym leads to nobody",
    ),
    "opted_out": Table(
        holds="since when the person wanted no part, and until when",
        fate="removed",
        why="it names the account; the mark says enough",
    ),
    "agreed": Table(
        holds="since when the person agreed to take part, until when, and by whose word",
        fate="removed",
        why="it names the account; the mark says enough",
    ),
    "suppressed": Table(why="keyed digests of accounts that were erased, so that nothing brings them back"),
    "forgotten": Table(why="pseudonyms of the erased, which lead to nobody, for a catalogue that was put back"),
    "name": Table(why="names of rules, meters, sources, kinds and log events"),
    "rules_version": Table(why="texts of the rules"),
    "number_used": Table(why="counters"),
    "quota_total": Table(why="what everybody together has used of a budget"),
    "source_state": Table(why="how far each source is read"),
    "source_gap": Table(why="ids of the log that were not there"),
    "source_unsure": Table(why="places in a log or inbox, or times, of which not everything could be looked up"),
    "restored_source": Table(why="how far each source had been read before a restore"),
    "feed_hour": Table(why="counts by source and hour"),
    "set_aside": Table(why="places in a log or inbox, and where in the program they failed"),
    "reader": Table(why="how far each receiver has read"),
    "sealed_batch": Table(why="the entries of one batch, by pseudonym, until it is acknowledged"),
    "receipt": Table(why="the catalogue's receipts"),
    "rejected_entry": Table(why="numbers of entries that the catalogue set aside, and why"),
    "centre_page": Table(why="headers and signatures of what the catalogue told"),
    "centre_void": Table(why="numbers of pages that the catalogue no longer knows"),
    "centre_stand": Table(why="how far the catalogue was heard"),
    "elsewhere_stand": Table(why="how far the catalogue was heard of other agents' wallets"),
    "schedule": Table(why="since when each scheduled reward is in force"),
    "currency_terms": Table(why="how long the units of a currency live"),
    "lot_block": Table(why="when blocks of entries come due"),
    "lot_listed": Table(why="how far blocks were made"),
    "lot_moved": Table(why="numbers of entries that were given instead of others"),
    "act": Table(why="what administrators did, by their own names; no learner is named"),
    "setting": Table(
        why="facts about the ledger, and who changed it by hand; sealed, which accounts were erased together"
    ),
}
