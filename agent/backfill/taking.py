"""What of a log was set aside, taken again: each row is read anew and recorded alone, as today's version reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite

from agent import apart
from agent.ledger import codec, file
from agent.ledger.feeds import aside
from agent.ledger.feeds.aside import Kept
from agent.ledger.writer import Writer
from agent.model import Demand, Observation, Page
from agent.pipeline import Pipeline

ROWS_AT_ONCE = 50

ActAt = Callable[[str, int, Demand], Awaitable[Observation | None]]
"""(log source, id, what rules want) → the act as the log shows it now; None where it is not there, or not wanted."""


class Taking:
    """Carries out `events requeue` for log sources: ``late_s`` gives for each how much older a row may be."""

    def __init__(
        self, act_at: ActAt, *, late_s: Mapping[str, int], pipeline: Pipeline, writer: Writer, data_dir: Path
    ) -> None:
        self.sources = frozenset(late_s)
        self._act_at = act_at
        self._late_s = late_s
        self._pipeline = pipeline
        self._writer = writer
        self._data_dir = data_dir

    async def page(
        self, *, source: str, sought: Mapping[str, Any], really: bool, cursor: dict[str, Any] | None
    ) -> dict[str, Any]:
        """One page of rows after ``cursor``, as `Requeue.page` tells posts; ``sought`` are the fields of `Sought`.

        Raises:
            ConfigError: the log cannot be read as configured.
            TransientError: it cannot be reached.
        """
        with file.reading(self._data_dir) as connection:
            found = aside.page(connection, source, cursor["no"] if cursor else 0, ROWS_AT_ONCE)
        meant = [
            one
            for one in found
            if sought["since"] <= one.at < sought["until"] and (not sought["ids"] or one.position in sought["ids"])
        ]
        now = [await self._now(source, one, really=really) for one in meant]
        if really:
            done = [one.position for one, says in zip(meant, now, strict=True) if says in {"new", "gone"}]
            await self._writer.run(partial(_forgotten, source, done))
        return {
            "cursor": {"no": found[-1].position} if len(found) == ROWS_AT_ONCE else None,
            "looked": Counter(says.partition(":")[0] for says in now),
            "goes": now.count("new"),
            "moved": now.count("new") if really else 0,
            "posts": [
                {"id": one.position, "was": "set aside", "received_at": one.at, "told": one.fault, "now": says}
                for one, says in zip(meant, now, strict=True)
            ],
        }

    async def _now(self, source: str, one: Kept, *, really: bool) -> str:
        """What a row comes to now: `new` (with ``really`` it is recorded), `gone`, or why it fails still."""
        demand = self._pipeline.demand()
        try:
            seen = await self._act_at(source, one.position, demand)
            if seen is None:
                return "gone"
            if seen.occurred_at < one.at - self._late_s[source]:  # whether it was backdated was known only then
                seen = replace(seen, marks=seen.marks | {"backdated"})
            codec.encode_events([seen])
            if really:
                await self._pipeline.take(self._page(source, seen, demand))
        except Exception as error:  # noqa: BLE001 - the machine's trouble, and what is about no row, goes on
            apart.require_of_data(error)
            return f"failed: {apart.fault_of(error)}"
        return "new"

    def _page(self, source: str, seen: Observation, demand: Demand) -> Page:
        return Page(
            source=source,
            observations=[seen],
            state=self._pipeline.stands(source),
            rules_version=demand.rules_version,
            caught_up=False,
            part=True,
        )


async def _forgotten(source: str, positions: Sequence[int], connection: aiosqlite.Connection) -> None:
    await aside.forget(connection, source, positions)
