"""Batches as bytes: what was put in comes out, and everything malformed is said."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from tests.wire_builders import a_batch, a_header, an_entry, entries
from wire import batch, chain
from wire.batch import MalformedBatchError


def test_a_batch_is_a_header_line_and_the_stored_bytes_of_each_entry() -> None:
    bodies = entries(1, 3)
    lines = batch.encode(a_header(bodies), bodies).split(b"\n")
    assert lines[1:] == [*bodies, b""]
    assert lines[0].startswith(b'{"agent":"agent-1"')


def test_what_was_encoded_is_parsed_back_with_the_digest_of_its_bytes() -> None:
    bodies = entries(5, 9)
    header = a_header(bodies, first=5, previous=b"\x07" * 32)
    body = batch.encode(header, bodies)
    parsed = batch.parse(body)
    assert parsed.header == header
    assert parsed.entries == tuple(bodies)
    assert parsed.digest == hashlib.sha256(body).digest()


def test_fields_of_a_newer_version_survive() -> None:
    bodies = entries(1, 1)
    body = batch.encode(a_header(bodies, extra={"weather": {"rain": [1, 2]}}), bodies)
    parsed = batch.parse(body)
    assert parsed.header.extra == {"weather": {"rain": [1, 2]}}
    assert batch.encode(parsed.header, parsed.entries) == body


def test_an_unreadable_entry_does_not_make_the_batch_unreadable() -> None:
    bodies = [an_entry(1), b"\xff not json", b""]
    assert batch.parse(batch.encode(a_header(bodies), bodies)).entries == tuple(bodies)


@pytest.mark.parametrize(
    ("broken", "because"),
    [
        (lambda body: body[:-1], "cut short"),
        (lambda body: b"", "cut short"),
        (lambda body: body + b"{}\n", "is not 4 entries"),
        (lambda body: body.replace(b'"amount":10', b'"amount":11', 1), "does not end in the head"),
        (lambda body: b" " + body, "canonical form"),
        (lambda body: body.replace(b'"epoch":1', b'"epoch":1,"epoch":1', 1), "canonical form"),
        (lambda body: body.replace(b'"epoch":1', b'"epoch":0', 1), "'epoch' must be from 1"),
        (lambda body: body.replace(b'"epoch":1', b'"epoch":true', 1), "'epoch' must be a whole number"),
        (lambda body: body.replace(b'"campus":"uni-example"', b'"campus":"uni/example"', 1), "may only hold"),
        (lambda body: body.replace(b'"environment":"production"', b'"environment":""', 1), "1 to 100 characters"),
        (lambda body: body.replace(b'{"moodle":1000}', b"[]", 1), "'low_water' must be an object"),
        (lambda body: body.replace(b'{"moodle":1000}', b'{"moodle":-1}', 1), "'moodle' must be from 0"),
        (lambda body: body.replace(b'"v":1}\n', b'"v":2}\n', 1), "another format version"),
        (lambda body: b"[]\n", "not a JSON object"),
        (lambda body: b"nonsense\n", "not JSON"),
        (lambda body: body.replace(b'"last_seq":3', b'"last_seq":0', 1), "'last_seq' must be from 1"),
    ],
)
def test_a_malformed_batch_is_refused_with_what_is_wrong(broken: Callable[[bytes], bytes], because: str) -> None:
    with pytest.raises(MalformedBatchError, match=because):
        batch.parse(broken(a_batch(1, 3)))


def test_a_batch_over_its_bounds_is_refused() -> None:
    with pytest.raises(MalformedBatchError, match="batch_bytes_max"):
        batch.parse(a_batch(1, 3), bytes_max=100)
    with pytest.raises(MalformedBatchError, match="batch_entries_max"):
        batch.parse(a_batch(1, 3), entries_max=2)
    with pytest.raises(MalformedBatchError, match="header of"):
        batch.parse(b" " * 70_000 + b"\n")


def test_an_entry_with_a_newline_cannot_be_sealed() -> None:
    bodies = [b'{"a":\n1}']
    with pytest.raises(MalformedBatchError, match="newline"):
        batch.encode(a_header(bodies), bodies)


def test_a_header_that_does_not_belong_to_its_entries_cannot_be_sealed() -> None:
    with pytest.raises(MalformedBatchError, match="does not end in the head"):
        batch.encode(a_header(entries(1, 3), head=chain.GENESIS), entries(1, 3))
