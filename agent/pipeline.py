"""One step of the main job: a page in, entries out, in one transaction together with the cursor.

Everything that needs no past is judged before the transaction; inside it the known events are dropped, the state the
rest needs is read in bulk, the decisions are folded over it and everything is written in bulk.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType

import aiosqlite

from agent.arriving import sighted
from agent.arriving.agreed import Consents
from agent.arriving.ahead import Ahead, Ready, judged
from agent.arriving.brought import Brought
from agent.arriving.heard import Heard
from agent.arriving.linked import Linking
from agent.arriving.recovered import Recovery
from agent.arriving.sighted import Beside
from agent.arriving.tally import Tally
from agent.arriving.whose import Whose
from agent.clock import Clock
from agent.engine import booking, evaluate, history, trust
from agent.engine.derived import fold as derived
from agent.engine.evaluate import Verdict
from agent.engine.past.undo import Acts, Waiting, again_keys
from agent.engine.recognition.record import Record
from agent.engine.rulebook import Rulebook
from agent.engine.sighting import again
from agent.engine.sighting.completed import Completed
from agent.ledger import file, reading, sources, state, undoable
from agent.ledger.feeds import aside
from agent.ledger.past import again as past_again
from agent.ledger.past import membership, standing
from agent.ledger.record import Behind, Recorder, totals
from agent.ledger.rules import periods, versions
from agent.ledger.rules.clashes import Clash, ClashError, clashes
from agent.ledger.writer import Writer
from agent.model import Decision, Demand, Event, Observation, Page, SourceState, StateRequest, Trust

RULEBOOKS_KEPT = 4
"""A page is decided by the rules whose filter fetched it: after a reload the older ones serve what is under way."""

CompileText = Callable[[str], Rulebook]
"""A kept version's text → its rulebook."""


class Pipeline:
    """Takes pages. One for the whole agent, since all of them end in one ledger.

    ``ceilings`` gives each source's highest trust; ``shadow`` decides and reports everything and pays nothing;
    ``linking`` says which accounts of several sites are one person's; ``consents`` who has agreed, None asks nobody;
    ``sites`` what the sources' sites are called.
    """

    def __init__(  # noqa: PLR0913 - what a page is judged by, each by its name
        self,
        writer: Writer,
        recorder: Recorder,
        *,
        data_dir: Path,
        ceilings: Mapping[str, Trust],
        compile_text: CompileText,
        clock: Clock,
        shadow: bool,
        linking: Linking | None = None,
        consents: Consents | None = None,
        heard: Heard | None = None,
        sites: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._writer = writer
        self._recorder = recorder
        self._data_dir = data_dir
        self._compile_text = compile_text
        self._clock = clock
        self._shadow = shadow
        self._rulebooks: dict[str, Rulebook] = {}
        self._version_numbers: dict[str, int] = {}
        self._saved: dict[str, SourceState] = {}
        self._ahead = Ahead(lambda page: judged(page, ceilings[page.source], self._rulebooks[page.rules_version]))
        self._beside = Beside(states=True, partial=True)
        self.whose = Whose(recorder.people, linking, consents, heard, sites)
        writer.on_rollback(self.whose.forget)
        self._brought = Brought(recorder)
        self._recovery = Recovery()
        writer.on_rollback(self._recovery.forget)

    @property
    def shadow(self) -> bool:
        """Whether everything is decided and reported, and nothing paid."""
        return self._shadow

    @property
    def rulebook(self) -> Rulebook:
        """The rules in force."""
        return next(reversed(self._rulebooks.values()))

    def rulebook_of(self, version: str) -> Rulebook:
        """The rules of a version that was in force once."""
        if version in self._rulebooks:
            return self._rulebooks[version]
        with self.reading() as connection:
            kept = reading.rules_text(connection, version)
        return self._compile_text(kept[1]) if kept is not None else self.rulebook

    def demand(self) -> Demand:
        """What the rules in force want from the sources."""
        return self.rulebook.demand

    async def adopt(self, rulebook: Rulebook, text: str) -> None:
        """Put ``rulebook`` in force from the next page on; its ``text`` is kept for ever beside its version.

        Raises:
            ClashError: it would count what was given otherwise.
        """
        now, spans = self._clock.now(), history.periods(rulebook)

        async def unit(connection: aiosqlite.Connection) -> int:
            # Nobody else writes meanwhile. A period that has moved is looked for in every use there is.
            if found := await asyncio.to_thread(self._clashes, rulebook.decimals, spans):
                raise ClashError(found)
            await self.whose.adopt(connection)
            self._beside = await Beside.load(connection)
            await self._recovery.read(connection)
            number = await versions.keep(connection, rulebook.version, text, now)
            await membership.give(
                connection, self._recorder, derived.marks(rulebook), *derived.history(rulebook), now=now
            )
            await totals.keep(connection, rulebook.meters)
            moved = await periods.keep(connection, spans)
            uses_of = partial(history.uses_of, rulebook)
            await versions.give_history(connection, self._recorder, rulebook.meters, uses_of, anew=moved)
            looked_at = rulebook.recognition.names if rulebook.recognition is not None else ()
            await standing.keep_index(connection, self._recorder.names, looked_at)
            return number

        self._version_numbers[rulebook.version] = await self._writer.run(unit)
        self._rulebooks.pop(rulebook.version, None)
        self._rulebooks[rulebook.version] = rulebook
        for version in list(self._rulebooks)[:-RULEBOOKS_KEPT]:
            del self._rulebooks[version]

    def expect(self, page: Page) -> None:
        """``page`` is the next of its source to be taken: it is judged while the one before it is committed."""
        self._ahead.expect(page)

    async def take(self, page: Page) -> Tally:
        """Record a page with everything that follows from it; when this returns it is on disk.

        Raises:
            TransientError: nothing of the page stands (disk full, locked); take it again later.
        """
        rulebook = self._rulebooks[page.rules_version]
        events, verdicts, ready = self._ahead.of(page)
        now, number = self._clock.now(), self._version_numbers[rulebook.version]

        async def unit(connection: aiosqlite.Connection) -> tuple[int, int, Sequence[Decision]]:
            left = await self.whose.spared(connection, events, rulebook, verdicts)
            told = await self._beside.compared(connection, left, page.source, now)
            ours = await self.whose.ours(connection, told, rulebook, verdicts, now)
            known = await past_again.known(connection, ours)
            more = await sighted.completed(connection, ours, known, self.whose.aliases) if known else Completed()
            arrived = more.news(ours, known) if known else ours
            arrived = self.whose.still_news(arrived, known)
            if page.again:
                arrived = [event for event in arrived if event.event_id in known]
            if arrived and rulebook.derivations:
                arrived = await self._brought.derived(connection, arrived, rulebook, now, again=False)
                made = (event for event in arrived if event.event_id not in verdicts)
                verdicts.update({event.event_id: evaluate.judge(event, rulebook) for event in made})
            found: tuple[int, int, Sequence[Decision]] = (0, 0, ())
            if arrived:
                about = (self._recorder, page, arrived, verdicts, more.events, number)
                more.numbers.update(await self._recovery.of(connection, *about, now=now))
                judged = more.judged(arrived, verdicts, rulebook)
                found = await self._decided(connection, page, arrived, more, judged, ready)
            if page.set_aside:
                await aside.keep(connection, page.source, page.set_aside, now)
            if not page.part:
                before, seen = self._saved.get(page.source), () if page.again else page.observations
                await sources.save(connection, page.source, self.whose.stored(page), before, now, seen)
                await self._recovery.passed(connection, page)
            asyncio.get_running_loop().call_soon(self._ahead.use_time)  # while the disk takes it
            return found

        fresh, entries, decisions = await self._writer.run(unit)
        if not page.part:
            self._saved[page.source] = page.state
        return Tally(
            source=page.source,
            observed=len(events),
            fresh=fresh,
            entries=entries,
            outcomes=Counter(decision.outcome for decision in decisions),
            reasons=Counter(decision.reason for decision in decisions if decision.reason),
        )

    async def _decided(
        self,
        connection: aiosqlite.Connection,
        page: Page,
        arrived: list[Event],
        more: Completed,
        judged: list[Verdict],
        ready: Ready,
    ) -> tuple[int, int, Sequence[Decision]]:
        """Decide and record what is news of a page: fresh events, entries, decisions."""
        rulebook, now = self._rulebooks[page.rules_version], self._clock.now()
        told = await self._brought.completed(connection, judged, rulebook, shadow=self._shadow)
        fresh = [event for event in told.with_acts(arrived) if event.event_id not in more.events]
        async with Behind(connection) as behind:
            past = await self._asked(behind, told.verdicts)
            unseen = [event for event in fresh if event.event_id not in more.numbers]
            numbers = more.numbers | await self._recorder.see(behind, unseen, now, ready)
            decisions = again.superseding(booking.book(told.verdicts, await past, shadow=self._shadow), more.said)
            about, version_no = {event.event_id: event for event in fresh}, self._version_numbers[rulebook.version]
            entries = await self._recorder.decide(
                behind, about | more.events, decisions, numbers=numbers, version_no=version_no, now=now
            )
        await self._beside.remember(connection, fresh, numbers, page.source)
        return len(fresh), entries, decisions

    async def tell(self, seen: Observation) -> Sequence[Decision]:
        """Record what somebody with a name said by hand, and all that follows; nothing where it is recorded already.

        Raises:
            InvalidInputError: somebody who takes part in it was erased, or has not agreed where that is asked.
            TransientError: nothing of it stands (disk full, locked).
        """

        async def unit(connection: aiosqlite.Connection) -> Sequence[Decision]:
            aliases = await self.whose.now(connection)
            event = trust.tag(aliases.of(seen), Trust.server_verified)
            self.whose.require(event)
            return await self._decide(connection, await self._recorder.fresh(connection, [event]))

        return await self._writer.run(unit)

    async def joined(self, connection: aiosqlite.Connection, learner: str) -> Sequence[Decision]:
        """What a learner's accounts completed only together, decided and recorded: no act of theirs is to come for it.

        Inside one of the writer's units, after their sets are one.
        """
        rulebook, aliases = self.rulebook, await self.whose.now(connection)
        kinds = frozenset[str]().union(*({*one.kinds, one.kind} for one in rulebook.derivations))
        acts = list[Event]()
        async for page in membership.acts(connection, kinds):
            ours = (dataclasses.replace(event, seen=aliases.of(event.seen)) for event in page)
            acts += [event for event in ours if _is_of(event.seen, learner)]
        told = {derived.named(event).event_id for event in acts if derived.is_derived(event.seen)}
        acts = [event for event in acts if not derived.is_derived(event.seen)]
        found = await self._brought.derived(connection, acts, rulebook, self._clock.now(), again=True)
        made = [event for event in found if derived.is_derived(event.seen) and event.event_id not in told]
        return await self._decide(connection, await self._recorder.fresh(connection, made))

    async def _decide(self, connection: aiosqlite.Connection, made: Sequence[Event]) -> Sequence[Decision]:
        """Decide and record events that no page brought, by the rules in force, with all that they bring about."""
        if not made:
            return ()
        rulebook, shadow = self.rulebook, self._shadow
        judged = [verdict for event in made for verdict in evaluate.judge(event, rulebook)]
        told = await self._brought.completed(connection, judged, rulebook, shadow=shadow)
        past = await self.past(connection, booking.wants(told.verdicts, shadow=shadow))
        found = booking.book(told.verdicts, past, shadow=shadow)
        number, now = self._version_numbers[rulebook.version], self._clock.now()
        await self._recorder.record(connection, told.with_acts(made), found, version_no=number, now=now)
        return found

    async def brought(self, connection: aiosqlite.Connection, events: list[Event], rulebook: Rulebook) -> list[Event]:
        """Recorded events with everything that they brought about, or would have: for a rule that came later."""
        found = await self._brought.derived(connection, events, rulebook, self._clock.now(), again=True)
        return await self._brought.complete_before(connection, found, self.rulebook)

    async def follow(
        self, connection: aiosqlite.Connection, decisions: Sequence[Decision], events: Mapping[bytes, Event]
    ) -> Sequence[Decision]:
        """What the challenges bring about that recorded ``decisions`` completed: decided and recorded.

        ``events`` are those of the decisions, by their id. Inside one of the writer's units.
        """
        made = await self._brought.completed_by(connection, decisions, events, self.rulebook)
        return await self._decide(connection, made)

    async def _asked(self, behind: Behind, judged: Sequence[Verdict]) -> asyncio.Task[booking.State]:
        """Begin to read the past of a page; with its persons known, all questions stand before what is written next."""
        wanted = booking.wants(judged, shadow=self._shadow)
        await self._recorder.people.find(behind.connection, {verdict.learner for verdict in judged})
        return await behind.ask(self.past(behind.connection, wanted))

    async def past(self, connection: aiosqlite.Connection, request: StateRequest) -> booking.State:
        """What the ledger knows of the past that was asked for, in bulk; inside one of the writer's units."""
        uses, holds = await asyncio.gather(
            state.load_uses(connection, request, self._recorder.names, self._recorder.people),
            state.load_holds(connection, request.holds),
        )
        acts, undone = Acts(), frozenset[str]()
        if request.objects:
            names, people = self._recorder.names, self._recorder.people
            awards = await undoable.load_awards(connection, request.objects, names, people)
            held = await undoable.load_holds(connection, request.objects)
            waiting = {where: [Waiting(*row) for row in found] for where, found in held.items()}
            acts = Acts(awards, waiting)
            undone = frozenset(award.learner for found in awards.values() for award in found)
            if rows := again_keys(awards) | again_keys(waiting):
                more = StateRequest(rows=rows, totals=frozenset(), holds=frozenset())
                uses = [*uses, *await state.load_uses(connection, more, names, people)]
        past = booking.State.load(uses, holds, acts)
        if request.standing:
            await self._recognise(connection, request, undone, past)
        return past

    async def _recognise(
        self, connection: aiosqlite.Connection, request: StateRequest, undone: frozenset[str], past: booking.State
    ) -> None:
        """Tell ``past`` what the learners of a request have, and those whose awards it may undo."""
        found = await standing.load(
            connection,
            self._recorder.names,
            self._recorder.people,
            wanted=request.standing,
            given=request.given,
            learners=request.learners | undone,
        )
        past.record = Record(found.numbers, found.given, found.barred)

    def stands(self, source: str) -> SourceState:
        """Where ``source`` stands on disk, which is also what the next save of it is compared with."""
        with self.reading() as connection:
            stored = sources.load(connection, source)
        self._saved.pop(source, None)
        if stored is not None:
            self._saved[source] = stored
        return stored or SourceState()

    async def replace_state(self, source: str, replacement: SourceState) -> None:
        """Let ``source`` go on from another state (an integrity fault, or a log that was accepted anew)."""
        before, now = self.stands(source), self._clock.now()

        async def unit(connection: aiosqlite.Connection) -> None:
            await sources.save(connection, source, replacement, before, now)

        await self._writer.run(unit)
        self._saved[source] = replacement

    async def stop_source(self, source: str, fault: str) -> None:
        """Remember an integrity fault: ``source`` is not read again until somebody accepts its log anew."""
        await self.replace_state(source, dataclasses.replace(self.stands(source), fault=fault))

    def _clashes(self, decimals: Mapping[str, int], spans: Mapping[str, tuple[date, date]]) -> tuple[Clash, ...]:
        with self.reading() as ledger:
            return clashes(ledger, decimals, spans)

    def reading(self) -> contextlib.closing[sqlite3.Connection]:
        """A connection to the ledger that only reads."""
        return contextlib.closing(file.open_for_reading(self._data_dir))


def _is_of(seen: Observation, learner: str) -> bool:
    subject = seen.people.get("subject")
    return subject is not None and seen.learner(subject) == learner
