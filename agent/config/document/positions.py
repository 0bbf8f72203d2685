"""Where each key and value of a TOML text stands, because no parser keeps positions; and what is not TOML 1.0 in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import tomli

KeyPath = tuple[str | int, ...]
"""`("rule", 3, "award", "points")`: keys, and the number of the element in lists and arrays of tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands, as offsets into the text: ``key`` of its name, ``value`` to ``end`` of what it is.

    A table under a header has the header's name as key and the whole header as value; an element of a list has its
    value as key; a table that exists only because a dotted key or a deeper header goes through it has its name as both.
    ``headed`` is true for tables that a `[header]` or `[[header]]` opened.
    """

    key: int
    value: int
    end: int
    headed: bool = False


class NotTomlOneError(ValueError):
    """The text is read by newer parsers but not by TOML 1.0: ``offset`` is where, ``hint`` the way out."""

    def __init__(self, offset: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.hint = hint


def positions(text: str) -> Mapping[KeyPath, Place]:
    """The place of every key and value in ``text``, which tomli has accepted and whose newlines are LF.

    Raises:
        NotTomlOneError: it uses what only TOML 1.1 allows.
    """
    return _Scanner(text).scan()


_BLANK = re.compile(r"[ \t]*")
_FILLER = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]+")
_STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}(?!")', re.DOTALL),
    re.compile(r"'''.*?'{3,5}(?!')", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_TIME_WITHOUT_SECONDS = re.compile(r"(?:\d{4}-\d\d-\d\d[Tt ])?\d\d:\d\d(?:[Zz]|[+-]\d\d:\d\d)?")

_SINGLE_QUOTES = r"in double quotes it starts an escape; write the text in single quotes: '\mod_quiz\event\…'"
_ONE_LINE = "TOML 1.0 wants an inline table { … } on one line: join the lines, or write it as a [table] of its own"


class _Scanner:
    """Walks the text once. It trusts the grammar, since tomli has checked it, and only keeps count of where it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._places: dict[KeyPath, Place] = {}
        self._last: dict[KeyPath, int] = {}  # arrays of tables: the number of the newest element

    def scan(self) -> Mapping[KeyPath, Place]:
        table: KeyPath = ()
        self._skip(_FILLER)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_FILLER)
        return self._places

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()

    def _header(self) -> KeyPath:
        start = self._at
        many = self._text.startswith("[[", start)
        self._at += 2 if many else 1
        names = self._key()
        self._at += 2 if many else 1
        path: KeyPath = ()
        for name, offset in names[:-1]:
            path = (*path, name)
            self._places.setdefault(path, Place(key=offset, value=offset, end=offset + len(name)))
            if path in self._last:
                path = (*path, self._last[path])
        name, offset = names[-1]
        path = (*path, name)
        here = Place(key=offset, value=start, end=self._at, headed=True)
        if not many:
            self._places[path] = here
            return path
        self._places.setdefault(path, here)
        self._last[path] = self._last.get(path, -1) + 1
        path = (*path, self._last[path])
        self._places[path] = here
        return path

    def _key(self) -> list[tuple[str, int]]:
        """A dotted key's parts, each with its offset; ends after the key and the blanks behind it."""
        parts: list[tuple[str, int]] = []
        while True:
            self._skip(_BLANK)
            start = self._at
            if self._text[start] in "\"'":
                self._string()
                name = _unquoted(self._text[start : self._at])
            else:
                self._skip(_BARE_KEY)
                name = self._text[start : self._at]
            parts.append((name, start))
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _pair(self, table: KeyPath) -> None:
        names = self._key()
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        path = table
        for name, offset in names[:-1]:
            path = (*path, name)
            self._places.setdefault(path, Place(key=offset, value=offset, end=offset + len(name)))
        name, offset = names[-1]
        self._value((*path, name), offset)

    def _value(self, path: KeyPath, key: int) -> None:
        start = self._at
        opening = self._text[start]
        if opening in "\"'":
            self._string()
        elif opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._scalar()
        self._places[path] = Place(key=key, value=start, end=self._at)

    def _scalar(self) -> None:
        found = _SCALAR.match(self._text, self._at)
        written = found[0].rstrip() if found else ""
        if _TIME_WITHOUT_SECONDS.fullmatch(written):
            raise NotTomlOneError(self._at, f"a time without seconds: {written}", "TOML 1.0 wants them: 09:00:00")
        self._at += len(written)

    def _string(self) -> None:
        start = self._at
        for pattern in _STRINGS:
            found = pattern.match(self._text, start)
            if found:
                self._at = found.end()
                break
        if self._text[start] == '"':
            for escape in _ESCAPE.finditer(self._text, start, self._at):
                if escape[1] in "ex":
                    raise NotTomlOneError(escape.start(), f"\\{escape[1]} is no escape of TOML 1.0", _SINGLE_QUOTES)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        number = 0
        while True:
            self._skip(_FILLER)
            if self._text[self._at] == "]":
                self._at += 1
                return
            self._value((*path, number), self._at)
            number += 1
            self._skip(_FILLER)
            if self._text[self._at] == ",":
                self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        after_comma = False
        while True:
            self._skip(_BLANK)
            following = self._text[self._at]
            if following in "\n#":
                raise NotTomlOneError(self._at, "an inline table that goes on in the next line", _ONE_LINE)
            if following == "}":
                if after_comma:
                    raise NotTomlOneError(self._at, "a comma before the closing }", "TOML 1.0 wants it left out")
                self._at += 1
                return
            if following == ",":
                self._at += 1
                after_comma = True
                continue
            after_comma = False
            self._pair(path)


def _unquoted(written: str) -> str:
    """The name a quoted key stands for."""
    if written[0] == '"' and "\\" in written:
        return str(tomli.loads(f"k = {written}")["k"])
    return written[1:-1]
