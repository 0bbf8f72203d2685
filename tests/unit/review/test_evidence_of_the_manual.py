"""The rules for evidence in the manual load, tell the truth, and pay what is approved."""

from __future__ import annotations

import re
from pathlib import Path

from agent.config.kinds import KindTable
from agent.engine.rules import compile_rules
from agent.engine.stories import run_cases
from tests.pipelines import running
from tests.rule_stories import file
from tests.unit.review.desks import HEAD, act, desk

PAGE = (Path(__file__).parents[3] / "docs/admin/review-and-corrections.md").read_text()
(EVIDENCE,) = re.findall(r"```toml\n(# evidence that is approved\n.*?)```", PAGE, re.DOTALL)


def test_the_story_of_the_evidence_is_true() -> None:
    rules = file(EVIDENCE)
    assert [one.failures for one in run_cases(rules, compile_rules(rules, KindTable()))] == [()]


async def test_evidence_is_paid_as_it_is_approved_and_what_that_sets_free_is_held_then(tmp_path: Path) -> None:
    facts = {"form": "explore", "char_count": 200, "file_count": 1}
    more = {"form": "amplify", "file_count": 1, "peers": 10, "students": 15}
    shown = {"form": "present", "file_count": 1, "url": "https://x.org"}
    kind = "submission.received"
    async with running(tmp_path, HEAD + EVIDENCE) as agent:
        await agent.take(*[act(number, kind=kind, facts=each) for number, each in enumerate((facts, more, shown), 1)])
        held = [(one, amounts) for one, amounts in ((1, {"points": 40}), (5, None))]
        for number, amounts in held:
            (told, *_) = await desk(agent).approve(decisions=[number], by="dean", amounts=amounts)
            assert told["outcome"] == "awarded"
        assert agent.balances() == {"35": 40 + 35}
        assert agent.reasons().count("review always") == 3
        await agent.take(act(1, kind=kind, facts=facts))
        assert agent.balances() == {"35": 75}
