"""Scheduled rewards in a story: `{ at = …, run = "week-champion" }` carries out what is due by then. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.engine.evaluate import Verdict
from agent.engine.rulebook import Timed
from agent.engine.schedule.coming import Due, first_of_all, matters
from agent.engine.schedule.rehearsal import Ran
from agent.engine.stories.teller import Teller
from agent.engine.stories.told import A_DAY, SITE, time_of
from agent.errors import InvalidInputError
from agent.model import Decision

RUNS_MAX = 2_000
"""Runs of one reward that one entry of a story carries out at most."""
_KEYS = frozenset({"run", "at", "drawn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """That a scheduled reward is carried out by ``at`` (as written; None: when the time of the newest act is over).

    ``drawn`` are those whom chance picks, None where nobody is named.
    """

    scheduled: str
    at: Any
    drawn: tuple[str, ...] | None


def call_of(said: Mapping[str, Any]) -> Call | None:
    """The runs that a story asks for; None where it tells something else.

    Raises:
        InvalidInputError: it says more than that.
    """
    if "run" not in said:
        return None
    drawn = said.get("drawn")
    names = isinstance(drawn, list) and all(isinstance(name, str) for name in drawn)
    if not isinstance(said["run"], str) or not said.keys() <= _KEYS or not (drawn is None or names):
        raise InvalidInputError('write { at = 2026-09-16T12:00:00, run = "…" }, of a draw with drawn = ["ann"]')
    return Call(scheduled=said["run"], at=said.get("at"), drawn=None if drawn is None else tuple(drawn))


def carried_out(call: Call, teller: Teller) -> list[Decision]:
    """What every run of it that is due by then decides, in the order of their times.

    Raises:
        InvalidInputError: none is due, one waits for something, or it is a draw and nobody says who is drawn.
    """
    timed = next((one for one in teller.rulebook.scheduled if one.spec.id == call.scheduled), None)
    if timed is None:
        raise InvalidInputError(f"{call.scheduled} is switched off")
    by, decisions, drawn = _by(call, timed, teller), list[Decision](), call.drawn
    done = 0
    while (due := _next(timed, teller)) is not None and due.at <= by:
        if done == RUNS_MAX:
            raise InvalidInputError(f"more than {RUNS_MAX} runs of {call.scheduled} are due by then")
        _waits(due, teller)
        ran = teller.rehearsal.run(due)
        judged = ran.verdicts
        if ran.found.tickets:
            judged, drawn = _drawn(ran, drawn, teller), None
        decisions += _booked(judged, teller)
        done += 1
    if not done:
        raise InvalidInputError(_not_yet(call.scheduled, due, teller))
    if drawn:
        raise InvalidInputError(f"nobody takes part in {call.scheduled}, so that nobody is drawn")
    return decisions


def _by(call: Call, timed: Timed, teller: Teller) -> int:
    if call.at is not None:
        return time_of(call.at, A_DAY, teller.rulebook)
    nominal = None if teller.newest is None else timed.timetable.after(teller.newest)
    return -(2**62) if nominal is None else nominal + timed.spec.settle.seconds


def _next(timed: Timed, teller: Teller) -> Due | None:
    return next((due for due in teller.rehearsal.coming() if due.timed is timed), None)


def _not_yet(scheduled: str, due: Due | None, teller: Teller) -> str:
    if teller.newest is None:
        return f"nothing has happened yet that {scheduled} could look at"
    if due is None:
        return f"{scheduled} has no run any more"
    return f"{due.name} is decided from {teller.rulebook.calendar.wall(due.at):%Y-%m-%dT%H:%M:%S} on"


def _waits(due: Due, teller: Teller) -> None:
    """As a running agent waits: for runs whose prizes count, and for what somebody has to decide."""
    others = first_of_all(due, teller.rehearsal.coming())
    if others:
        raise InvalidInputError(f"{due.name} waits: {others[0]}")
    for number, held in teller.open():
        at = teller.events[held.event_id].seen.occurred_at
        currencies = [posting.currency for posting in held.postings]
        if due.span.begin <= at < due.span.end and matters(due.timed, held.rule_id, currencies, teller.rulebook):
            raise InvalidInputError(
                f"{due.name} waits for what {held.rule_id} held of event {number}", hint="approve or reject it before"
            )


def _drawn(ran: Ran, drawn: tuple[str, ...] | None, teller: Teller) -> list[Verdict]:
    taking_part = sorted(learner.removeprefix(f"{SITE}:") for learner in ran.found.tickets or {})
    listed = ", ".join(taking_part)
    draw = ran.due.timed.spec.draw
    many = min(len(taking_part), draw.winners if draw is not None else 0)
    if drawn is None:
        raise InvalidInputError(
            f"who is drawn by {ran.due.name} is chance: say who, drawn = […]", hint=f"{many} of {listed}"
        )
    out = [name for name in drawn if name not in taking_part]
    if out:
        raise InvalidInputError(f"{out[0]} takes no part in {ran.due.name}", hint=f"there is {listed}")
    if len(drawn) != many or len(set(drawn)) != many:
        raise InvalidInputError(f"{ran.due.name} draws {many} different winners", hint=f"of {listed}")
    return teller.rehearsal.drawn(ran, [f"{SITE}:{name}" for name in drawn])


def _booked(judged: list[Verdict], teller: Teller) -> list[Decision]:
    teller.events.update({verdict.event.event_id: verdict.event for verdict in judged})
    return teller.decided(teller.book(judged))
