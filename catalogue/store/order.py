"""Texts in the order of their characters' numbers, which is Python's and SQLite's own, whatever a database's locale."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class Bytewise(FunctionElement[str]):
    """A text column to compare and to order by. No index of PostgreSQL helps: for what one campus has few of."""

    name = "bytewise"
    type = Text()
    inherit_cache = True


@compiles(Bytewise)
def _plain(element: Bytewise, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(Bytewise, "postgresql")
def _collated(element: Bytewise, compiler: Any, **options: Any) -> str:
    return f'{compiler.process(element.clauses, **options)} COLLATE "C"'
