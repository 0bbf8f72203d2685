"""What is to be decided again, and what a page of it came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from agent.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Events that are meant, where everything fits: of a kind (`quiz.*`), of a source, about a learner, of these ids.

    Empty is anything. ``learner`` is ``<site>:<LMS user id>``; ``ids`` are event ids or how they begin, in hex.
    """

    kind: str = ""
    source: str = ""
    learner: str = ""
    ids: Sequence[str] = ()

    def fits(self, event: Event) -> bool:
        """Whether this event is meant."""
        seen = event.seen
        return (
            (not self.kind or fnmatchcase(seen.kind or "", self.kind))
            and self.source in {"", seen.source}
            and (not self.learner or self.learner in {seen.learner(user) for user in seen.people.values()})
            and (not self.ids or event.event_id.hex().startswith(tuple(self.ids)))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Acts between two times (seconds UTC, end excluded) and the ``rules`` (ids) that decide them again.

    ``log`` is the log source to read, or empty for what the ledger recorded. ``compensate`` answers awards that the
    rules would no longer make; ``waiting`` decides again what other rules hold for trust or for lack of a fact.
    ``by`` is who asks.
    """

    rules: frozenset[str]
    since: int
    until: int
    by: str
    log: str = ""
    compensate: bool = False
    waiting: bool = False
    which: Which = field(default_factory=Which)

    @property
    def why(self) -> str:
        """What is written beside an award that is answered."""
        (rule, *others) = sorted(self.rules) or [""]
        return "the rules were changed" if others else f"rule {rule} was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Events in order, the cursor after them (None at the end), and how far that is of how much."""

    events: Sequence[Event]
    cursor: dict[str, int] | None
    position: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What one page came to: counts, units paid by account, and for each difference what it was and what it is now."""

    counts: Counter[str]
    postings: Counter[str]
    changes: Sequence[dict[str, Any]]
