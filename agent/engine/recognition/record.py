"""What a page knows of learners' standing, moved by each decision, and the badges that follow from it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.engine.quota import CALENDAR, Uses
from agent.engine.recognition.model import (
    BADGE,
    BALANCE,
    GIVEN,
    LIFETIME,
    RULE,
    CompiledBadge,
    Recognition,
    judge,
)
from agent.model import Award, Decision, Outcome, Posting, Use

_MOVES = frozenset({Outcome.awarded, Outcome.reversed})
EVER = ""
"""The bucket of what is counted for ever."""

Say = Callable[[str], str]
"""A message template → the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a badge follows from: the event, the role in it, when it was, and how its message is filled."""

    event_id: bytes
    role: str
    at: int
    say: Say


class Record:
    """Numbers by (name, learner); what was never told is 0.

    ``given`` are the awards of badges that criteria gave and that still stand, by (badge id, learner); ``barred`` the
    badges (as accounts, with their learners) that somebody took back by hand.
    """

    __slots__ = ("_barred", "_given", "_numbers")

    def __init__(
        self,
        numbers: Mapping[tuple[str, str], int] | None = None,
        given: Mapping[tuple[str, str], Award] | None = None,
        barred: Collection[tuple[str, str]] = frozenset(),
    ) -> None:
        self._numbers = dict(numbers or {})
        self._given = dict(given or {})
        self._barred = barred

    def number(self, name: str, learner: str) -> int:
        """The learner's number under a name."""
        return self._numbers.get((name, learner), 0)

    def move(self, decision: Decision) -> list[str]:
        """Let a decision be seen by what follows; the names whose numbers it moved."""
        if decision.outcome not in _MOVES:
            return []
        learner, sign = decision.learner, 1 if decision.outcome is Outcome.awarded else -1
        moved = []
        taken = decision.uses if decision.reverses is None else decision.reverses.uses
        if any(use.meter == f"once:{decision.rule_id}" for use in taken):
            moved.append(self._add(f"{RULE}{decision.rule_id}", learner, sign))
        for posting in decision.postings:
            if posting.currency.startswith(BADGE):
                moved.append(self._add(posting.currency, learner, posting.amount))
                continue
            moved.append(self._add(f"{BALANCE}{posting.currency}", learner, posting.amount))
            most = f"{LIFETIME}{posting.currency}"
            more = self.number(moved[-1], learner) - self.number(most, learner)
            if more > 0:
                moved.append(self._add(most, learner, more))
        return moved

    def _add(self, name: str, learner: str, amount: int) -> str:
        key = (name, learner)
        self._numbers[key] = self._numbers.get(key, 0) + amount
        return name

    def lacking(self, recognition: Recognition, rule_id: str, learner: str) -> str:
        """Why what a rule requires is not there, or an empty text."""
        criterion = recognition.required.get(rule_id)
        if criterion is None:
            return ""
        progress = judge(criterion, lambda name: self.number(name, learner))
        return "" if progress.met else f"requires {progress.sentence()}"

    def follow(
        self, recognition: Recognition, brought: Sequence[Decision], act: Act, uses: Uses, first: int
    ) -> list[Decision]:
        """The badges that ``brought`` gives or takes away, and those that follow from these.

        ``first`` is the number that the first of them has in the page (from 1).
        """
        found: list[Decision] = []
        waiting = [(decision.learner, name) for decision in brought for name in self.move(decision)]
        while waiting:
            learner, name = waiting.pop(0)
            for badge in recognition.looking_at.get(name, ()):
                decision = self._judged(badge, recognition, learner, act, uses, first + len(found))
                if decision is not None:
                    found.append(decision)
                    waiting.extend((learner, moved) for moved in self.move(decision))
        return found

    def settle(self, recognition: Recognition, learner: str, act: Act, uses: Uses, first: int = 1) -> list[Decision]:
        """Every badge of one learner judged, whatever moved; as `follow`."""
        found: list[Decision] = []
        again = True
        while again:
            again = False
            for badge in recognition.badges:
                decision = self._judged(badge, recognition, learner, act, uses, first + len(found))
                if decision is not None:
                    found.append(decision)
                    again = True
                    self.move(decision)
        return found

    def _judged(
        self, badge: CompiledBadge, recognition: Recognition, learner: str, act: Act, uses: Uses, number: int
    ) -> Decision | None:
        has = self.number(badge.account, learner) > 0
        given = self._given.get((badge.id, learner))
        if has and (badge.sticky or given is None):
            return None
        if not has and not badge.effective(act.at):
            return None
        progress = judge(badge.criterion, lambda name: self.number(name, learner))
        if progress.met is has:
            return None
        if has and given is not None:
            return self._taken(badge, given, recognition, act, uses, progress.sentence())
        if (badge.account, learner) in self._barred:
            return None
        return self._award(badge, learner, recognition, act, uses, progress.sentence(), number)

    def _award(
        self,
        badge: CompiledBadge,
        learner: str,
        recognition: Recognition,
        act: Act,
        uses: Uses,
        told: str,
        number: int,
    ) -> Decision:
        taken = uses_of(badge, learner, act.at)
        for use in taken:
            uses.book(use, (use.meter, use.bucket, use.learner), CALENDAR)
        postings = (Posting(currency=badge.account, amount=1),)
        self._given[badge.id, learner] = Award(
            marker=0,
            number=number,
            when=(act.at, 0),
            role=act.role,
            learner=learner,
            scope="",
            generation=0,
            postings=postings,
            uses=taken,
        )
        return Decision(
            event_id=act.event_id,
            rule_id=badge.account,
            rules_version=recognition.version,
            role=act.role,
            learner=learner,
            outcome=Outcome.awarded,
            reason=f"earned: {told}",
            postings=postings,
            uses=taken,
            message=act.say(badge.message),
        )

    def _taken(
        self, badge: CompiledBadge, given: Award, recognition: Recognition, act: Act, uses: Uses, told: str
    ) -> Decision:
        del self._given[badge.id, given.learner]
        for use in given.uses:
            uses.free(use)
        return Decision(
            event_id=act.event_id,
            rule_id=badge.account,
            rules_version=recognition.version,
            role=act.role,
            learner=given.learner,
            outcome=Outcome.reversed,
            reason=f"no longer true: {told}",
            postings=(Posting(currency=badge.account, amount=-1),),
            reverses=given,
        )


def uses_of(badge: CompiledBadge, learner: str, at: int) -> tuple[Use, ...]:
    """What a badge that criteria give takes: that it is had once, and where it is found again."""
    meters: Iterable[str] = (badge.account, f"{GIVEN}{badge.id}")
    return tuple(Use(meter=meter, bucket=EVER, learner=learner, at=at, amount=1) for meter in meters)
