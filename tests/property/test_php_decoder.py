"""The PHP decoder agrees with what PHP writes, and refuses everything else without falling over."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors.systems.php import DEPTH_MAX, PhpValue, decode_php
from agent.errors import InvalidInputError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES: st.SearchStrategy[PhpValue] = st.recursive(
    SCALARS, lambda inner: st.dictionaries(st.integers() | st.text(max_size=5), inner, max_size=4), max_leaves=12
)


def encoded(value: PhpValue) -> bytes:
    """As PHP's `serialize` writes it."""
    if value is None:
        return b"N;"
    if isinstance(value, bool):
        return b"b:%d;" % value
    if isinstance(value, int):
        return b"i:%d;" % value
    if isinstance(value, float):
        return b"d:" + repr(value).encode() + b";"
    if isinstance(value, str):
        return b's:%d:"%s";' % (len(value.encode()), value.encode())
    return b"a:%d:{" % len(value) + b"".join(encoded(key) + encoded(one) for key, one in value.items()) + b"}"


@given(VALUES)
def test_what_php_wrote_is_read_back(value: PhpValue) -> None:
    assert decode_php(encoded(value)) == value


@given(VALUES, st.binary(min_size=1, max_size=3))
def test_anything_behind_the_value_is_refused(value: PhpValue, junk: bytes) -> None:
    with pytest.raises(InvalidInputError, match="follow"):
        decode_php(encoded(value) + junk)


@given(VALUES, st.data())
def test_a_value_that_breaks_off_is_refused(value: PhpValue, data: st.DataObject) -> None:
    whole = encoded(value)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(InvalidInputError):
        decode_php(whole[:cut])


@given(st.binary(max_size=60) | st.text('abdisNO:;{}"0123456789-.', max_size=60).map(str.encode))
def test_any_bytes_are_a_value_or_an_invalid_input_and_nothing_else(data: bytes) -> None:
    try:
        value = decode_php(data)
    except InvalidInputError:
        return
    assert value is None or isinstance(value, bool | int | float | str | dict)
    assert not (isinstance(value, float) and math.isnan(value)) or b"nan" in data.lower()


def test_nesting_is_bounded_and_does_not_exhaust_the_stack() -> None:
    for depth in (DEPTH_MAX + 1, 100_000):
        with pytest.raises(InvalidInputError, match="deeper"):
            decode_php(b"a:1:{i:0;" * depth + b"N;" + b"}" * depth)


def test_objects_and_references_are_refused() -> None:
    for text in (b'O:8:"stdClass":0:{}', b"a:2:{i:0;i:1;i:1;R:2;}", b'C:3:"Foo":0:{}'):
        with pytest.raises(InvalidInputError):
            decode_php(text)


def test_a_length_counts_bytes_and_not_characters() -> None:
    assert decode_php('s:6:"日本";'.encode()) == "日本"
    with pytest.raises(InvalidInputError):
        decode_php('s:2:"日本";'.encode())
