"""Where learners are asked first: who had not agreed when they acted is marked, before anything is judged by it.

The mark is recorded with the act, so that it stays unpaid when the act is judged again. What cannot be known yet is
marked so and waits; it is never taken for a yes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

import aiosqlite

from agent.ledger.record import agreed
from agent.ledger.record.agreed import Agreed
from agent.ledger.record.erased import Account
from agent.ledger.record.people import split_learner
from agent.model import Event, Observation, PersonMark

NOBODY_TO_ASK: frozenset[PersonMark] = frozenset({"guest", "nobody", "system"})
"""Marks of users that are no person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What the LMS tells and is not kept yet: by account the time of the act that shows it."""

    yes: dict[Account, int] = field(default_factory=dict)
    no: dict[Account, int] = field(default_factory=dict)


class Consents:
    """What is known of who has agreed. ``tellers`` are the sites whose LMS can say it of everybody."""

    def __init__(self, tellers: Iterable[str] = ()) -> None:
        self._tellers = frozenset(tellers)
        self._known = Agreed()

    async def read(self, connection: aiosqlite.Connection) -> None:
        """As it stands."""
        self.know(await agreed.load(connection))

    def know(self, known: Agreed) -> None:
        """Go by this from now on."""
        self._known = known

    def stands(self, account: Account, at: int) -> bool:
        """Whether an account has agreed, by somebody's word at that time or by what the LMS told last."""
        return self._known.at(account, at) or ":".join(account) in self._known.told

    async def marked(self, connection: aiosqlite.Connection, events: list[Event]) -> list[Event]:
        """The events with a mark on whoever had not agreed; what the LMS tells anew is kept. In the writer's unit."""
        news = _News()
        for event in events:
            self._hear(event.seen, news)
        if news.yes or news.no:
            await agreed.told(connection, news.yes, news.no)
            self._known = self._known.and_told(news.yes, news.no)
        return [self.marked_now(event) for event in events]

    def marked_now(self, event: Event) -> Event:
        """An act by what is known by now and what its LMS says with it; nothing is kept."""
        return _remarked(event, self._mark)

    def marked_again(self, event: Event) -> Event:
        """An act of before that is judged anew, by what is kept of that time: what the LMS says now proves nothing."""
        return _remarked(event, self._mark_of_then)

    def _mark_of_then(self, seen: Observation, user: str) -> PersonMark | None:
        at, since = seen.occurred_at, seen.agreed.get(user)
        kept = any(self._known.at(one, at) or self._known.was_seen(one, at) for one in _accounts(seen, user))
        return None if kept or (since is not None and 0 < since <= at) else "not_agreed"

    def _mark(self, seen: Observation, user: str) -> PersonMark | None:
        at = seen.occurred_at
        if any(self._known.at(account, at) for account in _accounts(seen, user)):
            return None
        if user in seen.agreed:
            since = seen.agreed[user]
            # Where the LMS keeps no time, it counts from the first act that was seen to have it.
            begun = since or self._known.told.get(seen.learner(user), at)
            return None if since is not None and begun <= at else "not_agreed"
        return "agreement_unknown" if seen.site in self._tellers else "not_agreed"

    def _hear(self, seen: Observation, news: _News) -> None:
        at = seen.occurred_at
        for user, since in seen.agreed.items():
            learner = seen.learner(user)
            account = split_learner(learner)
            if since is None:
                if learner in self._known.told:
                    news.no[account] = at
            elif since <= at and learner not in self._known.told:
                news.yes[account] = min(at, news.yes.get(account, at))


def _accounts(seen: Observation, user: str) -> tuple[Account, Account]:
    """The account that acted, and the one that it counts for."""
    return (seen.site, user), split_learner(seen.learner(user))


def _remarked(event: Event, mark_of: Callable[[Observation, str], PersonMark | None]) -> Event:
    """The event with what ``mark_of`` says of each of its people; those that it says nothing of stay as they are."""
    seen = event.seen
    marks = dict(seen.person_marks)
    for user in dict.fromkeys(seen.people.values()):
        mark = mark_of(seen, user) if marks.get(user) not in NOBODY_TO_ASK else None
        if mark is not None:
            marks[user] = mark
    return event if marks == seen.person_marks else replace(event, seen=replace(seen, person_marks=marks))


def not_agreed(seen: Observation, consents: Consents) -> Collection[str]:
    """The learners among the people of an act who have not agreed at its time."""
    learners = {seen.learner(user) for user in seen.people.values()}
    return {one for one in learners if not consents.stands(split_learner(one), seen.occurred_at)}
