"""Any batch survives the way to bytes and back; no bytes at all make the parser do anything but answer or refuse."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.wire_builders import a_header
from wire import batch, chain
from wire.batch import Header, MalformedBatchError

SEQ = st.integers(1, 2**40)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True)
SOURCES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.lists(st.binary(max_size=60).filter(lambda body: b"\n" not in body), min_size=1, max_size=8)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Header, list[bytes]]:
    bodies = draw(BODIES)
    extra: dict[str, Any] = draw(st.dictionaries(st.from_regex(r"x_[a-z]{1,8}", fullmatch=True), JSON, max_size=3))
    header = a_header(
        bodies,
        first=draw(SEQ),
        previous=draw(st.binary(min_size=32, max_size=32)),
        campus=draw(NAMES),
        agent=draw(NAMES),
        epoch=draw(SEQ),
        low_water=draw(st.dictionaries(SOURCES, st.integers(0, 2**62), max_size=4)),
        extra=extra,
    )
    return header, bodies


@given(batches())
def test_every_batch_is_parsed_back_to_what_it_was_and_encodes_to_the_same_bytes(
    made: tuple[Header, list[bytes]],
) -> None:
    header, bodies = made
    body = batch.encode(header, bodies)
    parsed = batch.parse(body)
    assert parsed.header == header
    assert parsed.entries == tuple(bodies)
    assert batch.encode(parsed.header, parsed.entries) == body


@given(batches(), st.data())
def test_no_single_changed_byte_goes_unnoticed(made: tuple[Header, list[bytes]], data: st.DataObject) -> None:
    header, bodies = made
    body = bytearray(batch.encode(header, bodies))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    try:
        parsed = batch.parse(bytes(body))
    except MalformedBatchError:
        return
    # What the chain does not cover is covered by the signature over the whole body: the digest tells them apart.
    assert parsed.digest != batch.digest(batch.encode(header, bodies))
    assert chain.head(parsed.header.previous, parsed.entries) == parsed.header.head


@given(st.binary(max_size=400))
def test_any_bytes_are_a_batch_or_a_clear_refusal(body: bytes) -> None:
    try:
        parsed = batch.parse(body)
    except MalformedBatchError:
        return
    assert batch.encode(parsed.header, parsed.entries) == body
