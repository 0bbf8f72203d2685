"""What needs no past: never-earns, mode, active, audience, deny, conditions, an experiment, trust, scope.

The first that fails is why.

What is unknown rather than failed holds, but only where nothing after it fails: a decision is not kept waiting for a
fact that could not save it. A condition that is not met for want of a fact alone has not failed: it ends no waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from agent.config.ways_in import configured
from agent.engine import fairness
from agent.engine.calendar import Calendar, Moment
from agent.engine.conditions import Unmet
from agent.engine.earning.sets import Act, Form
from agent.engine.experiment.groups import held_out
from agent.engine.fairness import CompiledCheck, Guard
from agent.engine.past.undo import Ref, refs_of, undone_by
from agent.engine.quota import Places, Quota
from agent.engine.rulebook import CompiledDeny, CompiledRule, Payee, Rulebook, scope_of
from agent.model import FROM_PROFILE, Check, Event, EventMark, HoldKind, Observation, PersonMark, Posting

NEVER_MARKS: tuple[tuple[EventMark, str], ...] = (
    ("restored", "never earns: restored from a backup"),
    ("cleared", "never earns: went with its activity or its learner's enrolment"),
    ("overtaken", "never earns: told otherwise within the same second"),
    ("logged_in_as", "never earns: log-in-as"),
    ("preview", "never earns: quiz preview"),
)
NEVER_UNDO = tuple(reason for reason in NEVER_MARKS if reason[0] in {"restored", "cleared", "overtaken"})
"""Marks of what undoes nothing: it did not happen, or says nothing of what was done."""
NEVER_PEOPLE: Mapping[PersonMark, str] = {
    "guest": "never earns: guest",
    "nobody": "never earns: nobody",
    "system": "never earns: system",
    "site_admin": "never earns: site admin",
    "staff": "never earns: staff",
    "not_agreed": "never earns: not agreed",
    "deleted_before": "never earns: account deleted",
}
"""Not among them: `deleted`, which a look-up says of now and not of when they acted; since when, their log tells. Where
that row is of before `start_at`, or a disk was lost that knew of it, `deleted_before` still says so of later acts."""
AGREEMENT_UNKNOWN = "agreement unknown"
"""What waits until it is known whether somebody has agreed; nobody can approve it in their place."""
UNCONFIRMED = "waits for its log row"
"""Why a post waits: Moodle posts from inside a transaction that may be rolled back."""
HELD_MARKS: Mapping[EventMark, tuple[HoldKind, str]] = {
    "unconfirmed": (HoldKind.trust, UNCONFIRMED),
    "backdated": (HoldKind.backdated, "backdated"),
    "preview_unknown": (HoldKind.fact, "preview unknown"),
    "doubted": (HoldKind.fact, "rests on an act that is held"),
}
ROLES_UNKNOWN = "roles unknown"
WOULD_BE_HELD = "would be held: "
"""How the reason of a shadow's refusal begins that stands for a hold, since in shadow nobody is kept waiting."""
WAIVED_BY_STAFF_EARN: frozenset[PersonMark] = frozenset({"site_admin", "staff", "roles_unknown"})


class Verdict(NamedTuple):
    """What one rule says for one recipient of one event before the past is asked.

    ``reason`` empty means that only the quotas (``places``) can still refuse; with ``hold`` it waits, else it is
    refused. ``learner`` is empty where the role is missing, ``scope`` where the event lacks it. ``calendar`` tells
    when the windows of the places end, ``postings`` what this event would bring. ``refs`` are what the award can be
    found again by, or, where the event ``undoes``, what it is about: then there is one verdict for the rule, and its
    payee means nothing; ``because`` is the condition that is not met any more. ``act`` is what the event adds to a set,
    ``then`` what is to be decided where that completes it, ``guards`` are the checks before it. (A named tuple: one is
    made for every rule of every event.)
    """

    event: Event
    rule: CompiledRule
    payee: Payee
    calendar: Calendar
    learner: str
    reason: str
    hold: HoldKind | None
    checks: tuple[Check, ...]
    scope: str
    places: Places
    postings: tuple[Posting, ...]
    refs: tuple[Ref, ...] = ()
    undoes: bool = False
    because: str = ""
    act: Act | None = None
    then: Verdict | None = None
    guards: tuple[Guard, ...] = ()


def judge(event: Event, rulebook: Rulebook) -> tuple[Verdict, ...]:
    """One verdict for each recipient of each rule that the event meets, in file order."""
    seen = event.seen
    matched = rulebook.matching(seen)
    undoing = [_undoing(event, rule, rulebook) for rule in matched.undoes] if matched.undoes else []
    if not (matched.rules or matched.doubts):
        return tuple(undoing)
    moment = rulebook.calendar.moment(seen.occurred_at)
    denied = _denied(seen, matched.denies) if matched.denies else None
    judged = [_judged(event, rule, payee, rulebook, moment, denied) for rule in matched.rules for payee in rule.payees]
    if matched.checks:
        judged = [_guarded(verdict, matched.checks) for verdict in judged]
    if matched.doubts:
        for rule in matched.doubts:
            _doubted(event, rule, rulebook, judged)
    return tuple(undoing + judged)


def of_rule(event: Event, rule: CompiledRule, rulebook: Rulebook) -> Verdict:
    """What a rule that the event need not meet by itself says for the first of its recipients."""
    denies = rulebook.matching(event.seen).denies
    moment = rulebook.calendar.moment(event.seen.occurred_at)
    denied = _denied(event.seen, denies) if denies else None
    return _judged(event, rule, rule.payees[0], rulebook, moment, denied)


def _guarded(verdict: Verdict, checks: tuple[CompiledCheck, ...]) -> Verdict:
    """What never earns is not counted either; whatever else was refused was done all the same."""
    if not verdict.learner or verdict.reason.startswith(("never earns", "mode off")):
        return verdict
    return verdict._replace(guards=fairness.guards(checks, verdict.event, verdict.rule.spec, verdict.learner))


def _undoing(event: Event, rule: CompiledRule, rulebook: Rulebook) -> Verdict:
    """Whoever undoes it: an act that is no longer there has not earned.

    What did not happen undoes nothing, nor does what says nothing of the act, such as that its activity is gone.

    Nobody knows yet of a post whose log row is to come: it undoes when that is there.
    """
    seen = event.seen
    name = undone_by(seen.kind) if rule not in rulebook.matching(seen).doubts else "object"
    refs = refs_of(seen, (name,))
    subject = seen.people.get("subject")
    never = next((reason for mark, reason in NEVER_UNDO if mark in seen.marks), "") if seen.marks else ""
    if never:
        reason = never
    elif rule.mode == "off":
        reason = "mode off"
    elif "unconfirmed" in seen.marks:
        reason = UNCONFIRMED
    elif event.trust < rule.min_trust:
        reason = f"trust {event.trust.name} below {rule.min_trust.name}"
    else:
        reason = "" if refs else f"no {name}"
    learner = seen.learner(subject) if subject else ""
    return Verdict(
        event, rule, rule.payees[0], rulebook.calendar, learner, reason, None, (), "", (), (), refs, undoes=True
    )


def _doubted(event: Event, rule: CompiledRule, rulebook: Rulebook, judged: list[Verdict]) -> None:
    """Where the conditions of a rule are definitely not met, its verdict takes back what the object earned.

    What is unknown proves nothing. The verdict of the first recipient is the one that answers.
    """
    seen = event.seen
    unmet = rule.doubt(seen, []) if rule.doubt is not None else None
    subject = seen.people.get("subject", "")
    if unmet is None or unmet.holds or (rule.whom is not None and rule.whom(seen, subject) is not None):
        return
    undoing = _undoing(event, rule, rulebook)._replace(because=unmet.text)
    if undoing.reason and undoing.reason != UNCONFIRMED:
        return
    for place, verdict in enumerate(judged):
        if verdict.rule is rule and verdict.reason.startswith("condition "):
            judged[place] = verdict._replace(
                reason=undoing.reason, hold=None, undoes=True, refs=undoing.refs, because=verdict.reason
            )
            return
    judged.append(undoing)


def _denied(seen: Observation, denies: tuple[CompiledDeny, ...]) -> Unmet | None:
    """The first denial that applies, else the first that might; None where none does."""
    might: Unmet | None = None
    for deny in denies:
        unmet = deny.condition(seen, []) if deny.condition is not None else None
        if unmet is None:
            return Unmet(text=deny.reason, holds=False)
        if unmet.holds and might is None:
            might = unmet
    return might


def _judged(
    event: Event, rule: CompiledRule, payee: Payee, rulebook: Rulebook, moment: Moment, denied: Unmet | None
) -> Verdict:
    seen = event.seen
    checks: list[Check] = []
    waits: list[_Wait] = []
    learner = scope = ""
    found: Places = ()
    postings, act = payee.postings, None
    user = seen.people.get(payee.role)
    if not user or (payee.role in FROM_PROFILE and _is_subject(seen, user)):
        reason = f"no {payee.role}"  # nobody refers or supervises themselves
    else:
        learner = seen.learner(user)
        reason = (
            (_never_earns(seen, user, rulebook, waits) if seen.marks or seen.person_marks else "")
            or _inapplicable(seen, rule, user, checks, waits)
            or _unfit(seen, rule, denied, checks, waits)
            or (held_out(rule.experiments, learner, seen.occurred_at, rulebook.lifted) if rule.experiments else "")
        )
        if payee.pays is not None and not reason:
            postings, reason = payee.pays(seen)
        if not reason:
            if event.trust < rule.min_trust:
                waits.append((HoldKind.trust, f"trust {event.trust.name} below {rule.min_trust.name}"))
            once = rule.once(seen.kind)
            scope, lacking = scope_of(once.names, event, moment, payee.role)
            if not lacking:
                found = places((once.quota, *payee.quotas), seen.occurred_at, moment, scope, seen.source)
                if rule.form is not None:
                    act, reason = _act(rule.form, scope, seen, moment)
            elif not waits:
                reason = lacking
    kind, waiting = (None, "") if reason or not waits else waits[0]
    why, refs = reason or waiting, refs_of(seen, rule.undo_by) if rule.undo_by and not reason else ()
    after = rule.then if act is not None else None
    then = None if after is None else _judged(event, after, after.payees[0], rulebook, moment, None)
    return Verdict(
        event,
        rule,
        payee,
        rulebook.calendar,
        learner,
        why,
        kind,
        tuple(checks),
        scope,
        found,
        postings,
        refs,
        act=act,
        then=then,
    )


def _is_subject(seen: Observation, user: str) -> bool:
    """Whether somebody is the subject, also by another of their accounts."""
    subject = seen.people.get("subject")
    return subject is not None and seen.learner(user) == seen.learner(subject)


def _act(form: Form, scope: str, seen: Observation, moment: Moment) -> tuple[Act | None, str]:
    """What the event adds to the rule's set, or why nothing."""
    slot = form.slot(seen, moment)
    return (None, slot) if isinstance(slot, str) else (Act(form, scope, slot, seen.occurred_at), "")


def never_earns(seen: Observation, user: str, rulebook: Rulebook) -> str:
    """Why nothing that this person does here ever earns, or nothing."""
    return _never_earns(seen, user, rulebook, []) if seen.marks or seen.person_marks else ""


_Wait = tuple[HoldKind, str]
"""What a decision waits for, and how that is told."""


def in_doubt(seen: Observation, user: str, rulebook: Rulebook) -> tuple[str, ...]:
    """Why whatever this person does here is held by every rule, if it is."""
    waits: list[_Wait] = []
    _never_earns(seen, user, rulebook, waits)
    return tuple(reason for _, reason in waits)


def _never_earns(seen: Observation, user: str, rulebook: Rulebook, waits: list[_Wait]) -> str:
    if seen.marks:
        for mark, reason in NEVER_MARKS:
            if mark in seen.marks:
                return reason
        waits.extend(wait for mark, wait in HELD_MARKS.items() if mark in seen.marks)
    person = seen.person_marks.get(user)
    if person is None or (rulebook.staff_earn and person in WAIVED_BY_STAFF_EARN):
        return ""
    if person == "agreement_unknown":
        waits.append((HoldKind.fact, AGREEMENT_UNKNOWN))
        return ""
    if person == "roles_unknown":
        waits.append((HoldKind.roles, ROLES_UNKNOWN))
        return ""
    return NEVER_PEOPLE.get(person, "")


def _inapplicable(seen: Observation, rule: CompiledRule, user: str, checks: list[Check], waits: list[_Wait]) -> str:
    """Mode, active, audience. What an audience asks for and is not known is told as a check that is unknown."""
    if rule.mode == "off":
        return "mode off"
    inactive = rule.when(seen.occurred_at) if rule.when is not None else None
    if inactive:
        return inactive
    outside = rule.whom(seen, user) if rule.whom is not None else None
    if outside is None:
        return ""
    if outside.unknown_roles:
        waits.append((HoldKind.roles, outside.reason))
        return ""
    if outside.unknown:
        checks.append(Check(text=outside.reason, status="unknown", seen=""))
    return outside.reason


def _unfit(seen: Observation, rule: CompiledRule, denied: Unmet | None, checks: list[Check], waits: list[_Wait]) -> str:
    """Deny and conditions."""
    if denied is not None:
        if not denied.holds:
            return denied.text
        waits.append((HoldKind.fact, denied.text))
    unmet = rule.condition(seen, checks) if rule.condition is not None else None
    if unmet is None:
        return ""
    waiting = any(kind is not HoldKind.backdated for kind, _ in waits)  # a person who looks brings no fact
    if not (unmet.holds or (unmet.lacking and waiting)):
        return unmet.text
    waits.append((HoldKind.fact, unmet.text))
    return ""


def places(quotas: tuple[Quota, ...], at: int, moment: Moment, scope: str, source: str) -> Places:
    """Where an award at ``at`` is counted; quotas of periods that are not now, or of other sources, are left out."""
    return tuple(
        [
            (quota, bucket)
            for quota in quotas
            if (bucket := quota.bucket(at, moment, scope)) is not None
            and (not quota.sources or configured(source) in quota.sources)
        ]
    )
