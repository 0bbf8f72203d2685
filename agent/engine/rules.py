"""From the rules file to the rulebook: closures, quotas, what to ask the sources for; and the examples must be true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from agent.config.document import FaultsError
from agent.config.facts import FactTable
from agent.config.kinds import RETOLD, KindTable
from agent.config.rulefile import Deny, Rule, RuleFile
from agent.config.rulefile.warn import default_once_per, kinds_of
from agent.engine import conditions, fairness, filters, stories
from agent.engine.calendar import Calendar
from agent.engine.challenge import compiled as challenge
from agent.engine.derived import programme
from agent.engine.earning import amounts, forms
from agent.engine.earning.amounts import CompiledAmount
from agent.engine.earning.derivation import Derivation
from agent.engine.earning.sets import Form
from agent.engine.experiment import groups
from agent.engine.experiment.groups import Experiment
from agent.engine.limits.compiled import Quotas
from agent.engine.past.undo import undone_by
from agent.engine.recognition import ladder
from agent.engine.recognition.compiled import Words, declared, recognition
from agent.engine.rulebook import (
    BADGE,
    CompiledDeny,
    CompiledRule,
    Needs,
    Once,
    Payee,
    Rulebook,
    once,
    placed,
    placeholders,
)
from agent.engine.schedule import compiling as schedule
from agent.model import FROM_PROFILE, Demand, Role

__all__ = ["Rulebook", "compile_rules"]


def compile_rules(file: RuleFile, kinds: KindTable) -> Rulebook:
    """The rules ready to judge; ``kinds`` is the table without the file's own `[[kind]]`.

    Raises:
        FaultsError: an example is untrue; what the rules really do is told for each.
    """
    rulebook = _Compiler(file, kinds.extended(file.kinds)).rulebook()
    untrue = stories.untrue_examples(file, rulebook)
    if untrue:
        raise FaultsError(untrue)
    return rulebook


class _Compiler:
    """Holds the file while its rules are compiled."""

    def __init__(self, file: RuleFile, kinds: KindTable) -> None:
        self._file = file
        self._kinds = kinds
        self._calendar = self._in_zone(file.timezone)
        self._values = file.numbers
        self._decimals = {name: currency.decimals for name, currency in file.currencies.items()}
        self._quotas = Quotas(file, self._decimals)
        self._recognition = recognition(file, self._calendar)
        self._programmes = programme.compiled(file.programmes)
        self._experiments = groups.compiled(file.experiments, self._kinds, self._calendar)
        self._checks = tuple(fairness.compiled(placed.it, number) for number, placed in enumerate(file.checks))

    def rulebook(self) -> Rulebook:
        challenges = challenge.compiled(self._file.challenges, self._rule, self._calendar)
        steps = [step for one in challenges for step in one.steps]
        remembering = programme.remembering(self._file.programmes, self._looked_at())
        rules = (
            *(self._rule(placed.it) for placed in self._file.rules),
            *(self._rule(rule) for rule in remembering),
            *(rule for one in challenges for rule in one.rules),
        )
        needs: dict[str, Needs] = {}
        for rule in (*rules[: len(self._file.rules) + len(remembering)], *steps):
            if rule.mode != "off":
                needs[rule.id] = self._needs(rule).also(needs.get(rule.id))
        scheduled = schedule.compiled_all(self._file, self._kinds, self._calendar, self._quotas.payee)
        needs |= {timed.spec.id: schedule.needs(timed, self._kinds) for timed in scheduled}
        wanted = (*needs.values(), *(self._compared_by(one) for one in self._experiments))
        pay = (*rules, *(timed.rule for timed in scheduled))
        quotas = {quota.meter for rule in pay for payee in rule.payees for quota in payee.quotas}
        return Rulebook(
            version=self._file.version,
            rules=rules,
            denies=tuple(self._deny(placed.it) for placed in self._file.denies),
            calendar=self._calendar,
            staff_earn=self._file.staff_earn,
            demand=self._demand(wanted),
            needs=needs,
            levels=self._file.levels,
            badges=declared(self._file),
            tiers=tuple(placed.it for placed in self._file.tiers),
            recognition=self._recognition,
            words=Words(self._file),
            decimals=self._decimals,
            shared=self._quotas.shared_by,
            meters=frozenset(quotas | {f"once:{rule.id}" for rule in pay}),
            challenges=challenges,
            scheduled=scheduled,
            experiments=self._experiments,
            checks=self._checks,
            derivations=self._derivations(wanted),
            listened=challenge.listened(challenges, wanted),
            currencies=dict(self._file.currencies),
            remind_after=self._file.remind_after,
            values=self._values,
        )

    def _deny(self, deny: Deny) -> CompiledDeny:
        return CompiledDeny(
            on=deny.on,
            reason=f"deny: {deny.reason}",
            condition=conditions.compiled(deny.conditions, self._values, denying=True),
            said=conditions.told(deny.conditions, self._values),
        )

    def _looked_at(self) -> frozenset[str]:
        """What badges, rules, levels and tiers look at of a learner's standing."""
        tiers = [placed.it for placed in self._file.tiers]
        seen = ladder.looked_at(Words(self._file), self._file.levels, tiers)
        return seen | (self._recognition.names if self._recognition is not None else frozenset())

    def _in_zone(self, zone: ZoneInfo) -> Calendar:
        return Calendar(
            zone,
            day_starts_at=self._file.day_starts_at,
            week_starts_on=self._file.week_starts_on,
            periods={name: (period.from_, period.until) for name, period in self._file.periods.items()},
        )

    def _rule(self, rule: Rule) -> CompiledRule:
        active, audience = rule.active, rule.audience
        form = forms.compiled(rule, self._calendar, self._file.closed)
        kinds = (None, *sorted(self._kinds.kinds()))
        return CompiledRule(
            id=rule.id,
            spec=rule,
            version=self._file.version,
            mode=rule.mode,
            min_trust=rule.min_trust,
            payees=self._payees(rule),
            when=None if active is None else filters.active(active, self._zoned, self._calendar),
            whom=None if audience is None else filters.audience(audience),
            condition=conditions.compiled(rule.conditions, self._values),
            onces=_onces(rule, form, kinds),
            undo_by=self._undo_by(rule),
            doubt=conditions.compiled(rule.conditions, self._values, denying=True) if rule.reverse_when else None,
            told_again=self._told_again(rule),
            form=form,
            recognition=self._recognition,
            review="review always" if rule.review else "",
            braked=self._file.safety is not None,
            experiments=tuple(one for one in self._experiments if rule.id in one.rules),
        )

    def _payees(self, rule: Rule) -> tuple[Payee, ...]:
        """Each recipient; where nothing is paid (a rule that only remembers) the one who earns nothing."""
        amounts = self._amounts(rule) or {rule.recipient: ()}
        return tuple(self._quotas.payee(rule, role, given) for role, given in amounts.items())

    def _undo_by(self, rule: Rule) -> frozenset[str]:
        """What its awards must be found again by: each undoing event names one thing."""
        kinds: set[str | None] = set(kinds_of(rule.reverse_on, self._kinds))
        bare = any("\\" in pattern and not kinds_of((pattern,), self._kinds) for pattern in rule.reverse_on)
        doubted = ["object"] if rule.reverse_when else []
        return frozenset((*doubted, *(undone_by(kind) for kind in (*kinds, *([None] if bare else [])))))

    def _told_again(self, rule: Rule) -> frozenset[str]:
        """The kinds by which an act is told anew, where that can take its award back."""
        acts = kinds_of(rule.on, self._kinds) if rule.reverse_when else ()
        return frozenset(again for kind in acts for again in RETOLD.get(kind, ()))

    def _zoned(self, key: str) -> Calendar:
        return self._in_zone(ZoneInfo(key))

    def _amounts(self, rule: Rule) -> Mapping[Role, tuple[CompiledAmount, ...]]:
        """What each recipient gets, in written order; the badge goes to the rule's recipient."""
        found: dict[Role, list[CompiledAmount]] = {}
        for part in rule.award:
            given = found.setdefault(part.to or rule.recipient, [])
            for currency, amount in part.amounts:
                given.append(amounts.compiled(currency, amount, self._decimals.get(currency, 0)))
        if rule.badge is not None:
            found.setdefault(rule.recipient, []).append(amounts.compiled(BADGE + rule.badge, 1, 0))
        return {role: tuple(each for each in given if each.pays_something) for role, given in found.items()}

    def _needs(self, rule: CompiledRule) -> Needs:
        met_by = (*rule.spec.on, *rule.spec.reverse_on, *sorted(rule.told_again))
        names = {pattern for pattern in met_by if "\\" in pattern}
        suffixes: set[str] = set()
        for pattern in met_by:
            for entry in self._kinds.entries_for(pattern):
                (suffixes if entry.suffix else names).add(entry.lms_event)
        kinds = kinds_of(rule.spec.on, self._kinds)
        brought = [one for one in self._programmes if one.kind in kinds]
        within: dict[str, frozenset[str]] = {}
        for one in brought:
            entries = [entry for kind in one.kinds for entry in self._kinds.entries_for(kind)]
            suffixes |= {entry.lms_event for entry in entries if entry.suffix}
            for name in {entry.lms_event for entry in entries if not entry.suffix} - names:
                within[name] = within.get(name, frozenset()) | one.courses
        met = {*kinds, *rule.spec.on}
        facts = _facts_of(rule, kinds).union(*(one.wants for one in brought)) | (
            set() if self._file.staff_earn else {"staff"}
        )
        for deny in self._file.denies:
            if not met.isdisjoint((*kinds_of(deny.it.on, self._kinds), *deny.it.on)):
                facts |= conditions.facts_of(deny.it.conditions)
        for check in self._checks:
            if check.concerns(rule.spec) and not met.isdisjoint((*kinds_of(check.on, self._kinds), *check.on)):
                facts |= check.facts
        table = FactTable()
        return Needs(
            kinds=frozenset(kinds),
            names=frozenset(names) | within.keys(),
            suffixes=frozenset(suffixes),
            facts=frozenset(fact for fact in facts if table.get(fact) is not None),
            patterns=frozenset(pattern for pattern in met_by if "\\" not in pattern).union(
                *(one.kinds for one in brought)
            ),
            placed=within,
        )

    def _compared_by(self, one: Experiment) -> Needs:
        """The acts that the groups of an experiment are compared by, beside those of its rules."""
        entries = [entry for kind in one.kinds for entry in self._kinds.entries_for(kind)]
        fact = one.looked.fact if one.looked is not None else ""
        return Needs(
            kinds=one.kinds,
            names=frozenset(entry.lms_event for entry in entries if not entry.suffix),
            suffixes=frozenset(entry.lms_event for entry in entries if entry.suffix),
            facts=frozenset({fact} if FactTable().get(fact) is not None else ()),
            patterns=frozenset({one.looked.kind} if one.looked is not None else ()),
        )

    def _derivations(self, needs: Iterable[Needs]) -> tuple[Derivation, ...]:
        """What acts can bring about that a rule which is not off stands on."""
        kinds = frozenset[str]().union(*(one.kinds for one in needs))
        return tuple(one for one in self._programmes if one.kind in kinds)

    def _demand(self, needs: Iterable[Needs]) -> Demand:
        every = tuple(needs)
        staff = frozenset[str]() if self._file.staff_earn else frozenset({"staff"})
        wanted = staff.union(*(one.facts for one in every))
        return Demand(
            rules_version=self._file.version,
            names=frozenset().union(*(one.names for one in every)),
            suffixes=frozenset().union(*(one.suffixes for one in every)),
            facts=wanted,
            profile={name: read.it for name, read in self._file.profile.items() if name in wanted},
            selectors=(
                *(one for made in self._derivations(every) for one in made.selectors),
                *(one for placed in self._file.rules for one in filters.selectors(placed)),
                *(one for made in self._file.challenges for one in filters.selectors(made)),
                *(one for made in self._file.challenges for one in challenge.selectors(made)),
                *schedule.selectors(self._file),
                *filters.valued(self._file.values),
                *filters.profiled(self._file.profile, wanted),
            ),
            patterns=frozenset().union(*(one.patterns for one in every)),
            placed=placed(every),
        )


def _onces(rule: Rule, form: Form | None, kinds: Iterable[str | None]) -> dict[str | None, Once]:
    """By kind; kinds with the same scope share what it makes, since rules can be many."""
    named = {kind: _once_names(rule, form, kind) for kind in kinds}
    made = {names: once(rule, names) for names in dict.fromkeys(named.values())}
    return {kind: made[names] for kind, names in named.items()}


def _once_names(rule: Rule, form: Form | None, kind: str | None) -> tuple[str, ...]:
    own = rule.once_per or (form.scope if form is not None else None)
    return own or (default_once_per(kind) if kind else "event",)


def _facts_of(rule: CompiledRule, kinds: Iterable[str]) -> set[str]:
    """Everything a rule looks at on events of these kinds: conditions, audience, scopes, and what its message says."""
    found = set(conditions.facts_of(rule.spec.conditions)) | placeholders(rule.spec.message)
    if rule.spec.audience is not None:
        found.update(filters.audience_facts(rule.spec.audience))
    for part in rule.spec.award:
        for _, amount in part.amounts:
            found.update(fact for fact, _ in amounts.terms(amount))
    found.update(payee.role for payee in rule.payees if payee.role in FROM_PROFILE)
    if rule.form is not None:
        found.update(rule.form.facts)
    for kind in (None, *kinds):  # an event that no kind is made of has its section all the same
        found.update(name for name in rule.once(kind).names if name in {"section", "post"})
        if kind == "grade.awarded":  # every other act in an activity says itself where it was
            found.add("lesson")
    return found | (rule.undo_by & {"discussion", "post"})
