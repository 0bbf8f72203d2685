"""A past that is kept in memory alone: what a simulation and a preview fold over, page after page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from agent.engine import booking
from agent.engine.challenge import completing
from agent.engine.challenge.completing import Told
from agent.engine.derived import fold as derived
from agent.engine.evaluate import Verdict
from agent.engine.rulebook import Rulebook
from agent.model import Decision, Event, HoldKey, StateRequest, Use, UseKey


class Memory:
    """Books as the ledger would remember it, and writes nothing.

    It begins with an empty past. Where there is one, `unknown` says what of it a page needs, and `learn` takes it.
    Decisions are numbered over all pages, the first ``after`` + 1: so `Decision.supersedes` names them, and holds that
    were learned (whose numbers are not above ``after``). ``last`` is the newest number, ``state`` what is known.
    """

    __slots__ = ("_asked", "_asked_holds", "last", "state")

    def __init__(self, *, after: int = 0) -> None:
        self.state = booking.State.load((), {})
        self._asked: set[UseKey] = set()
        self._asked_holds: set[HoldKey] = set()
        self.last = after

    def unknown(self, request: StateRequest) -> StateRequest:
        """What of ``request`` it was never told; from now on it counts as told."""
        wanted = StateRequest(
            rows=request.rows - self._asked,
            totals=request.totals - self._asked,
            holds=request.holds - self._asked_holds,
        )
        self._asked |= wanted.rows | wanted.totals
        self._asked_holds |= wanted.holds
        return wanted

    def learn(self, uses: Iterable[Use], holds: Mapping[HoldKey, tuple[int, ...]]) -> None:
        """Take what the ledger knows under the keys that `unknown` gave."""
        self.state.uses.learn(uses)
        self.state.holds.update(holds)

    def book(self, verdicts: Sequence[Verdict], *, shadow: bool = False) -> list[Decision]:
        """One decision for each verdict, in order, each visible to what follows in this page and in later ones."""
        decisions = booking.book(verdicts, self.state, shadow=shadow)
        holds = self.state.holds
        for number, decision in enumerate(decisions):
            if decision.supersedes:
                decisions[number] = replace(decision, supersedes=self._numbered(decision.supersedes))
            elif decision.hold is not None:
                key = (decision.rule_id, decision.learner, decision.scope)
                if key in holds:
                    holds[key] = self._numbered(holds[key])
        self.state.acts.number_holds(self._numbered)
        self.last += len(decisions)
        return decisions

    def brought(self, events: Sequence[Event], rulebook: Rulebook, *, again: bool = False) -> Sequence[Event]:
        """Events with what they bring about after each (see `derived.fold`)."""
        return derived.fold(events, rulebook, self.state.uses, again=again).events if rulebook.derivations else events

    def completed(self, verdicts: Sequence[Verdict], rulebook: Rulebook) -> Told:
        """The verdicts with those of the challenges that they complete (see `completing.fold`)."""
        wanted = completing.wants(verdicts, rulebook) if rulebook.listened else None
        if wanted is None:
            return Told(list(verdicts), {})
        return completing.fold(verdicts, rulebook, self.state.uses.copied(wanted.rows), shadow=False)

    def _numbered(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """Numbers below zero count within the page."""
        return tuple(number if number > 0 else self.last - number for number in numbers)
