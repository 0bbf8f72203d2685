"""Receipts and stands as bytes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from wire import receipt
from wire.canonical import MalformedError
from wire.receipt import Receipt, Rejected, Stand

A_RECEIPT = Receipt(
    campus="uni-example",
    agent="agent-1",
    epoch=1,
    first_seq=4,
    last_seq=9,
    digest=b"\x01" * 32,
    head=b"\x02" * 32,
    accepted=4,
    rejected=(Rejected(seq=5, reason="no currency"), Rejected(seq=9, reason="not JSON")),
    received_at=1_790_000_000,
)
A_STAND = Stand(campus="uni-example", agent="agent-1", epoch=1, seq=0, head=bytes(32), why="fork")


def test_answers_are_parsed_back_as_they_were() -> None:
    assert receipt.parse_receipt(receipt.encode_receipt(A_RECEIPT)) == A_RECEIPT
    assert receipt.parse_stand(receipt.encode_stand(A_STAND)) == A_STAND


@pytest.mark.parametrize(
    "change",
    [
        {"accepted": 5},
        {"last_seq": 3},
        {"rejected": (Rejected(seq=9, reason="x"), Rejected(seq=5, reason="x"))},
        {"rejected": (Rejected(seq=5, reason="x"), Rejected(seq=5, reason="x"))},
        {"rejected": (Rejected(seq=5, reason="x"), Rejected(seq=10, reason="x"))},
        {"rejected": (Rejected(seq=5, reason=""), Rejected(seq=6, reason="x"))},
        {"digest": b"\x01" * 31},
        {"epoch": 0},
    ],
)
def test_a_receipt_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    body = receipt.encode_receipt(dataclasses.replace(A_RECEIPT, **change))
    with pytest.raises(MalformedError):
        receipt.parse_receipt(body)


def test_a_stand_is_no_receipt_and_a_receipt_is_no_stand() -> None:
    with pytest.raises(MalformedError, match="not a receipt"):
        receipt.parse_receipt(receipt.encode_stand(A_STAND))
    with pytest.raises(MalformedError, match="not a stand"):
        receipt.parse_stand(receipt.encode_receipt(A_RECEIPT))


def test_an_answer_that_is_cut_short_or_too_long_is_refused() -> None:
    with pytest.raises(MalformedError, match="not JSON"):
        receipt.parse_receipt(receipt.encode_receipt(A_RECEIPT)[:-3])
    with pytest.raises(MalformedError, match="more than"):
        receipt.parse_stand(b" " * (receipt.ANSWER_BYTES_MAX + 1))
