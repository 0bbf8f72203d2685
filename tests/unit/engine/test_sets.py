"""Awards that are decided from sets: streaks, crossings, momentum, spaced learning, the first time, comebacks."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from agent.config.document import FaultsError
from agent.engine import booking, evaluate
from agent.engine.explain import rule_sentences
from agent.engine.review import approval
from agent.model import Event, Fact, Outcome, Trust
from tests.rule_stories import at, decide, event, file, line, play, rule, rulebook

DAY = 86_400
MONDAY = at("2026-09-07T09:00:00")


def on(*days: int, hour: int = 0) -> list[Event]:
    """One act on each of these days after a monday."""
    return [event(when=MONDAY + day * DAY + hour * 3600, lesson=f"{day}-{hour}") for day in days]


def paid(text: str, events: Iterable[Event]) -> list[int]:
    """The numbers (from 0) of the events that were paid."""
    return [n for n, made in enumerate(decide(rulebook(text), events)) if made.outcome is Outcome.awarded]


def streak(spec: str, more: str = "") -> str:
    return rule(more=f"streak = {{ {spec} }}\n{more}", award="20")


WEEKLY = streak('days = 5, in = "week"')


def test_five_days_of_a_week_pay_once_at_the_fifth() -> None:
    assert play(WEEKLY, *on(0, 1, 1, 3, 4, 5, 6))[-4:] == [
        "ann refused streak 3 of 5 days",
        "ann refused streak 4 of 5 days",
        "ann +20 points",
        "ann refused once_per week",
    ]
    assert paid(WEEKLY, on(3, 4, 5, 6, 7, 8, 9)) == []


def test_days_that_arrive_late_complete_the_week_all_the_same() -> None:
    assert paid(WEEKLY, on(6, 4, 2, 8, 0, 1)) == [5]


def test_a_period_and_a_repeated_streak_within_it() -> None:
    head = "[period.sem1]\nfrom = 2026-09-07\nuntil = 2026-09-20\n"
    assert paid(head + streak('days = 2, in = "sem1", repeat = true'), on(0, 1, 2, 3, 13, 14)) == [1, 3]
    assert play(head + streak('days = 2, in = "sem1"'), *on(14)) == ["ann refused no sem1"]


def test_days_in_a_row_are_broken_by_a_missed_one() -> None:
    assert paid(streak("days = 3"), on(0, 1, 3, 4, 5, 6, 7, 8)) == [4]
    assert paid(streak("days = 3, repeat = true"), on(0, 1, 3, 4, 5, 6, 7, 8)) == [4, 7]


def test_a_late_day_that_joins_two_runs_pays_what_was_due_and_no_more() -> None:
    twice = streak("days = 2, repeat = true")
    assert paid(twice, on(0, 1, 3, 4, 2)) == [1, 3]
    assert paid(twice, on(0, 1, 2, 3, 4)) == [1, 3]
    assert paid(twice, on(0, 2, 1, 3)) == [2, 3]


def test_closed_days_neither_count_nor_break() -> None:
    head = '[calendar]\nclosed = ["2026-09-09..2026-09-10"]\n'
    assert play(head + streak("days = 3"), *on(0, 1, 2, 4)) == [
        "ann refused streak 1 of 3 days",
        "ann refused streak 2 of 3 days",
        "ann refused closed day",
        "ann +20 points",
    ]


def test_days_on_which_a_rule_is_not_active_do_not_break_its_streak() -> None:
    weekdays = 'active = { days = ["mon", "tue", "wed", "thu", "fri"] }'
    assert paid(streak("days = 6", weekdays), on(0, 1, 2, 3, 4, 7)) == [5]


def test_a_closed_week_does_not_break_a_run_of_weeks() -> None:
    head = '[calendar]\nclosed = ["2026-09-14..2026-09-20"]\n'
    assert paid(head + streak("weeks = 2"), on(0, 15)) == [1]
    assert paid(streak("weeks = 2"), on(0, 15)) == []


def test_weeks_need_their_days_and_forgive_what_they_may() -> None:
    each = streak("weeks = 2, each = { days = 2 }")
    assert paid(each, on(0, 1, 7, 8)) == [3]
    assert paid(each, on(0, 7, 8)) == []
    forgiving = streak('weeks = 3, forgive = { weeks = 1, per = "year" }')
    assert paid(forgiving, on(0, 7, 21)) == [2]
    assert paid(forgiving, on(0, 14, 28)) == []
    assert paid(streak('weeks = 3, forgive = { weeks = 1, per = "month" }'), on(7, 21, 35)) == [2]


def test_nothing_is_forgiven_outside_the_period() -> None:
    head = "[period.sem1]\nfrom = 2026-09-07\nuntil = 2026-09-20\n"
    spec = streak('weeks = 3, forgive = { weeks = 1, per = "sem1" }')
    assert paid(head + spec, on(0, 14, 21)) == [2]
    assert paid(head + spec, on(0, 7, 21)) == []


def test_months_are_counted_too() -> None:
    assert paid(streak("months = 3"), on(0, 30, 60)) == [2]


def test_a_night_owls_day_and_the_clock_change_count_once() -> None:
    head = 'schema = 1\ntimezone = "Europe/Berlin"\nday_starts_at = "04:00"\n'
    times = ["2026-10-24T12:00:00", "2026-10-25T02:30:00", "2026-10-25T03:59:00", "2026-10-25T04:00:00"]
    events = [event(when=at(time, "Europe/Berlin"), key=time) for time in (*times, "2026-10-26T03:59:59")]
    assert play(head + streak("days = 2"), *events) == [
        "ann refused streak 1 of 2 days",
        "ann refused streak 1 of 2 days",
        "ann refused streak 1 of 2 days",
        "ann +20 points",
        "ann refused once_per ever",
    ]


def test_after_a_streak_that_repeats_each_day_tells_how_far_the_next_one_is() -> None:
    again = streak("days = 2, repeat = true")
    assert play(again, *on(0, 1, 2, 3, 4)) == [
        "ann refused streak 1 of 2 days",
        "ann +20 points",
        "ann refused streak 1 of 2 days",
        "ann +20 points",
        "ann refused streak 1 of 2 days",
    ]


CROSSES = rule(more="crosses = { section_progress_pct = 80 }")


def progress(value: Fact | None, lesson: str = "1", *, section: str = "1", day: int = 0) -> Event:
    facts = {} if value is None else {"section_progress_pct": value}
    return event(when=MONDAY + day * DAY, lesson=lesson, section=section, facts=facts, key=str(value))


def test_the_act_that_lifts_it_over_is_paid_and_no_later_one() -> None:
    events = [progress(60), progress(80, "2"), progress(60, "3"), progress(90, "4"), progress(85, "5", section="2")]
    assert play(CROSSES, progress(None), *events) == [
        "ann refused no section_progress_pct",
        "ann refused crosses section_progress_pct 80 (seen 60)",
        "ann +10 points",
        "ann refused crosses section_progress_pct 80 (seen 60)",
        "ann refused crossed section_progress_pct 80 already",
        "ann +10 points",
    ]


def test_a_crossing_that_a_limit_refused_is_not_paid_by_the_next_act() -> None:
    other = progress(100, "9", section="2")
    limited = CROSSES + 'limit = "1/day"\n'
    assert play(limited, progress(100), other, progress(90, "8", section="2", day=1)) == [
        "ann +10 points",
        "ann refused limit 1/day",
        "ann refused crossed section_progress_pct 80 already",
    ]


def test_a_crossing_of_another_fact_is_once_per_what_the_kind_is() -> None:
    text = rule("quiz.submitted", "crosses = { score_pct = 50 }")
    events = [event("quiz.submitted", lesson=n, key=k, facts={"score_pct": 70}) for n, k in (("1", "a"), ("1", "b"))]
    assert play(text, *events) == ["ann +10 points", "ann refused crossed score_pct 50 already"]


def test_momentum_needs_different_lessons_within_the_time_in_any_order() -> None:
    text = rule(more='momentum = { lessons = 3, within = "2h" }')
    hours = [(0, "1"), (1, "2"), (1, "2"), (2, "3"), (2, "4")]
    events = [event(when=MONDAY + h * 3600 + n, lesson=lesson) for n, (h, lesson) in enumerate(hours)]
    assert play(text, *events)[-2:] == ["ann refused momentum 2 of 3 lessons", "ann +10 points"]
    assert len(paid(text, reversed(events))) == 1
    assert play(text, event(lesson=None)) == ["ann refused no lesson"]


def test_momentum_can_repeat_within_a_day() -> None:
    text = rule(more='momentum = { lessons = 2, within = "1h", repeat = true }')
    assert paid(text, [event(when=MONDAY + n * 60, lesson=str(n)) for n in range(5)]) == [1, 3]


def test_momentum_goes_on_over_midnight_and_no_lesson_counts_twice() -> None:
    late = MONDAY + 14 * 3600 + 2400  # twenty to midnight, where MONDAY is nine in the morning
    text = rule(more='momentum = { lessons = 2, within = "2h" }')
    over = [event(when=late, lesson="1"), event(when=late + 2400, lesson="2")]
    assert [decision.outcome.name for decision in decide(rulebook(text), over)] == ["refused", "awarded"]
    assert len(paid(text, reversed(over))) == 1
    # The lesson of twenty to midnight belongs to Monday's award: Tuesday needs two of its own.
    three = [event(when=late - 1200, lesson="0"), *over]
    assert paid(text, three) == [1]
    assert paid(text, [*three, event(when=late + 3000, lesson="3")]) == [1, 3]


def test_momentum_pays_once_a_day_and_the_rest_of_a_day_counts_for_the_next() -> None:
    late = MONDAY + 14 * 3600
    text = rule(more='momentum = { lessons = 2, within = "2h" }')
    acts = [event(when=late + n * 1200, lesson=str(n)) for n in range(4)]
    assert play(text, *acts)[-1] == "ann +10 points"
    assert paid(text, acts) == [1, 3]
    inside = [event(when=MONDAY + n * 60, lesson=str(n)) for n in range(4)]
    assert play(text, *inside)[-1] == "ann refused momentum once a day"


def test_an_award_that_a_cap_refused_is_not_given_for_a_lesson_by_itself() -> None:
    text = rule(more='momentum = { lessons = 2, within = "2h" }')
    rules = rulebook('[[cap]]\nlimit = "10 points/day"\n' + rule(name="other", award="10") + text)
    acts = [event(when=MONDAY + n * 60, lesson=str(n)) for n in range(2)]
    later = event(when=MONDAY + 5 * DAY, lesson="9")
    told = [d.reason for d in decide(rules, [*acts, later]) if d.rule_id == "r"]
    assert told == ["momentum 1 of 2 lessons", "cap 10 points/day", "momentum 1 of 2 lessons"]


def test_spaced_learning_needs_separate_days_of_the_same_course() -> None:
    text = rule(more="spaced = { days = 3, apart = 2 }")
    assert paid(text, on(0, 1, 2, 3, 4, 9)) == [4]
    other = [event(when=MONDAY + n * DAY, course=str(n)) for n in range(5)]
    assert play(text, *other)[-1] == "ann refused spaced 1 of 3 days"


def test_the_first_is_the_first_also_where_it_was_not_paid() -> None:
    assert play(rule(more="first = true"), *on(0, 1)) == ["ann +10 points", "ann refused not the first"]
    capped = '[[cap]]\nlimit = "5 points/day"\n' + rule(more="first = true")
    assert play(capped, *on(0, 1)) == ["ann refused cap 5 points/day", "ann refused not the first"]


def test_a_comeback_is_paid_once_for_each_absence() -> None:
    text = rule(more='comeback = "3d"')
    assert paid(text, on(0, 2, 6, 6, 7, 11)) == [2, 5]
    assert play(text, *on(0, 2))[-1] == "ann refused comeback after 1 of 3 days away"
    assert play(text, *on(0, 4, 4, 5))[-2:] == [
        "ann refused comeback already",
        "ann refused comeback after 0 of 3 days away",
    ]
    closed = '[calendar]\nclosed = ["2026-09-10"]\n'
    assert paid(closed + text, on(0, 4)) == []


def test_shadow_and_refused_acts_keep_the_same_sets() -> None:
    made = decide(rulebook(streak("days = 2", 'mode = "shadow"')), on(0, 1))
    assert [made[1].outcome, *(note.meter for one in made for note in one.notes)] == [Outcome.shadow, *["days:r"] * 2]


def test_a_held_day_counts_only_once_it_is_approved() -> None:
    rules = rulebook(streak("days = 2"))
    state = booking.State.load((), {})
    low = event(when=MONDAY, level=Trust.unverified)
    (held,) = booking.book(evaluate.judge(low, rules), state, shadow=False)
    assert (held.outcome, held.notes) == (Outcome.held, ())
    refused = approval.approve(held, rules, rules, booking.State.load((), {}))
    assert line(refused) == "ann refused streak 1 of 2 days"
    after = booking.State.load(refused.notes, {})
    late = [event(when=MONDAY + DAY, level=Trust.unverified)]
    (second,) = booking.book(evaluate.judge(late[0], rules), after, shadow=False)
    request = approval.wants(second, rules, rules)
    assert ("days:r", "ever", "moodle:ann") in request.rows
    assert line(approval.approve(second, rules, rules, booking.State.load(refused.notes, {}))) == "ann +20 points"


def test_a_streak_over_the_budget_is_held_with_its_day_kept_and_can_be_approved() -> None:
    rules = rulebook('[budget]\npoints = "5/week"\n' + streak("days = 1, repeat = true"))
    (held,) = decide(rules, on(0))
    assert (held.outcome, len(held.notes)) == (Outcome.held, 1)
    assert line(approval.approve(held, rules, rules, booking.State.load(held.notes, {}))) == "ann +20 points"
    crossed = rulebook('[budget]\npoints = "5/week"\n' + CROSSES)
    (over,) = decide(crossed, [progress(80)])
    assert line(approval.approve(over, crossed, crossed, booking.State.load(over.notes, {}))) == "ann +10 points"


def test_the_sources_are_asked_for_what_a_form_looks_at() -> None:
    assert {"section_progress_pct", "section"} <= rulebook(CROSSES).demand.facts
    assert "section" in rulebook(rule(more='spaced = { days = 2, of = "section" }')).demand.facts


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('streak = { days = 5, in = "week" }', "Needs 5 days within one week."),
        (
            'streak = { weeks = 4, each = { days = 2 }, forgive = { weeks = 1, per = "year" }, repeat = true }',
            "Needs 4 weeks with acts on 2 days each in a row; 1 missed in each year do no harm.",
        ),
        ("streak = { days = 5, repeat = true }", "Pays for each such streak."),
        ("crosses = { section_progress_pct = 80 }", "Only the act that lifts section_progress_pct to 80."),
        ('momentum = { lessons = 3, within = "2h" }', "Needs 3 different lessons within 2h."),
        ('momentum = { lessons = 3, within = "2h" }', "Pays once a day."),
        ('momentum = { lessons = 3, within = "2h", repeat = true }', "Pays each time."),
        ("spaced = { days = 3 }", "Needs the same course on 3 days."),
        (
            "spaced = { days = 3, apart = 2 }",
            "Needs the same course on 3 days, each at least 2 days after the one before.",
        ),
        ("first = true", "Only the first time."),
        ('comeback = "30d"', "Only after 30 days without."),
    ],
)
def test_each_form_is_told_in_a_sentence(more: str, said: str) -> None:
    rules = rulebook(rule(more=more))
    assert said in rule_sentences(rules.rules[0], rules)


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("streak = { }", "a streak counts days, weeks or months"),
        ("streak = { days = 5, weeks = 1 }", "a streak counts days, weeks or months"),
        ("streak = { days = 5, each = { days = 2 } }", "a day is one day"),
        ('streak = { weeks = 5, in = "week" }', "weeks are not counted in a week"),
        ('streak = { days = 8, in = "week" }', "a week has no 8 days"),
        ('streak = { months = 13, in = "year" }', "a year has no 13 months"),
        ("streak = { weeks = 4, each = { days = 8 } }", "a week has no 8 days"),
        ('streak = { days = 5, in = "sem9" }', "unknown window 'sem9'"),
        ('streak = { days = 5, in = "week", forgive = { days = 1, per = "week" } }', "there is nothing to forgive"),
        ('streak = { days = 5, forgive = { weeks = 1, per = "week" } }', "a streak of days forgives days"),
        ('streak = { days = 5, forgive = { days = 1, per = "sem9" } }', "unknown window 'sem9'"),
        ('streak = { weeks = 4, forgive = { weeks = 1, per = "week" } }', "every missed week of a week is forgiven"),
        ('streak = { days = 5, forgive = { days = 7, per = "week" } }', "every missed day of a week is forgiven"),
        ('streak = { days = 5 }\nonce_per = "week"', "`streak` brings its own once_per"),
        ("streak = { days = 5 }\nfrequency = 2", "`streak` is paid once"),
        ("streak = { days = 5 }\nfirst = true", "`streak` and `first` in one rule"),
        ("crosses = 80", "a crossing is one fact and a number"),
        ('crosses = { section_progress_pct = "much" }', "'much' is not a number"),
        ('momentum = { lessons = 3, within = "25h" }', "momentum is lessons within hours"),
        ('comeback = "36h"', "'36h' is not a number of whole days"),
    ],
)
def test_a_form_that_cannot_be_is_told(more: str, fault: str) -> None:
    with pytest.raises(FaultsError, match=fault):
        file(rule(more=more))


def test_a_form_pays_one_recipient() -> None:
    award = '[{ to = "subject", points = 1 }, { to = "actor", points = 1 }]'
    with pytest.raises(FaultsError, match="`first` pays one recipient"):
        file(rule(more="first = true", award=award))


def test_a_crossing_of_a_fact_that_nobody_supplies_is_warned_of() -> None:
    warned = file(rule(more="crosses = { score_pct = 80 }")).warnings
    assert [fault.message for fault in warned] == ["no source supplies a fact 'score_pct' here"]


def test_a_grade_that_is_corrected_later_crosses_then_and_once() -> None:
    text = rule("grade.awarded", "crosses = { score_pct = 50 }")
    grades = [(40, 0), (60, 86_400), (30, 172_800), (70, 259_200)]
    events = [event("grade.awarded", MONDAY + later, facts={"score_pct": score}) for score, later in grades]
    assert play(text, *events) == [
        "ann refused crosses score_pct 50 (seen 40)",
        "ann +10 points",
        "ann refused crosses score_pct 50 (seen 30)",
        "ann refused crossed score_pct 50 already",
    ]
