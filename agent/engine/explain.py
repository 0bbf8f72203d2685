"""Rules and decisions in plain sentences: `rules explain`, `events explain`, and how near a learner came. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from agent.config.grammar import WEEKDAYS, shown_number
from agent.config.kinds import DEFAULT_ONCE_PER, KindTable
from agent.config.rulefile import Rule
from agent.config.rulefile.award import Computed
from agent.config.rulefile.tables.condition import Active, Audience
from agent.config.rulefile.tables.review import Review
from agent.config.rulefile.warn import kinds_of
from agent.engine import words
from agent.engine.conditions import told
from agent.engine.experiment.groups import HELD_OUT
from agent.engine.experiment.telling import kept_out
from agent.engine.fairness import CompiledCheck
from agent.engine.quota import Quota
from agent.engine.recognition import model as recognised
from agent.engine.rulebook import CompiledDeny, CompiledRule, Payee, Rulebook
from agent.model import Decision, Outcome, Posting

STAGES = ("no ", "never earns", "mode", "active", "audience", "deny", "condition", HELD_OUT, "trust")
"""How reasons begin, in the order in which they are asked; anything else is a quota, the last to be asked."""


MOODLES = KindTable()


def rule_sentences(rule: CompiledRule, rulebook: Rulebook, *, kinds: KindTable = MOODLES) -> tuple[str, ...]:
    """What a rule does, a sentence for each of its parts. ``kinds`` is the table with what the rules add."""
    spec = rule.spec
    said = [f"{spec.title or spec.id}: on {_listed(spec.on, 'or')}.", *([spec.description] if spec.description else [])]
    said.extend(_pays(payee, rule, rulebook) for payee in rule.payees)
    conditions = told(spec.conditions, rulebook.values)
    if conditions:
        said.append(f"Only where {conditions}.")
    if rule.form is not None:
        said.append(rule.form.said)
    said.extend(
        f"Earns nothing{f' where {deny.said}' if deny.said else ''} ({deny.reason})."
        for deny in _denies(rule, rulebook)
    )
    if spec.requires is not None:
        said.append(f"Only for who has {recognised.told(rulebook.words.criterion(spec.requires))}.")
    often = "once" if spec.frequency == 1 else f"{spec.frequency} times"
    each = f"Pays {often}{_scopes(rule, kinds)}."
    said.append((rule.form.often if rule.form is not None else "") or each)
    if spec.audience is not None:
        said.append(whom(spec.audience))
    if spec.active is not None:
        said.append(_when(spec.active))
    said.extend(kept_out(one) for one in rule.experiments)
    said.extend(brakes(rule))
    said.extend(_checked(check) for check in checks_of(rule, rulebook))
    if spec.reverse_on:
        said.append(f"Taken back on {_listed(spec.reverse_on, 'or')}.")
    if spec.reverse_when:
        later = _listed(("a later such event", *sorted(rule.told_again)), "or")
        said.append(f"Taken back when {later} about the same thing no longer meets the conditions.")
    said.extend(_reviewed(spec.review) if spec.review is not None else ())
    said.append(f"An event believed less than {spec.min_trust.name} is held.")
    said.extend(belongs(spec))
    if spec.mode != "live":
        said.append("Decides and reports, pays nothing." if spec.mode == "shadow" else "Switched off.")
    return tuple(said)


def _scopes(rule: CompiledRule, table: KindTable) -> str:
    """What it is once per; where its kinds differ in that, each with its kinds."""
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for pattern in rule.spec.on:
        for kind in sorted(kinds_of((pattern,), table), key=_family) or (None,):
            shown = pattern if kind is None or "*" not in pattern else _FAMILIES[_family(kind)]
            found.setdefault(rule.once(kind).names, {})[shown] = None
    if len(found) == 1:
        return _for_each(next(iter(found)))
    return ",".join(f"{_for_each(names)} ({', '.join(shown)})" for names, shown in found.items())


_FAMILIES = (*DEFAULT_ONCE_PER, "all else")


def _family(kind: str) -> int:
    """Which of the families of kinds with a default of their own it belongs to."""
    return next((n for n, one in enumerate(DEFAULT_ONCE_PER) if fnmatchcase(kind, one)), len(DEFAULT_ONCE_PER))


def _for_each(names: Sequence[str]) -> str:
    if names == ("ever",):
        return ""
    return " for each event" if names == ("event",) else f" for each {_listed(names, 'and')} and learner"


def brakes(rule: CompiledRule) -> Iterable[str]:
    """What each recipient's awards stop at, and what becomes of what goes over where it is not refused."""
    said = dict[str, None]()
    for payee in rule.payees:
        for quota in payee.quotas:
            if quota.label.startswith(_BRAKES):
                only = quota.meter.startswith(f"limit:{rule.id}:{payee.role}:")
                said[_stops(quota, f" for the {payee.role}" if only else _of_group(quota, rule))] = None
    return said


def shared_brakes(rules: Iterable[CompiledRule]) -> dict[str, list[str]]:
    """What several of these rules stop at together: what `brakes` says of each of them, with their ids."""
    found: dict[str, dict[str, None]] = {}
    for rule in rules:
        for quota in (quota for payee in rule.payees for quota in payee.shared):
            found.setdefault(_stops(quota, _of_group(quota, rule)), {})[rule.id] = None
    return {said: list(ids) for said, ids in found.items() if len(ids) > 1}


def _of_group(quota: Quota, rule: CompiledRule) -> str:
    """Which rules a cap counts together, where it is not all of them: two groups may have caps of one wording."""
    group = rule.spec.group
    return f" of group {group}" if group and quota.meter.startswith((f"cap:{group}:", f"cap:{group}@")) else ""


def _stops(quota: Quota, whose: str) -> str:
    return f"Stops at {quota.label}{whose}{_OVER[quota.over]}."


_BRAKES = ("limit", "cooldown", "cap", "budget", "safety")
_OVER = {"refuse": "", "trim": "; what goes over is cut to fit", "hold": "; what goes over is held for review"}


def belongs(spec: Rule) -> Iterable[str]:
    """What the learner is told, and what the rule is sorted under."""
    if spec.message:
        yield f"Says to the learner: {spec.message}"
    sorted_as = ([f"group {spec.group}"] if spec.group else []) + (
        [f"tags {', '.join(spec.tags)}"] if spec.tags else []
    )
    if sorted_as:
        yield f"Counts among {' and '.join(sorted_as)}."


def _denies(rule: CompiledRule, rulebook: Rulebook) -> tuple[CompiledDeny, ...]:
    """The denials that meet one of the rule's events."""
    met = _met(rule, rulebook)
    return tuple(
        deny for deny in rulebook.denies if any(fnmatchcase(one, pattern) for one in met for pattern in deny.on)
    )


def _met(rule: CompiledRule, rulebook: Rulebook) -> frozenset[str]:
    """The kinds of the rule's events, and what it calls them."""
    kinds = rulebook.needs[rule.id].kinds if rule.id in rulebook.needs else frozenset[str]()
    return kinds.union(rule.spec.on)


def _reviewed(review: Review) -> Iterable[str]:
    yield "Each award waits until somebody approves it; until then its limits are kept for it."
    for name, (low, high) in review.adjust.items():
        yield f"Between {shown_number(low)} and {shown_number(high)} {name}".rstrip() + " can be approved."


def checks_of(rule: CompiledRule, rulebook: Rulebook) -> tuple[CompiledCheck, ...]:
    """The checks that stand before a rule: those that concern it and look at one of its events."""
    met = _met(rule, rulebook)
    return tuple(
        check
        for check in rulebook.checks
        if check.concerns(rule.spec) and any(fnmatchcase(one, pattern) for one in met for pattern in check.on)
    )


def _checked(check: CompiledCheck) -> str:
    does = {"refuse": "Refused", "hold": "Held for review", "flag": "Noted"}[check.then]
    return f"{does} at {check.label} ({'; '.join((f'check {check.id}', *check.terms))})."


def decision_sentence(
    decision: Decision, rulebook: Rulebook | None = None, *, as_if: bool = False, settled: bool = False
) -> str:
    """Why a decision is what it is, in one sentence. ``rulebook`` gives times their zone (else UTC).

    ``as_if`` is for what was never recorded: nothing of it was given. ``settled`` is for what is held no more.
    """
    who = decision.learner or "nobody"
    gave, holds = ("would give", "would hold") if as_if else ("gave", "held" if settled else "holds")
    match decision.outcome:
        case Outcome.awarded:
            why = f": {decision.reason}" if decision.reason else ""
            said = f"{decision.rule_id} {gave} {who} {amounts(decision.postings, rulebook)}{why}"
        case Outcome.shadow if any(posting.amount < 0 for posting in decision.postings):
            said = f"{decision.rule_id} would have taken back {_opposite(decision, rulebook)} from {who} (shadow)"
        case Outcome.shadow:
            said = f"{decision.rule_id} would have given {who} {amounts(decision.postings, rulebook)} (shadow)"
        case Outcome.reversed:
            said = f"{decision.rule_id} took back {_opposite(decision, rulebook)} from {who}: {decision.reason}"
        case Outcome.held:
            said = f"{decision.rule_id} {holds} {amounts(decision.postings, rulebook)} for {who}: {decision.reason}"
        case _:
            said = f"{decision.rule_id} {gave} {who} nothing: {decision.reason}"
    if decision.until is not None:
        said += f" (until {_time(decision.until, rulebook)})"
    checks = "; ".join(f"{check.text} {check.status}{_seen(check.seen)}" for check in decision.checks)
    return f"{said}. {checks}." if checks else f"{said}."


def _opposite(decision: Decision, rulebook: Rulebook | None) -> str:
    return amounts([replace(posting, amount=-posting.amount) for posting in decision.postings], rulebook)


def amounts(postings: Sequence[Posting], rulebook: Rulebook | None = None) -> str:
    """`10 points, the badge quiz-ace`."""
    listed = ((posting.currency, posting.amount) for posting in postings)
    return words.amounts(listed, rulebook.currencies if rulebook is not None else {})


def nearest_miss(decisions: Iterable[Decision]) -> Decision | None:
    """The decision that came furthest: paid before held before refused late before refused early; then more passed."""
    return max(decisions, key=_furthest, default=None)


def _furthest(decision: Decision) -> tuple[int, int, int]:
    rank = {Outcome.awarded: 3, Outcome.shadow: 3, Outcome.held: 2}.get(decision.outcome, 1)
    stage = next((n for n, start in enumerate(STAGES) if decision.reason.startswith(start)), len(STAGES))
    return rank, stage, sum(check.status == "passed" for check in decision.checks)


def _pays(payee: Payee, rule: CompiledRule, rulebook: Rulebook) -> str:
    computed = [
        amount.told(currency, words.one(currency, rulebook.currencies))
        for part in rule.spec.award
        if (part.to or rule.spec.recipient) == payee.role
        for currency, amount in part.amounts
        if isinstance(amount, Computed)
    ]
    fixed = [amounts([posting], rulebook) for posting in payee.postings if posting.amount]
    return f"The {payee.role} gets {', '.join((*fixed, *computed)) or 'nothing'}."


def whom(spec: Audience) -> str:
    """For whom a rule, challenge or scheduled reward is."""
    parts = [
        f"{key} {_listed(values, 'or')}"
        for key, values in (("courses", spec.courses), ("categories", spec.categories), ("cohorts", spec.cohorts))
        if values is not None
    ]
    if spec.except_roles is not None:
        parts.append(f"nobody who is {_listed(spec.except_roles, 'or')}")
    return f"For {'; '.join(parts) or 'everybody'}."


def _when(spec: Active) -> str:
    parts = []
    if spec.from_ is not None:
        parts.append(f"from {spec.from_.isoformat()}")
    if spec.until is not None:
        parts.append(f"until {spec.until.isoformat()}")
    if spec.days is not None:
        parts.append(f"on {_listed([WEEKDAYS[day] for day in spec.days], 'and')}")
    if spec.hours is not None:
        parts.append(
            "from {:02d}:{:02d} to {:02d}:{:02d}".format(*(n for s in spec.hours for n in divmod(s // 60, 60)))
        )
    if spec.zone is not None:
        parts.append(f"by the clock of {spec.zone.key}")
    return f"Active {' '.join(parts)}."


def _listed(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _seen(seen: str) -> str:
    return f", seen {seen}" if seen else ""


def _time(at: int, rulebook: Rulebook | None) -> str:
    if rulebook is None:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return rulebook.calendar.wall(at).strftime("%Y-%m-%d %H:%M")
