"""Keeps the gaps of a source: when they are looked at, when they are given up, when they are proven again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from agent.clock import Clock
from agent.collectors.logstore.options import Limits
from agent.collectors.logstore.reading.filling import Change, Lacking, appeared, changes, check_queries
from agent.collectors.logstore.reading.stretch import Reader, Stretch
from agent.collectors.ranges import bounded, expired, merged, progressions
from agent.model import Gap, SourceState

_OLDEST = "SELECT MIN(id) FROM {log}"

CHECK_SHARE = 50
"""Looking at open gaps may take one part in so many of the time."""
PROOF_GAPS = 8
"""Given-up gaps that are proven again at one time, so that the tail never waits long."""


class GapKeeper:
    """Looks at a source's gaps when it is time. Holds only when that is; the gaps themselves are in the state."""

    def __init__(self, reader: Reader, patience_s: float, clock: Clock, lacking: Lacking) -> None:
        self._clock = clock
        self._lacking = lacking
        self._reader = reader
        self._patience_s = patience_s
        self._check_due = 0.0
        self._proving: list[Gap] | None = None

    def hurry(self) -> None:
        """Look at open gaps at the next step."""
        self._check_due = 0.0

    def rest(self) -> None:
        """Look at them no sooner than usual, also where something changed."""
        self._check_due = self._clock.running() + self._reader.limits.gap_poll_s

    def forget(self) -> None:
        """Look again at once."""
        self._check_due = 0.0
        self._proving = None

    async def looked_at(self, state: SourceState, *, running: float, now: int) -> tuple[SourceState, list[Change]]:
        """The state with gaps given up or forgotten, and which gaps have changed. Call it outside of a snapshot.

        Raises:
            TransientError: connection lost, time-out.
        """
        state = self._given_up(state)
        changed: list[Change] = []
        if running >= self._check_due:
            open_gaps = [gap for gap in state.gaps if gap.state == "open"]
            began = self._clock.running()
            changed = await self._changed(open_gaps, now)
            took = self._clock.running() - began
            # Where something changed there may be more than a page of it: look again at once.
            wait = 0.0 if changed else max(self._reader.limits.gap_poll_s, took * CHECK_SHARE)
            self._check_due = running + wait
        if now - state.proven_at >= self._reader.limits.gap_proof_s:
            state, again = await self._proven(state, now)
            changed += again
        return state, changed

    def tidied(self, gaps: Iterable[Gap]) -> tuple[Gap, ...]:
        """Neighbours merged, and no more than the limit."""
        limits = self._reader.limits
        return tuple(bounded(merged(gaps, limits.gap_merge_s), limits.gap_ranges_max))

    def _given_up(self, state: SourceState) -> SourceState:
        gaps, ranges, ids = expired(state.gaps, state.running_s, self._patience_s)
        if not ranges:
            return state
        counts = Counter(state.counts)
        counts["gaps_given_up"] += ranges
        counts["ids_given_up"] += ids
        return replace(state, gaps=self.tidied(gaps), counts=dict(counts))

    async def _proven(self, state: SourceState, now: int) -> tuple[SourceState, list[Change]]:
        """A few of the gaps that were given up looked at again; those that the log keeps no more are forgotten."""
        if self._proving is None:
            ((oldest,),) = await self._reader.ask(self._reader.database.schema.query(_OLDEST))
            kept = tuple(gap for gap in state.gaps if gap.state == "open" or oldest is None or gap.hi >= oldest)
            state = replace(state, gaps=kept) if len(kept) < len(state.gaps) else state
            self._proving = [gap for gap in kept if gap.state == "given_up"]
        there = set(state.gaps)
        now_proving = [gap for gap in self._proving[:PROOF_GAPS] if gap in there]
        self._proving = self._proving[PROOF_GAPS:]
        changed = await self._changed(now_proving, now)
        if not self._proving:
            self._proving = None
            state = replace(state, proven_at=now)
        return state, changed

    async def _changed(self, gaps: list[Gap], now: int) -> list[Change]:
        if not gaps:
            return []
        reader = self._reader
        queries = check_queries(gaps, reader.database.schema, reader.limits.page_rows_max)
        answers = await reader.ask_all(queries)
        unready = await self._lacking(appeared(gaps, answers), now)
        return changes(gaps, answers, unready)


def opened(state: SourceState, stretch: Stretch, step: int, limits: Limits) -> tuple[Gap, ...]:
    """The state's gaps with those that a stretch found."""
    found = (
        Gap(
            lo=lo,
            hi=hi,
            step=stride,
            present=0,
            opened_running_s=state.running_s,
            high_water=stretch.water_before(lo, state.high_water),
        )
        for lo, hi, stride in progressions(stretch.missing, step)
    )
    return tuple(bounded(merged([*state.gaps, *found], limits.gap_merge_s), limits.gap_ranges_max))
