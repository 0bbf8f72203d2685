"""The events a simulation is about: those the ledger recorded, or the log as it is now. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.cli.tuning.bar import Advance

if TYPE_CHECKING:
    import sqlite3

    from agent.config.kinds import KindTable
    from agent.config.rulefile import RuleFile
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook
    from agent.engine.whatif.trial import Trial
    from agent.model import Event


def of_ledger(connection: sqlite3.Connection, trials: Sequence[Trial], until: int, advance: Advance) -> None:
    """Every recorded event up to ``until``, in the order it was decided in."""
    from agent.ledger.merging import aliases
    from agent.ledger.past import events

    merged = aliases.of_ledger(connection)
    last = events.last_event(connection)
    for page in events.recorded(connection, until=until):
        acts = [replace(event, seen=merged.of(event.seen)) if merged else event for _, event in page]
        for trial in trials:
            trial.take(acts)
        advance(page[-1][0], last, f"{page[-1][0]:,} of {last:,} events")


class Whose:
    """Whose the acts of a log are, by what a ledger knows of people: without one, of whom the log names."""

    def __init__(self, settings: Settings, connection: sqlite3.Connection | None) -> None:
        from agent.ledger.merging import aliases
        from agent.ledger.record import agreed, erased
        from agent.wiring.sources.logs import consents_of

        self._consents = consents_of(settings)
        if connection is None:
            self._merged, self._erased = aliases.Aliases(), erased.Erased()
            return
        self._merged, self._erased = aliases.of_ledger(connection), erased.of_ledger(connection)
        if self._consents is not None:
            self._consents.know(agreed.of_ledger(connection))

    def ours(self, events: Sequence[Event]) -> list[Event]:
        """The acts of those who take part, each of whom it is now; who had not agreed is marked where that is asked."""
        from agent.arriving.spared import left_by_its_person, spared

        left = [replace(event, seen=self._merged.of(event.seen)) for event in spared(events, self._erased)]
        left = [event for event in left if not left_by_its_person(event, self._erased)]
        return left if self._consents is None else [self._consents.marked_now(event) for event in left]


async def of_logs(
    settings: Settings, trials: Sequence[Trial], kinds: KindTable, since: int, whose: Whose, advance: Advance
) -> None:
    """What the log tables show from ``since`` on, each log to the newest row it has at the start.

    Raises:
        ConfigError: a log cannot be read as configured.
        TransientError: it cannot be reached.
    """
    from agent.clock import SystemClock
    from agent.engine import trust
    from agent.engine.whatif.trial import demand_of
    from agent.model import SourceState
    from agent.wiring.sources.logs import log_from

    demand = demand_of([trial.rulebook for trial in trials])
    known: set[bytes] = set()
    for source in settings.log_sources:
        collector = log_from(settings, source, since, SystemClock(), lambda: kinds)
        try:
            async for page in collector.pages(SourceState(), lambda: demand, follow=False):
                events = []
                for seen in page.observations:
                    event = trust.tag(seen, source.trust)
                    if event.event_id not in known:
                        known.add(event.event_id)
                        events.append(event)
                acts = whose.ours(events)
                for trial in trials:
                    trial.take(acts)
                told = f"{source.name}: {page.state.position:,} of {page.newest:,} ids"
                advance(page.state.position, page.newest, told)
        finally:
            await collector.close()


def kinds_of(files: Sequence[RuleFile]) -> KindTable:
    """Moodle's table of kinds with the `[[kind]]` of all these rules, each line once."""
    from agent.config.kinds import KindTable

    return KindTable().extended(tuple(dict.fromkeys(kind for file in files for kind in file.kinds)))


def lacking(connection: sqlite3.Connection, rulebooks: Sequence[Rulebook]) -> tuple[set[str], set[str]]:
    """LMS events and facts that these rules look at and that some version of the rules in force did not ask for.

    What no rule asked for was not recorded, so that a simulation over the ledger cannot know it.
    """
    from agent.cli.tuning.chosen import compiled
    from agent.config.rulefile import load_rules_text
    from agent.engine.whatif.trial import demand_of
    from agent.errors import ConfigError
    from agent.ledger import reading

    demand = demand_of(rulebooks)
    names, facts = set(demand.names | demand.suffixes), set(demand.facts)
    absent_names: set[str] = set()
    absent_facts: set[str] = set()
    for version, _, made in reading.rules_versions(connection):
        kept = reading.rules_text(connection, version) if made else None
        if kept is None:
            continue
        try:
            asked = compiled(load_rules_text(kept[1])).demand
        except ConfigError:
            continue
        absent_names |= names - asked.names - asked.suffixes
        absent_facts |= facts - asked.facts
    return absent_names, absent_facts
