"""Amounts that depend on the event: so much for each unit of a fact, and shares of a fact."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agent.config.document import FaultsError
from agent.engine import booking, evaluate
from agent.engine.explain import rule_sentences
from agent.engine.review import approval
from agent.model import Fact, Outcome
from tests.rule_stories import decide, event, file, line, play, rule, rulebook

PEERS = "{ points = { per = { peers = 2, students = 1 } } }"


def share(more: str = "") -> str:
    return rule("quiz.submitted", award='{ points = { of = "score_pct", times = "0.1"' + more + " } }")


def quiz(score: Fact | None, lesson: str = "1") -> str:
    facts = {} if score is None else {"score_pct": score}
    return play(share(), event("quiz.submitted", lesson=lesson, facts=facts))[0]


def test_a_quantity_pays_for_each_unit_of_each_fact() -> None:
    seen = event("submission.received", facts={"peers": 3, "students": "4"})
    assert play(rule("submission.received", award=PEERS), seen) == ["ann +10 points"]


@pytest.mark.parametrize(
    ("how", "paid"),
    [("", "+8"), (', round = "up"', "+9"), (', round = "half"', "+9"), (', round = "half", max = 5', "+5")],
)
def test_a_share_is_rounded_as_written_and_stops_at_its_maximum(how: str, paid: str) -> None:
    seen = event("quiz.submitted", facts={"score_pct": Fraction(85)})
    assert play(share(how), seen) == [f"ann {paid} points"]


def test_a_share_is_exact_where_a_float_would_not_be() -> None:
    assert quiz(Fraction(10)) == "ann +1 points"
    third = event("quiz.submitted", facts={"score_pct": Fraction(200, 3)})
    text = '[currency.points]\ndecimals = 2\n[[rule]]\nid = "r"\non = "quiz.submitted"\n'
    assert play(text + 'award = { points = { of = "score_pct", times = "0.1" } }', third) == ["ann +666 points"]


@pytest.mark.parametrize("score", [None, True, "good", ("80",)])
def test_a_fact_that_is_missing_or_no_number_refuses_and_is_named(score: Fact | None) -> None:
    assert quiz(score) == "ann refused no score_pct"


@pytest.mark.parametrize("score", [0, Fraction(99, 10), -50])
def test_nothing_to_pay_is_refused_and_takes_no_scope(score: Fact) -> None:
    first = event("quiz.submitted", facts={"score_pct": score}, key="first")
    later = event("quiz.submitted", facts={"score_pct": 80}, key="later")
    assert play(share(), first, later) == ["ann refused amount 0 points", "ann +8 points"]


def test_an_amount_beyond_all_reason_is_refused_and_stops_nothing() -> None:
    assert quiz(10**15) == "ann refused amount over 1000000000000"


def test_limits_caps_and_trimming_count_what_was_worked_out() -> None:
    limited = share().replace("\n\n", '\nlimit = { of = "12 points/day", over = "trim" }\n')
    events = [event("quiz.submitted", lesson=str(n), facts={"score_pct": 80}) for n in range(3)]
    assert play(limited, *events) == ["ann +8 points", "ann +4 points", "ann refused limit 12 points/day"]
    capped = '[[cap]]\nlimit = "12 points/day"\n' + share()
    assert play(capped, *events)[:2] == ["ann +8 points", "ann refused cap 12 points/day"]


def test_what_is_nothing_is_left_out_beside_what_is_not() -> None:
    both = "[currency.stars]\n" + rule("quiz.submitted", award='{ stars = 1, points = { of = "score_pct" } }')
    assert play(both, event("quiz.submitted", facts={"score_pct": 0})) == ["ann +1 stars"]
    badge = rule("quiz.submitted", 'badge = "b"', award='{ points = { of = "score_pct" } }')
    assert play(badge, event("quiz.submitted", facts={"score_pct": 0})) == ["ann +1 badge:b"]


def test_a_hold_promises_what_was_worked_out() -> None:
    rules = rulebook('[budget]\npoints = "5/week"\n' + share())
    (held,) = decide(rules, [event("quiz.submitted", facts={"score_pct": 80})])
    assert (held.outcome, [p.amount for p in held.postings]) == (Outcome.held, [8])
    paid = approval.approve(held, rules, rules, booking.State.load((), {}))
    assert line(paid) == "ann +8 points"


def test_the_sources_are_asked_for_the_facts_of_amounts() -> None:
    assert "score_pct" in rulebook(share()).demand.facts


def test_an_example_can_show_an_amount() -> None:
    told = '\n[[rule.example]]\nevent = { kind = "quiz.submitted", score_pct = 85 }\nexpect = { points = 8 }\n'
    rulebook(share() + told)
    with pytest.raises(FaultsError, match="the rule gives points 8"):
        rulebook(share() + told.replace("points = 8", "points = 9"))


def test_an_amount_is_told_in_a_sentence() -> None:
    def said(text: str) -> str:
        rules = rulebook(text)
        return rule_sentences(rules.rules[0], rules)[1]

    assert said(share(", max = 10")) == ("The subject gets 0.1 points for each score_pct, rounded down, at most 10.")
    assert said(rule("submission.received", award=PEERS)) == (
        "The subject gets 2 points for each peers and 1 point for each students."
    )
    assert said(rule(award="0")) == "The subject gets nothing."


@pytest.mark.parametrize(
    ("amount", "fault"),
    [
        ("{ per = 3 }", "`per` is a table of facts"),
        ("{ per = {} }", "`per` is a table of facts"),
        ("{ per = { peers = -1 } }", "-1 is not a number above 0"),
        ("{ per = { peers = 2 }, of = 'x' }", "unknown key 'of' in an amount"),
        ("{ of = 5 }", "an amount that is a table needs `per` or `of`"),
        ("{ of = 'score_pct', times = 'much' }", "'much' is not a number"),
        ("{ of = 'score_pct', times = true }", "true is not a number above 0"),
        ("{ of = 'score_pct', round = 'nearest' }", "'nearest' is no way to round"),
        ("{ of = 'score_pct', max = 10000000000000 }", "an award of more than"),
        ("{ of = 'score_pct', max = 0.5 }", "points has no decimals"),
    ],
)
def test_an_amount_that_cannot_be_is_told(amount: str, fault: str) -> None:
    with pytest.raises(FaultsError, match=fault):
        file(rule("quiz.submitted", award=f"{{ points = {amount} }}"))


def warned(text: str) -> list[str]:
    return [fault.message for fault in file(text).warnings]


def test_a_fact_that_nobody_supplies_or_that_is_no_number_is_warned_of() -> None:
    assert warned(rule(award='{ points = { of = "score_pct" } }')) == ["no source supplies a fact 'score_pct' here"]
    assert warned(rule("quiz.submitted", award='{ points = { of = "module" } }')) == ["module is no number"]
    assert warned(share()) == []


def test_a_limit_of_an_amount_that_varies_is_never_called_idle() -> None:
    text = share().replace("\n\n", '\nlimit = "5 points/day"\n')
    assert warned(text) == []


def test_an_amount_is_worked_out_before_the_trust_is_asked() -> None:
    rules = rulebook(share().replace("\n\n", '\nmin_trust = "server_verified"\n'))
    (verdict,) = evaluate.judge(event("quiz.submitted", facts={"score_pct": 80}), rules)
    assert [posting.amount for posting in verdict.postings] == [8]
