"""Awards decided from sets of what happened: an act puts one member into a set, and the set says how many are due.

A set only grows, a member is there once, and what is due depends on the members alone: so any order of arrival and any
split into pages end with the same awards. The once_per scope of the rule is also where its set stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from agent.engine.calendar import Moment
from agent.engine.quota import SHADOW, Places, Uses
from agent.model import Observation, Use, UseKey

Members = Mapping[int, int]
"""Slot of each member → when it happened first, in seconds UTC."""

Slot = Callable[[Observation, Moment], int | str]
"""What an act puts into the set, or why it adds nothing."""


class Due(NamedTuple):
    """How many awards a set is worth in all, and how that is told where it is fewer than wished.

    ``done`` is what the newest member has completed (`Decision.completes`); ``completed`` are the times (seconds UTC)
    at which awards were due with that member, and were not without it.
    """

    awards: int
    told: str
    done: tuple[str, ...] = ()
    completed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A way of earning from a set. ``meter`` names the set, ``said`` is the sentence that explains it.

    ``due`` counts from the members. With ``lifts`` only the act that adds something new is paid, and a member stands
    also where that award was refused. ``scope`` names what the set stands for (None: the rule's own once_per).
    ``facts`` are those that ``slot`` looks at; ``often`` says how often it pays, where the scope does not tell.

    ``over`` tells what is due where a member of a time can change nothing any more: it is not kept then. ``mark`` is
    the slot of what the completion of another set brings about at a time. ``repeats`` says that a scope may be paid
    again: an award leaves what waits open, because it may belong to the next one, and the reason is how far that is.
    """

    meter: str
    slot: Slot
    due: Callable[[Members, int], Due]
    said: str
    scope: tuple[str, ...] | None = None
    often: str = ""
    facts: frozenset[str] = frozenset()
    lifts: str = ""
    over: Callable[[Members, int], Due | None] | None = None
    mark: Callable[[int], int] | None = None
    repeats: bool = False


class Act(NamedTuple):
    """What one event adds for one learner: ``slot`` to the set of ``form`` in ``scope``."""

    form: Form
    scope: str
    slot: int
    at: int

    def note(self, learner: str) -> Use:
        """The member as it is kept."""
        return Use(meter=self.form.meter, bucket=self.scope, learner=learner, at=self.at, amount=1, slot=self.slot)

    def moved(self, at: int) -> Act:
        """The same mark at another time."""
        return self if self.form.mark is None else self._replace(at=at, slot=self.form.mark(at))


def put(act: Act, learner: str, uses: Uses, *, approved: bool = False) -> tuple[tuple[Use, ...], Due]:
    """Put a member into its set, visible to all that follows: what is to be kept of it, and what is due now."""
    note = act.note(learner)
    form = act.form
    if form.over is not None and (due := form.over(uses.members((form.meter, act.scope, learner)), act.at)) is not None:
        return (), due
    new = uses.note(note)
    if form.lifts and not new and not approved:
        return (), Due(0, form.lifts)
    key = (form.meter, act.scope, learner)
    members = uses.members(key)
    size, due = uses.answers.get((key, act.slot), (0, None))
    if due is None or size != len(members):
        due = form.due(members, act.slot)
        uses.answers[key, act.slot] = (len(members), due)
    return (note,) if new else (), due


def worth(form: Form, members: Members) -> int:
    """How many awards a set is worth in all. Some forms say so only of the members that brought one about."""
    return next((due for slot in members if (due := form.due(members, slot).awards)), 0)


def completed(act: Act, learner: str, uses: Uses) -> tuple[int, ...]:
    """When the awards were due that this act, already put, has brought about or moved."""
    found = uses.answers.get(((act.form.meter, act.scope, learner), act.slot))
    return () if found is None else found[1].completed


def allowed(found: Places, act: Act, due: Due, learner: str, uses: Uses, prefix: str = "") -> Places:
    """The places of an award where its scope may be used as often as is due, less what the other mode has of it.

    Live and shadow (``prefix``) share the set: what it was worth in one is not due in the other too, or going live
    would pay for what was only tried.
    """
    (once, bucket), *rest = found
    maximum = max(0, due.awards - uses.totals.get(elsewhere(found, learner, prefix), 0))
    if not act.form.repeats and maximum == once.maximum:
        return found
    return ((replace(once, maximum=maximum, label=due.told), bucket), *rest)


def elsewhere(found: Places, learner: str, prefix: str) -> UseKey:
    """Where awards of the same set count that were given in the other mode: live for shadow, shadow for live."""
    once, bucket = found[0]
    return once.key(bucket, learner, "" if prefix else SHADOW)


def act_of(notes: tuple[Use, ...], form: Form) -> Act | None:
    """The act that a held decision kept among its uses."""
    note = next((use for use in notes if use.meter == form.meter), None)
    return None if note is None else Act(form, note.bucket, note.slot, note.at)
