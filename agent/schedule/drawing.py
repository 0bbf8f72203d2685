"""A draw's second half: the seed, once it is there, and who wins by it."""

from __future__ import annotations

import base64
import re
import sqlite3
from dataclasses import dataclass
from typing import Any

import orjson

from agent.engine.rulebook import Timed
from agent.engine.schedule import deciding
from agent.engine.schedule.deciding import Winner
from agent.errors import IntegrityError
from agent.ledger.delivery import CATALOGUE
from agent.ledger.schedule import datasets
from agent.ledger.schedule.runs import Run
from wire import draw
from wire.receipt import parse_receipt

_RECEIPT = """
SELECT body, signature FROM receipt WHERE reader = ? AND first_seq <= ? AND last_seq >= ? ORDER BY epoch DESC LIMIT 1
"""
_HEAD = "SELECT hash FROM entry WHERE seq = ?"
_SIGNATURE = re.compile(r"[a-z0-9_*.-]+=:([A-Za-z0-9+/=]+):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A seed (hex) and what it was made of: the chain's hash after ``seq``, and a signature (empty: chain alone)."""

    text: str
    seq: int
    head: bytes
    signature: bytes


def seed_of(connection: sqlite3.Connection, run: Run, *, chain_alone: bool) -> Seed | None:
    """The seed of an announced draw; None where the receipt for its announcement is not here yet.

    Raises:
        IntegrityError: the kept receipt is not about this chain.
    """
    seq = run.announced_seq or 0
    if chain_alone:
        head = _head(connection, seq)
        return Seed(text=draw.seed(head, b""), seq=seq, head=head, signature=b"")
    row = connection.execute(_RECEIPT, (CATALOGUE, seq, seq)).fetchone()
    if row is None:
        return None
    receipt, signature = parse_receipt(row[0]), signature_of(row[1])
    if _head(connection, receipt.last_seq) != receipt.head:
        raise IntegrityError(
            f"the receipt for entry {seq} is about another chain", hint="run: rewards-agent ledger verify"
        )
    return Seed(text=draw.seed(receipt.head, signature), seq=receipt.last_seq, head=receipt.head, signature=signature)


def signature_of(lines: str) -> bytes:
    """The signature's own bytes, from the kept header lines of an answer.

    Raises:
        IntegrityError: there is none among them.
    """
    try:
        found = _SIGNATURE.fullmatch(str(orjson.loads(lines)["signature"]).strip())
        signature = base64.b64decode(found[1], validate=True) if found is not None else b""
    except (ValueError, KeyError, TypeError):
        signature = b""
    if not signature:
        raise IntegrityError("a kept receipt has no signature that can be read", hint="see: rewards-agent sync status")
    return signature


def drawn(connection: sqlite3.Connection, run: Run, timed: Timed, seed: Seed) -> tuple[list[Winner], dict[str, Any]]:
    """Who wins, in the order drawn, and the report. Who was erased since has won, and cannot be paid."""
    tickets = draw.list_of(run.participants)
    announced = timed.spec.draw
    rounds = draw.rounds(seed.text, tickets, int(run.report.get("to_win", announced.winners if announced else 0)))
    names = [one.winner for one in rounds if one.winner]
    known = datasets.learners(connection, names)
    values = {learner: tickets[name] for name, learner in known.items()}
    winners = deciding.drawn((known.get(name, "") for name in names), values, timed)
    report = {
        **run.report,
        "winners": len(winners),
        "drawn": names,
        "seed": seed.text,
        "seed_seq": seed.seq,
        "seed_kind": "receipt" if seed.signature else "chain",
        "rounds": len(rounds),
        "erased": len(names) - len(winners),
    }
    return winners, report


def _head(connection: sqlite3.Connection, seq: int) -> bytes:
    row = connection.execute(_HEAD, (seq,)).fetchone()
    if row is None:
        raise IntegrityError(f"there is no entry {seq}", hint="run: rewards-agent ledger verify")
    return bytes(row[0])
