"""A draw's proof: what an outsider needs to repeat it, and repeating it step by step. Pseudonyms only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from agent.engine.timing.timetable import run_name
from agent.errors import InvalidInputError
from agent.ledger.delivery import CATALOGUE, CATALOGUE_KEY
from agent.ledger.schedule.runs import Run
from agent.schedule.drawing import signature_of
from wire import chain, draw, entry, signing
from wire.canonical import MalformedError
from wire.receipt import parse_receipt
from wire.signing import Headers, Response, SignatureError

FORMAT = 1
_ENTRIES = "SELECT seq, body, hash FROM entry WHERE seq >= ? AND seq <= ? ORDER BY seq"
_RECEIPT = """
SELECT body, signature, last_seq FROM receipt WHERE reader = ? AND first_seq <= ? AND last_seq >= ?
ORDER BY epoch DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a proof: what was compared or worked out, and whether it holds."""

    what: str
    holds: bool = True


def bundle(connection: sqlite3.Connection, run: Run) -> dict[str, Any]:
    """Everything an outsider needs, as JSON can carry it.

    Raises:
        InvalidInputError: the run is no draw, or it is not drawn yet.
    """
    if run.announced_seq is None or run.state != "closed":
        name = run_name(run.scheduled, run.nominal)
        told = "is announced and waits for the catalogue's receipt" if run.announced_seq else "is no draw with a list"
        raise InvalidInputError(f"{name} {told}", hint=f"see: rewards-agent scheduled show {name}")
    first, last = run.announced_seq, int(run.report.get("seed_seq", run.announced_seq))
    found: dict[str, Any] = {
        "v": FORMAT,
        "run": run_name(run.scheduled, run.nominal),
        "list": run.participants,
        "before": _hash(connection, first - 1).hex(),
        "first_seq": first,
        "entries": [body.decode() for _, body, _ in connection.execute(_ENTRIES, (first, last))],
        "head": _hash(connection, last).hex(),
        "winners": list(run.report.get("drawn", ())),
    }
    row = connection.execute(_RECEIPT, (CATALOGUE, first, first)).fetchone()
    if run.report.get("seed_kind") == "receipt" and row is not None:
        found["receipt"], found["receipt_headers"] = row[0].decode(), orjson.loads(row[1])
        key = connection.execute("SELECT value FROM setting WHERE key = ?", (CATALOGUE_KEY,)).fetchone()
        found["catalogue_key"] = key[0] if key else ""
    return found


def verified(found: Mapping[str, Any], *, now: int) -> list[Step]:
    """The proof step by step; it holds where every step does. It stops where the next step would have no ground.

    Raises:
        InvalidInputError: this is no such file.
    """
    try:
        return list(_steps(found, now))
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise InvalidInputError(
            f"this is not the file of a draw: {exc}", hint="made by: rewards-agent rules draw show RUN --export FILE"
        ) from None


def _steps(found: Mapping[str, Any], now: int) -> Iterator[Step]:
    bodies = [text.encode() for text in found["entries"]]
    announced = draw.announcement(entry.decode(bodies[0])["reason"])
    tickets, digest = draw.list_of(found["list"]), draw.digest(found["list"])
    yield Step(what=f"the announcement, entry {found['first_seq']}: {announced.text()}")
    counted = (len(tickets), sum(tickets.values())) == (announced.participants, announced.tickets)
    yield Step(what=f"the list has {len(tickets)} participants and {sum(tickets.values())} tickets", holds=counted)
    yield Step(what=f"sha256 of the list is {digest}", holds=digest == announced.digest)
    yield Step(what=f"it is about run {announced.run}", holds=announced.run == found["run"])
    head = chain.head(bytes.fromhex(found["before"]), bodies)
    led = f"from hash {found['before'][:16]}… before it, {len(bodies)} entries lead to {head.hex()}"
    yield Step(what=led, holds=head.hex() == found["head"])
    if announced.seed == "receipt" and "receipt" not in found:
        yield Step(what="the receipt is missing, whose signature was announced as a part of the seed", holds=False)
        return
    if announced.seed == "receipt":
        signature = signature_of(json.dumps(found["receipt_headers"]))
        yield from _signed(found, head, now)
    else:
        signature = b""
        yield Step(what="the seed is the chain alone: whoever ran the agent could have steered it")
    seed = draw.seed(head, signature)
    with_it = f" and the signature {signature.hex()}" if signature else ""
    yield Step(what=f"seed: sha256 of the hash {head.hex()}{with_it} is {seed}")
    rounds = draw.rounds(seed, tickets, announced.winners)
    for one in rounds:
        yield Step(what=_round(seed, one))
    winners = [one.winner for one in rounds if one.winner]
    yield Step(what=f"won: {', '.join(winners) or 'nobody'}", holds=winners == list(found["winners"]))


def _signed(found: Mapping[str, Any], head: bytes, now: int) -> Iterator[Step]:
    body, headers = found["receipt"].encode(), Headers(found["receipt_headers"].items())
    try:
        public = bytes.fromhex(found["catalogue_key"])
        signing.verify_receipt(Response(status_code=200, headers=headers), body, public=public, now=now)
        receipt = parse_receipt(body)
    except (SignatureError, MalformedError, ValueError) as exc:
        yield Step(
            what=f"the receipt is not signed by the catalogue's key {found['catalogue_key'][:16]}…: {exc}", holds=False
        )
        return
    last = found["first_seq"] + len(found["entries"]) - 1
    yield Step(what=f"the receipt is signed by the catalogue's key {found['catalogue_key']}")
    about = f"the receipt is about entries {receipt.first_seq} to {receipt.last_seq} and the hash {receipt.head.hex()}"
    yield Step(
        what=about, holds=receipt.head == head and receipt.first_seq <= found["first_seq"] and receipt.last_seq == last
    )


def _round(seed: str, one: draw.Round) -> str:
    said = f"round {one.number}: sha256 of '{seed[:8]}…:{one.number}' begins {one.digits}, which is {one.value}"
    if one.ticket is None:
        return f"{said}: not below the largest multiple of {one.left}, passed over"
    return (
        f"{said}; divided by the {one.left} tickets left, {one.ticket} is over: ticket {one.ticket} is {one.winner}'s"
    )


def _hash(connection: sqlite3.Connection, seq: int) -> bytes:
    if seq == 0:
        return chain.GENESIS
    return bytes(connection.execute("SELECT hash FROM entry WHERE seq = ?", (seq,)).fetchone()[0])
