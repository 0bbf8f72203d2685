"""Badges by hand in a story: `{ assign = "helper", learner = "ann", by = "tom" }`, within what `assign` says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.engine import trust
from agent.engine.past import following
from agent.engine.recognition import byhand
from agent.engine.recognition.model import unique
from agent.engine.recognition.record import EVER
from agent.engine.rulebook import BADGE
from agent.engine.stories.teller import Teller
from agent.engine.stories.told import A_DAY, SITE, time_of
from agent.errors import InvalidInputError
from agent.model import Decision, Event, Evidence, Observation, Outcome, Posting, Trust, Use

_KEYS = frozenset({"assign", "learner", "by", "at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """That ``by`` gives a badge to a learner, ``at`` a time as it is written (None: right after the newest act)."""

    badge: str
    learner: str
    by: str
    at: Any


def assigned_of(said: Mapping[str, Any]) -> Assigned | None:
    """The badge that a story gives by hand; None where it tells something else.

    Raises:
        InvalidInputError: it says more than that.
    """
    if "assign" not in said:
        return None
    texts = [said["assign"], said.get("learner", "ann"), said.get("by", "")]
    if not said.keys() <= _KEYS or not all(isinstance(text, str) for text in texts):
        raise InvalidInputError('write { assign = "helper", learner = "ann", by = "tom" }')
    badge, learner, by = texts
    return Assigned(badge=badge, learner=learner, by=by, at=said.get("at"))


def given(one: Assigned, number: int, teller: Teller) -> list[Decision]:
    """What becomes of it as the ``number``-th entry of the story: the badge and what follows from it, or why not."""
    rulebook, state = teller.rulebook, teller.state
    spec = rulebook.badges[one.badge].assign
    newest = teller.newest if one.at is None else None
    at = time_of(one.at, A_DAY, rulebook) if newest is None else newest
    account, learner = f"{BADGE}{one.badge}", f"{SITE}:{one.learner}"
    counted = byhand.places(one.badge, spec, by=one.by, at=at, calendar=rulebook.calendar)
    why = byhand.not_allowed(spec, by=one.by, learner=one.learner)
    if not why and state.uses.room(unique(account), (account, EVER, learner), at) < 1:
        why = "has the badge already"
    why = why or byhand.full(counted, state.uses, at, rulebook.calendar)[0]
    event = _event(one, number, at)
    teller.events[event.event_id] = event
    had = Use(meter=account, bucket=EVER, learner=learner, at=at, amount=1)
    decision = Decision(
        event_id=event.event_id,
        rule_id=account,
        rules_version=rulebook.version,
        role="subject",
        learner=learner,
        outcome=Outcome.refused if why else Outcome.awarded,
        reason=why,
        postings=() if why else (Posting(currency=account, amount=1),),
        uses=() if why else (had, *byhand.taken(counted, at)),
    )
    state.uses.learn(decision.uses)
    return teller.decided([decision, *following.after([decision], event, "subject", rulebook.recognition, state)])


def _event(one: Assigned, number: int, at: int) -> Event:
    seen = Observation(
        source=SITE,
        site=SITE,
        position=number,
        lms_event="",
        kind=None,
        people={"subject": one.learner, "actor": one.by},
        natural_key=(str(number),),
        occurred_at=at,
        evidence=Evidence.database_row,
    )
    return trust.tag(seen, Trust.server_verified)
