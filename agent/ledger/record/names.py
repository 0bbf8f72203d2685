"""Small numbers for long texts (rules, meters, sources, kinds), kept in memory; used only inside the writer's units."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import aiosqlite

NameKind = Literal["rule", "meter", "source"]


class Names:
    """The table `name`, both ways."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._loaded = False

    def forget(self) -> None:
        """Drop what is kept in memory (after a rollback)."""
        self._numbers.clear()
        self._loaded = False

    async def _load(self, connection: aiosqlite.Connection) -> None:
        rows = await connection.execute_fetchall("SELECT no, kind, text FROM name")
        self._numbers = {(kind, text): no for no, kind, text in rows}
        self._loaded = True

    async def find(self, connection: aiosqlite.Connection, kind: NameKind, texts: Iterable[str]) -> dict[str, int]:
        """The numbers of those ``texts`` that have one."""
        if not self._loaded:
            await self._load(connection)
        return {text: no for text in texts if (no := self._numbers.get((kind, text))) is not None}

    async def number(self, connection: aiosqlite.Connection, kind: NameKind, texts: Iterable[str]) -> dict[str, int]:
        """The number of every one of ``texts``; new texts get the next numbers."""
        wanted = list(dict.fromkeys(texts))
        found = await self.find(connection, kind, wanted)
        new = [text for text in wanted if text not in found]
        if new:
            start = max(self._numbers.values(), default=0) + 1
            rows = [(no, kind, text) for no, text in enumerate(new, start)]
            await connection.executemany("INSERT INTO name (no, kind, text) VALUES (?, ?, ?)", rows)
            for no, _, text in rows:
                found[text] = self._numbers[kind, text] = no
        return found
