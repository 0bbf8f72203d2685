"""Criteria made ready to judge, and how near somebody came. Pure.

A learner's standing is a number for each name: `rule:<id>` how many awards of a rule stand, `badge:<id>` whether a
badge is had, `balance:<currency>` and `lifetime:<currency>` in smallest units. Every criterion compares such numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from agent.engine import words
from agent.engine.quota import Quota, Span

BADGE = words.BADGE
"""Before the id of a badge: a badge is an account."""

RULE, BALANCE, LIFETIME = "rule:", "balance:", "lifetime:"
GIVEN = "given:"
"""How the meters begin under which a badge that criteria gave is found again, so that they can take it back."""

Standing = Callable[[str], int]
"""A name → the learner's number under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """The numbers under ``names``, added up, are at least ``needed``; ``distinct`` counts those that are not zero.

    ``told`` is what is counted, in words. An ``amount`` is shown as one, in units of so many smallest ones; anything
    else that is needed once is shown as a thing that is there or not.
    """

    names: tuple[str, ...]
    needed: int
    told: str
    distinct: bool = False
    unit: int = 1
    amount: bool = False

    @property
    def thing(self) -> bool:
        """Whether it is there or not, rather than counted."""
        return self.needed == 1 and not self.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """At least ``needed`` of the parts hold; ``told`` is shown where it has a name of its own."""

    parts: tuple[Criterion, ...]
    needed: int
    told: str = ""


Criterion = Measure | Several


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How near somebody is: ``have`` of ``needed``, in ``told``; for several criteria those in ``parts``."""

    met: bool
    have: int
    needed: int
    told: str
    unit: int = 1
    thing: bool = False
    parts: tuple[Progress, ...] = ()

    def sentence(self) -> str:
        """`2 of 3 awards of quiz-80; the badge starter: not yet`; of what lies below only what is lacking or needed."""
        if not self.parts:
            return _measured(self)
        if self.told:
            return self.told if self.met else f"{self.told} lacks {self._of_parts()}"
        return self._of_parts()

    def lacks(self) -> str:
        """What is not there yet; of several criteria, each that is open."""
        if self.parts and self.needed == len(self.parts):
            return "; ".join(part.lacks() for part in self.parts if not part.met)
        return self.sentence()

    def _of_parts(self) -> str:
        every = self.needed == len(self.parts)
        shown = [part for part in self.parts if part.met is self.met or not (self.met or every)]
        said = "; ".join(part.sentence() for part in shown)
        return said if every else f"{min(self.have, self.needed)} of the {self.needed} that are needed ({said})"


def _measured(progress: Progress) -> str:
    if progress.thing:
        return progress.told if progress.met else f"{progress.told}: not yet"
    have, needed = (_units(number, progress.unit) for number in (progress.have, progress.needed))
    return f"{have} of {needed} {progress.told}"


def _units(number: int, unit: int) -> str:
    whole, part = divmod(number, unit)
    return f"{whole}.{part:0{len(str(unit)) - 1}d}" if part else str(whole)


def judge(criterion: Criterion, standing: Standing) -> Progress:
    """How near a learner of this standing is."""
    if isinstance(criterion, Measure):
        numbers = [standing(name) for name in criterion.names]
        have = sum(number > 0 for number in numbers) if criterion.distinct else sum(numbers)
        return Progress(
            met=have >= criterion.needed,
            have=max(have, 0),
            needed=criterion.needed,
            told=criterion.told,
            unit=criterion.unit,
            thing=criterion.thing,
        )
    parts = tuple(judge(part, standing) for part in criterion.parts)
    have = sum(part.met for part in parts)
    return Progress(met=have >= criterion.needed, have=have, needed=criterion.needed, told=criterion.told, parts=parts)


def names_of(criterion: Criterion) -> Iterator[str]:
    """Every name that is looked at."""
    if isinstance(criterion, Measure):
        yield from criterion.names
    else:
        for part in criterion.parts:
            yield from names_of(part)


def told(criterion: Criterion) -> str:
    """What is asked, in words."""
    if isinstance(criterion, Measure):
        if criterion.thing:
            return criterion.told
        return f"{_units(criterion.needed, criterion.unit)} {criterion.told}"
    if criterion.told:
        return criterion.told
    every = criterion.needed == len(criterion.parts)
    said = (" and " if every else " or ").join(_bracketed(part) for part in criterion.parts)
    return said if every or criterion.needed == 1 else f"{criterion.needed} of: {said}"


def _bracketed(criterion: Criterion) -> str:
    """What is asked within what is asked: whoever reads `a and b or c` cannot know which two belong together."""
    said = told(criterion)
    several = isinstance(criterion, Several) and not criterion.told and len(criterion.parts) > 1
    return f"({said})" if several else said


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBadge:
    """A badge that is earned. ``since`` and ``until`` bound when an act can bring it, in seconds UTC, end excluded."""

    id: str
    criterion: Criterion
    sticky: bool
    message: str
    since: int | None
    until: int | None

    @property
    def account(self) -> str:
        """The account that says who has it; also the rule of its entries."""
        return f"{BADGE}{self.id}"

    def effective(self, at: int) -> bool:
        """Whether an act at this time can bring it."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What follows from what is earned: ``badges`` with criteria, and what rules ``require``, by the rule's id.

    ``names`` are all that must be known of a learner's past; ``looking_at`` gives the badges that look at a name.
    """

    version: str
    badges: tuple[CompiledBadge, ...]
    required: Mapping[str, Criterion]
    names: frozenset[str]
    looking_at: Mapping[str, tuple[CompiledBadge, ...]]
    revocable: frozenset[str] = field(default_factory=frozenset)


def unique(account: str) -> Quota:
    """A badge is had once, whatever gives it."""
    return Quota(
        meter=account,
        span=Span.calendar,
        maximum=1,
        label="already has the badge",
        unit=account,
        windows=("ever",),
        over="trim",
    )
