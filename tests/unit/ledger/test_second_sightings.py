"""A fact that is seen a second time: a post and its log row, an essay that is marked later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.model import Evidence, Observation, Outcome
from tests.builders import an_observation
from tests.ledgers import rows
from tests.pipelines import Running, running
from tests.rule_stories import rule

LESSON = rule()
TRUSTED_ONLY = rule(more='min_trust = "server_verified"')
QUIZ = rule("quiz.submitted", "conditions = { score_pct = '>=80' }")
HOLDING = rule("forum.posted") + '[[deny]]\non = "forum.*"\nconditions = { word_count = "<3" }\nreason = "too short"\n'


def a_row(number: int = 1, **changes: object) -> Observation:
    return an_observation(number, **changes)


def a_post(number: int = 1, *, confirmed: bool = False, **changes: object) -> Observation:
    """The same act as `a_row`, posted."""
    seen = an_observation(number, source="trigger", position=7, evidence=Evidence.bearer_token, **changes)
    return replace(seen, marks=seen.marks if confirmed else seen.marks | {"unconfirmed"})


def holds(at: Running) -> list[tuple[str, str]]:
    return rows(at.data_dir, "SELECT kind, state FROM hold ORDER BY decision_no")


def trusts(at: Running) -> list[tuple[str, str]]:
    sql = "SELECT CAST(body AS TEXT) ->> 'source', CAST(body AS TEXT) ->> 'trust' FROM entry ORDER BY seq"
    return rows(at.data_dir, sql)


async def test_a_post_waits_for_its_log_row_and_is_paid_by_it_once(tmp_path: Path) -> None:
    async with running(tmp_path, LESSON) as at:
        await at.take(a_post(), source="trigger")
        assert at.entries() == []
        assert at.reasons() == ["waits for its log row"]
        await at.take(a_row())
        assert at.entries() == ["award 10"]
        assert holds(at) == [("trust", "superseded")]
        assert trusts(at) == [("trigger", "server_verified")]
        for seen, source in ((a_row(), "moodle"), (a_post(), "trigger")):
            await at.take(seen, source=source)
        assert at.entries() == ["award 10"]
        assert rows(at.data_dir, "SELECT count(*), trust FROM event") == [(1, 3)]


async def test_in_shadow_a_post_is_decided_when_its_log_row_comes_as_it_would_be_live(tmp_path: Path) -> None:
    async with running(tmp_path, rule(more='mode = "shadow"')) as at:
        await at.take(a_post(), source="trigger")
        assert at.reasons() == ["would be held: waits for its log row"]
        await at.take(a_row())
        await at.take(a_row())
        assert rows(at.data_dir, "SELECT outcome FROM decision ORDER BY decision_no") == [
            (Outcome.refused,),
            (Outcome.shadow,),
        ]
        assert at.entries() == []


async def test_a_log_row_that_came_first_is_paid_and_its_post_adds_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, LESSON) as at:
        await at.take(a_row())
        await at.take(a_post(), source="trigger")
        assert at.entries() == ["award 10"]
        assert (holds(at), trusts(at)) == ([], [("moodle", "server_verified")])


@pytest.mark.parametrize(
    ("words", "entries", "last"), [(25, ["award 10"], ""), (2, [], "deny: too short"), (9, [], ">=20")]
)
async def test_a_fact_that_a_denial_and_a_condition_wait_for_decides_both(
    tmp_path: Path, words: int, entries: list[str], last: str
) -> None:
    both = HOLDING.replace("[[deny]]", 'conditions = { word_count = ">=20" }\n[[deny]]')
    posted = a_row(kind="forum.posted", post="9")
    async with running(tmp_path, both) as at:
        await at.take(posted)
        assert (at.reasons(), holds(at)) == (["fact word_count unknown"], [("fact", "open")])
        await at.take(replace(posted, facts={**posted.facts, "word_count": words}))
        assert (at.entries(), holds(at)) == (entries, [("fact", "superseded")])
        assert last in at.reasons()[-1]


async def test_what_is_never_corroborated_stays_held_and_reserves_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, rule(more='once_per = "day"')) as at:
        await at.take(a_post(1), source="trigger")
        await at.take(a_row(2))
        assert at.entries() == ["award 10"]
        assert holds(at) == [("trust", "superseded")]


async def test_a_hold_for_trust_ends_when_a_trusted_sighting_comes(tmp_path: Path) -> None:
    async with running(tmp_path, TRUSTED_ONLY) as at:
        await at.take(a_post(confirmed=True), source="trigger")
        assert at.reasons() == ["trust trusted_source below server_verified"]
        await at.take(a_row())
        assert (at.entries(), holds(at)) == (["award 10"], [("trust", "superseded")])


async def test_the_row_says_what_the_post_could_not(tmp_path: Path) -> None:
    async with running(tmp_path, QUIZ) as at:
        fields: dict[str, Any] = {"kind": "quiz.submitted", "facts": {}}
        await at.take(a_post(**fields), source="trigger")
        await at.take(a_row(kind="quiz.submitted", facts={"score_pct": 90}))
        assert at.entries() == ["award 10"]


UNDOING = rule(more='reverse_on = "lesson.uncompleted"')


async def test_an_undo_that_was_only_posted_takes_nothing_back_until_its_row_is_there(tmp_path: Path) -> None:
    """Moodle posts from inside a transaction: what was rolled back took a learner's points for good."""
    undo: dict[str, Any] = {"kind": "lesson.uncompleted", "lesson": "7", "occurred_at": 200}
    async with running(tmp_path, UNDOING) as at:
        await at.take(a_row(1, lesson="7", occurred_at=100))
        await at.take(a_post(2, **undo), source="trigger")
        assert (at.entries(), at.reasons()[-1]) == (["award 10"], "waits for its log row")
        for _ in range(2):
            await at.take(a_row(2, **undo))
        assert [each[:13] for each in at.entries()] == ["award 10", "reversal -10 "]


async def test_a_grade_that_was_only_posted_doubts_nothing_until_its_row_is_there(tmp_path: Path) -> None:
    doubting = rule("grade.awarded", "conditions = { grade = '>=5' }\nreverse_when = 'no longer true'")
    graded: dict[str, Any] = {"kind": "grade.awarded", "lesson": "7", "object_table": "grade_grades", "object_id": "3"}
    async with running(tmp_path, doubting) as at:
        await at.take(a_row(1, **graded, facts={"grade": 8}, occurred_at=100))
        await at.take(a_post(2, **graded, facts={"grade": 2}, occurred_at=200), source="trigger")
        assert at.entries() == ["award 10"]
        await at.take(a_row(2, **graded, facts={"grade": 2}, occurred_at=200))
        assert [each[:13] for each in at.entries()] == ["award 10", "reversal -10 "]


@pytest.mark.parametrize("posted", [(), (0,), (1,), (0, 1), (1, 0)])
@pytest.mark.parametrize(
    ("kinds", "balance"),
    [(("lesson.uncompleted", "lesson.completed"), 10), (("lesson.completed", "lesson.uncompleted"), 0)],
)
async def test_acts_of_one_second_keep_the_order_of_the_log_whichever_of_them_was_posted_before(
    tmp_path: Path, posted: tuple[int, ...], kinds: tuple[str, str], balance: int
) -> None:
    """View completion writes state 0 and 1 in one second; the number of a post says nothing of that."""
    acts: list[dict[str, Any]] = [{"kind": kind, "lesson": "7", "occurred_at": 100} for kind in kinds]
    async with running(tmp_path, UNDOING) as at:
        for which in posted:
            await at.take(a_post(161 + which, **acts[which]), source="trigger")
        for which, act in enumerate(acts):
            await at.take(a_row(161 + which, **act))
        assert sum(at.balances().values()) == balance


@pytest.mark.parametrize(
    ("audience", "fact", "seen", "paid"),
    [
        ('courses = ["BIO101"]', "course_shortname", "BIO101", ["award 10"]),
        ('courses = ["CHEM"]', "course_shortname", "BIO101", []),
        ('categories = ["Fire"]', "course_categories", ("Fire",), ["award 10"]),
        ('cohorts = ["pilot"]', "cohorts:35", ("pilot",), ["award 10"]),
        ('cohorts = ["pilot"]', "cohorts:35", (), []),
    ],
)
async def test_a_post_does_not_say_whom_a_rule_is_for_and_its_row_does(
    tmp_path: Path, audience: str, fact: str, seen: str | tuple[str, ...], paid: list[str]
) -> None:
    """A post that came first shut every rule with an audience for its act: nobody was paid who should have been."""
    async with running(tmp_path, rule(more=f"audience = {{ {audience} }}")) as at:
        await at.take(a_post(facts={}), source="trigger")
        assert [reason.split(":")[0] for reason in at.reasons()] == ["audience"]
        for _ in range(2):
            await at.take(a_row(facts={fact: seen}))
        assert at.entries() == paid


@pytest.mark.parametrize(("score", "paid"), [(85, ["award 10"]), (60, [])])
async def test_an_essay_that_is_marked_later_is_decided_then(tmp_path: Path, score: int, paid: list[str]) -> None:
    async with running(tmp_path, QUIZ) as at:
        await at.take(a_row(kind="quiz.submitted", facts={"attempt": 1}))
        assert at.entries() == []
        for _ in range(2):
            await at.take(a_row(kind="quiz.submitted", facts={"attempt": 1, "score_pct": score}))
            assert at.entries() == paid
        count = len(at.reasons())
        await at.take(a_row(kind="quiz.submitted", facts={"attempt": 1, "score_pct": 100}))
        assert (at.entries(), len(at.reasons())) == (paid, count), "a score of first sight stays"


async def test_a_fact_that_a_denial_waited_for_ends_the_hold_either_way(tmp_path: Path) -> None:
    async with running(tmp_path, HOLDING) as at:
        for number, words in ((1, 2), (2, 20)):
            await at.take(a_row(number, kind="forum.posted", post=str(number), facts={}))
            await at.take(a_row(number, kind="forum.posted", post=str(number), facts={"word_count": words}))
        assert at.entries() == ["award 10"]
        assert holds(at) == [("fact", "superseded"), ("fact", "superseded")]
        assert "deny: too short" in at.reasons()


async def test_roles_that_become_readable_end_what_waited_for_them(tmp_path: Path) -> None:
    async with running(tmp_path, LESSON) as at:
        await at.take(a_row(1, person_marks={"35": "roles_unknown"}), a_row(2, person_marks={"35": "roles_unknown"}))
        await at.take(a_row(1), a_row(2, person_marks={"35": "staff"}))
        assert at.entries() == ["award 10"]
        assert holds(at) == [("roles", "superseded"), ("roles", "superseded")]
        assert at.reasons()[-1] == "never earns: staff"


async def test_a_scope_that_was_missing_is_filled_by_the_second_sighting(tmp_path: Path) -> None:
    async with running(tmp_path, LESSON) as at:
        await at.take(a_row(lesson=None))
        assert at.reasons() == ["no lesson"]
        await at.take(a_row(lesson="4"))
        assert at.entries() == ["award 10"]


async def test_two_sightings_in_one_page_are_one_fact_with_all_that_they_say(tmp_path: Path) -> None:
    async with running(tmp_path, QUIZ) as at:
        fields: dict[str, Any] = {"kind": "quiz.submitted"}
        tally = await at.take(a_row(facts={}, **fields), a_row(facts={"score_pct": 80}, **fields))
        assert (tally.fresh, at.entries()) == (1, ["award 10"])


async def test_what_a_person_settled_is_not_decided_again(tmp_path: Path) -> None:
    async with running(tmp_path, TRUSTED_ONLY) as at:
        await at.take(a_post(confirmed=True), source="trigger")
        connection = "UPDATE hold SET state = 'rejected', settled_by = 'owner'"

        async def reject(db: object) -> None:
            await db.execute(connection)  # type: ignore[attr-defined]

        await at.writer.run(reject)
        await at.take(a_row())
        assert at.entries() == []


async def test_an_attempt_that_may_be_a_preview_waits_until_that_is_known(tmp_path: Path) -> None:
    again = frozenset({"backdated"})
    async with running(tmp_path, LESSON) as at:
        await at.take(*(a_row(n, marks=frozenset({"preview_unknown"})) for n in (1, 2)))
        assert at.reasons() == ["preview unknown", "preview unknown"]
        await at.take(a_row(1, marks=again), a_row(2, marks=again | {"preview"}))
        assert at.entries() == ["award 10"], "whether a row is backdated was found when it was new"
        assert at.reasons()[-1] == "never earns: quiz preview"


@pytest.mark.parametrize("condition", ["", ', conditions = { score_pct = ">=80" }'])
async def test_an_act_of_several_steps_of_a_challenge_waits_in_none_of_them_once_its_row_is_seen(
    tmp_path: Path, condition: str
) -> None:
    second = f'{{ id = "b", on = ["lesson.completed", "quiz.submitted"]{condition} }}'
    steps = f'step = [{{ id = "a", on = "lesson.completed" }}, {second}]\n'
    async with running(tmp_path, f'schema = 1\ntimezone = "UTC"\n[[challenge]]\nid = "c"\naward = 10\n{steps}') as at:
        await at.take(a_post(), source="trigger")
        assert ("trust", "open") in holds(at)
        await at.take(a_row())
        assert ("trust", "open") not in holds(at)
        await at.take(a_row(2, kind="quiz.submitted", facts={"score_pct": 85}))
        assert at.balances() == {"35": 10}
