"""once_per, frequency, cooldown, limit, cap, budget and badges: at most so many, in any order of arrival."""

from __future__ import annotations

import pytest

from agent.engine import booking, evaluate
from agent.model import Event, HoldKind, Outcome, Trust, Use
from tests.rule_stories import at, decide, event, line, play, rule, rulebook

SEM1 = "[period.sem1]\nfrom = 2026-09-01\nuntil = 2026-09-30\n"

ONCE: list[tuple[str, Event, Event, bool]] = [
    ("ever", event(), event(lesson="2"), False),
    ("lesson", event(), event(when="2027-09-07T09:00:00"), False),
    ("lesson", event(), event(lesson="2"), True),
    ("section", event(), event(lesson="2"), False),
    ("section", event(), event(section="2"), True),
    ("course", event(), event(section="2"), False),
    ("course", event(), event(course="2"), True),
    ("post", event(post="1"), event(post="1", key="again"), False),
    ("post", event(post="1"), event(post="2"), True),
    ("badge", event(obj=("badge", "1")), event(obj=("badge", "1"), key="again"), False),
    ("badge", event(obj=("badge", "1")), event(obj=("badge", "2")), True),
    ("day", event(), event(when="2026-09-07T23:59:59"), False),
    ("day", event(), event(when="2026-09-08T00:00:00"), True),
    ("week", event(), event(when="2026-09-13T23:59:59"), False),
    ("week", event(), event(when="2026-09-14T00:00:00"), True),
    ("month", event(), event(when="2026-09-30T23:59:59"), False),
    ("month", event(), event(when="2026-10-01T00:00:00"), True),
    ("year", event(), event(when="2026-12-31T23:59:59"), False),
    ("year", event(), event(when="2027-01-01T00:00:00"), True),
    ("sem1", event(), event(when="2026-09-30T23:59:59"), False),
    ("subject", event(), event(lesson="2"), False),
    ("event", event(), event(key="another"), True),
]


@pytest.mark.parametrize(("scope", "first", "second", "again"), ONCE)
def test_once_per_pays_once_in_each_scope(scope: str, first: Event, second: Event, again: bool) -> None:
    told = "ann +10 points" if again else f"ann refused once_per {scope}"
    assert play(SEM1 + rule(more=f'once_per = "{scope}"'), first, second) == ["ann +10 points", told]


def test_a_list_of_scopes_is_their_combination() -> None:
    rules = rule(more='once_per = ["lesson", "day"]')
    assert play(rules, event(), event(when="2026-09-07T10:00:00"), event(when="2026-09-08T10:00:00")) == [
        "ann +10 points",
        "ann refused once_per lesson+day",
        "ann +10 points",
    ]


def test_once_per_subject_is_once_for_each_person_somebody_was_paid_for() -> None:
    rules = rule("course.enrolled", 'recipient = "referrer"\nonce_per = "subject"')
    events = [
        event("course.enrolled", people={"subject": who, "referrer": "ref"}, course=course)
        for who, course in (("ann", "1"), ("ann", "2"), ("ben", "1"))
    ]
    assert play(rules, *events) == ["ref +10 points", "ref refused once_per subject", "ref +10 points"]


DEFAULTS: list[tuple[str, Event, str]] = [
    ("lesson.completed", event(key="2", course="9"), "lesson"),
    ("quiz.submitted", event("quiz.submitted", key="2"), "lesson"),
    ("assignment.submitted", event("assignment.submitted", key="2"), "lesson"),
    ("grade.awarded", event("grade.awarded", key="2"), "lesson"),
    ("survey.submitted", event("survey.submitted", key="2"), "lesson"),
    ("course.completed", event("course.completed", key="2"), "course"),
    ("forum.posted", event("forum.posted", key="2", post="1"), "post"),
    ("badge.awarded", event("badge.awarded", key="2", obj=("badge", "1")), "badge"),
    ("user.logged_in", event("user.logged_in", key="2"), "day"),
]


@pytest.mark.parametrize(("kind", "second", "scope"), DEFAULTS)
def test_every_kind_has_its_own_default_of_once_per(kind: str, second: Event, scope: str) -> None:
    first = event(kind, post="1", obj=("badge", "1"))
    assert play(rule(kind), first, second) == ["ann +10 points", f"ann refused once_per {scope}"]


def test_everything_else_is_once_per_event_and_a_list_of_kinds_keeps_each_default() -> None:
    name = r"\mod_choice\event\answer_created"
    other = f"[[rule]]\nid = \"r\"\non = '{name}'\naward = 10\n"
    answers = [event(None, lms_event=name, key=key) for key in ("1", "2")]
    assert play(other, *answers) == ["ann +10 points"] * 2
    both = '[[rule]]\nid = "r"\non = ["lesson.completed", "course.completed"]\naward = 10\n'
    scopes = [decision.scope for decision in decide(rulebook(both), [event(), event("course.completed")])]
    assert scopes == ["lesson=moodle:1", "course=moodle:1"]


def test_frequency_is_so_many_awards_ever_in_each_scope() -> None:
    rules = rule(more='once_per = "course"\nfrequency = 2')
    told = play(rules, *(event(lesson=str(n)) for n in range(3)), event(course="2"))
    assert told == ["ann +10 points"] * 2 + ["ann refused frequency 2 per course", "ann +10 points"]
    decided = decide(rulebook(rules), (event(lesson=str(n)) for n in range(2)))
    assert [decision.generation for decision in decided] == [0, 1]


def test_the_fourth_award_of_a_day_is_refused_until_the_next_day_starts() -> None:
    rules = f'schema = 1\ntimezone = "Africa/Johannesburg"\nday_starts_at = "04:00"\n{rule(more=_limit("3/day"))}'
    events = [event(when=f"2026-09-07T{hour}:00:00", lesson=hour) for hour in ("09", "10", "11", "12")]
    night, morning = event(when="2026-09-08T03:59:59", lesson="x"), event(when="2026-09-08T04:00:00", lesson="x")
    decided = decide(rulebook(rules), [*events, night, morning])
    assert [line(decision) for decision in decided] == [
        *["ann +10 points"] * 3,
        *["ann refused limit 3/day"] * 2,
        "ann +10 points",
    ]
    assert decided[3].until == at("2026-09-08T04:00:00")


def _limit(text: str) -> str:
    return f'limit = "{text}"'


UNTIL = [
    ("1/week", "2026-09-14T00:00:00"),
    ("1/month", "2026-10-01T00:00:00"),
    ("1/year", "2027-01-01T00:00:00"),
    ("1/sem1", "2026-10-01T00:00:00"),
    ("1/ever", None),
    ("1/7d", "2026-09-14T09:00:00"),
    ("1/12h", "2026-09-07T21:00:00"),
]


@pytest.mark.parametrize(("limit", "until"), UNTIL)
def test_a_refusal_says_until_when(limit: str, until: str | None) -> None:
    decided = decide(rulebook(SEM1 + rule(more=_limit(limit))), [event(), event(lesson="2")])
    assert decided[1].reason == f"limit {limit}"
    assert decided[1].until == (at(until) if until else None)


def test_a_rolling_window_is_half_open() -> None:
    rules = rule(more=_limit("1/7d"))
    start = at("2026-09-07T09:00:00")
    events = [event(when=start + offset, lesson=str(offset)) for offset in (0, 604_799, 604_800)]
    assert play(rules, *events) == ["ann +10 points", "ann refused limit 1/7d", "ann +10 points"]


def test_a_late_event_is_checked_against_every_window_that_contains_it() -> None:
    rules = rule(more=_limit("2/7d"))
    start = at("2026-09-07T09:00:00")
    days = (0, 6, 10, 3)
    told = play(rules, *(event(when=start + day * 86_400, lesson=str(day)) for day in days))
    assert told == ["ann +10 points"] * 3 + ["ann refused limit 2/7d"]


def test_limits_are_for_each_learner_and_rule() -> None:
    rules = rule(more=_limit("1/day")) + rule(name="s", more=_limit("1/day"))
    assert play(rules, event(), event(who="ben")) == ["ann +10 points"] * 2 + ["ben +10 points"] * 2


def test_amounts_are_limited_and_what_would_exceed_is_refused_whole() -> None:
    rules = rule(more=_limit("25 points/day"))
    assert play(rules, *(event(lesson=str(n)) for n in range(3))) == [
        "ann +10 points",
        "ann +10 points",
        "ann refused limit 25 points/day",
    ]


def test_an_award_larger_than_its_limit_is_refused_for_ever() -> None:
    (decision,) = decide(rulebook(rule(more=_limit("5 points/7d"))), [event()])
    assert (decision.reason, decision.until) == ("limit 5 points/7d", None)


def test_trim_pays_what_fits_and_refuses_when_nothing_does() -> None:
    rules = rule(more='limit = { of = "25 points/day", over = "trim" }')
    assert play(rules, *(event(lesson=str(n)) for n in range(4))) == [
        "ann +10 points",
        "ann +10 points",
        "ann +5 points",
        "ann refused limit 25 points/day",
    ]


def test_trim_leaves_other_currencies_alone() -> None:
    rules = "[currency.stars]\n" + rule(
        award="{ points = 10, stars = 1 }", more='limit = { of = "15 points/day", over = "trim" }'
    )
    told = play(rules, *(event(lesson=str(n)) for n in range(3)))
    assert told == ["ann +10 points +1 stars", "ann +5 points +1 stars", "ann +1 stars"]


def test_a_trimmed_award_is_counted_as_what_was_paid_and_a_tighter_limit_refuses_first() -> None:
    rules = rule(more='limit = [{ of = "15 points/day", over = "trim" }, "20 points/week"]')
    days = ("2026-09-07", "2026-09-07", "2026-09-08")
    told = play(rules, *(event(when=f"{day}T09:00:00", lesson=str(n)) for n, day in enumerate(days)))
    assert told == ["ann +10 points", "ann +5 points", "ann refused limit 20 points/week"]


def test_limits_and_caps_are_asked_in_their_order_so_one_that_refuses_is_not_helped_by_a_later_one_that_trims() -> None:
    trims = '[[cap]]\nlimit = { of = "5 points/day", over = "trim" }\n'
    assert play(trims + rule(more='limit = "8 points/day"'), event()) == ["ann refused limit 8 points/day"]
    assert play(trims + rule(more='limit = { of = "9 points/day", over = "trim" }'), event()) == ["ann +5 points"]
    either_way = (
        '[{ of = "5 points/day", over = "trim" }, "8 points/7d"]',
        '["8 points/7d", { of = "5 points/day", over = "trim" }]',
    )
    told = [play(rule(more=f"limit = {limits}"), event()) for limits in either_way]
    assert told == [["ann +5 points"], ["ann refused limit 8 points/7d"]]


def test_once_per_is_the_reason_before_a_trimmed_limit() -> None:
    rules = rule(more='limit = { of = "10 points/day", over = "trim" }')
    assert play(rules, event(), event(key="2")) == ["ann +10 points", "ann refused once_per lesson"]


def test_a_list_of_limits_is_asked_in_order() -> None:
    rules = rule(more='limit = ["2/day", "3/week"]')
    days = ("07", "07", "07", "08", "08")
    told = play(rules, *(event(when=f"2026-09-{day}T09:00:00", lesson=str(n)) for n, day in enumerate(days)))
    assert told[2:] == ["ann refused limit 2/day", "ann +10 points", "ann refused limit 3/week"]


def test_a_limit_for_one_recipient_leaves_the_other_alone() -> None:
    award = '[{ to = "referrer", points = 50 }, { to = "subject", points = 10 }]'
    rules = rule(award=award, more='limit = { of = "50 points/30d", for = "referrer" }\nonce_per = "event"')
    events = [event(key=who, people={"subject": who, "referrer": "ref"}) for who in ("ann", "ben")]
    assert play(rules, *events) == [
        "ref +50 points",
        "ann +10 points",
        "ref refused limit 50 points/30d",
        "ben +10 points",
    ]


def test_a_limit_in_a_period_does_not_touch_what_happens_outside_it() -> None:
    rules = SEM1 + rule(more=_limit("1/sem1"))
    inside = [event(lesson=str(n)) for n in range(2)]
    outside = [event(when="2026-10-01T09:00:00", lesson=str(n)) for n in range(2, 4)]
    assert play(rules, *inside, *outside) == ["ann +10 points", "ann refused limit 1/sem1", *["ann +10 points"] * 2]


def test_a_cooldown_looks_both_ways_and_ends_on_the_second() -> None:
    rules = rule(more='cooldown = "7d"')
    start = at("2026-09-07T09:00:00")
    decided = decide(
        rulebook(rules),
        [event(when=start + offset, lesson=str(offset)) for offset in (0, 604_799, -604_799, 604_800, -604_800)],
    )
    assert [line(decision) for decision in decided] == [
        "ann +10 points",
        *["ann refused cooldown 7d"] * 2,
        *["ann +10 points"] * 2,
    ]
    assert decided[1].until == start + 604_800


def test_a_reversed_award_frees_its_scope_as_a_new_generation_but_not_the_cooldown() -> None:
    rules = rulebook(rule(more='cooldown = "7d"'))
    first = decide(rules, [event()])[0]
    freed = [_freed(use) for use in first.uses]
    verdicts = evaluate.judge(event(when="2026-09-20T09:00:00"), rules)
    (later,) = booking.book(verdicts, booking.State.load(freed, {}), shadow=False)
    assert (later.outcome, later.generation) == (Outcome.awarded, 1)
    soon = evaluate.judge(event(when="2026-09-08T09:00:00"), rules)
    (sooner,) = booking.book(soon, booking.State.load(freed, {}), shadow=False)
    assert sooner.reason == "cooldown 7d"


def _freed(use: Use) -> Use:
    return Use(
        meter=use.meter,
        bucket=use.bucket,
        learner=use.learner,
        at=use.at,
        amount=use.amount,
        slot=use.slot,
        freed=True,
    )


CAP = '[[cap]]\ngroup = "learn"\nlimit = "25 points/month"\n'


def test_a_cap_is_consumed_by_all_rules_of_its_group_in_file_order() -> None:
    rules = CAP + "".join(rule(name=name, more='group = "learn"') for name in ("a", "b", "c")) + rule(name="free")
    assert play(rules, event()) == [
        "ann +10 points",
        "ann +10 points",
        "ann refused cap 25 points/month",
        "ann +10 points",
    ]


def test_a_cap_without_a_group_is_over_all_rules_and_can_trim_and_count_awards() -> None:
    caps = '[[cap]]\nlimit = [{ of = "15 points/day", over = "trim" }, "3/day"]\n'
    rules = caps + rule(name="a") + rule(name="b")
    assert play(rules, event()) == ["ann +10 points", "ann +5 points"]


def test_a_budget_of_one_rule_holds_what_that_rule_issues_beyond_it_and_no_other() -> None:
    rules = rulebook(rule(more='budget = ["15 points/week", "2/day"]') + rule(name="other"))
    found = decide(rules, [event(), event(who="ben")])
    assert [(one.rule_id, one.outcome.name, one.reason) for one in found] == [
        ("r", "awarded", ""),
        ("other", "awarded", ""),
        ("r", "held", "budget 15 points/week of r"),
        ("other", "awarded", ""),
    ]
    meters = {(use.meter, use.learner) for use in found[0].uses if use.meter.startswith("budget")}
    assert meters == {("budget:r:points/week", ""), ("budget:r:awards/day", "")}


def test_what_exceeds_the_budget_is_held_and_counts_everybody() -> None:
    rules = rulebook('[budget]\npoints = "15/week"\n' + rule())
    paid, held = decide(rules, [event(), event(who="ben")])
    assert (paid.outcome, held.outcome, held.hold) == (Outcome.awarded, Outcome.held, HoldKind.budget)
    assert held.reason == "budget 15 points/week"
    assert [use.learner for use in paid.uses if use.meter.startswith("budget")] == [""]


def test_a_learner_has_a_badge_once_whatever_rule_gives_it() -> None:
    only = '[[rule]]\nid = "only"\non = "lesson.completed"\nbadge = "ace"\n'
    rules = only + rule(name="more", more='badge = "ace"')
    assert play(rules, event(), event(lesson="2")) == [
        "ann +1 badge:ace",
        "ann +10 points",
        "ann refused already has the badge",
        "ann +10 points",
    ]


def test_a_refused_fact_uses_nothing_and_may_earn_when_it_recurs() -> None:
    rules = rule(more='conditions = { score_pct = ">=80" }\nlimit = "1/day"')
    low, high = event(facts={"score_pct": 10}), event(key="2", facts={"score_pct": 90})
    assert play(rules, low, high) == ["ann refused condition score_pct >=80", "ann +10 points"]


def test_currencies_with_decimals_are_paid_in_their_smallest_unit() -> None:
    head = '[currency.coin]\ndecimals = 2\n[[cap]]\nlimit = "1 coin/day"\n'
    rules = head + rule(award="{ coin = 0.75 }")
    assert play(rules, event(), event(lesson="2")) == ["ann +75 coin", "ann refused cap 1 coin/day"]


def test_an_award_of_nothing_is_an_award_without_postings() -> None:
    assert play(rule(award="0"), event(), event(key="2")) == ["ann nothing", "ann refused once_per lesson"]


def test_shadow_limits_itself_and_touches_nothing_live() -> None:
    rules = rule(name="live", more='limit = "1/day"') + rule(name="try", more='limit = "1/day"\nmode = "shadow"')
    told = play(rules, event(), event(lesson="2"))
    assert told == [
        "ann +10 points",
        "ann would get +10 points",
        "ann refused limit 1/day",
        "ann refused limit 1/day",
    ]
    decided = decide(rulebook(rules), [event()])
    assert {use.meter.startswith("shadow/") for use in decided[1].uses} == {True}
    assert not any(use.meter.startswith("shadow/") for use in decided[0].uses)


def test_uses_name_the_meter_the_bucket_and_the_learner() -> None:
    more = 'limit = ["3/day", "20 points/7d"]\ncooldown = "1h"\ngroup = "learn"\nbadge = "ace"'
    (decision,) = decide(rulebook(CAP + rule(more=more)), [event()])
    when = at("2026-09-07T09:00:00")
    assert [(use.meter, use.bucket, use.amount, use.slot) for use in decision.uses] == [
        ("once:r", "lesson=moodle:1", 1, 0),
        ("cooldown:r:3600s", str(when // 3600), 1, -1),
        ("limit:r:awards/day", "2026-09-07", 1, -1),
        ("limit:r:points/604800s", str(when // 604_800), 10, -1),
        ("badge:ace", "", 1, -1),
        ("cap:learn:points/month", "2026-09", 10, -1),
    ]
    assert {use.learner for use in decision.uses} == {"moodle:ann"}


def test_two_limits_over_one_meter_count_an_award_once() -> None:
    (decision,) = decide(rulebook(rule(more='limit = ["3/day", "2/day"]')), [event()])
    assert [use.meter for use in decision.uses] == ["once:r", "limit:r:awards/day"]


def test_a_trusted_award_closes_the_holds_of_its_scope_also_those_of_its_own_page() -> None:
    rules = rulebook(rule())
    verdicts = [
        *evaluate.judge(event(lesson="2"), rules),
        *evaluate.judge(event(level=Trust.unverified), rules),
        *evaluate.judge(event(level=Trust.unverified, key="again"), rules),
        *evaluate.judge(event(), rules),
    ]
    request = booking.wants(verdicts)
    key = ("r", "moodle:ann", "lesson=moodle:1")
    assert key in request.holds
    decisions = booking.book(verdicts, booking.State.load((), {key: (41, 42)}), shadow=False)
    assert [decision.outcome.name for decision in decisions] == ["awarded", "held", "held", "awarded"]
    assert decisions[3].supersedes == (41, 42, -2, -3)
    assert decisions[0].supersedes == ()


def test_state_is_asked_for_in_rows_where_single_uses_matter_and_in_totals_where_sums_do() -> None:
    rules = rulebook(CAP + rule(more='limit = "3/day"\ncooldown = "1h"\ngroup = "learn"'))
    request = booking.wants(evaluate.judge(event(), rules))
    hour = at("2026-09-07T09:00:00") // 3600
    assert request.rows == {
        ("once:r", "lesson=moodle:1", "moodle:ann"),
        *(("cooldown:r:3600s", str(hour + step), "moodle:ann") for step in (-1, 0, 1)),
    }
    assert request.totals == {
        ("limit:r:awards/day", "2026-09-07", "moodle:ann"),
        ("cap:learn:points/month", "2026-09", "moodle:ann"),
    }
    shadow = booking.wants(evaluate.judge(event(), rules), shadow=True)
    assert {key[0].partition("/")[0] for key in shadow.rows | shadow.totals} == {"shadow"}
    assert shadow.holds == frozenset()
    refused = evaluate.judge(event(mark="guest"), rules)
    assert booking.wants(refused) == booking.wants(())
