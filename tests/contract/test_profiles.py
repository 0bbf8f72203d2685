"""What people and programmes need of a real database: who referred a learner, and that named courses are there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.collectors.logstore.names import meant
from agent.model import Selector
from tests.sites import VIEWED, HandClock, Site, collecting, log, put, read, wanting

WANTED = replace(wanting(VIEWED, facts=["referrer"]), profile={"referrer": "referredby"})


def people(site: Site) -> None:
    """Ann referred others under several names; two share an e-mail; somebody left."""
    put(site, "user_info_field", id=1, shortname="shoesize")
    put(site, "user_info_field", id=2, shortname="referredby")
    put(site, "user", id=50, username="ann", email="Ann@example.org", idnumber="S-50")
    put(site, "user", id=51, username="bob", email="two@example.org", idnumber="S-51")
    put(site, "user", id=52, username="cat", email="two@example.org", idnumber="51")
    put(site, "user", id=53, username="gone", deleted=1)


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ("ann", "50"),
        ("ANN ", "50"),
        ("Ann@example.org", "50"),
        ("S-51", "51"),
        ("50", "50"),
        ("51", "52"),
        ("two@example.org", None),
        ("gone", None),
        ("nobody we know", None),
        ("", None),
        ("x" * 300, None),
        ("9" * 30, None),
        ("'; --", None),
    ],
)
async def test_a_profile_field_names_the_referrer_however_it_does(
    site: Site, clock: HandClock, said: str, who: str | None
) -> None:
    people(site)
    put(site, "user_info_data", id=1, userid=35, fieldid=2, data=said)
    put(site, "user_info_data", id=2, userid=35, fieldid=1, data="bob")
    log(site, 1)
    log(site, 2, userid=36)
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=WANTED)
    assert [one.people.get("referrer") for one in seen] == [who, None]


async def test_a_referrer_who_never_earns_is_marked_and_nobody_is_looked_up_unasked(
    site: Site, clock: HandClock
) -> None:
    people(site)
    put(site, "user_info_data", id=1, userid=35, fieldid=2, data="ann")
    log(site, 1)
    async with collecting(site.options(), clock, site_admins=frozenset({50})) as collector:
        (seen,), _ = await read(collector, demand=WANTED)
        (unasked,), _ = await read(collector, demand=wanting(VIEWED))
    assert dict(seen.person_marks) == {"50": "site_admin"}
    assert "referrer" not in unasked.people


@pytest.mark.parametrize("table", ["user_info_data", "user_info_field"])
async def test_without_the_right_to_a_table_only_that_role_is_lost(site: Site, clock: HandClock, table: str) -> None:
    people(site)
    put(site, "user_info_data", id=1, userid=35, fieldid=2, data="ann")
    log(site, 1)
    site.execute(f"DROP TABLE mdl_{table}")
    async with collecting(site.options(), clock) as collector:
        (seen,), _ = await read(collector, demand=WANTED)
        assert collector.degraded[table] == frozenset({"referrer"})
    assert seen.people == {"actor": "35", "subject": "35"}


async def test_what_rules_name_is_looked_for_in_the_lms(site: Site) -> None:
    put(site, "course", id=7, shortname="A", idnumber="HS-1")
    put(site, "cohort", id=4, name="pilot", idnumber="")
    put(site, "role", id=3, shortname="tutor", archetype="teacher")
    courses = ("A", "idnumber:HS-1", "id:7", "B", "idnumber:A", "id:8")
    named = [
        *(Selector(by="courses", name=name, where="rules.toml:4:1", programme="onboarding") for name in courses),
        *(Selector(by="cohorts", name=name, where="rules.toml:9:1") for name in ("pilot", "crew")),
        *(Selector(by="roles", name=name, where="rules.toml:9:1") for name in ("tutor", "teacher", "janitor")),
    ]
    found = await meant(site.options(), named)
    assert {one.selector.name for one in found if not one.means} == {"B", "idnumber:A", "id:8", "crew", "janitor"}
    assert [one.means for one in found if one.selector.by == "roles"] == [("role tutor",), ("role teacher",), ()]
    site.execute("DROP TABLE mdl_cohort")
    assert {one.selector.by for one in await meant(site.options(), named)} == {"courses", "roles"}


async def test_facts_of_a_learner_come_from_their_profile_and_from_no_other(site: Site, clock: HandClock) -> None:
    people(site)
    put(site, "user_info_data", id=1, userid=35, fieldid=2, data=" Sales ")
    put(site, "user_info_data", id=2, userid=35, fieldid=1, data="44")
    put(site, "user_info_data", id=3, userid=36, fieldid=2, data="")
    put(site, "user_info_data", id=4, userid=37, fieldid=2, data="x" * 300)
    for number, user in enumerate((35, 36, 37), 1):
        log(site, number, userid=user)
    fields = {"person_department": "referredby", "person_size": "shoesize", "person_unasked": "shoesize"}
    wanted = replace(wanting(VIEWED, facts=["person_department", "person_size"]), profile=fields)
    async with collecting(site.options(), clock) as collector:
        seen, _ = await read(collector, demand=wanted)
    facts = [{name: value for name, value in one.facts.items() if name.startswith("person_")} for one in seen]
    assert facts == [{"person_department": "Sales", "person_size": "44"}, {}, {}]


async def test_a_supervisor_and_a_referrer_are_named_by_fields_of_their_own(site: Site, clock: HandClock) -> None:
    people(site)
    put(site, "user_info_data", id=1, userid=35, fieldid=2, data="ann")
    put(site, "user_info_data", id=2, userid=35, fieldid=1, data="bob")
    log(site, 1)
    wanted = replace(
        wanting(VIEWED, facts=["referrer", "supervisor"]),
        profile={"referrer": "referredby", "supervisor": "shoesize"},
    )
    async with collecting(site.options(), clock) as collector:
        (seen,), _ = await read(collector, demand=wanted)
    assert seen.people == {"actor": "35", "subject": "35", "referrer": "50", "supervisor": "51"}
