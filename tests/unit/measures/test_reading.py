"""Recorded events as measures see them: in a real ledger, by real rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from agent.cli.measures.reading import Read, Reader, Terms
from agent.cli.measures.whose import Whose
from agent.ledger.past import events as past_events
from agent.ledger.tally import shares
from agent.measures.activity import activity
from agent.measures.courses import courses
from agent.model import Event, HoldKind, Outcome
from tests.builders import a_decision, a_hold, an_award, an_event
from tests.ledgers import opened
from tests.rule_stories import at, rule, rulebook

DAY = "2026-09-07T09:00:00"
RULES = rulebook(rule())
DAYS_7 = 7 * 86_400


def event(number: int, **changes: Any) -> Event:
    """Row ``number``, on the 7th of September, of learner 35."""
    return an_event(number, **({"occurred_at": at(DAY) + number, "natural_key": (str(number),)} | changes))


async def read(directory: Path, found: Sequence[Event], **terms: Any) -> Read:
    async with opened(directory) as ledger:
        await ledger.take(found, [])
        with ledger.reading() as connection:
            reader = Reader(
                RULES,
                Whose(connection, RULES),
                Terms(**({"window": {}, "praise": "constructive"} | terms)),
                several_sites=False,
            )
            return reader.read(connection, (date(2026, 9, 7), date(2026, 9, 13)), lambda *_: None)


async def test_in_time_is_by_the_due_date_else_within_the_window_of_the_course(tmp_path: Path) -> None:
    told = [
        {"on_time": True, "late_by": 5, "since_enrolment": 10 * DAYS_7},
        {"late_by": 1},
        {"since_enrolment": DAYS_7, "course_shortname": "BIO101"},
        {"since_enrolment": DAYS_7 + 1, "course_shortname": "BIO101"},
        {"since_enrolment": DAYS_7 + 1, "course_shortname": "ART1"},
        {},
    ]
    found = await read(
        tmp_path,
        [event(number, facts=facts) for number, facts in enumerate(told, 1)],
        window={"BIO101": DAYS_7, "default": 2 * DAYS_7},
    )
    (one,) = courses(found.past)
    assert (one.workers, one.timed, one.in_time) == (1, 5, 3)
    assert found.title("7") == "ART1"


async def test_a_post_is_constructive_by_its_tags_a_later_tag_or_a_rating_and_none_where_it_was_deleted(
    tmp_path: Path,
) -> None:
    def post(number: int, kind: str, of: str, **facts: Any) -> Event:
        people = {"subject": "35", "actor": "35" if kind == "forum.posted" else "3"}
        return event(number, kind=kind, post=of, lesson="9", people=people, facts=facts)

    found = await read(
        tmp_path,
        [
            post(1, "forum.posted", "a", tags=("constructive", "long")),
            post(2, "forum.posted", "b"),
            post(3, "forum.posted", "c"),
            post(4, "forum.posted", "d"),
            post(5, "forum.posted", "e", tags=("constructive",)),
            post(6, "forum.tagged", "b", tag="constructive"),
            post(7, "forum.rated", "c", rating_word="constructive"),
            post(8, "forum.tagged", "d", tag="off topic"),
            post(9, "forum.post_deleted", "e"),
        ],
    )
    (one,) = courses(found.past)
    assert (one.posters, one.posts, one.praised) == (1, 4, 3)
    assert activity(found.past).days[0].learners == 1, "they posted, and others tagged"


async def test_nobody_is_active_by_what_others_did_and_staff_are_no_learners(tmp_path: Path) -> None:
    teacher = {"subject": "3", "actor": "3"}
    found = await read(
        tmp_path,
        [
            event(1, kind="course.completed", lesson=None),
            event(2, kind="course.enrolled", lesson=None, people={"subject": "36", "actor": "3"}),
            event(3, people=teacher, person_marks={"3": "staff"}),
            event(4, marks=frozenset({"preview"}), people={"subject": "37", "actor": "37"}),
        ],
    )
    assert activity(found.past).learners == 0
    assert sorted(found.past.learners) == ["moodle:35", "moodle:36"]


async def test_what_was_told_last_of_a_learner_is_their_cohort(tmp_path: Path) -> None:
    told = [("pilot", "Pilot group"), ("autumn",)]
    found = await read(
        tmp_path,
        [event(n, facts={"cohorts:35": told[n - 1], "person_department": "Sales"}) for n in (2, 1)],
    )
    assert found.told.of("moodle:35", "cohorts") == ("autumn",)
    assert found.told.of("moodle:35", "department") == ("Sales",)


async def test_the_best_that_rules_said_is_what_came_of_an_act(tmp_path: Path) -> None:
    found = [event(number) for number in range(1, 6)]
    first, second, third, fourth, _ = found
    async with opened(tmp_path) as ledger:
        said = [
            a_decision(first),
            an_award(first, rule_id="other"),
            a_hold(second),
            a_decision(second, rule_id="other"),
            a_decision(third, outcome=Outcome.shadow, reason="", rule_id="shadow"),
            a_hold(fourth, hold=HoldKind.review),
        ]
        await ledger.take(found, said)
        with ledger.reading() as connection:
            numbers = {one.event_id: no for page in past_events.recorded(connection) for no, one in page}
            outcomes = past_events.outcomes(connection, 1, 5)
        assert [outcomes.get(numbers[one.event_id]) for one in found] == [
            Outcome.awarded, Outcome.held, Outcome.shadow, Outcome.held, None,
        ]  # fmt: skip

        async def reject(connection: Any) -> None:
            await connection.execute("UPDATE hold SET state = 'rejected', settled_at = 1 WHERE kind = 'trust'")

        await ledger.run(reject)
        with ledger.reading() as connection:
            assert past_events.outcomes(connection, 1, 5)[numbers[second.event_id]] is Outcome.refused


async def test_what_each_learner_was_issued_and_spent_stands_by_currency(tmp_path: Path) -> None:
    found = [event(number, people={"subject": who, "actor": who}) for number, who in ((1, "35"), (2, "36"), (3, "36"))]
    async with opened(tmp_path) as ledger:
        await ledger.take(found, [an_award(one) for one in found])

        async def spend(connection: Any) -> None:
            await connection.executemany(
                "INSERT INTO statement (after_seq, person_no, currency, kind, amount, of, occurred_at, recorded_at)"
                " SELECT 3, person_no, 'points', ?, ?, '', ?, 0 FROM person WHERE lms_user = '36'",
                [("spend", -7, at(DAY)), ("refund", 2, at(DAY)), ("expiry", -1, at(DAY)), ("spend", -1, 0)],
            )

        await ledger.run(spend)
        with ledger.reading() as connection:
            moved = shares.of(connection, at(DAY), at(DAY) + 86_400)["points"]
    assert moved["moodle:35"] == shares.Share(issued=10)
    assert moved["moodle:36"] == shares.Share(issued=20, spent=7, redemptions=1, refunded=2, expired=1)
    assert shares.together(moved, ["moodle:35", "moodle:36", "moodle:99"]).issued == 30
