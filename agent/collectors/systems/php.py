"""PHP's `serialize` format, scalars and arrays only: what Moodle's log keeps in `other` unless it is set to JSON."""

from __future__ import annotations

from agent.errors import InvalidInputError

DEPTH_MAX = 16
"""Nested arrays at most; Moodle's own events nest two deep."""

_NUMBER_MAX = 40
"""Characters of a number; PHP's integers have 64 bits, its floats 17 digits and an exponent."""

PhpValue = None | bool | int | float | str | dict[int | str, "PhpValue"]


def decode_php(data: bytes) -> PhpValue:
    """The value that ``data`` holds; arrays become dicts, strings are decoded as UTF-8.

    Raises:
        InvalidInputError: broken, truncated, too deep, an object or reference, or something follows the value.
    """
    value, end = _value(data, 0, 0)
    if end != len(data):
        raise InvalidInputError(f"PHP data ends at byte {end}, but {len(data) - end} bytes follow")
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[PhpValue, int]:
    """The value that begins at ``at``, and where it ends."""
    tag = data[at : at + 2]
    if tag == b"N;":
        return None, at + 2
    if tag == b"s:":
        return _string(data, at)
    if tag == b"a:":
        return _array(data, at, depth)
    if tag in {b"i:", b"b:", b"d:"}:
        return _scalar(data, tag, at)
    raise InvalidInputError(f"PHP data has no scalar or array at byte {at}")


def _scalar(data: bytes, tag: bytes, at: int) -> tuple[PhpValue, int]:
    text, end = _until(data, at + 2, b";")
    if len(text) > _NUMBER_MAX:
        raise InvalidInputError(f"PHP data has a number of more than {_NUMBER_MAX} characters at byte {at}")
    try:
        if tag == b"i:":
            return int(text), end
        if tag == b"d:":
            return float(text), end
    except ValueError as error:
        raise InvalidInputError(f"PHP data has no number at byte {at}") from error
    if text not in {b"0", b"1"}:
        raise InvalidInputError(f"PHP data has no truth value at byte {at}")
    return text == b"1", end


def _string(data: bytes, at: int) -> tuple[str, int]:
    """A string: its length counts bytes, so it may hold quotes and semicolons."""
    length, start = _length(data, at + 2)
    end = start + 1 + length
    if data[start : start + 1] != b'"' or data[end : end + 2] != b'";':
        raise InvalidInputError(f"PHP data has no string of {length} bytes at byte {at}")
    try:
        return data[start + 1 : end].decode("utf-8"), end + 2
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"PHP data has a string that is not UTF-8 at byte {at}") from error


def _array(data: bytes, at: int, depth: int) -> tuple[dict[int | str, PhpValue], int]:
    if depth >= DEPTH_MAX:
        raise InvalidInputError(f"PHP data nests deeper than {DEPTH_MAX} arrays")
    count, at = _length(data, at + 2)
    if data[at : at + 1] != b"{":
        raise InvalidInputError(f"PHP data has no array at byte {at}")
    at += 1
    found: dict[int | str, PhpValue] = {}
    for _ in range(count):
        key, at = _value(data, at, depth + 1)
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise InvalidInputError(f"PHP data has an array key that is neither number nor text before byte {at}")
        found[key], at = _value(data, at, depth + 1)
    if data[at : at + 1] != b"}":
        raise InvalidInputError(f"PHP data has no end of its array at byte {at}")
    return found, at + 1


def _length(data: bytes, at: int) -> tuple[int, int]:
    text, end = _until(data, at, b":")
    if not text.isdigit() or len(text) > len(str(len(data))):
        raise InvalidInputError(f"PHP data has no length at byte {at}")
    return int(text), end


def _until(data: bytes, at: int, mark: bytes) -> tuple[bytes, int]:
    """The bytes up to ``mark``, and where to go on after it."""
    end = data.find(mark, at)
    if end < 0:
        raise InvalidInputError(f"PHP data breaks off after byte {at}")
    return data[at:end], end + 1
