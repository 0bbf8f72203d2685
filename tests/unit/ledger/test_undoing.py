"""An undo in a real ledger: compensating entries, freed uses, closed holds; the same whatever the pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.ledger.corrections import Correction, reverse
from agent.model import Evidence, Observation
from tests.builders import NOW, an_observation
from tests.ledgers import rows
from tests.pipelines import Running, running
from tests.rule_stories import ZONE, rule

HEAD = f'schema = 1\ntimezone = "{ZONE}"\n'
RULES = HEAD + rule(
    more='reverse_on = "lesson.uncompleted"\nlimit = "1/day"\nmin_trust = "trusted_source"',
    award="{ points = 10, stars = 2 }",
)
RULES = RULES.replace("[[rule]]", '[currency.stars]\ntitle = "Stars"\n[[rule]]')


def done(number: int, lesson: str = "1", *, undo: bool = False, evidence: Evidence | None = None) -> Observation:
    """Row ``number``: learner 35 completes a lesson, or it is taken back."""
    seen = an_observation(number, lesson=lesson, kind="lesson.uncompleted" if undo else "lesson.completed")
    return seen if evidence is None else replace(seen, evidence=evidence)


async def test_an_undo_writes_the_opposite_of_each_entry_and_names_it(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as agent:
        await agent.take(done(1))
        tally = await agent.take(done(2, undo=True))
        assert tally.entries == 2
        assert agent.entries()[2:] == [
            "reversal -10 of 1-1 undone: lesson.uncompleted",
            "reversal -2 of 1-2 undone: lesson.uncompleted",
        ]
        assert (agent.balances(), agent.balances("stars")) == ({}, {})


async def test_what_was_undone_can_be_earned_again_and_undone_again(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as agent:
        for number, undo in enumerate((False, True, False, False, True, False), 1):
            await agent.take(done(number, undo=undo))
        assert agent.balances() == {"35": 10}
        assert [entry.split(" of ")[-1] for entry in agent.entries() if entry.startswith("reversal -10")] == [
            "1-1 undone: lesson.uncompleted",
            "1-5 undone: lesson.uncompleted",
        ]
        slots = rows(tmp_path, "SELECT slot, freed FROM quota_use JOIN name ON no = meter_no WHERE text = 'once:r'")
        assert slots == [(0, 1), (1, 1), (2, 0)]


async def test_one_page_and_a_page_for_each_row_end_in_the_same_entries(tmp_path: Path) -> None:
    acts = [done(n, undo=n in {2, 5}) for n in range(1, 7)]
    async with running(tmp_path / "one", RULES) as one, running(tmp_path / "many", RULES) as many:
        await one.take(*acts)
        for act in acts:
            await many.take(act)
        assert one.entries() == many.entries()
        assert one.reasons() == many.reasons()


async def test_a_replay_of_acts_and_undos_appends_nothing(tmp_path: Path) -> None:
    acts = [done(1), done(2, undo=True), done(3)]
    async with running(tmp_path, RULES) as agent:
        await agent.take(*acts)
        before = agent.entries()
        assert (await agent.take(*acts)).fresh == 0
        assert agent.entries() == before


async def test_an_undo_kept_from_an_earlier_page_refuses_its_act(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as agent:
        await agent.take(done(2, undo=True))
        await agent.take(done(1))
        await agent.take(done(3))
        assert agent.reasons() == ["nothing to undo", "undone"]
        assert agent.balances() == {"35": 10}


async def test_an_award_reversed_by_hand_is_not_taken_back_again(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as agent:
        await agent.take(done(1))
        by_hand = Correction(reason="a mistake", by="desk")
        await agent.writer.run(
            lambda connection: reverse(connection, agent.recorder, seq=1, correction=by_hand, now=NOW)
        )
        await agent.take(done(2, undo=True))
        assert agent.reasons() == ["nothing to undo"]
        assert agent.balances() == {}


async def held_and_undone(agent: Running, *, one_page: bool) -> list[tuple[str]]:
    held, undo = done(1, evidence=Evidence.nothing), done(2, undo=True)
    for page in ([held, undo],) if one_page else ([held], [undo]):
        await agent.take(*page)
    return rows(agent.data_dir, "SELECT state FROM hold")


@pytest.mark.parametrize("one_page", [True, False])
async def test_a_held_decision_whose_act_was_undone_is_closed(tmp_path: Path, *, one_page: bool) -> None:
    async with running(tmp_path, RULES) as agent:
        assert await held_and_undone(agent, one_page=one_page) == [("superseded",)]
        assert agent.reasons()[-1] == "held decision undone: lesson.uncompleted"


async def test_an_approved_award_is_taken_back_like_any_other(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as agent:
        await agent.take(done(1, evidence=Evidence.nothing))
        await agent.approve(1, Correction(reason="seen it", by="desk"))
        assert agent.balances() == {"35": 10}
        await agent.take(done(2, undo=True))
        assert agent.balances() == {}


async def test_shadow_takes_back_what_it_would_have_paid_without_an_entry(tmp_path: Path) -> None:
    async with running(tmp_path, RULES, shadow=True) as agent:
        for number, undo in enumerate((False, True, False), 1):
            await agent.take(done(number, undo=undo))
        assert agent.entries() == []
        assert rows(tmp_path, "SELECT outcome FROM decision") == [(4,), (4,), (4,)]


async def test_the_award_of_an_erased_person_stands(tmp_path: Path) -> None:
    async with running(tmp_path, RULES.replace('"lesson.uncompleted"', '"quiz.attempt_deleted"')) as agent:
        act = an_observation(1, object_table="quiz_attempts", object_id="9")
        await agent.take(act)
        await agent.writer.run(lambda connection: connection.execute("DELETE FROM person"))
        agent.recorder.forget()
        await agent.take(
            replace(act, kind="quiz.attempt_deleted", natural_key=("x",), position=2, people={"actor": "2"})
        )
        assert agent.reasons() == ["nothing to undo"]


async def test_the_statements_of_a_page_do_not_grow_with_its_undos(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as agent:

        async def statements(first: int, count: int) -> int:
            acts = [done(first + n, lesson=str(first + n)) for n in range(count)]
            undos = [done(first + count + n, lesson=str(first + n), undo=True) for n in range(count)]
            await agent.take(*acts)
            seen: list[str] = []
            await agent.writer.run(lambda connection: connection.set_trace_callback(seen.append))
            await agent.take(*undos)
            await agent.writer.run(lambda connection: connection.set_trace_callback(lambda _: None))
            return len([sql for sql in seen if sql.lstrip().startswith(("SELECT", "WITH"))])

        await statements(1, 2)
        assert await statements(1_000, 2) == await statements(2_000, 40)


async def test_a_reply_whose_discussion_is_deleted_in_the_same_page_is_taken_back_once(tmp_path: Path) -> None:
    rules = HEAD + rule("forum.posted", 'reverse_on = ["forum.post_deleted", "forum.discussion_deleted"]')

    def post(number: int, kind: str, table: str, object_id: str) -> Observation:
        facts = {"discussion": "3"} if kind == "forum.posted" else {}
        return an_observation(
            number, kind=kind, object_table=table, object_id=object_id, post="21", facts=facts, people={"subject": "35"}
        )

    async with running(tmp_path, rules) as agent:
        await agent.take(post(1, "forum.posted", "forum_posts", "21"))
        await agent.take(
            post(2, "forum.post_deleted", "forum_posts", "21"),
            post(3, "forum.discussion_deleted", "forum_discussions", "3"),
        )
        assert agent.entries() == ["award 10", "reversal -10 of 1-1 undone: forum.post_deleted"]
        assert agent.reasons() == ["undone: forum.post_deleted", "nothing to undo"]


async def test_a_reset_of_a_course_names_nobody_and_takes_back_of_everybody(tmp_path: Path) -> None:
    rules = HEAD + rule(more='reverse_on = ["lesson.uncompleted", "course.reset"]\nreview = "always"', name="seen")
    rules += rule(more='reverse_on = "course.reset"')
    reset = an_observation(9, kind="course.reset", lms_event="reset", people={"actor": "2"}, lesson=None)
    others = [an_observation(n, people={"subject": str(n), "actor": str(n)}, lesson="1") for n in (3, 4)]
    async with running(tmp_path, rules) as agent:
        await agent.take(done(1), *others)
        await agent.take(reset)
        assert agent.balances() == {}
        assert sum(line.startswith("reversal -10") for line in agent.entries()) == 3
        assert rows(tmp_path, "SELECT state, count(*) FROM hold GROUP BY 1") == [("superseded", 3)]
        await agent.take(reset)
        assert len(agent.entries()) == 6
        await agent.take(done(10))
        assert agent.balances() == {"35": 10}


async def test_what_only_a_referrer_got_is_undone_by_whichever_of_its_acts_names_nobody(tmp_path: Path) -> None:
    undoing = 'reverse_on = ["quiz.attempt_deleted", "lesson.uncompleted"]'
    rules = HEAD + '[person]\nreferrer = { profile_field = "r" }\n'
    rules += rule("quiz.submitted", more=undoing, award='[{ to = "referrer", points = 5 }]')
    attempt = {"object_table": "quiz_attempts", "object_id": "5", "lesson": "1"}
    people = {"subject": "35", "actor": "35"}
    async with running(tmp_path, rules) as agent:
        await agent.take(an_observation(1, kind="quiz.submitted", people={**people, "referrer": "77"}, **attempt))
        assert agent.balances() == {"77": 5}
        for number, kind in enumerate(("quiz.attempt_deleted", "lesson.uncompleted"), 2):
            await agent.take(an_observation(number, kind=kind, people=people, **attempt))
            assert agent.entries()[1:] == ["reversal -5 of 1-1 undone: quiz.attempt_deleted"]
