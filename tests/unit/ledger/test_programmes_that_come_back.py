"""A programme that is taken out of the rules for a while knows what was passed meanwhile when it comes back."""

from __future__ import annotations

from pathlib import Path

from tests.ledgers import found
from tests.pipelines import running
from tests.rule_stories import rule
from tests.unit.review.desks import HEAD, act

COURSES = HEAD + rule("course.completed", name="course", award="1")
PROGRAMME = '[programme.p]\ncourses = ["id:1", "id:2"]\npass = "completed"\n' + rule(
    "programme.completed", name="whole"
)


async def test_a_course_that_was_passed_without_the_programme_counts_when_it_comes_back(tmp_path: Path) -> None:
    told = (COURSES + PROGRAMME, COURSES + PROGRAMME.replace("award", 'mode = "off"\naward'), COURSES)
    for number, rules in enumerate(told):
        async with running(tmp_path, rules) as agent:
            await agent.take(act(10 + number, who=str(number), kind="course.completed", course="1"))
    async with running(tmp_path, told[0]) as agent:
        await agent.take(*(act(20 + who, who=str(who), kind="course.completed", course="2") for who in range(3)))
        assert agent.balances() == {"0": 12, "1": 12, "2": 12}
        assert found(tmp_path) == []
