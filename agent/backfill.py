"""A rule that came later, or was changed, applied to what happened before: page by page, only adding to the ledger.

What the rule paid stands, what it never decided is decided now, what other rules of that name refused is decided anew.
Only where it is asked for is an award answered that the rule would no longer make. A second time changes nothing.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import aiosqlite

from agent.clock import Clock
from agent.engine import booking, evaluate, trust
from agent.engine.derived import fold as derived
from agent.engine.rulebook import Rulebook
from agent.errors import ConfigError, InvalidInputError
from agent.ledger import corrections, file
from agent.ledger.corrections import Correction
from agent.ledger.past import decided
from agent.ledger.past import events as past_events
from agent.ledger.record import Recorder
from agent.ledger.writer import Writer
from agent.model import Decision, Demand, Event, Outcome, Page, SourceState, Trust
from agent.pipeline import Pipeline

EVENTS_AT_ONCE = 1_000


class Log(Protocol):
    """A log that is looked at beside the one that is followed."""

    def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
        """Pages from where ``state`` says."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be backfilled: one rule, acts between two times (seconds UTC, end excluded).

    ``source`` is the log source to read, or empty for what the ledger recorded. ``compensate`` answers awards that the
    rule would no longer make; ``by`` is who asks.
    """

    rule: str
    since: int
    until: int
    source: str
    compensate: bool
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slice:
    """Events in order, the cursor after them (None at the end), and how far that is of how much."""

    events: Sequence[Event]
    cursor: dict[str, int] | None
    position: int
    last: int


class Backfill:
    """Carries out `rules backfill`. ``log_from`` opens a log source from a time on; ``ceilings`` are their trusts."""

    def __init__(
        self,
        *,
        writer: Writer,
        recorder: Recorder,
        pipeline: Pipeline,
        data_dir: Path,
        log_from: Callable[[str, int], Log],
        ceilings: Mapping[str, Trust],
        clock: Clock,
        shadow: bool,
    ) -> None:
        self._writer = writer
        self._recorder = recorder
        self._pipeline = pipeline
        self._data_dir = data_dir
        self._log_from = log_from
        self._ceilings = ceilings
        self._clock = clock
        self._shadow = shadow

    async def page(
        self,
        *,
        rule: str,
        since: int,
        until: int,
        source: str,
        compensate: bool,
        by: str,
        version: str,
        cursor: dict[str, int] | None = None,
    ) -> dict[str, Any]:
        """One page after ``cursor``; ask again with the cursor it returns, until that is None.

        ``version`` is the rules that whoever asks has looked at. Counts are of decisions (``awarded``, ``held``,
        ``refused``), of those that stood before, and of awards answered; ``postings`` are what was paid.

        Raises:
            ConfigError: the rule does not pay, or other rules run than those that were looked at.
            InvalidInputError: there is no such log source, or it was never read.
        """
        asked = Asked(rule=rule, since=since, until=until, source=source, compensate=compensate, by=by)
        rulebook = self._alone(rule, version)
        if source:
            part = await self._of_log(asked, rulebook, cursor)
        else:
            part = self._of_ledger(asked, cursor)
        counts, postings = await self._writer.run(_Unit(self, asked, rulebook, part.events))
        return {
            "cursor": part.cursor,
            "position": part.position,
            "last": part.last,
            "events": len(part.events),
            **{name: counts[name] for name in ("awarded", "held", "refused", "reversed", "stood", "compensated")},
            "postings": dict(postings),
        }

    def _alone(self, rule_id: str, version: str) -> Rulebook:
        """The running rules with this one only."""
        if self._shadow:
            raise ConfigError(
                "the agent is in shadow mode: nothing is paid",
                hint='see what it would come to with rules simulate; [agent] mode = "live" pays',
            )
        rulebook = self._pipeline.rulebook
        if rulebook.version != version:
            raise ConfigError(
                "the agent runs other rules than these files hold",
                hint="let it read them (it does so by itself within seconds, if they are in order), then try again",
            )
        rule = rulebook.rule(rule_id)
        if rule is None or rule.mode != "live":
            state = "there is no" if rule is None else f"in mode {rule.mode} is the"
            raise ConfigError(f"{state} rule {rule_id}", hint="only a live rule can pay for what was before")
        return replace(rulebook, rules=tuple(one for one in rulebook.rules if one.id == rule_id), _matches={})

    def _of_ledger(self, asked: Asked, cursor: dict[str, int] | None) -> _Slice:
        after = cursor["event"] if cursor else 0
        with file.reading(self._data_dir) as connection:
            last = past_events.last_event(connection)
            pages = past_events.recorded(
                connection, after=after, since=asked.since, until=asked.until, at_once=EVENTS_AT_ONCE
            )
            page = next(pages, [])
        at = page[-1][0] if page else last
        whole = len(page) < EVENTS_AT_ONCE
        return _Slice(
            events=[event for _, event in page],
            cursor=None if whole else {"event": at},
            position=last if whole else at,
            last=last,
        )

    async def _of_log(self, asked: Asked, rulebook: Rulebook, cursor: dict[str, int] | None) -> _Slice:
        """What the log shows up to where it is read already: what is beyond, or missing yet, the agent meets itself."""
        stands = self._pipeline.stands(asked.source) if asked.source in self._ceilings else SourceState()
        if stands.start_at is None:
            raise InvalidInputError(
                f"the log of {asked.source!r} was never read", hint="name a log source that `status` shows"
            )
        since = max(asked.since, stands.start_at)
        state = SourceState()
        if cursor:
            state = SourceState(position=cursor["position"], high_water=cursor["high_water"], start_at=since)
        page = await self._log_page(asked.source, since, state, _demand(rulebook, asked.rule))
        if page is None:
            return _Slice(events=(), cursor=None, position=stands.position, last=stands.position)
        ceiling = self._ceilings[asked.source]
        events = [
            trust.tag(seen, ceiling)
            for seen in page.observations
            if seen.occurred_at < asked.until and _was_read(seen.position, stands)
        ]
        at = page.state.position
        done = page.caught_up or at >= stands.position
        return _Slice(
            events=events,
            cursor=None if done else {"position": at, "high_water": page.state.high_water},
            position=min(at, stands.position),
            last=stands.position,
        )

    async def _log_page(self, source: str, since: int, state: SourceState, demand: Demand) -> Page | None:
        log = self._log_from(source, since)
        pages = log.pages(state, lambda: demand, follow=False)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(log.close)
            if isinstance(pages, AsyncGenerator):
                stack.push_async_callback(pages.aclose)
            return await anext(pages, None)

    async def decide(
        self, connection: aiosqlite.Connection, asked: Asked, rulebook: Rulebook, events: Sequence[Event]
    ) -> tuple[Counter[str], Counter[str]]:
        """What one page comes to, inside the writer's unit: counts, and what was paid per account."""
        now = self._clock.now()
        async with connection.execute(
            "SELECT version_no FROM rules_version WHERE version = ?", (rulebook.version,)
        ) as found:
            row = await found.fetchone()
        version_no = int(row[0]) if row else 0
        once = list({event.event_id: event for event in events}.values())
        fresh = await self._recorder.fresh(connection, once) if asked.source else []
        if fresh:
            await self._recorder.record(connection, fresh, [], version_no=version_no, now=now)
        if rulebook.derivations or rulebook.listened:
            once = await self._pipeline.brought(connection, once, rulebook)
            made = await self._recorder.fresh(connection, [event for event in once if derived.is_derived(event.seen)])
            await self._recorder.record(connection, made, [], version_no=version_no, now=now)
        numbers = await decided.numbers(connection, once)
        said = await decided.words(connection, asked.rule, numbers.values())
        judged = [verdict for event in once for verdict in evaluate.judge(event, rulebook)]
        counts = Counter[str]()
        if asked.compensate:
            counts["compensated"] = await self._compensate(connection, asked, judged, numbers, said)
        anew = [verdict for verdict in judged if not _stands(said, numbers, verdict, rulebook.version)]
        counts["stood"] = len(judged) - len(anew)
        decisions = await self._book(connection, anew)
        by_id = {event.event_id: event for event in once}
        await self._recorder.settle(connection, by_id, decisions, numbers=numbers, version_no=version_no, now=now)
        decisions = [*decisions, *await self._pipeline.follow(connection, decisions, by_id)]
        counts.update(decision.outcome.name for decision in decisions)
        postings = Counter[str]()
        for decision in decisions:
            if decision.outcome in (Outcome.awarded, Outcome.reversed):
                postings.update({posting.currency: posting.amount for posting in decision.postings})
        return counts, postings

    async def _book(self, connection: aiosqlite.Connection, verdicts: Sequence[evaluate.Verdict]) -> list[Decision]:
        if not verdicts:
            return []
        past = await self._pipeline.past(connection, booking.wants(verdicts))
        return booking.book(verdicts, past, shadow=False)

    async def _compensate(
        self,
        connection: aiosqlite.Connection,
        asked: Asked,
        judged: Sequence[evaluate.Verdict],
        numbers: Mapping[bytes, int],
        said: Mapping[tuple[int, str], decided.Word],
    ) -> int:
        """Answer the awards that the rule would not make now, by what can be judged without the past."""
        pays = {
            (numbers[verdict.event.event_id], verdict.payee.role)
            for verdict in judged
            if not verdict.reason or verdict.hold is not None
        }
        gone = [w.decision_no for key, w in said.items() if w.outcome is Outcome.awarded and key not in pays]
        correction = Correction(reason=f"rule {asked.rule} was changed and would not pay this", by=asked.by)
        seqs = await decided.unreversed(connection, asked.rule, gone)
        for seq in seqs:
            await corrections.reverse(connection, self._recorder, seq=seq, correction=correction, now=self._clock.now())
        return len(seqs)


class _Unit:
    """One page as a unit of the writer."""

    def __init__(self, backfill: Backfill, asked: Asked, rulebook: Rulebook, events: Sequence[Event]) -> None:
        self._backfill = backfill
        self._asked = asked
        self._rulebook = rulebook
        self._events = events

    async def __call__(self, connection: aiosqlite.Connection) -> tuple[Counter[str], Counter[str]]:
        """Decide and record it."""
        return await self._backfill.decide(connection, self._asked, self._rulebook, self._events)


def _stands(
    said: Mapping[tuple[int, str], decided.Word],
    numbers: Mapping[bytes, int],
    verdict: evaluate.Verdict,
    version: str,
) -> bool:
    word = said.get((numbers[verdict.event.event_id], verdict.payee.role))
    return word is not None and word.stands(version)


def _demand(rulebook: Rulebook, rule_id: str) -> Demand:
    needs = rulebook.needs[rule_id]
    return Demand(
        rules_version=rulebook.version,
        names=needs.names,
        suffixes=needs.suffixes,
        facts=needs.facts,
        profile=rulebook.demand.profile,
    )


def _was_read(position: int, stands: SourceState) -> bool:
    """Whether the agent has passed this id and does not wait for it."""
    waited = any(gap.state == "open" and gap.lo <= position <= gap.hi for gap in stands.gaps)
    return position <= stands.position and not waited
