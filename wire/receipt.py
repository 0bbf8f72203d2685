"""What the catalogue answers: a receipt, which is true for ever, or where it stands, which is true now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wire import canonical
from wire.canonical import MalformedError

FORMAT = 1
CONTENT_TYPE = "application/json"
ANSWER_BYTES_MAX = 2**20
"""Largest answer an agent reads, in bytes: a receipt that rejects all of its entries fits."""
REASON_CHARS_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One entry that was set aside: it stands in the chain and moved no wallet."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The catalogue has this batch, in full and for good.

    ``digest`` is the SHA-256 of the batch's bytes, ``head`` the chain's hash after it (32 bytes each); ``accepted``
    counts the entries posted to wallets; ``received_at`` is when, seconds UTC.
    """

    campus: str
    agent: str
    epoch: int
    first_seq: int
    last_seq: int
    digest: bytes
    head: bytes
    accepted: int
    rejected: tuple[Rejected, ...]
    received_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where the catalogue stands with one agent: ``head`` (32 bytes) after entry ``seq`` of ``epoch``.

    ``why`` is empty when it was asked for, else why a batch was not taken. A fresh chain stands at seq 0, genesis.
    ``at`` is the catalogue's clock (seconds UTC; 0: it does not say), ``notice`` what people at the campus must know.
    """

    campus: str
    agent: str
    epoch: int
    seq: int
    head: bytes
    why: str = ""
    at: int = 0
    notice: str = ""


def encode_receipt(receipt: Receipt) -> bytes:
    """Canonical bytes of a receipt."""
    return canonical.dump(
        {
            "v": FORMAT,
            "kind": "receipt",
            "campus": receipt.campus,
            "agent": receipt.agent,
            "epoch": receipt.epoch,
            "first_seq": receipt.first_seq,
            "last_seq": receipt.last_seq,
            "digest": receipt.digest.hex(),
            "head": receipt.head.hex(),
            "accepted": receipt.accepted,
            "rejected": [{"seq": item.seq, "reason": item.reason} for item in receipt.rejected],
            "received_at": receipt.received_at,
        }
    )


def parse_receipt(body: bytes) -> Receipt:
    """Read a receipt.

    Raises:
        MalformedError: it is not one, or its counts contradict each other.
    """
    fields = _answer(body, "receipt")
    first_seq = canonical.whole(fields, "first_seq", least=1)
    last_seq = canonical.whole(fields, "last_seq", least=first_seq)
    receipt = Receipt(
        campus=canonical.called(fields, "campus"),
        agent=canonical.called(fields, "agent"),
        epoch=canonical.whole(fields, "epoch", least=1),
        first_seq=first_seq,
        last_seq=last_seq,
        digest=canonical.octets(fields, "digest"),
        head=canonical.octets(fields, "head"),
        accepted=canonical.whole(fields, "accepted"),
        rejected=_rejected(fields, first_seq, last_seq),
        received_at=canonical.whole(fields, "received_at"),
    )
    if receipt.accepted + len(receipt.rejected) != last_seq - first_seq + 1:
        raise MalformedError("the receipt's accepted and rejected entries do not add up to its range")
    return receipt


def encode_stand(stand: Stand) -> bytes:
    """Canonical bytes of a stand."""
    return canonical.dump(
        {
            "v": FORMAT,
            "kind": "stand",
            "campus": stand.campus,
            "agent": stand.agent,
            "epoch": stand.epoch,
            "seq": stand.seq,
            "head": stand.head.hex(),
            "why": stand.why,
            "at": stand.at,
            "notice": stand.notice,
        }
    )


def parse_stand(body: bytes) -> Stand:
    """Read a stand.

    Raises:
        MalformedError: it is not one.
    """
    fields = _answer(body, "stand")
    return Stand(
        campus=canonical.called(fields, "campus"),
        agent=canonical.called(fields, "agent"),
        epoch=canonical.whole(fields, "epoch"),
        seq=canonical.whole(fields, "seq"),
        head=canonical.octets(fields, "head"),
        why=canonical.text(fields, "why", most=REASON_CHARS_MAX, empty=True),
        at=canonical.whole({"at": 0} | fields, "at"),
        notice=canonical.text({"notice": ""} | fields, "notice", most=REASON_CHARS_MAX, empty=True),
    )


def _answer(body: bytes, kind: str) -> dict[str, Any]:
    if len(body) > ANSWER_BYTES_MAX:
        raise MalformedError(f"an answer of {len(body)} bytes is more than {ANSWER_BYTES_MAX}")
    fields = canonical.load(body, what=f"the {kind}")
    canonical.version(fields, FORMAT)
    if fields.get("kind") != kind:
        raise MalformedError(f"the answer is not a {kind}")
    return fields


def _rejected(fields: Mapping[str, Any], first_seq: int, last_seq: int) -> tuple[Rejected, ...]:
    items = fields.get("rejected")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedError("field 'rejected' must be a list of objects")
    rejected = tuple(
        Rejected(
            seq=canonical.whole(item, "seq", least=1), reason=canonical.text(item, "reason", most=REASON_CHARS_MAX)
        )
        for item in items
    )
    seqs = [item.seq for item in rejected]
    if seqs != sorted(set(seqs)) or (seqs and not first_seq <= seqs[0] <= seqs[-1] <= last_seq):
        raise MalformedError("field 'rejected' must name entries of the range, in order, each once")
    return rejected
