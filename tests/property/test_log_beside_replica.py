"""A log at a primary, its tables at a replica that is behind, rows in any order, retention, crashes: nothing is missed.

What is still there when all is over was observed, with what it speaks of; what was never committed was not.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.collectors.logstore.options import Limits
from agent.collectors.systems.moodle import QUIZ_SUBMITTED
from agent.model import SourceState
from tests.effort import examples
from tests.sites import NOW, UNWANTED, HandClock, SqliteSite, collecting, log, put, read, wanting

NEVER = 99
TINY = Limits(page_rows_max=3, span_ids_max=7, block_ids=4, anchor_every_ids=5, gap_ranges_max=3)
WANTED = wanting(QUIZ_SUBMITTED, facts=["attempt"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """In which round its row is committed (`NEVER`: rolled back), and whether a rule wants it."""

    round: int
    wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happens: the rows by id, how many commits the replica lacks in each round, after which the agent dies, up to
    which id retention reaches after each.
    """  # noqa: D205 - one sentence

    rows: Sequence[Row]
    lacks: Sequence[int]
    crashes: frozenset[int]
    removed: Sequence[int]
    tiny: bool


ROUNDS = 4
WAIT_S = 0.1
"""After which a replica goes on in a round, at the latest."""
ROWS = st.builds(Row, round=st.sampled_from((0, 0, 0, 1, 2, 3, NEVER)), wanted=st.booleans())
STORIES = st.builds(
    Story,
    rows=st.lists(ROWS, min_size=1, max_size=30),
    lacks=st.lists(st.integers(0, 6), min_size=ROUNDS, max_size=ROUNDS),
    crashes=st.frozensets(st.integers(0, ROUNDS - 1)),
    removed=st.lists(st.sampled_from((0, 0, 0, 5, 12)), min_size=ROUNDS, max_size=ROUNDS),
    tiny=st.booleans(),
)


@cache
def _empty() -> bytes:
    """The file of a Moodle that nobody has used, made once: its tables take longer than a story."""
    with tempfile.TemporaryDirectory() as directory:
        return SqliteSite(Path(directory) / "empty.db").path.read_bytes()


def _copied(path: Path) -> Path:
    path.write_bytes(_empty())
    return path


class Servers:
    """A primary, and a replica that has done the first so many of its commits. Both have seen the row 1."""

    def __init__(self, directory: Path, rows: Sequence[Row]) -> None:
        self.primary, self._replica = (SqliteSite(_copied(directory / name)) for name in ("primary.db", "replica.db"))
        self.options = replace(self._replica.options(), log_url=self.primary.options().url)
        self._rows = dict(enumerate(rows, 2))
        self._commits: list[Callable[[SqliteSite], object]] = []
        self._done = 0
        self._commit(lambda site: log(site, 1, eventname=UNWANTED, timecreated=NOW - 300))
        self.follow(0)

    def write(self, round_: int) -> None:
        """What becomes visible in a round, the highest first."""
        for number in reversed([number for number, row in self._rows.items() if row.round == round_]):
            self._commit(partial(self._written, number))

    def remove(self, upto: int, round_: int) -> None:
        """What retention does after a round; the newest row stays, and no transaction lasts for as long as a log."""
        ((newest,),) = self.primary.execute("SELECT MAX(id) FROM mdl_logstore_standard_log")
        coming = [number for number, row in self._rows.items() if round_ < row.round < NEVER]
        sql = f"DELETE FROM mdl_logstore_standard_log WHERE id < {min(upto + 1, newest, *coming)}"
        self._commit(lambda site: site.execute(sql))

    def follow(self, lacking: int) -> None:
        """Let the replica do all commits but the last so many; it never goes back."""
        for commit in self._commits[self._done : max(self._done, len(self._commits) - lacking)]:
            commit(self._replica)
            self._done += 1

    def still_there(self) -> set[int]:
        """Ids of the wanted rows of the primary."""
        return {number for (number,) in self.primary.execute("SELECT id FROM mdl_logstore_standard_log")} & self.wanted

    @property
    def wanted(self) -> set[int]:
        """Ids of all rows that are wanted and ever committed."""
        return {number for number, row in self._rows.items() if row.wanted and row.round != NEVER}

    def _commit(self, commit: Callable[[SqliteSite], object]) -> None:
        commit(self.primary)
        self._commits.append(commit)

    def _written(self, number: int, site: SqliteSite) -> None:
        name = QUIZ_SUBMITTED if self._rows[number].wanted else UNWANTED
        at = {"relateduserid": 35, "timecreated": NOW - 300 + number}
        log(site, number, eventname=name, objecttable="quiz_attempts", objectid=number, **at)
        put(site, "quiz_attempts", id=number, uniqueid=number, quiz=2, userid=35, attempt=number, sumgrades=2)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(STORIES)
def test_what_is_still_there_was_observed_with_what_it_speaks_of(story: Story) -> None:
    with tempfile.TemporaryDirectory() as directory:
        servers = Servers(Path(directory), story.rows)
        seen = asyncio.run(told(servers, story))
        assert servers.still_there() <= seen.keys() <= servers.wanted
    assert seen == {number: {number} for number in seen}


async def told(servers: Servers, story: Story) -> dict[int, set[object]]:
    """Position → the attempts that were looked up for it, of everything that reached the disk."""
    clock, state = HandClock(), SourceState(start_at=0)
    limits = TINY if story.tiny else Limits()
    seen: dict[int, set[object]] = defaultdict(set)
    for round_ in range(ROUNDS + 3):
        if round_ < ROUNDS:
            servers.write(round_)
        servers.follow(story.lacks[round_] if round_ < ROUNDS else 0)
        async with collecting(servers.options, clock, limits=limits) as collector:
            reading = asyncio.create_task(read(collector, state, WANTED))
            if not (await asyncio.wait([reading], timeout=WAIT_S))[0]:
                servers.follow(0)
            got, after = await reading
        clock.pass_s(10)
        if round_ not in story.crashes:
            state = after
            for one in got:
                seen[one.position].add(one.facts.get("attempt"))
        if round_ < ROUNDS:
            servers.remove(story.removed[round_], round_)
    return seen
