"""The closing proof: what the log says must be paid, what the ledger holds and what the catalogue holds, to the point.

Three counts that know nothing of one another: SQL over the campus's own tables, the agent's export, the catalogue's
export and wallets; and both ends recompute their hash chains.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.demo.campus import Campus
from agent.demo.stage.expected import expected, log_rows
from agent.demo.stage.place import CAMPUS, Place
from agent.demo.stage.processes import call
from agent.errors import TransientError

Points = Mapping[tuple[str, str], int]
"""(rule, learner) → what was paid."""

_DIFFERENCES_TOLD = 3
_BADGE = "badge:"
"""How an account of a badge begins; each holds 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """``proven`` are the sentences that hold; ``differences`` what does not agree, empty where all does."""

    proven: tuple[str, ...]
    differences: tuple[str, ...]


def prove(place: Place, campus: Campus) -> Proof:
    """Compare all three, after everything has come to rest and the agent has stopped."""
    agent_rows = _csv(
        ["rewards-agent", "ledger", "export", "--format", "csv", "--badges", "--config", place.config], place
    )
    where = ["--data-dir", place.catalogue]
    centre_rows = _csv(["rewards-catalogue", "ledger", "export", CAMPUS, "--format", "csv", *where], place)
    wallets = json.loads(call(["rewards-catalogue", "wallet", "show", CAMPUS, "--json", *where], cwd=place.directory))
    proven: list[str] = []
    differences: list[str] = []
    for sentence, found in (
        _log_and_ledger(place, campus, agent_rows),
        _ledger_and_catalogue(agent_rows, centre_rows),
        _catalogue_and_wallets(centre_rows, wallets),
        _chains(place),
    ):
        differences.extend(found)
        if not found:
            proven.append(sentence)
    return Proof(proven=tuple(proven), differences=tuple(differences))


def _log_and_ledger(place: Place, campus: Campus, rows: list[dict[str, str]]) -> tuple[str, list[str]]:
    due = expected(place)
    paid: Counter[tuple[str, str]] = Counter()
    for row in _money(rows):
        paid[row["rule_id"], row["learner"]] += int(row["amount"])
    sentence = (
        f"Log and ledger agree: SQL over {log_rows(place):,} log rows says {sum(due.values()):,} for "
        f"{len({learner for _, learner in due})} of {len(campus.learners)} learners under "
        f"{len({rule for rule, _ in due})} rules, and so does the ledger, learner by learner, rule by rule."
    )
    return sentence, list(_unequal("the log", due, "the ledger", paid))


def _money(rows: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row in rows if not row["currency"].startswith(_BADGE)]


def _ledger_and_catalogue(ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> tuple[str, list[str]]:
    columns = ("rule_id", "currency", "amount", "kind", "occurred_at")
    sent, come = ({row["entry_id"]: tuple(row[c] for c in columns) for row in rows} for rows in (ours, theirs))
    differences = [f"entry {entry} is in the ledger only" for entry in sorted(sent.keys() - come.keys())]
    differences += [f"entry {entry} is in the catalogue only" for entry in sorted(come.keys() - sent.keys())]
    both = sent.keys() & come.keys()
    differences += [f"entry {e}: {sent[e]} in the ledger, {come[e]} there" for e in sorted(both) if sent[e] != come[e]]
    if len(theirs) != len(come):
        differences.append(f"the catalogue has {len(theirs)} rows for {len(come)} entries")
    pairs = {(mine["learner"], next_["learner"]) for mine, next_ in _side_by_side(ours, theirs)}
    if len(pairs) != len({mine for mine, _ in pairs}) or len(pairs) != len({other for _, other in pairs}):
        differences.append("one learner has two pseudonyms, or two learners have one")
    points = sum(int(row["amount"]) for row in _money(ours))
    badges = len(ours) - len(_money(ours))
    sentence = (
        f"Ledger and catalogue agree: {len(sent):,} entries, {points:,} points in all, {badges} badges, "
        f"{len(pairs)} pseudonyms."
    )
    return sentence, differences


def _side_by_side(
    ours: list[dict[str, str]], theirs: list[dict[str, str]]
) -> Iterable[tuple[dict[str, str], dict[str, str]]]:
    by_id = {row["entry_id"]: row for row in theirs}
    return ((row, by_id[row["entry_id"]]) for row in ours if row["entry_id"] in by_id)


def _catalogue_and_wallets(rows: list[dict[str, str]], wallets: list[dict[str, Any]]) -> tuple[str, list[str]]:
    posted: Counter[tuple[str, str]] = Counter()
    for row in rows:
        posted[row["currency"], row["learner"]] += int(row["amount"])
    held = {(wallet["currency"], wallet["learner"]): int(wallet["balance"]) for wallet in wallets}
    money = [amount for (currency, _), amount in held.items() if not currency.startswith(_BADGE)]
    sentence = (
        f"The wallets agree: {len(money)} of them hold {sum(money):,} points, and {len(held) - len(money)} a badge."
    )
    return sentence, list(_unequal("its entries", posted, "its wallets", held))


def _chains(place: Place) -> tuple[str, list[str]]:
    differences = []
    for words in (
        ["rewards-agent", "ledger", "verify", "--config", place.config],
        ["rewards-catalogue", "verify", CAMPUS, "--data-dir", place.catalogue],
    ):
        try:
            call(words, cwd=place.directory)
        except TransientError as exc:
            differences.append(exc.message)
    return "Both ends recomputed their hash chains from the stored bytes, and both hold.", differences


def _unequal(one: str, ones: Points, other: str, others: Points) -> Iterable[str]:
    for rule, learner in sorted(ones.keys() | others.keys()):
        here, there = ones.get((rule, learner), 0), others.get((rule, learner), 0)
        if here != there:
            yield f"{rule} for {learner}: {one} says {here}, {other} say{'' if other.endswith('s') else 's'} {there}"


def _csv(words: list[object], place: Place) -> list[dict[str, str]]:
    return list(csv.DictReader(call(words, cwd=place.directory).splitlines()))


def told(proof: Proof) -> list[str]:
    """The proof as lines for a person."""
    lines = [f"✓ {sentence}" for sentence in proof.proven]
    lines += [f"✗ {difference}" for difference in proof.differences[:_DIFFERENCES_TOLD]]
    more = len(proof.differences) - _DIFFERENCES_TOLD
    return [*lines, f"✗ … and {more} more"] if more > 0 else lines
