"""What a check sees in one event, and what all checks together say to one verdict. Pure.

What a check counts are members of sets: each act is one, kept once whatever becomes of it, so that replays, other rules
about the same act and any split into pages change nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

from agent.config.rulefile import Rule
from agent.engine.quota import Uses
from agent.model import Check, CheckStatus, Decision, Event, Observation, Use, UseKey

FLAG = "flag:"
"""How the meters of flags begin: one member for each act that a check flagged."""
DAY_S = 86_400


class Finding(NamedTuple):
    """What a check found: whether it has something to say (``failed``), what it saw, what is to be kept."""

    status: CheckStatus
    seen: str = ""
    notes: tuple[Use, ...] = ()


PASSED = Finding("passed")
UNKNOWN = Finding("unknown")

Ask = Callable[[Uses], Finding]


class Sight(NamedTuple):
    """What one event means to one check: the ``keys`` of the past it needs, and the question."""

    keys: tuple[UseKey, ...]
    ask: Ask


Look = Callable[[Event, str], Sight | None]
"""(event, learner of the verdict) → what is to be asked; None where the check is not about this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledCheck:
    """A check as closures. ``label`` is the reason, ``rules`` None and ``group`` None stand for all.

    ``terms`` are a few words for each thing that can be told of it besides.
    ``look`` None: it adds up what the flags of other checks weigh, more than ``most`` within ``window_s``.
    """

    id: str
    number: int
    on: tuple[str, ...]
    rules: frozenset[str] | None
    group: str | None
    then: Literal["refuse", "hold", "flag"]
    label: str
    reason: str
    terms: tuple[str, ...]
    weight: int
    holds_unknown: bool
    facts: frozenset[str]
    look: Look | None
    most: int = 0
    window_s: int = 0

    def concerns(self, rule: Rule) -> bool:
        """Whether it stands before this rule."""
        return (self.rules is None or rule.id in self.rules) and (self.group is None or rule.group == self.group)


class Guard(NamedTuple):
    """A check before one verdict. ``sight`` None: it adds up the flags."""

    check: CompiledCheck
    learner: str
    seen: Observation
    keys: tuple[UseKey, ...]
    sight: Sight | None


class Fair(NamedTuple):
    """What all checks together say: why it is refused or held (or nothing), what was found or unknown, what is kept."""

    refused: str
    held: str
    checks: tuple[Check, ...]
    notes: tuple[Use, ...]

    def beside(self, decision: Decision) -> Decision:
        """The decision with what was found and counted."""
        if not self.checks and not self.notes:
            return decision
        return replace(decision, checks=decision.checks + self.checks, notes=decision.notes + self.notes)


def slot_of(seen: Observation) -> int:
    """What tells acts apart in a set: the number in the source's own log, and the source. It names no person."""
    return seen.position << 8 | _source(seen.source)


@lru_cache(maxsize=64)
def _source(name: str) -> int:
    return zlib.crc32(name.encode()) & 0xFF


def around(meter: str, what: str, learner: str, at: int, window_s: int) -> tuple[UseKey, ...]:
    """The keys of the buckets that share a window with ``at``; the middle one is its own."""
    number = at // window_s
    return tuple((meter, f"{what}@{each}", learner) for each in (number - 1, number, number + 1))


def guards(checks: Sequence[CompiledCheck], event: Event, rule: Rule, learner: str) -> tuple[Guard, ...]:
    """The checks that stand before a verdict of ``rule`` for ``learner``; those that add up flags come last."""
    found: list[Guard] = []
    last: list[Guard] = []
    for check in checks:
        if not check.concerns(rule):
            continue
        if check.look is None:
            keys = around(_meter(check), "", learner, event.seen.occurred_at, check.window_s)
            last.append(Guard(check, learner, event.seen, keys, None))
        else:
            sight = check.look(event, learner)
            if sight is not None:
                found.append(Guard(check, learner, event.seen, sight.keys, sight))
    return (*found, *last)


def _meter(check: CompiledCheck) -> str:
    return f"check:{check.id}:{check.window_s}s"


def asked(found: Iterable[Guard], uses: Uses) -> Fair:
    """Ask every check, the past and the page being ``uses``; what they note is visible to what follows.

    A check that passes leaves no word: there is one for every act.
    """
    refused = held = ""
    checks: list[Check] = []
    notes: list[Use] = []
    flagged: list[CompiledCheck] = []
    for guard in found:
        check = guard.check
        finding = guard.sight.ask(uses) if guard.sight is not None else _suspicion(guard, flagged, uses)
        notes.extend(finding.notes)
        if finding.status == "passed":
            continue
        checks.append(Check(text=f"check {check.id}: {check.label}", status=finding.status, seen=finding.seen))
        if finding.status == "unknown" and check.holds_unknown:
            held = held or f"{check.label} unknown"
        if finding.status != "failed":
            continue
        if check.then == "refuse":
            refused = refused or check.reason
        elif check.then == "hold":
            held = held or check.reason
        else:
            flagged.append(check)
            notes.extend(_flag(guard, uses))
    return Fair(refused, held, tuple(checks), tuple(notes))


def _flag(guard: Guard, uses: Uses) -> Iterable[Use]:
    seen = guard.seen
    use = Use(
        meter=FLAG + guard.check.id,
        bucket=str(seen.occurred_at // DAY_S),
        learner=guard.learner,
        at=seen.occurred_at,
        amount=guard.check.weight,
        slot=slot_of(seen),
    )
    return (use,) if uses.note(use) else ()


def _suspicion(guard: Guard, flagged: Iterable[CompiledCheck], uses: Uses) -> Finding:
    """The weight of all flags of a learner in the fullest window around this act, its own flags among them."""
    check, at = guard.check, guard.seen.occurred_at
    meter, bucket, learner = guard.keys[1]
    notes = []
    for each in flagged:
        # The check's number keeps two flags of one act apart.
        slot = slot_of(guard.seen) << 10 | each.number
        use = Use(meter=meter, bucket=bucket, learner=learner, at=at, amount=each.weight, slot=slot)
        if all(row.slot != slot for row in uses.marks(guard.keys[1])):
            uses.mark(use)
            notes.append(use)
    near = [(row.at, row.amount) for key in guard.keys for row in uses.marks(key) if abs(row.at - at) < check.window_s]
    score = fullest(near, check.window_s, at)
    return Finding("failed" if score > check.most else "passed", str(score), tuple(notes))


def fullest(near: Iterable[tuple[int, int]], window_s: int, at: int) -> int:
    """The most that any window of ``window_s`` around ``at`` holds; windows are (end − window_s, end]."""
    ordered = sorted(near)
    most = held = first = 0
    for when, amount in ordered:
        held += amount
        while ordered[first][0] <= when - window_s:
            held -= ordered[first][1]
            first += 1
        if when >= at:
            most = max(most, held)
    return most
