"""An example that names no day takes one on which its rule can count, whatever is closed and whenever its period is."""

from __future__ import annotations

import pytest

from tests.rule_stories import rule, rulebook

STREAK = (
    'streak = {{ days = 5{more} }}\n{rest}[[rule.example]]\nevent = {{ kind = "lesson.completed" }}\nbecause = "{why}"'
)


def streak(*, within: str = "", rest: str = "", why: str = "streak 1 of 5 days") -> str:
    """A rule for five days of ``within`` (in a row where that is empty), with an example of one day."""
    more = f', in = "{within}"' if within else ""
    return rule(more=STREAK.format(more=more, rest=rest, why=why))


def period(first: str, last: str) -> str:
    return f"[period.sem1]\nfrom = {first}\nuntil = {last}\n"


PAID = '[[rule.example]]\nevent = { kind = "lesson.completed" }\nexpect = { points = 10 }'
TRUE = [
    '[calendar]\nclosed = ["2026-09-07"]\n' + streak(),
    '[calendar]\nclosed = ["2026-09-01..2026-09-30", "2026-10-01"]\n' + streak(within="week"),
    streak(rest='active = { days = ["sat", "sun"] }\n'),
    period("2027-01-01", "2027-02-01") + '[calendar]\nclosed = ["2027-01-01..2027-01-03"]\n' + streak(within="sem1"),
    period("2020-01-01", "2020-02-01") + '[calendar]\nclosed = ["2020-01-30..2020-02-01"]\n' + streak(within="sem1"),
    period("0001-01-01", "9999-12-31") + streak(within="sem1"),
    period("0001-01-01", "9999-12-31") + rule(more=f'once_per = "sem1"\n{PAID}'),
    '[calendar]\nclosed = ["0001-01-01..9999-12-31"]\n' + streak(why="closed day"),
]


@pytest.mark.parametrize("text", TRUE)
def test_an_example_without_a_day_takes_one_on_which_its_rule_counts(text: str) -> None:
    assert rulebook(text).rules
