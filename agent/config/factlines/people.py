"""The facts of people, as the LMS and their profiles tell them, and those that the engine itself makes known."""

from __future__ import annotations

from agent.config.factentry import ANY_KIND, ASKED, PERSON, RULES, FactEntry

STAFF_TABLES = ("role_assignments", "role", "context")
PROFILE_TABLES = ("user_info_field", "user_info_data")

PEOPLE: tuple[FactEntry, ...] = (
    FactEntry(
        name="cohorts",
        kinds=ANY_KIND,
        type="texts",
        unit="",
        sample="pilot; Pilot group",
        suppliers=ASKED,
        of_person=True,
        tables=("cohort", "cohort_members"),
        meaning="the person's cohorts, each by idnumber and by name",
    ),
    FactEntry(
        name="roles",
        kinds=ANY_KIND,
        type="texts",
        unit="",
        sample="student",
        suppliers=ASKED,
        of_person=True,
        tables=STAFF_TABLES,
        meaning="the person's roles (short names and archetypes) at the course, its categories or the site",
    ),
    FactEntry(
        name="staff",
        kinds=ANY_KIND,
        type="bool",
        unit="",
        sample="",
        suppliers=ASKED,
        tables=STAFF_TABLES,
        condition=False,
        meaning="becomes the person mark `staff` (or `roles_unknown`)",
    ),
    FactEntry(
        name="referrer",
        kinds=ANY_KIND,
        type="text",
        unit="",
        sample="",
        tables=PROFILE_TABLES,
        condition=False,
        meaning="becomes the role `referrer`: whom the profile field that `[person]` names points at",
    ),
    FactEntry(
        name="supervisor",
        kinds=ANY_KIND,
        type="text",
        unit="",
        sample="",
        tables=PROFILE_TABLES,
        condition=False,
        meaning="becomes the role `supervisor`: whom the profile field that `[person]` names points at",
    ),
)

OF_PERSON = FactEntry(
    name=PERSON,
    kinds=ANY_KIND,
    type="text",
    unit="",
    sample="Sales",
    tables=PROFILE_TABLES,
    meaning="what a custom profile field says of the learner, as `[person] facts` names it",
)
"""Stands for every fact of a person."""

ENGINE: tuple[FactEntry, ...] = (
    FactEntry(
        name="challenge",
        kinds=("challenge.completed",),
        type="text",
        unit="",
        sample="onboarding",
        suppliers=(RULES,),
        meaning="the id of the challenge that is complete",
    ),
    FactEntry(
        name="rounds",
        kinds=("challenge.completed",),
        type="int",
        unit="times",
        sample="1",
        suppliers=(RULES,),
        meaning="how often it is complete now: 1 for the first time",
    ),
)
