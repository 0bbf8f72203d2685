"""What of a page needs no past: made for the next page while the one before it is being committed.

A commit waits for the disk and leaves the interpreter idle. Nothing that is made here looks at the ledger, so that the
order of pages, and all that is decided, stay what they are. (docs/adr/0030)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from agent.engine import evaluate, trust
from agent.engine.evaluate import Verdict
from agent.engine.rulebook import Rulebook
from agent.engine.sighting import again
from agent.ledger import codec
from agent.model import Event, Observation, Page, Trust

Ready = Mapping[bytes, tuple[Observation, bytes]]
"""event_id → the observation, and the bytes in which it is kept."""


class Judged(NamedTuple):
    """The events of a page, each once; what the rules say to each; and the bytes in which each is kept."""

    events: list[Event]
    verdicts: dict[bytes, tuple[Verdict, ...]]
    ready: Ready


def judged(page: Page, ceiling: Trust, rulebook: Rulebook) -> Judged:
    """All of a page that needs no past. Of two sightings of one fact the first is kept, with what the second adds."""
    events = again.each_once(trust.tag_all(page.observations, ceiling))
    kept = codec.encode_events([event.seen for event in events])
    return Judged(
        events,
        {event.event_id: evaluate.judge(event, rulebook) for event in events},
        {event.event_id: (event.seen, payload) for event, payload in zip(events, kept, strict=True)},
    )


class Ahead:
    """The next page of each source, judged when somebody has time for it."""

    def __init__(self, judge: Callable[[Page], Judged]) -> None:
        self._judge = judge
        self._expected: dict[str, tuple[Page, Judged | None]] = {}

    def expect(self, page: Page) -> None:
        """It is taken next of its source."""
        self._expected[page.source] = (page, None)

    def use_time(self) -> None:
        """Judge one of the pages that are expected."""
        for source, (page, done) in self._expected.items():
            if done is None:
                # What cannot be judged fails again where it is taken, and is told there.
                with contextlib.suppress(Exception):
                    self._expected[source] = (page, self._judge(page))
                return

    def of(self, page: Page) -> Judged:
        """What was made for ``page`` before, or is made now."""
        expected, done = self._expected.pop(page.source, (None, None))
        return done if done is not None and expected is page else self._judge(page)
