"""What needs no past: never-earns, mode, active, audience, deny, conditions, trust, scope. The first that fails is why.

What is unknown rather than failed holds, but only where nothing after it fails: a decision is not kept waiting for a
fact that could not save it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.engine.calendar import Calendar, Moment
from agent.engine.conditions import Unmet
from agent.engine.quota import Quota
from agent.engine.rulebook import CompiledDeny, CompiledRule, Payee, Rulebook, once, scope_of
from agent.model import Check, Event, HoldKind, Observation, PersonMark

NEVER_MARKS = (
    ("restored", "never earns: restored from a backup"),
    ("logged_in_as", "never earns: log-in-as"),
    ("preview", "never earns: quiz preview"),
)
NEVER_PEOPLE: Mapping[PersonMark, str] = {
    "guest": "never earns: guest",
    "nobody": "never earns: nobody",
    "system": "never earns: system",
    "site_admin": "never earns: site admin",
    "staff": "never earns: staff",
    "deleted": "never earns: deleted user",
}
WAIVED_BY_STAFF_EARN: frozenset[PersonMark] = frozenset({"site_admin", "staff", "roles_unknown"})

Places = tuple[tuple[Quota, str], ...]
"""Quotas that an award takes from, each with the bucket it falls into, in the order in which they are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says for one recipient of one event before the past is asked.

    ``reason`` empty means that only the quotas (``places``) can still refuse; with ``hold`` it waits, else it is
    refused. ``learner`` is empty where the role is missing, ``scope`` where the event lacks it. ``calendar`` tells
    when the windows of the places end.
    """

    event: Event
    rule: CompiledRule
    payee: Payee
    calendar: Calendar
    learner: str
    reason: str = ""
    hold: HoldKind | None = None
    checks: tuple[Check, ...] = ()
    scope: str = ""
    places: Places = ()


def judge(event: Event, rulebook: Rulebook) -> tuple[Verdict, ...]:
    """One verdict for each recipient of each rule that the event meets, in file order."""
    matched = rulebook.matching(event.seen)
    if not matched.rules:
        return ()
    moment = rulebook.calendar.moment(event.seen.occurred_at)
    denied = _denied(event.seen, matched.denies) if matched.denies else None
    return tuple(
        _Case(event, rule, payee, rulebook, moment, denied).verdict() for rule in matched.rules for payee in rule.payees
    )


def _denied(seen: Observation, denies: tuple[CompiledDeny, ...]) -> Unmet | None:
    """The first denial that applies, else the first that might; None where none does."""
    might: Unmet | None = None
    for deny in denies:
        unmet = deny.condition(seen, []) if deny.condition is not None else None
        if unmet is None:
            return Unmet(deny.reason, holds=False)
        if unmet.holds and might is None:
            might = unmet
    return might


class _Case:
    """One rule, one recipient, one event."""

    __slots__ = ("_checks", "_denied", "_event", "_hold", "_moment", "_payee", "_rule", "_rulebook")

    def __init__(
        self, event: Event, rule: CompiledRule, payee: Payee, rulebook: Rulebook, moment: Moment, denied: Unmet | None
    ) -> None:
        self._event = event
        self._rule = rule
        self._payee = payee
        self._rulebook = rulebook
        self._moment = moment
        self._denied = denied
        self._hold: tuple[HoldKind, str] | None = None
        self._checks: list[Check] = []

    def verdict(self) -> Verdict:
        seen = self._event.seen
        user = seen.people.get(self._payee.role)
        if not user:
            return self._verdict("", f"no {self._payee.role}")
        learner = f"{seen.site}:{user}"
        reason = self._never_earns(user) or self._inapplicable(user) or self._unfit()
        if reason:
            return self._verdict(learner, reason)
        if self._event.trust < self._rule.spec.min_trust:
            below = f"trust {self._event.trust.name} below {self._rule.spec.min_trust.name}"
            self._waits(HoldKind.trust, below)
        return self._counted(learner)

    def _waits(self, kind: HoldKind, reason: str) -> None:
        if self._hold is None:
            self._hold = (kind, reason)

    def _never_earns(self, user: str) -> str:
        seen = self._event.seen
        if seen.marks:
            for mark, reason in NEVER_MARKS:
                if mark in seen.marks:
                    return reason
            self._waits(HoldKind.backdated, "backdated")
        person = seen.person_marks.get(user)
        if person is None or (self._rulebook.staff_earn and person in WAIVED_BY_STAFF_EARN):
            return ""
        if person == "roles_unknown":
            self._waits(HoldKind.roles, "roles unknown")
            return ""
        return NEVER_PEOPLE[person]

    def _inapplicable(self, user: str) -> str:
        """Mode, active, audience."""
        rule = self._rule
        if rule.spec.mode == "off":
            return "mode off"
        inactive = rule.when(self._event.seen.occurred_at) if rule.when is not None else None
        if inactive:
            return inactive
        outside = rule.whom(self._event.seen, user) if rule.whom is not None else None
        if outside is None:
            return ""
        if outside.unknown_roles:
            self._waits(HoldKind.roles, outside.reason)
            return ""
        return outside.reason

    def _unfit(self) -> str:
        """Deny and conditions."""
        if self._denied is not None:
            if not self._denied.holds:
                return self._denied.text
            self._waits(HoldKind.fact, self._denied.text)
        unmet = self._rule.condition(self._event.seen, self._checks) if self._rule.condition is not None else None
        if unmet is None:
            return ""
        if not unmet.holds:
            return unmet.text
        self._waits(HoldKind.fact, unmet.text)
        return ""

    def _counted(self, learner: str) -> Verdict:
        """With its scope and the buckets of its quotas; a missing scope refuses what does not wait already."""
        names = self._rule.scope_names(self._event.seen.kind)
        scope, lacking = scope_of(names, self._event, self._moment, self._payee.role)
        if lacking:
            return self._verdict(learner, "" if self._hold is not None else lacking)
        found = places(
            (once(self._rule.spec, names), *self._payee.quotas), self._event.seen.occurred_at, self._moment, scope
        )
        return self._verdict(learner, "", scope, found)

    def _verdict(self, learner: str, refused: str, scope: str = "", found: Places = ()) -> Verdict:
        kind, waiting = (None, "") if refused or self._hold is None else self._hold
        return Verdict(
            event=self._event,
            rule=self._rule,
            payee=self._payee,
            calendar=self._rulebook.calendar,
            learner=learner,
            reason=refused or waiting,
            hold=kind,
            checks=tuple(self._checks),
            scope=scope,
            places=found,
        )


def places(quotas: tuple[Quota, ...], at: int, moment: Moment, scope: str) -> Places:
    """Where an award at ``at`` is counted; quotas of periods that are not now are left out."""
    return tuple((quota, bucket) for quota in quotas if (bucket := quota.bucket(at, moment, scope)) is not None)
