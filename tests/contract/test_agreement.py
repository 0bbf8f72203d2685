"""Who agreed to take part as every real database tells it: a cohort with its time, and a custom profile field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.collectors.logstore.lookups.agreement import agreed_since
from agent.collectors.logstore.options import Asked
from agent.collectors.logstore.reading.members import cohorts_of
from agent.errors import ConfigError
from agent.model import Selector
from tests.sites import VIEWED, HandClock, Site, collecting, log, put, read, wanting

BOTH = Asked(cohorts=("rewards",), profile_field="consent")


def people(site: Site) -> None:
    """35 is in the cohort since 5000, 36 says yes, 37 is in another cohort and says no, 38 says nothing."""
    put(site, "cohort", id=4, name="Rewards", idnumber="rewards")
    put(site, "cohort", id=5, name="Others", idnumber="")
    put(site, "cohort_members", id=1, cohortid=4, userid=35, timeadded=5000)
    put(site, "cohort_members", id=2, cohortid=5, userid=37, timeadded=1)
    put(site, "user_info_field", id=1, shortname="consent")
    put(site, "user_info_field", id=2, shortname="shoesize")
    put(site, "user_info_data", id=1, userid=36, fieldid=1, data="1")
    put(site, "user_info_data", id=2, userid=37, fieldid=1, data="0")
    put(site, "user_info_data", id=3, userid=38, fieldid=2, data="1")
    for number, user in enumerate((35, 36, 37, 38), 1):
        log(site, number, userid=user)


async def test_a_cohort_says_since_when_and_a_profile_field_that_somebody_agreed(site: Site, clock: HandClock) -> None:
    people(site)
    async with collecting(site.options(), clock, asked=BOTH) as collector:
        seen, _ = await read(collector, demand=wanting(VIEWED))
    assert [dict(one.agreed) for one in seen] == [{"35": 5000}, {"36": 0}, {"37": None}, {"38": None}]


async def test_where_nobody_is_asked_nothing_is_looked_up(site: Site, clock: HandClock) -> None:
    people(site)
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanting(VIEWED))
    assert not any(one.agreed for one in seen)


@pytest.mark.parametrize(("table", "told"), [("cohort_members", {"36": 0}), ("user_info_data", {"35": 5000})])
async def test_without_the_right_to_a_table_only_a_yes_from_the_other_is_known(
    site: Site, clock: HandClock, table: str, told: dict[str, int]
) -> None:
    people(site)
    site.execute(f"DROP TABLE mdl_{table}")
    async with collecting(site.options(), clock, asked=BOTH) as collector:
        seen, _ = await read(collector, demand=wanting(VIEWED))
        assert table in collector.degraded
    assert {user: since for one in seen for user, since in one.agreed.items()} == told


async def test_a_cohort_of_two_meanings_is_nobodys_agreement(site: Site, clock: HandClock) -> None:
    people(site)
    put(site, "cohort", id=6, name="crew", idnumber="rewards")
    async with collecting(site.options(), clock, asked=BOTH) as collector:
        with pytest.raises(ConfigError, match=r"\[privacy\] agreed: 'rewards' is ambiguous in moodle"):
            await collector.require(wanting(VIEWED))


@pytest.mark.parametrize(
    ("text", "since"),
    [("1", 0), (" Yes ", 0), ("true", 0), ("1790000000", 1790000000), ("0", None), ("", None), ("no", None),
     ("2", None), ("maybe", None), ("9" * 30, None), ("-1", None)],
)  # fmt: skip
def test_only_a_clear_yes_or_a_date_is_an_agreement(text: str, since: int | None) -> None:
    assert agreed_since(text) == since


async def test_the_name_of_a_cohort_that_is_the_idnumber_of_another_says_nothing_of_its_members(
    site: Site, clock: HandClock
) -> None:
    people(site)
    put(site, "cohort", id=6, name="rewards", idnumber="old")
    put(site, "cohort_members", id=3, cohortid=6, userid=37, timeadded=7000)
    named = (Selector(by="cohorts", name="rewards", where="rules.toml:9:1"),)
    demand = replace(wanting(VIEWED, facts=["cohorts"]), selectors=named)
    async with collecting(site.options(), clock, asked=BOTH) as collector:
        await collector.require(demand)
        seen, _ = await read(collector, demand=demand)
    assert {user: since for one in seen for user, since in one.agreed.items()} == {
        "35": 5000, "36": 0, "37": None, "38": None
    }  # fmt: skip
    cohorts = [words for one in seen for name, words in one.facts.items() if name.startswith("cohorts:")]
    assert cohorts == [("rewards", "Rewards"), (), ("Others", "old"), ()]
    assert await cohorts_of(site.options(), "37") == frozenset({"Others", "old"})


async def test_in_which_cohorts_somebody_is_can_be_asked_at_any_moment(site: Site) -> None:
    people(site)
    assert await cohorts_of(site.options(), "35") == frozenset({"rewards", "Rewards"})
    assert await cohorts_of(site.options(), "37") == frozenset({"Others"})
    assert await cohorts_of(site.options(), "36") == await cohorts_of(site.options(), "ann") == frozenset()
    site.execute("DROP TABLE mdl_cohort_members")
    assert await cohorts_of(site.options(), "35") is None, "what cannot be read is not known"
