"""From limits, cooldowns, caps, budgets and brakes to quotas: what each recipient of a rule is counted in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

from agent.config.grammar import Duration, Limit, Number, shown_number
from agent.config.rulefile import Cap, Rule, RuleFile
from agent.engine.earning import amounts
from agent.engine.earning.amounts import CompiledAmount
from agent.engine.past import brake
from agent.engine.quota import AWARDS, Quota, Span, Usual
from agent.engine.recognition.model import unique
from agent.engine.rulebook import BADGE, Payee
from agent.engine.schedule import compiling as schedule
from agent.model import Role


class Quotas:
    """The quotas of one file; ``decimals`` are those of its currencies."""

    def __init__(self, file: RuleFile, decimals: Mapping[str, int]) -> None:
        self._file = file
        self._decimals = decimals
        self._budgets = tuple(self._budget(limit) for limits in file.budgets.values() for limit in limits)
        self._shared: dict[str | None, tuple[Quota, ...]] = {}

    def payee(self, rule: Rule, role: Role, given: tuple[CompiledAmount, ...]) -> Payee:
        """A recipient of a rule and what they are given, with every quota that counts it."""
        postings = tuple(each.posting for each in given)
        own: list[Quota] = []
        if rule.cooldown is not None:
            own.append(_cooldown(rule, rule.cooldown))
        for limit in rule.limit:
            if limit.for_role in {None, role}:
                where = f":{limit.for_role}" if limit.for_role else ""
                own.append(self._quota(f"limit:{rule.id}{where}", limit, f"limit {limit.text}"))
        own.extend(unique(posting.currency) for posting in postings if posting.currency.startswith(BADGE))
        pays = {AWARDS, *(posting.currency for posting in postings)}
        mine = tuple(quota for quota in own if quota.unit in pays)
        # What is decided at a time has no usual of a day: it is braked with everything that its currency issues.
        by_the_clock = rule.on == (schedule.KIND,)
        shared = tuple(
            quota
            for quota in (self.shared_by(rule.group) if postings else ())  # what pays nothing has no share
            if quota.unit in pays and not (by_the_clock and quota.sources and schedule.SOURCE not in quota.sources)
        )
        usual = () if by_the_clock else self._brakes([posting.currency for posting in postings], rule.id)
        budgets = (self._budget(limit, rule.id) for limit in rule.budget)
        brakes = (*(budget for budget in budgets if budget.unit in pays), *usual)
        quotas = (*mine, *shared, *brakes)
        return Payee(
            role=role, postings=postings, own=(*mine, *brakes), shared=shared, quotas=quotas, pays=amounts.pays(given)
        )

    def shared_by(self, group: str | None) -> tuple[Quota, ...]:
        """Caps in written order, then budgets."""
        if group not in self._shared:
            caps = [
                self._cap(placed.it, limit)
                for placed in self._file.caps
                if placed.it.group in {None, group}
                for limit in placed.it.limit
            ]
            self._shared[group] = (*caps, *self._budgets, *self._brakes(self._decimals))
        return self._shared[group]

    def _brakes(self, currencies: Iterable[str], rule: str = "") -> tuple[Quota, ...]:
        """At most so many times the usual of a day, by one rule or by all."""
        safety = self._file.safety
        if safety is None:
            return ()
        return tuple(
            Quota(
                meter=f"safety:{rule}:{currency}/day",
                span=Span.calendar,
                maximum=brake.UNBOUND,
                label=f"safety {shown_number(safety.hold_over)}x usual {currency}/day{f' of {rule}' if rule else ''}",
                unit=currency,
                windows=("day",),
                over="hold",
                everyone=True,
                usual=Usual(
                    factor=Fraction(safety.hold_over),
                    days=safety.days,
                    at_least=safety.at_least,
                    floor=self._smallest(safety.floor.get(currency, 0), currency),
                ),
            )
            for currency in currencies
            if not currency.startswith(BADGE)
        )

    def _cap(self, cap: Cap, limit: Limit) -> Quota:
        sources = sorted(set(cap.source or ()))
        of, told = (f"@{'+'.join(sources)}", f" from {' or '.join(sources)}") if sources else ("", "")
        quota = self._quota(f"cap:{cap.group or '*'}{of}", limit, f"cap {limit.text}{told}")
        return replace(quota, sources=frozenset(sources))

    def _budget(self, limit: Limit, rule: str = "") -> Quota:
        """Everybody's together, by all rules or by one; what goes over is held."""
        owner, whose = (f"budget:{rule}", f" of {rule}") if rule else ("budget", "")
        return replace(self._quota(owner, limit, f"budget {limit.text}{whose}"), over="hold", everyone=True)

    def _quota(self, owner: str, limit: Limit, label: str) -> Quota:
        window = limit.window
        rolling = window.kind == "rolling"
        counted = f"{window.seconds}s" if rolling else window.name
        return Quota(
            meter=f"{owner}:{limit.unit or 'awards'}/{counted}",
            span=Span.rolling if rolling else Span.calendar,
            maximum=self._smallest(limit.maximum, limit.unit),
            label=label,
            unit=limit.unit,
            windows=() if rolling else (window.name,),
            window_s=window.seconds,
            over=limit.over,
        )

    def _smallest(self, amount: Number, currency: str) -> int:
        return int(Fraction(amount) * 10 ** self._decimals.get(currency, 0))


def _cooldown(rule: Rule, duration: Duration) -> Quota:
    """One award in any span so long, looking both ways; a reversed award was one all the same."""
    return Quota(
        meter=f"cooldown:{rule.id}:{duration.seconds}s",
        span=Span.rolling,
        maximum=1,
        label=f"cooldown {duration.text}",
        window_s=duration.seconds,
        keeps_reversed=True,
    )
