"""Why nothing counts that somebody does or did: erased, out by their own word, deleted in the LMS, not agreed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.cli.frame import utc
from agent.collectors.systems.moodle import TIME_MAX
from agent.ledger.merging import aliases
from agent.ledger.record import agreed, erased
from agent.ledger.record.people import split_learner

if TYPE_CHECKING:
    from agent.ledger.record.erased import Account, Span
    from agent.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """``why`` in one word for programs (erased, opted_out, deleted, not_agreed); ``told`` says what can be done."""

    why: str
    told: str

    @property
    def reason(self) -> str:
        """As a decision would say it."""
        return f"never earns: {self.why.replace('_', ' ')}"


class Absences:
    """Those of a ledger, as they stand."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._marks = erased.of_ledger(connection)
        self._aliases = aliases.of_ledger(connection)

    def of_event(self, event: Event) -> Absence | None:
        """Why an act was not recorded: that of its learner, or of who acted where it has none."""
        seen = event.seen
        user = seen.people.get("subject") or seen.people.get("actor")
        if user is None:
            return None
        account = (seen.site, user)
        return self._at(account, seen.occurred_at) or self._out(self._aliases.root(account), seen.occurred_at)

    def now(self, learner: str) -> Absence | None:
        """Why nothing counts of what a learner does from now on."""
        found = self._at(split_learner(learner), TIME_MAX)
        if found is None and learner in agreed.absent(self._connection, frozenset()):
            told = "has not agreed to take part: what they do earns nothing (rewards-agent learner opt-in)"
            return Absence(why="not_agreed", told=told)
        return found

    def _at(self, account: Account, at: int) -> Absence | None:
        span = self._marks.span(account)
        if span is not None and (span[1] is None or at < span[1]):
            return _erased(span[1])
        return self._out(account, at) or self._deleted(account, at)

    def _out(self, account: Account, at: int) -> Absence | None:
        if not self._marks.is_out(account, at):
            return None
        since, until = _span_at(self._marks.out[account], at)
        if until is None:
            told = f"takes no part since {utc(since)}: what they do earns nothing (rewards-agent learner opt-in)"
        else:
            told = f"took no part from {utc(since)} until {utc(until)}: what was done then earns nothing"
        return Absence(why="opted_out", told=told)

    def _deleted(self, account: Account, at: int) -> Absence | None:
        if not self._marks.is_deleted(account, at):
            return None
        since, _ = _span_at(self._marks.deleted[account], at)
        told = f"was deleted in the LMS{f' on {utc(since)}' if since else ''}: what is done after that earns"
        return Absence(why="deleted", told=f"{told} nothing (where it was a mistake: rewards-agent learner opt-in)")


def _erased(readmitted: int | None) -> Absence:
    if readmitted is None:
        told = "was erased: nothing of them is kept, and nothing earns (rewards-agent learner readmit)"
    else:
        told = f"was erased, and readmitted on {utc(readmitted)}: what was done before that earns nothing"
    return Absence(why="erased", told=told)


def _span_at(spans: Sequence[Span], at: int) -> Span:
    return next(span for span in spans if span[0] <= at and (span[1] is None or at < span[1]))
