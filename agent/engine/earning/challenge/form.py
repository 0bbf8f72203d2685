"""A challenge as a form of earning: what an act of a step puts into the set, and what the set then says. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.config.rulefile.tables.challenge import Challenge, Step
from agent.engine.calendar import Moment
from agent.engine.earning.challenge import slots
from agent.engine.earning.challenge.count import Plan, Standing, standing
from agent.engine.earning.sets import Due, Form, Members
from agent.model import Observation

DONE = "challenge"
"""What stands in `Decision.completes` where the whole challenge is done."""

_REMEMBERED_MAX = 2_000
"""Sets whose standing is remembered: those of a page."""


def step_name(number: int) -> str:
    """What stands in `Decision.completes` where a step is done; ``number`` counts from 1."""
    return f"step {number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """One challenge: its plan, and how its deadline is told. ``remembered`` is where sets last stood, by their id."""

    spec: Challenge
    plan: Plan
    deadline: str
    remembered: dict[int, tuple[Members, int, Standing]] = field(default_factory=dict)

    @property
    def meter(self) -> str:
        """Under which its set is kept."""
        return f"steps:{self.spec.id}"

    def form_of(self, number: int, step: Step) -> Form:
        """Acts of step ``number`` (from 0)."""
        code, plan = self.plan.codes[number], self.plan

        def slot(seen: Observation, moment: Moment) -> int | str:
            at = seen.occurred_at
            if plan.until is not None and at >= plan.until:
                return f"deadline {self.deadline} is over"
            found = slots.thing(slots.per_of(step, seen.kind), seen, moment)
            return found if isinstance(found, str) else slots.act(code, found, 0 if plan.timeless else at)

        return self._form(slot)

    def form_of_marks(self, what: Callable[[Observation], int]) -> Form:
        """Enrolments and withdrawals."""

        def slot(seen: Observation, _moment: Moment) -> int | str:
            return slots.mark(what(seen), seen.occurred_at)

        return self._form(slot)

    def _form(self, slot: Callable[[Observation, Moment], int | str]) -> Form:
        return Form(
            meter=self.meter,
            slot=slot,
            due=self.due,
            said="",
            scope=("ever",),
            lifts="counted already",
            over=self.over,
            mark=lambda at: slots.mark(slots.ENROLLED, at),
            repeats=self.plan.repeat,
        )

    def over(self, members: Members, at: int) -> Due | None:
        """What is due where nothing done at ``at`` can change anything any more."""
        if self.plan.repeat:
            return None
        found = self._now(members)
        return Due(1, "completed already") if found.finished and at > found.finished[0] else None

    def due(self, members: Members, slot: int) -> Due:
        """The rounds completed so far, and what the act of ``slot`` has done for it."""
        before = self._before(members, slot)
        now = self._now(members)
        rounds = len(now.finished)
        done: tuple[str, ...] = ()
        if rounds > len(before.finished):
            done = (*self._steps_left(before), DONE)
        elif rounds == len(before.finished):
            was = self._complete(before)
            done = (
                tuple(step_name(n + 1) for n in sorted(self._complete(now) - was)) if was < self._complete(now) else ()
            )
        moved = tuple(at for at in now.finished if at not in before.finished)
        return Due(rounds, self._told(now, members, slot), done, moved)

    def _now(self, members: Members) -> Standing:
        """Where the members lead; remembered as long as none is added."""
        known = self.remembered.get(id(members))
        if known is not None and known[0] is members and known[1] == len(members):
            return known[2]
        if len(self.remembered) >= _REMEMBERED_MAX:
            self.remembered.clear()
        found = standing(self.plan, members)
        self.remembered[id(members)] = (members, len(members), found)
        return found

    def _before(self, members: Members, slot: int) -> Standing:
        """Where they led without ``slot``: what was remembered, where it is the one that came since."""
        known = self.remembered.get(id(members))
        if known is not None and known[0] is members and known[1] == len(members) - 1 and [*members][-1] == slot:
            return known[2]
        return standing(self.plan, members, without=slot)

    def _complete(self, now: Standing) -> frozenset[int]:
        counts = self.plan.counts
        return frozenset(n for n, (has, wanted) in enumerate(zip(now.counts, counts, strict=True)) if has == wanted)

    def _steps_left(self, before: Standing) -> tuple[str, ...]:
        missing = set(range(len(self.plan.counts))) - self._complete(before)
        return tuple(step_name(n + 1) for n in sorted(missing))

    def _told(self, now: Standing, members: Members, slot: int) -> str:
        code, what = slots.parts(slot)
        if code == 0 and (self.plan.repeat or not now.finished):
            return "enrolled" if what == slots.ENROLLED else "withdrawn"
        if any(self._in_one_round(at, members[slot]) for at in now.finished):
            return "completed already"
        outside = self._outside(members, members[slot])
        if outside:
            return outside
        number = self.plan.codes.index(code)
        if self.plan.strict:
            complete = self._complete(now)
            current = next((n for n in range(len(self.plan.counts)) if n not in complete), number)
            if current < number:
                return f"step {number + 1} comes after {self._step(now, current)}"
        return self._step(now, number)

    def _in_one_round(self, finished: int, at: int) -> bool:
        """Whether the round that was ``finished`` leaves no other to an act at ``at``."""
        window = self.plan.window
        return window(finished) == window(at) if window is not None else not self.plan.repeat

    def _step(self, now: Standing, number: int) -> str:
        return f"step {number + 1} of {len(self.plan.counts)}: {now.counts[number]} of {self.plan.counts[number]}"

    def _outside(self, members: Members, at: int) -> str:
        """Why an act at ``at`` does not count."""
        marks = sorted(
            (when, thing) for slot, when in members.items() for code, thing in [slots.parts(slot)] if not code
        )
        before = [(when, what) for when, what in marks if when <= at]
        if before and before[-1][1] == slots.WITHDRAWN:
            return "withdrawn"
        if not self.plan.by_hand:
            return ""
        if not before:
            return "not enrolled"
        late = self.plan.within is not None and at >= before[-1][0] + self.plan.within
        return f"deadline {self.deadline} is over" if late else ""
