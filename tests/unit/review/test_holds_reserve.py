"""What a rule puts under review keeps its place: nobody else takes it until somebody has decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import InvalidInputError
from agent.ledger.corrections import Correction
from agent.model import Outcome, Trust
from tests.ledgers import rows
from tests.pipelines import running
from tests.rule_stories import decide, event, line, play, rule, rulebook
from tests.unit.review.desks import HEAD, act, desk, kept, open_holds

REVIEW = 'review = "always"\n'
RULES = HEAD + rule(more=REVIEW + 'limit = "2/day"\ncooldown = "10s"')


def test_each_award_of_a_reviewed_rule_is_held_and_told_so() -> None:
    assert play(rule(more=REVIEW), event()) == ["ann held review always"]


def test_a_held_review_reserves_its_scope_and_its_limits() -> None:
    text = rule(more=REVIEW + 'limit = "2/day"')
    assert play(text, event(), event(key="again"), event(lesson="2"), event(lesson="3")) == [
        "ann held review always",
        "ann refused once_per lesson",
        "ann held review always",
        "ann refused limit 2/day",
    ]


def test_what_the_quotas_refuse_is_not_held() -> None:
    text = '[[cap]]\nlimit = "5 points/day"\n' + rule(more=REVIEW)
    assert play(text, event()) == ["ann refused cap 5 points/day"]


def test_what_trust_holds_reserves_nothing_also_under_review() -> None:
    weak, strong = decide(rulebook(rule(more=REVIEW)), [event(level=Trust.unverified), event()])
    assert (line(weak), weak.reserves) == ("ann held trust unverified below trusted_source", ())
    assert (line(strong), strong.supersedes) == ("ann held review always", ())
    assert [use.meter for use in strong.reserves] == ["once:r"]


def test_what_a_check_holds_reserves_as_well() -> None:
    text = '[[check]]\nid = "v"\nvelocity = "1/10m"\nthen = "hold"\n' + rule(more='limit = "2/day"')
    acts = [event(lesson=str(number), when=f"2026-09-07T09:0{number}:00", position=number) for number in range(1, 4)]
    assert play(text, *acts) == ["ann +10 points", "ann held velocity 1/10m", "ann refused limit 2/day"]


def test_shadow_holds_nobody_and_its_limits_count() -> None:
    text = rule(more=REVIEW + 'limit = "1/day"')
    assert play(text, event(), event(lesson="2"), shadow=True) == [
        "ann would get +10 points",
        "ann refused limit 1/day",
    ]
    (first,) = decide(rulebook(text), [event()], shadow=True)
    assert (first.outcome, first.reason) == (Outcome.shadow, "would be held: review always")


def test_an_undo_of_the_held_act_frees_what_it_kept() -> None:
    text = rule(more=REVIEW + 'limit = "1/day"\nreverse_on = "lesson.uncompleted"')
    undo = event("lesson.uncompleted", "2026-09-07T09:10:00", position=2)
    again = event(when="2026-09-07T09:20:00", position=3)
    assert [line(one) for one in decide(rulebook(text), [event(), undo, again])] == [
        "ann held review always",
        "ann refused held decision undone: lesson.uncompleted",
        "ann held review always",
    ]


def test_an_example_of_a_reviewed_rule_says_what_an_approval_pays() -> None:
    example = '[[rule.example]]\nevent = { kind = "lesson.completed" }\nexpect = { points = 10 }\n'
    assert rulebook(rule(more=REVIEW) + example).rules[0].review == "review always"


async def test_an_approval_pays_within_what_was_kept_for_it_and_a_replay_nothing_beside_it(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as agent:
        await agent.take(act(1))
        assert kept(agent) == [("cooldown:r:10s", -1, 0), ("limit:r:awards/day", -1, 0), ("once:r", 0, 0)]
        (told,) = await desk(agent).approve(decisions=[1], by="B. Desk")
        assert told == {"decision": 1, "outcome": "awarded", "postings": {"points": 10}}
        assert kept(agent) == []
        await agent.take(act(1), act(2, lesson="1"))
        assert (agent.entries(), agent.reasons()[-1]) == (["award 10"], "once_per lesson")


async def test_an_approval_is_refused_where_a_cap_of_today_is_full_and_keeps_its_place(tmp_path: Path) -> None:
    async with running(tmp_path, RULES) as agent:
        await agent.take(act(1))
        before = kept(agent)
    async with running(tmp_path, HEAD + '[[cap]]\nlimit = "5 points/day"\n' + rule(more=REVIEW)) as agent:
        with pytest.raises(InvalidInputError, match="cannot be paid any more: cap 5 points/day") as refused:
            await agent.approve(1, Correction(reason="", by="B. Desk"))
        assert refused.value.hint.startswith("approve less (--amount) where that fits")
        assert (open_holds(agent), kept(agent)) == ([1], before)
        await agent.approve(1, Correction(reason="", by="B. Desk"), {"points": 5})
        assert agent.entries() == ["award 5"]


async def test_what_a_rejected_hold_had_blocked_is_decided_again_oldest_first(tmp_path: Path) -> None:
    rules = HEAD + rule(more='limit = "1/day"') + rule("lesson.viewed", more=REVIEW + 'group = "g"', name="v")
    rules += '[[cap]]\nlimit = "10 points/day"\n'
    async with running(tmp_path, rules) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2), act(3), act(4, who="36"))
        assert agent.reasons() == ["review always", "cap 10 points/day", "cap 10 points/day"]
        told = await desk(agent).reject(decisions=[1], by="B. Desk", reason="not hers")
        assert told == [
            {"decision": 1, "outcome": "rejected"},
            {"decision": 0, "outcome": "decided again", "learner": "moodle:35", "count": 1},
        ]
        assert agent.balances() == {"35": 10, "36": 10}
        paid = "SELECT e.occurred_at FROM entry n JOIN event e USING (event_no) ORDER BY n.seq DESC LIMIT 1"
        assert rows(tmp_path, paid) == [(act(2).occurred_at,)]
        assert agent.reasons()[3:] == ["limit 1/day"], "the other is refused for another reason now"
        assert await desk(agent).reject(decisions=[1], by="B. Desk", reason="not hers") == [
            {
                "decision": 1,
                "outcome": "refused",
                "reason": "decision 1 is rejected already by B. Desk",
                "hint": "",
            }
        ]


async def test_what_a_rejection_frees_of_a_reviewed_rule_is_held_in_its_place(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + rule(more=REVIEW)) as agent:
        await agent.take(act(1, lesson="1"), act(2, lesson="1"))
        await desk(agent).reject(decisions=[1], by="B. Desk", reason="no")
        assert open_holds(agent) == [3]
        assert (await desk(agent).approve(decisions=[3], by="B. Desk"))[0]["outcome"] == "awarded"
        assert agent.balances() == {"35": 10}


async def test_what_is_refused_again_because_it_was_done_twice_is_known_to_a_late_undo_between_the_two(
    tmp_path: Path,
) -> None:
    rules = rule(more=REVIEW + 'limit = "1/day"\nreverse_on = "lesson.uncompleted"')
    async with running(tmp_path, HEAD + rules) as agent:
        await agent.take(act(1, lesson="1"), act(2, lesson="2"), act(4, lesson="2"))
        assert agent.reasons() == ["review always", "limit 1/day", "limit 1/day"]
        await desk(agent).reject(decisions=[1], by="B. Desk", reason="no")
        assert agent.reasons()[3:] == ["review always", "once_per lesson"]
        await agent.take(act(3, lesson="2", kind="lesson.uncompleted"))
        assert agent.reasons()[5:] == ["done again since"]
        assert open_holds(agent) == [4]


async def test_a_badge_that_an_award_waits_with_is_earned_by_other_acts_meanwhile(tmp_path: Path) -> None:
    criteria = '[[badge]]\nid = "b"\nall_of = ["r"]\n'
    rules = rule() + rule("lesson.viewed", more=REVIEW + 'badge = "b"', name="v")
    for approved in (True, False):
        async with running(tmp_path / str(approved), HEAD + rules + criteria) as agent:
            await agent.take(act(1, kind="lesson.viewed"), act(2))
            assert agent.balances("badge:b") == {"35": 1}
            if approved:
                told = await desk(agent).approve(decisions=open_holds(agent), by="B. Desk")
                assert told[0]["postings"] == {"points": 10}, "a badge is had once"
            else:
                await desk(agent).reject(decisions=open_holds(agent), by="B. Desk", reason="no")
            assert agent.balances("badge:b") == {"35": 1}


async def test_what_two_reviews_were_in_the_way_of_waits_once_both_are_rejected_in_either_order(tmp_path: Path) -> None:
    hours = {1: 0, 2: 27, 3: 51}
    acts = [act(60 * hour, lesson=str(number)) for number, hour in hours.items()]
    for order in ((1, 3), (3, 1)):
        async with running(tmp_path / str(order[0]), HEAD + rule(more=REVIEW + 'cooldown = "36h"')) as agent:
            await agent.take(*acts)
            assert agent.reasons() == ["review always", "cooldown 36h", "review always"]
            for number in order:
                await desk(agent).reject(decisions=[number], by="B. Desk", reason="no")
            assert agent.reasons()[-1] == "review always"
            assert len(open_holds(agent)) == 1


async def test_what_a_limit_had_cut_to_nothing_in_one_currency_is_approved_in_the_other(tmp_path: Path) -> None:
    both = 'limit = { of = "10 points/day", over = "trim" }'
    rules = "[currency.stars]\n" + rule(award="{ points = 10, stars = 1 }", more=REVIEW + both)
    async with running(tmp_path, HEAD + rules) as agent:
        await agent.take(act(1), act(2))
        told = await desk(agent).approve(decisions=open_holds(agent), by="B. Desk")
        assert [one["postings"] for one in told] == [{"points": 10, "stars": 1}, {"stars": 1}]


async def test_a_badge_for_awards_waits_until_the_award_is_approved(tmp_path: Path) -> None:
    badge = '[[badge]]\nid = "b"\ncount = { rule = "r", at_least = 2 }\n'
    rules = HEAD + badge + rule(more=REVIEW)
    async with running(tmp_path, rules) as agent:
        await agent.take(act(1))
        await agent.take(act(2))
        await agent.take(act(3))
        await desk(agent).approve(decisions=[1], by="B. Desk")
        assert agent.entries() == ["award 10"]
        await desk(agent).approve(decisions=[2], by="B. Desk")
        assert agent.entries() == ["award 10", "award 10", "award 1"]


async def test_undone_in_another_page_what_was_kept_is_free(tmp_path: Path) -> None:
    rules = HEAD + rule(more=REVIEW + 'limit = "1/day"\nreverse_on = "lesson.uncompleted"')
    async with running(tmp_path, rules) as agent:
        await agent.take(act(1, lesson="1"))
        await agent.take(act(2, lesson="1", kind="lesson.uncompleted"))
        assert [(meter, freed) for meter, _, freed in kept(agent) if "undone" not in meter] == [("once:r", 1)]
        await agent.take(act(3, lesson="1"))
        assert len(open_holds(agent)) == 1


async def test_an_undo_that_is_seen_late_leaves_the_hold_of_what_was_done_again_since(tmp_path: Path) -> None:
    rules = HEAD + rule(more=REVIEW + 'limit = "1/day"\nreverse_on = "lesson.uncompleted"')
    undo = event("lesson.uncompleted", "2026-09-07T09:10:00", position=3)
    told = [event(), event(when="2026-09-07T09:20:00", position=2), undo, event(lesson="2", position=4)]
    assert [line(one) for one in decide(rulebook(rules), told)] == [
        "ann held review always",
        "ann refused once_per lesson",
        "ann refused done again since",
        "ann refused limit 1/day",
    ]
    async with running(tmp_path, rules) as agent:
        await agent.take(act(1, lesson="1"))
        await agent.take(act(3, lesson="1"))
        await agent.take(act(2, lesson="1", kind="lesson.uncompleted"))
        assert open_holds(agent) == [1]
        await desk(agent).approve(decisions=[1], by="B. Desk")
        assert agent.balances() == {"35": 10}


async def test_what_rules_held_that_cannot_be_read_any_more_is_refused_beside_what_is_paid(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + rule(more=REVIEW)) as agent:
        await agent.take(act(1))
        broken = "UPDATE rules_version SET text = 'what no version reads'"
        await agent.writer.run(lambda connection: connection.execute(broken))
    async with running(tmp_path, HEAD + rule(more=REVIEW, award="20")) as agent:
        await agent.take(act(2))
        first, second = await desk(agent).approve(decisions=[1, 2], by="B. Desk")
        assert (first["outcome"], first["reason"]) == (
            "refused",
            "the rules that held decision 1 cannot be read by this version any more",
        )
        assert (second["outcome"], agent.balances(), open_holds(agent)) == ("awarded", {"35": 20}, [1])
