"""Another amount than was promised, within what the rule allows; and what a smaller one sets free."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.document import FaultsError
from agent.engine import explain
from tests.ledgers import rows
from tests.pipelines import running
from tests.rule_stories import file, rule, rulebook
from tests.unit.review.desks import HEAD, act, desk, open_holds

ADJUST = 'review = { when = "always", adjust = "30..60" }\n'


@pytest.mark.parametrize(
    ("more", "amount", "told"),
    [
        ('review = "always"\n', 20, "awarded"),
        ('review = "always"\n', 51, "51 points is outside the guardrails"),
        ('review = "always"\n', 0, "0 points is outside the guardrails"),
        (ADJUST, 60, "awarded"),
        (ADJUST, 61, "61 points is outside the guardrails"),
        (ADJUST, 29, "29 points is outside the guardrails"),
    ],
)
async def test_an_amount_is_approved_inside_the_guardrails_only(
    tmp_path: Path, more: str, amount: int, told: str
) -> None:
    async with running(tmp_path, HEAD + rule(more=more, award="50")) as agent:
        await agent.take(act(1))
        (result,) = await desk(agent).approve(decisions=[1], by="B. Desk", amounts={"points": amount})
        assert told in {result["outcome"], result.get("reason")}
        assert agent.balances() == ({"35": amount} if told == "awarded" else {})
        assert open_holds(agent) == ([] if told == "awarded" else [1])


async def test_the_decision_says_what_was_promised_and_approved_and_its_entry_gives_no_reason(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, HEAD + rule(more=ADJUST, award="50")) as agent:
        await agent.take(act(1))
        await desk(agent).approve(decisions=[1], by="B. Desk", amounts={"points": 40})
        paid = "SELECT CAST(body AS TEXT) ->> 'reason', CAST(body AS TEXT) ->> 'amount' FROM entry"
        assert rows(tmp_path, paid) == [("", 40)]
        said = "SELECT d.reason FROM decision d JOIN entry e USING (decision_no)"
        assert rows(tmp_path, said) == [("approved 40 points of 50 points promised",)]


async def test_an_unknown_currency_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + rule(more=ADJUST, award="50")) as agent:
        await agent.take(act(1))
        (told,) = await desk(agent).approve(decisions=[1], by="B. Desk", amounts={"stars": 4})
        assert (told["reason"], told["hint"]) == ("decision promises no stars", "its currencies: points")


async def test_what_a_smaller_amount_leaves_is_there_for_what_it_had_blocked(tmp_path: Path) -> None:
    rules = HEAD + '[[cap]]\nlimit = "60 points/day"\n' + rule("lesson.viewed", more='review = "always"', award="50")
    async with running(tmp_path, rules + rule(name="other", award="20")) as agent:
        await agent.take(act(1, kind="lesson.viewed"), act(2))
        assert agent.reasons() == ["review always", "cap 60 points/day"]
        await desk(agent).approve(decisions=[1], by="B. Desk", amounts={"points": 40})
        assert agent.balances() == {"35": 60}


async def test_a_dry_run_tells_what_it_would_come_to_and_nothing_stands(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + rule(more=ADJUST, award="50")) as agent:
        await agent.take(act(1), act(2))
        verdicts = [
            {"decision": 1, "verdict": "approve", "amounts": {"points": 40}},
            {"decision": 2, "verdict": "reject", "reason": "no"},
            {"decision": 9, "verdict": "reject", "reason": "no"},
        ]
        told = await desk(agent).apply(verdicts=verdicts, by="B. Desk", dry_run=True)
        assert [one["outcome"] for one in told] == ["awarded", "rejected", "refused"]
        assert (agent.balances(), open_holds(agent)) == ({}, [1, 2])
        told = await desk(agent).apply(verdicts=verdicts, by="B. Desk")
        assert [one["outcome"] for one in told] == ["awarded", "rejected", "refused"]
        assert (agent.balances(), open_holds(agent)) == ({"35": 40}, [])
        again = await desk(agent).apply(verdicts=verdicts, by="B. Desk")
        assert [one["outcome"] for one in again] == ["stands", "stands", "refused"]
        assert agent.entries() == ["award 40"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('"sometimes"', "'sometimes' is no review"),
        ('{ adjust = "60..30" }', "'60..30' is an empty range, or begins at nothing"),
        ('{ adjust = "0..30" }', "'0..30' is an empty range, or begins at nothing"),
        ('{ adjust = "30" }', "'30' is no range of amounts"),
        ('{ adjust = { stars = "1..2" } }', "the rule pays no stars"),
    ],
)
def test_a_review_that_makes_no_sense_is_told_with_its_place(written: str, told: str) -> None:
    with pytest.raises(FaultsError) as caught:
        file(rule(more=f"review = {written}"))
    assert [fault.message for fault in caught.value.faults] == [told]


def test_guardrails_must_say_of_which_currency_where_there_are_several() -> None:
    two = "[currency.stars]\n" + rule(more='review = { adjust = "1..2" }', award="{ points = 1, stars = 1 }")
    with pytest.raises(FaultsError, match="adjust does not say of which currency"):
        file(two)


def test_the_guardrails_are_explained() -> None:
    rules = rulebook(rule(more=ADJUST, award="50"))
    assert "Between 30 and 60 can be approved." in explain.rule_sentences(rules.rules[0], rules)
