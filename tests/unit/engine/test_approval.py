"""A held decision that somebody approves pays what was promised, within the quotas and caps of the day."""

from __future__ import annotations

import pytest

from agent.engine import booking, evaluate, history
from agent.engine.review import approval
from agent.engine.rules import Rulebook
from agent.errors import InvalidInputError
from agent.model import Decision, Event, Outcome, Trust, Use
from tests.rule_stories import at, decide, event, rule, rulebook

UNDONE_IN_SEM1 = 'once_per = "sem1"\nreverse_on = "lesson.uncompleted"'


def held(rules: Rulebook, one: Event | None = None) -> Decision:
    (decision,) = decide(rules, [one or event(level=Trust.unverified)])
    assert decision.outcome is Outcome.held
    return decision


def test_an_approval_pays_the_promise_of_the_version_that_held_it() -> None:
    then = rulebook(rule(award="10", more='limit = "3/day"\nmessage = "well done"'))
    now = rulebook(rule(award="99"))
    promise = held(then)
    key = ("r", "moodle:ann", "lesson=moodle:1")
    paid = approval.approve(promise, then, now, booking.State.load((), {key: (7,)}))
    assert (paid.outcome, paid.reason, paid.hold, paid.message) == (Outcome.awarded, "", None, "well done")
    assert [(posting.currency, posting.amount) for posting in paid.postings] == [("points", 10)]
    assert [use.meter for use in paid.uses] == ["once:r", "limit:r:awards/day"]
    assert paid.supersedes == (7,)
    assert paid.rules_version == then.version


def test_an_approval_is_refused_where_the_scope_was_paid_meanwhile() -> None:
    rules = rulebook(rule())
    (paid,) = decide(rules, [event()])
    refused = approval.approve(held(rules), rules, rules, booking.State.load(paid.uses, {}))
    assert (refused.outcome, refused.reason, refused.uses, refused.postings) == (
        Outcome.refused,
        "once_per lesson",
        (),
        (),
    )


def test_an_approval_is_refused_by_the_scope_that_was_paid_whatever_the_ids_in_it() -> None:
    rules = rulebook(rule(more='once_per = ["lesson", "day"]'))
    (paid,) = decide(rules, [event(lesson="a|b=c")])
    waiting = held(rules, event(lesson="a|b=c", level=Trust.unverified))
    refused = approval.approve(waiting, rules, rules, booking.State.load(paid.uses, {}))
    assert (refused.reason, refused.until) == ("once_per lesson+day", at("2026-09-08T00:00:00"))


def test_an_approval_is_refused_by_a_limit_of_a_period_that_the_rules_have_no_more() -> None:
    then = rulebook("[period.sem1]\nfrom = 2026-09-01\nuntil = 2026-12-20\n" + rule(more='limit = "1/sem1"'))
    used = Use(meter="limit:r:awards/sem1", bucket="sem1", learner="moodle:ann", at=at("2026-09-07"), amount=1)
    refused = approval.approve(held(then), then, rulebook(rule()), booking.State.load([used], {}))
    assert (refused.reason, refused.until) == ("limit 1/sem1", None)


def test_an_approval_looks_at_the_caps_of_the_running_version_and_its_own_limits() -> None:
    then = rulebook(rule(more='group = "learn"\nlimit = "1/day"'))
    now = rulebook('[[cap]]\ngroup = "learn"\nlimit = "15 points/day"\n' + rule(more='group = "learn"'))
    day = "2026-09-07"
    used = Use(meter="cap:learn:points/day", bucket=day, learner="moodle:ann", at=at(f"{day}T08:00:00"), amount=10)
    refused = approval.approve(held(then), then, now, booking.State.load([used], {}))
    assert (refused.reason, refused.until) == ("cap 15 points/day", at("2026-09-08T00:00:00"))
    limited = Use(meter="limit:r:awards/day", bucket=day, learner="moodle:ann", at=used.at, amount=1)
    assert approval.approve(held(then), then, now, booking.State.load([limited], {})).reason == "limit 1/day"


def test_an_approval_is_above_the_budget_and_counts_in_it() -> None:
    rules = rulebook('[budget]\npoints = "15/week"\n' + rule())
    paid, waiting = decide(rules, [event(), event(who="ben")])
    approved = approval.approve(waiting, rules, rules, booking.State.load(paid.uses, {}))
    assert approved.outcome is Outcome.awarded
    assert [(use.meter, use.amount) for use in approved.uses] == [("once:r", 1), ("budget:points/week", 10)]


def test_an_approval_of_what_lacks_its_scope_is_refused() -> None:
    rules = rulebook(rule())
    promise = held(rules, event(lesson=None, level=Trust.unverified))
    assert approval.wants(promise, rules, rules).rows == frozenset()
    refused = approval.approve(promise, rules, rules, booking.State.load((), {}))
    assert refused.reason == "no scope: the event lacks what the rule counts by"


def test_an_approval_of_what_lacks_its_scope_is_refused_of_what_can_be_undone_too() -> None:
    rules = rulebook("[period.sem1]\nfrom = 2026-10-01\nuntil = 2026-10-31\n" + rule(more=UNDONE_IN_SEM1))
    promise = held(rules, event(level=Trust.unverified))
    assert approval.wants(promise, rules, rules).rows == frozenset()
    refused = approval.approve(promise, rules, rules, booking.State.load((), {}))
    assert refused.reason == "no scope: the event lacks what the rule counts by"


def test_an_approval_asks_for_what_it_will_look_at() -> None:
    then = rulebook(rule(more='cooldown = "1h"'))
    now = rulebook('[[cap]]\nlimit = "15 points/day"\n' + rule())
    request = approval.wants(held(then), then, now)
    assert {key[0] for key in request.rows} == {"once:r", "cooldown:r:3600s"}
    assert {key[0] for key in request.totals} == {"cap:*:points/day"}
    assert request.holds == {("r", "moodle:ann", "lesson=moodle:1")}


def test_an_approved_second_recipient_is_judged_by_its_own_quotas() -> None:
    award = '[{ to = "referrer", points = 50 }, { to = "subject", points = 10 }]'
    rules = rulebook(rule(award=award, more='limit = { of = "50 points/day", for = "referrer" }'))
    one = event(people={"subject": "ann", "referrer": "ref"}, level=Trust.unverified)
    referrer, subject = decide(rules, [one])
    paid = approval.approve(subject, rules, rules, booking.State.load((), {}))
    assert [use.meter for use in paid.uses] == ["once:r"]
    other = approval.approve(referrer, rules, rules, booking.State.load((), {}))
    assert [use.meter for use in other.uses] == ["once:r", "limit:r:referrer:points/day"]


def test_an_award_of_old_takes_from_todays_quotas() -> None:
    rules = rulebook(
        '[[cap]]\ngroup = "learn"\nlimit = "25 points/month"\n[[cap]]\nlimit = "9/day"\n'
        + rule(
            more='limit = ["3/day", "3 stars/day"]\ngroup = "learn"\nbadge = "ace"', award="{ points = 10, stars = 1 }"
        )
        + "[currency.stars]\n"
    )
    when = at("2026-09-07T09:00:00")
    uses = list(history.uses_of(rules, "r", "moodle:ann", when, {"points": 10, "stars": 2}))
    assert [(use.meter, use.bucket, use.amount) for use in uses] == [
        ("limit:r:awards/day", "2026-09-07", 1),
        ("limit:r:stars/day", "2026-09-07", 2),
        ("cap:learn:points/month", "2026-09", 10),
        ("cap:*:awards/day", "2026-09-07", 1),
    ]
    assert {use.meter for use in uses} < rules.meters
    gone = history.uses_of(rules, "gone", "moodle:ann", when, {"points": 10})
    assert [use.meter for use in gone] == ["cap:*:awards/day"]


def test_an_award_of_old_is_counted_for_the_recipient_whose_currencies_fit() -> None:
    award = '[{ to = "referrer", stars = 5 }, { to = "subject", points = 10 }]'
    rules = rulebook("[currency.stars]\n" + rule(award=award, more='limit = { of = "9/day", for = "subject" }'))
    when = at("2026-09-07T09:00:00")
    assert [use.meter for use in history.uses_of(rules, "r", "moodle:ann", when, {"points": 10})] == [
        "limit:r:subject:awards/day"
    ]
    assert list(history.uses_of(rules, "r", "moodle:ref", when, {"stars": 5})) == []
    assert list(history.uses_of(rules, "r", "moodle:ref", when, {"other": 5})) == []


def test_judging_needs_no_state_and_changes_nothing() -> None:
    rules = rulebook(rule())
    assert evaluate.judge(event(), rules) == evaluate.judge(event(), rules)


def test_what_no_rule_promised_cannot_be_approved() -> None:
    with pytest.raises(InvalidInputError, match="have no rule r"):
        approval.wants(held(rulebook(rule())), rulebook(rule(name="other")), rulebook(rule()))
