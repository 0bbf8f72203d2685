"""Who is in the comparison group of an experiment: a hash of what is written in the rules and of the learner alone.

It depends on no order of arrival and on nothing that was decided before: whoever has the rules can work it out. A share
that is made larger keeps everybody out who was out; one that is made smaller lets some of them in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from agent.config.kinds import KindTable
from agent.config.rulefile import Placed
from agent.config.rulefile.experiment.table import Experiment as Spec
from agent.config.rulefile.experiment.table import Looked
from agent.config.rulefile.warn import kinds_of
from agent.engine.calendar import Calendar

HELD_OUT = "held-out"
"""How the reason begins of what somebody in a comparison group does not get."""
WHOLE = 16**16
"""What a place is below: sixteen hex digits of the hash."""
_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment: its ``rules`` (ids) pay the held-out ones nothing for acts from ``begins`` until before ``ends``.

    Times are seconds UTC. ``looked`` None counts what the rules stand on; else
    ``kinds`` are those of its acts.
    """

    name: str
    title: str
    rules: tuple[str, ...]
    share: Fraction
    seed: str
    begins: int
    ends: int
    first: date
    last: date
    looked: Looked | None
    kinds: frozenset[str]
    pay_after: bool

    @property
    def reason(self) -> str:
        """Why somebody in the comparison group gets nothing."""
        return f"{HELD_OUT}: in the comparison group of {self.name} until {self.last.isoformat()}"

    def state(self, today: date) -> str:
        """Whether it is to come, running or over."""
        return "to come" if today < self.first else "running" if today <= self.last else "over"

    def is_drawn_by(self, written: Spec | None) -> bool:
        """Whether what is written holds the same learners out of the same rules on the same days."""
        drawn = (self.rules, self.share, self.seed, self.first, self.last)
        return written is not None and drawn == (
            written.rules, written.held_out, written.seed, written.from_, written.until
        )  # fmt: skip

    def holds_out(self, learner: str) -> bool:
        """Whether a learner (`<site>:<LMS user id>`) is in the comparison group: their place is below the share."""
        return place(self.seed, self.name, learner) * self.share.denominator < self.share.numerator * WHOLE


def place(seed: str, name: str, learner: str) -> int:
    """Where a learner stands between 0 and 16^16: the first sixteen hex digits of SHA-256 of `SEED:NAME:LEARNER`."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}:{learner}".encode()).digest()[:_BYTES])


def compiled(written: Mapping[str, Placed[Spec]], kinds: KindTable, calendar: Calendar) -> tuple[Experiment, ...]:
    """Every experiment, in written order; days are the institution's."""
    return tuple(_one(name, placed.it, kinds, calendar) for name, placed in written.items())


def _one(name: str, spec: Spec, kinds: KindTable, calendar: Calendar) -> Experiment:
    return Experiment(
        name=name,
        title=spec.title,
        rules=spec.rules,
        share=spec.held_out,
        seed=spec.seed,
        begins=calendar.starts(spec.from_),
        ends=calendar.over(spec.until),
        first=spec.from_,
        last=spec.until,
        looked=spec.measure,
        kinds=frozenset(kinds_of((spec.measure.kind,), kinds) if spec.measure is not None else ()),
        pay_after=spec.pay_after,
    )


def held_out(experiments: Iterable[Experiment], learner: str, at: int, lifted: Container[str]) -> str:
    """Why an act at a time (seconds UTC) gives this learner nothing, or nothing; those ``lifted`` hold nobody out."""
    for one in experiments:
        if one.begins <= at < one.ends and one.name not in lifted and one.holds_out(learner):
            return one.reason
    return ""


def paid_after(experiments: Iterable[Experiment], now: int) -> frozenset[str]:
    """The experiments that are over at ``now`` (seconds UTC) and let what the held-out ones missed be paid."""
    return frozenset(one.name for one in experiments if one.pay_after and one.ends <= now)
