"""Anniversaries by chance, over leap days and changes of the clock, of rows that come late: paid as a reading says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from tests.effort import examples
from tests.ledgers import rows
from tests.oracle import drawn
from tests.oracle.anniversaries import Begun, around_a_leap_day, years
from tests.oracle.days import Days
from tests.rule_stories import event
from tests.schedules import office

DAY_S = 86_400
PAID_AT = """
SELECT CAST(e.body AS TEXT) ->> 'occurred_at' FROM entry e JOIN person p USING (person_no)
WHERE p.lms_user = ? AND CAST(e.body AS TEXT) ->> 'source' = 'scheduled' ORDER BY 1
"""
NEAR = ("01-01", "02-28", "03-01", "03-29", "10-25", "12-31")


def _days(chance: Random) -> Days:
    days, _ = drawn.days(chance)
    return replace(days, zone=chance.choice([zone for zone in drawn.ZONES if zone != "Pacific/Apia"]))


def _begin(chance: Random) -> int:
    year = chance.choice([2023, 2024, 2024, 2024])
    day = around_a_leap_day(year).isoformat() if chance.random() < 0.6 else f"{year}-{chance.choice(NEAR)}"
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) + chance.randrange(-DAY_S // 2, DAY_S)


def _written(days: Days, every: str, of: str, wanted: list[int]) -> str:
    which = f", years = {wanted}" if wanted else ""
    return (
        f'schema = 1\ntimezone = "{days.zone}"\nday_starts_at = "{days.starts}"\nweek_starts_on = "{days.week}"\n'
        f'[[scheduled]]\nid = "s"\nevery = "{every}"\nanniversary = {{ of = "{of}"{which} }}\naward = 7\n'
    )


@pytest.mark.parametrize("seed", range(examples(30)))
async def test_whole_years_are_paid_once_each_as_a_plain_reading_says(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    days, begin = _days(chance), _begin(chance)
    every, wanted = chance.choice(["week", "month", "month"]), chance.choice([[], [1], [1, 2]])
    of = chance.choice(["first act", "enrolment"])
    looks = sorted(begin + chance.randrange(1200) * DAY_S for _ in range(chance.choice([1, 3, 6])))
    acts = {
        who: [
            Begun(begin + at, max(begin + at, chance.choice([0, *looks])))
            for at in [0, *(chance.randrange(-3 * DAY_S, 700 * DAY_S) for _ in range(2))]
        ]
        for who in ("ann", "ben")
    }
    told = sorted((act.known, act.at, who) for who, mine in acts.items() for act in mine)
    async with office(tmp_path, _written(days, every, of, wanted), now=begin - 10 * DAY_S) as here:
        for look in looks:
            now, told = [one for one in told if one[0] <= look], [one for one in told if one[0] > look]
            kind = "course.enrolled" if of == "enrolment" else "lesson.completed"
            await here.take([event(kind, at, who, key=str(at)).seen for _, at, who in now])
            await here.decide(look)
        paid = {who: [at for (at,) in rows(tmp_path, PAID_AT, who)] for who in acts}
    first = min(act.known for mine in acts.values() for act in mine)
    looks = [look for look in looks if look >= first]  # before there is any act, nothing is decided
    assert paid == {who: years(mine, wanted, every, days, looks) for who, mine in acts.items()}
