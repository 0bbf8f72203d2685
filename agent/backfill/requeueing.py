"""Posts that were refused, or told nothing, looked at with the mapping and rules of today and put back in line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite

from agent.backfill.taking import Taking
from agent.collectors.base import Collector
from agent.collectors.inbox.collector import InboxCollector, is_wanted
from agent.collectors.inbox.requeued import Kept, Refused, Sought
from agent.collectors.inbox.store import Inbox
from agent.collectors.systems.base import RefusedPostError
from agent.collectors.systems.generic import request_of
from agent.engine import trust
from agent.engine.sighting import again
from agent.errors import InvalidInputError
from agent.ledger import file
from agent.ledger.feeds import aside
from agent.ledger.past import again as past_again
from agent.ledger.writer import Writer
from agent.model import Event, Trust
from agent.pipeline import Pipeline

POSTS_AT_ONCE = 200
SORTS = ("refused", "read")
NEWS = frozenset({"new", "adds"})
"""What a post says now that is worth reading it again: an act that is not recorded, or more about one that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """One post with what it would come to now: `new`, `adds`, `recorded`, `unwanted`, `cut`, or why it is refused."""

    number: int
    first: int
    sort: str
    received_at: int
    told: str
    now: str
    request: str

    @property
    def readable(self) -> bool:
        return self.now in {*NEWS, "recorded", "unwanted"}


class Requeue:
    """Carries out `events requeue`, for those of ``collectors`` that read the inbox; ``ceilings`` are their trusts."""

    def __init__(
        self,
        inbox: Inbox | None,
        collectors: Mapping[str, Collector],
        *,
        pipeline: Pipeline,
        writer: Writer,
        ceilings: Mapping[str, Trust],
        taking: Taking,
        data_dir: Path,
    ) -> None:
        self._inbox = inbox
        self._readers = {name: one for name, one in collectors.items() if isinstance(one, InboxCollector)}
        self._pipeline = pipeline
        self._writer = writer
        self._ceilings = ceilings
        self._taking = taking
        self._data_dir = data_dir

    async def page(
        self,
        *,
        source: str,
        sorts: Sequence[str],
        sought: Mapping[str, Any],
        every: bool,
        really: bool,
        cursor: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One page of posts after ``cursor``; ask again with the cursor it returns, until that is None.

        ``sorts`` are of `SORTS`, ``sought`` the fields of `Sought`. What would be news goes to the end of the line
        (with ``every`` all that can be read), and only with ``really``. ``looked`` counts by what each would come to,
        ``goes`` those that go, ``posts`` tells them one by one.

        Raises:
            InvalidInputError: the source has no inbox.
        """
        if source in self._taking.sources:
            return await self._taking.page(source=source, sought=sought, really=really, cursor=cursor)
        if self._inbox is None or source not in self._readers:
            raise InvalidInputError(
                f"source {source!r} keeps no posts, and is no log",
                hint="recorded events are decided again by: rewards-agent events replay",
            )
        at = cursor or {"sort": sorts[0], "no": 0, "upto": self._pipeline.stands(source).position}
        found, last = await self._found(source, Sought(**sought), at)
        goes = [one for one in found if one.now in NEWS or (every and one.readable)]
        moved = await self._moved(source, goes) if really else 0
        if really and at["sort"] == "read":
            await self._writer.run(partial(_no_longer_aside, source, goes, await self._inbox.oldest(source)))
        return {
            "cursor": _after(at, sorts, last),
            "looked": Counter(one.now.partition(":")[0] for one in found),
            "goes": len(goes),
            "moved": moved,
            "posts": [
                {"id": one.number, "was": one.sort, "received_at": one.received_at, "told": one.told, "now": one.now}
                | ({"request_id": one.request} if one.request else {})
                for one in found
            ],
        }

    async def _found(self, source: str, sought: Sought, at: Mapping[str, Any]) -> tuple[Sequence[_Looked], int | None]:
        """The posts of a page, and the number of the last where there may be more."""
        inbox = self._inbox
        if inbox is None:
            return (), None
        if at["sort"] == "refused":
            turned_away = await inbox.refused(source, sought, at["no"], POSTS_AT_ONCE)
            posts, told = [_as_kept(one) for one in turned_away], [f"{one.reason}: {one.told}" for one in turned_away]
            cut = {one.number for one in turned_away if not one.whole}
        else:
            posts = await inbox.read(source, sought, at["no"], at["upto"], POSTS_AT_ONCE)
            told, cut = self._faults(source, posts), set[int]()
        now = await self._say(source, posts)
        found = [
            _Looked(
                number=post.number,
                first=post.first,
                sort=at["sort"],
                received_at=post.received_at,
                told=why,
                now="cut" if post.number in cut else says,
                request=request_of(post.body),
            )
            for post, why, says in zip(posts, told, now, strict=True)
        ]
        return found, posts[-1].number if len(posts) == POSTS_AT_ONCE else None

    def _faults(self, source: str, posts: Sequence[Kept]) -> list[str]:
        """Why posts that were read stand aside; empty for those that do not."""
        with file.reading(self._data_dir) as connection:
            found = [aside.at(connection, source, post.first) for post in posts]
        return ["" if one is None else f"set aside: {one.fault}" for one in found]

    async def _say(self, source: str, posts: Sequence[Kept]) -> list[str]:
        """What each post would come to if it were read now."""
        reader, demand, ceiling = self._readers[source], self._pipeline.demand(), self._ceilings[source]
        found: list[list[Event] | str] = []
        for post in posts:
            try:
                said = [seen for seen in reader.says(post) if is_wanted(seen, demand)]
                found.append([trust.tag(seen, ceiling) for seen in said])
            except RefusedPostError as error:
                found.append(f"refused: {error.message}")
        events = [event for each in found if not isinstance(each, str) for event in each]
        known = await self._writer.run(partial(_known, events))
        return [each if isinstance(each, str) else _news(each, known) for each in found]

    async def _moved(self, source: str, goes: Sequence[_Looked]) -> int:
        if self._inbox is None or not goes:
            return 0
        numbers = {sort: [one.number for one in goes if one.sort == sort] for sort in SORTS}
        return await self._inbox.requeue(source, posts=numbers["read"], refused=numbers["refused"])


async def _no_longer_aside(source: str, goes: Sequence[_Looked], oldest: int, connection: aiosqlite.Connection) -> None:
    """What goes back in line stands aside no more, nor what is kept no longer."""
    await aside.forget(connection, source, [one.first for one in goes])
    await aside.forget_before(connection, source, oldest)


async def _known(events: Sequence[Event], connection: aiosqlite.Connection) -> Mapping[bytes, tuple[int, Event]]:
    return await past_again.known(connection, events)


def _news(events: Sequence[Event], known: Mapping[bytes, tuple[int, Event]]) -> str:
    if not events:
        return "unwanted"
    if any(event.event_id not in known for event in events):
        return "new"
    adds = any(again.merged(known[event.event_id][1], event) is not None for event in events)
    return "adds" if adds else "recorded"


def _as_kept(post: Refused) -> Kept:
    return Kept(
        number=post.number, received_at=post.received_at, evidence=post.evidence, body=post.body, first=post.number
    )


def _after(at: Mapping[str, Any], sorts: Sequence[str], last: int | None) -> dict[str, Any] | None:
    """Where to go on: in the same sort, at the beginning of the next, or nowhere."""
    if last is not None:
        return {**at, "no": last}
    behind = sorts[sorts.index(at["sort"]) + 1 :]
    return {**at, "sort": behind[0], "no": 0} if behind else None
