"""Recorded events that later sightings complete, and what is to be decided of them again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.engine import evaluate
from agent.engine.evaluate import Verdict
from agent.engine.rulebook import Rulebook
from agent.engine.sighting import again
from agent.model import Event, Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """Recorded events that a page completes, each by its id: as they are now, their numbers, what was said of them."""

    events: dict[bytes, Event] = field(default_factory=dict)
    numbers: dict[bytes, int] = field(default_factory=dict)
    said: dict[bytes, Sequence[Said]] = field(default_factory=dict)
    of_new_kind: frozenset[bytes] = frozenset()

    def news(self, events: Iterable[Event], known: Collection[bytes]) -> list[Event]:
        """The events of a page that say anything new: the unknown ones, and the completed ones as they are now."""
        return [
            self.events.get(event.event_id, event)
            for event in events
            if event.event_id not in known or event.event_id in self.events
        ]

    def verdicts(self, event_id: bytes, rulebook: Rulebook) -> tuple[Verdict, ...]:
        """What is to be decided again of a recorded event."""
        if event_id not in self.events:
            return ()
        judged = evaluate.judge(self.events[event_id], rulebook)
        return again.opened(judged, self.said[event_id], kind_is_new=event_id in self.of_new_kind)

    def judged(
        self, arrived: Iterable[Event], verdicts: Mapping[bytes, Sequence[Verdict]], rulebook: Rulebook
    ) -> list[Verdict]:
        """The verdicts to book of what is news: of what is completed those to be decided again."""
        opened = {event_id: self.verdicts(event_id, rulebook) for event_id in self.events}
        return [
            verdict
            for event in arrived
            for verdict in (opened[event.event_id] if event.event_id in opened else verdicts[event.event_id])
        ]
