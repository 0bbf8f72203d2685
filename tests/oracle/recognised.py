"""A plain reading of badges that follow from what was earned, of what rules require first, and of what people give."""

from __future__ import annotations

from collections.abc import Sequence

from tests.oracle.desk import Desk, Refusal
from tests.oracle.plain import Act, Award, Campus, Ruling
from tests.oracle.wishes import Badge

PEOPLE = ("ann", "ben")
CURRENCIES = ("points", "stars")


class Recognised(Desk):
    """A desk beside which badges come and go."""

    def __init__(self, campus: Campus, badges: Sequence[Badge], courses: Sequence[str] = ()) -> None:
        super().__init__(campus)
        self.badges, self.courses = badges, courses
        self.earned: set[tuple[str, str]] = set()
        self.given: set[tuple[str, str]] = set()
        self.barred: set[tuple[str, str]] = set()
        self.passed: set[tuple[str, str]] = set()
        self.adjusted: dict[tuple[str, str], int] = {}
        self.most: dict[tuple[str, str], int] = {}
        self.known: dict[str, dict[str, int]] = {}

    def read(self, act: Act) -> list[str]:
        """As a desk, and a course that is completed is passed."""
        if act.kind == "course.completed":
            self.passed |= {(act.who, act.course)} if act.believed else set()
            self._moved()
            return []
        return super().read(act)

    def standing(self, who: str) -> dict[str, int]:
        """Everything that somebody has, by the names that wishes use."""
        mine = [one for one in self._standing() if one.act.who == who and not one.held]
        has: dict[str, int] = {}
        for one in mine:
            has[f"rule {one.rule}"] = has.get(f"rule {one.rule}", 0) + 1
        for currency in CURRENCIES:
            now = sum(one.paid.get(currency, 0) for one in mine) + self.adjusted.get((who, currency), 0)
            self.most[who, currency] = max(self.most.get((who, currency), 0), now)
            has |= {f"{currency} now": now, f"{currency} ever": self.most[who, currency]}
        for badge in self.badges:
            by_rule = any(one.paid.get(f"badge:{badge.name}") for one in mine)
            has[f"badge {badge.name}"] = int(by_rule or (who, badge.name) in self.earned | self.given)
        has["programme p"] = int(bool(self.courses) and all((who, course) in self.passed for course in self.courses))
        return has

    def balances(self, currency: str) -> dict[str, int]:
        """What each has, with what was given by hand."""
        now = {who: self.standing(who)[f"{currency} now"] for who in PEOPLE}
        return {who: amount for who, amount in now.items() if amount}

    def who_has(self) -> set[tuple[str, str]]:
        """Who has which badge."""
        return {(who, one.name) for who in PEOPLE for one in self.badges if self.standing(who)[f"badge {one.name}"]}

    def assign(self, who: str, badge: str) -> str:
        """By hand, also what was taken back by hand."""
        if (who, badge) in self.who_has():
            return "has it"
        self.given.add((who, badge))
        self.barred.discard((who, badge))
        self._moved(everything=who)
        return "given"

    def revoke(self, who: str, badge: str) -> str:
        """By hand, whatever gave it; only by hand does it come again."""
        if (who, badge) not in self.who_has():
            return "has it not"
        self.given.discard((who, badge))
        self.earned.discard((who, badge))
        self.awards = [_without(one, badge) if one.act.who == who and not one.held else one for one in self.awards]
        self.barred.add((who, badge))
        self._moved(everything=who)
        return "taken"

    def adjust(self, who: str, amount: int) -> None:
        """Points by hand."""
        self.adjusted[who, "points"] = self.adjusted.get((who, "points"), 0) + amount
        self._moved(everything=who)

    def _said(self, ruling: Ruling, act: Act) -> str:
        told = super()._said(ruling, act)
        self._moved()
        return told

    def _undo(self, ruling: Ruling, undo: Act) -> list[str]:
        told = super()._undo(ruling, undo)
        self._moved()
        return told

    def _lacking(self, ruling: Ruling, act: Act) -> str:
        lacks = ruling.requires is not None and not ruling.requires.holds(self.standing(act.who))
        return "requires" if lacks else ""

    def _had(self, who: str, badge: str) -> bool:
        name = badge.removeprefix("badge:")
        return super()._had(who, badge) or (who, name) in self.earned | self.given | self.barred

    def _blocks(self, award: Award, one: Refusal) -> bool:
        if one.why == "already has the badge":
            shared = [currency for currency in award.paid if currency.startswith("badge:") and award.paid[currency]]
            return award.act.who == one.act.who and any(currency in one.ruling.award for currency in shared)
        return super()._blocks(award, one)

    def _moved(self, everything: str = "") -> None:
        """Judges the badges that look at what has changed, until none comes or goes any more."""
        for who in PEOPLE:
            now, before = self.standing(who), self.known.get(who, {})
            moved = {name for name in now.keys() | before.keys() if now.get(name, 0) != before.get(name, 0)}
            moved |= {name for one in self.badges if one.wish for name in one.wish.looks_at() if who == everything}
            while moved:
                changed = [badge for badge in self.badges if badge.wish and badge.wish.looks_at() & moved]
                moved = {f"badge {badge.name}" for badge in changed if self._judged(badge, who)}
            self.known[who] = self.standing(who)

    def _judged(self, badge: Badge, who: str) -> bool:
        """Whether the badge comes or goes now."""
        has, mine = self.standing(who), (who, badge.name)
        true = badge.wish is not None and badge.wish.holds(has)
        if has[f"badge {badge.name}"]:
            goes = not true and not badge.sticky and mine in self.earned
            self.earned -= {mine} if goes else set()
            return goes
        comes = true and mine not in self.barred
        self.earned |= {mine} if comes else set()
        return comes


def _without(award: Award, badge: str) -> Award:
    return award._replace(paid={**award.paid, f"badge:{badge}": 0}) if f"badge:{badge}" in award.paid else award
