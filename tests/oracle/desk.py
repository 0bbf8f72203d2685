"""A plain reading of what somebody's word about a held award comes to: approved, rejected, and what that sets free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.oracle.days import duration
from tests.oracle.plain import Act, Award, Bound, Campus, Reader, Ruling, Waits, amounts

Where = tuple[str, str]
"""Rule and act."""


class Refusal(NamedTuple):
    """What was refused, when (as a number of decisions), why, and by which rules."""

    number: int
    campus: Campus
    ruling: Ruling
    act: Act
    why: str


class Desk(Reader):
    """A reader whose holds people settle, and whose rules may be changed between acts."""

    def __init__(self, campus: Campus) -> None:
        super().__init__(campus)
        self.believed: dict[str, bool] = {}
        self.arrived: dict[str, int] = {}
        self.numbers: dict[Where, int] = {}
        self.promises: dict[Where, Ruling] = {}
        self.refusals: dict[Where, Refusal] = {}
        self.lacked: dict[Where, str] = {}

    def read(self, act: Act) -> list[str]:
        """What each rule says of an act; seen a second time, only what waited for trust is decided again."""
        again = self.believed.get(act.key)
        self.believed[act.key] = act.believed or bool(again)
        self.arrived.setdefault(act.key, len(self.arrived))
        if again is None or (act.kind != "lesson.completed" and act.believed > again):
            return super().read(act)
        return [self._believed(ruling, act) for ruling in self.campus.rulings if self._lacks(ruling, act)]

    def change(self, campus: Campus) -> None:
        """Other rules from now on."""
        self.campus = campus

    def approve(self, where: Where, wanted: Mapping[str, int] | None = None) -> str:
        """What was promised, or ``wanted``, is paid where the rule's own limits then and the caps of now leave room."""
        kept, waits = self._held(where)
        if kept is None and waits is None:
            return "not held"
        ruling, act = self.promises[where], (kept or waits).act  # type: ignore[union-attr]
        promised = kept.paid if kept is not None else ruling.award
        if told := self._outside(ruling, promised, wanted or {}):
            return told
        paid = {**promised, **(wanted or {})}
        scope = tuple(self._part(name, act) for name in ruling.once)
        if None in scope:
            return "no scope"
        before = (list(self.awards), list(self.waiting), list(self.again))
        self._take(where)
        place = Waits(ruling.name, act, scope)
        if refused := self._used_up(ruling, place) or self._over(ruling, act, paid):
            self.awards, self.waiting, self.again = before
            return refused
        self.awards.append(Award(*place[:3], {currency: amount for currency, amount in paid.items() if amount}))
        self.lacked.pop(where, None)
        self._close(ruling, place)
        self._moved()
        if kept is not None and self.awards[-1].paid != {one: amount for one, amount in kept.paid.items() if amount}:
            self._again([(self.numbers[where], kept)])
        return amounts(paid)

    def reject(self, places: Sequence[Where]) -> list[str]:
        """Nothing is paid; what had been refused because of it is decided again."""
        freed, told = [], []
        for where in places:
            kept, waits = self._held(where)
            told.append("rejected" if kept or waits else "not held")
            self._take(where)
            if kept or waits:
                self.lacked.pop(where, None)
            if kept is not None:
                freed.append((self.numbers[where], kept))
        self._again(freed)
        return told

    def _moved(self, everything: str = "") -> None:
        """What follows from an approval: here nothing."""

    def _said(self, ruling: Ruling, act: Act) -> str:
        told, where = super()._said(ruling, act), (ruling.name, act.key)
        self.numbers[where] = max(self.numbers.values(), default=0) + 1
        self.refusals.pop(where, None)
        self.lacked.pop(where, None)
        if told.startswith("held"):
            self.promises[where] = ruling
            if told == "held trust":
                self.lacked[where] = told
        elif not told[0].isdigit():
            self.refusals[where] = Refusal(self.numbers[where], self.campus, ruling, act, told)
        return told

    def _lacks(self, ruling: Ruling, act: Act) -> bool:
        """Whether missing trust is why nothing came of it, which a person has not settled."""
        return act.believed and (ruling.name, act.key) in self.lacked

    def _believed(self, ruling: Ruling, act: Act) -> str:
        self._take((ruling.name, act.key))
        return self._said(ruling, act)

    def _held(self, where: Where) -> tuple[Award | None, Waits | None]:
        kept = [one for one in self._standing() if one.held and (one.rule, one.act.key) == where]
        waits = [one for one in self.waiting if (one.rule, one.act.key) == where]
        return next(iter(kept), None), next(iter(waits), None)

    def _take(self, where: Where) -> None:
        self.awards = [one for one in self.awards if not one.held or (one.rule, one.act.key) != where]
        self.waiting = [one for one in self.waiting if (one.rule, one.act.key) != where]

    def _outside(self, ruling: Ruling, promised: Mapping[str, int], wanted: Mapping[str, int]) -> str:
        for currency, amount in wanted.items():
            if not promised.get(currency):
                return f"promises no {currency}"
            low, high = 1, promised[currency]
            if currency == "points" and ruling.adjust is not None:
                low, high = ruling.adjust
            if not low <= amount <= high:
                return "outside"
        return ""

    def _again(self, freed: Sequence[tuple[int, Award]]) -> None:
        """What came later and was refused because of what is free now, the oldest arrival first."""
        first = min((number for number, _ in freed), default=0)
        early = min((self.arrived[award.act.key] for _, award in freed), default=0)
        later = [one for one in self.refusals.values() if one.number > first or self.arrived[one.act.key] >= early]
        blocked = [one for one in later if any(self._blocks(award, one) for _, award in freed)]
        order = [ruling.name for ruling in self.campus.rulings]
        for one in sorted(blocked, key=lambda one: (self.arrived[one.act.key], order.index(one.ruling.name))):
            now, self.campus = self.campus, one.campus
            where = (one.ruling.name, one.act.key)
            kept = [each for each in self.again if (each.rule, each.act.key) != where]
            told = self._said(one.ruling, one.act)
            self.campus = now
            if told[0].isdigit() or told == "held review":
                self.again = kept

    def _blocks(self, award: Award, one: Refusal) -> bool:
        """Whether what was kept for an award was in the way of what was refused."""
        act, ruling = one.act, one.ruling
        mine = award.act.who == act.who
        same = mine and award.rule == ruling.name
        if one.why in {"once_per", "frequency"}:
            return same and award.scope == tuple(self._part(name, act) for name in ruling.once)
        if one.why.startswith("cooldown"):
            return same and abs(act.at - award.act.at) < duration(ruling.cooldown)
        for bound in ruling.limits:
            if one.why == f"limit {bound.text}" and same and self._shares(bound, award, act):
                return True
        groups = {each.name: each.group for each in one.campus.rulings}
        return any(
            one.why == f"cap {cap.said}"
            and mine
            and cap.covers(groups[award.rule], award.act.source)
            and self._shares(cap, award, act)
            for cap in one.campus.caps
        )

    def _shares(self, bound: Bound, award: Award, act: Act) -> bool:
        """Whether an award counts in a window of a bound that holds the act too."""
        if bound.unit and not award.paid.get(bound.unit):
            return False
        if bound.window[0].isdigit():
            return abs(award.act.at - act.at) < duration(bound.window)
        return self.days.window(bound.window, award.act.at) == self.days.window(bound.window, act.at)
