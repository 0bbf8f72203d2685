"""Whether what is asked of the catalogue's database could be asked of one that is spread over servers by campus.

A server of a spread database answers what names its campus: each table of a statement is bound to one, by a value or by
the table that it is joined to. A catalogue in a test is `watched`: a request that asks what is not so fails the test.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from typing import Any

import structlog
from sqlalchemy import event

from catalogue.schema import metadata
from catalogue.store import Store

COMMON = {"catalogue_key", "reward", "label", "partner"}
"""Copied to each server: what is the whole catalogue's, and what may be everybody's (owner `*`) or a campus's own."""
_TABLES = {name for name in metadata.tables if name not in COMMON}
_SAID = re.compile(r"\bcampus = (?:[?$:]|CAST)", re.IGNORECASE)
_INSERT = re.compile(r"\bINSERT\s+(?:OR\s+\w+\s+)?INTO\s+(\w+)\s*\(([^)]*)\)", re.IGNORECASE)
_CHANGED = re.compile(r"\b(?:UPDATE\s+(?!SET\b)|DELETE\s+FROM\s+)(\w+)", re.IGNORECASE)
_FROM = re.compile(
    r"\bFROM\s+(.*?)(?=\bFROM\b|\bWHERE\b|\bGROUP\b|\bORDER\b|\bLIMIT\b|\bUNION\b|\bRETURNING\b|\bFOR\b|\)|$)",
    re.IGNORECASE,
)
_ALIAS = r"(\w+)(?:\s+(?:AS\s+)?(?!(?:ON|LEFT|INNER|CROSS|JOIN|OUTER|SET)\b)(\w+))?"
_NAMED = re.compile(rf"(?:^|,)\s*{_ALIAS}", re.IGNORECASE)
_JOINED = re.compile(rf"\bJOIN\s+{_ALIAS}", re.IGNORECASE)


@functools.cache
def strays(statement: str) -> tuple[str, ...]:
    """The tables of a statement that are bound to no campus."""
    text = " ".join(statement.replace('"', "").split())
    loose = {table for table, columns in _INSERT.findall(text) if table in _TABLES and "campus" not in columns}
    named = [(table, "") for table in _CHANGED.findall(text)] + _JOINED.findall(text)
    named += [found for clause in _FROM.findall(text) for found in _NAMED.findall(clause)]
    used = {(table, alias or table) for table, alias in named if table in _TABLES}
    loose |= {table for table, alias in used if not _SAID.search(text) or not _bound(text, alias)}
    return tuple(sorted(loose))


def _bound(text: str, alias: str) -> bool:
    """Whether the campus of one table is said."""
    alone = rf"(?:\b{alias}\.|(?<![\w.]))campus"
    return bool(re.search(rf"{alone} = |= {alias}\.campus\b", text, re.IGNORECASE))


@contextlib.contextmanager
def watched(store: Store) -> Iterator[None]:
    """Fail at the end with every statement that a request asked meanwhile and that binds a table to no campus."""
    found: set[str] = set()

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked_for = structlog.contextvars.get_contextvars().get("route")
        if asked_for and strays(statement):
            found.add(f"{', '.join(strays(statement))}: {statement}")

    engines = {engine.sync_engine for engine in store._engines}  # noqa: SLF001 - what is asked is what is looked at
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
    assert not found, "\n".join(sorted(found))
