"""Stories about what is decided at a time and given by hand: `{ run = … }` and `{ assign = … }`."""

from __future__ import annotations

import pytest

from agent.engine.schedule.telling import sentences
from agent.engine.stories import run_cases
from tests.rule_stories import file, rule, rulebook

WEEK = """
[[scheduled]]
id = "champion"
every = "week"
rank = { by = "points earned" }
places = [{ points = 50, badge = "gold" }, 30]
"""
ANN = '{ at = 2026-09-09T09:00:00, learner = "ann", kind = "lesson.completed" }'
BEN = ANN.replace("ann", "ben")
UNSURE = BEN.replace(" }", ', lesson = "u", trust = "unverified" }')


def failures(rules: str, events: str, rest: str = "") -> tuple[str, ...]:
    text = f'{rules}\n[[case]]\nname = "a story"\nevents = [{events}]\n{rest}\n'
    (result,) = run_cases(file(text), rulebook(text))
    return result.failures


def test_a_story_tells_who_leads_a_week_and_that_the_next_week_begins_anew() -> None:
    late = '{ at = 2026-09-15T09:00:00, learner = "ben", kind = "lesson.completed" }'
    run = '{ run = "champion" }'
    events = f"{ANN}, {ANN}, {BEN}, {run}, {late}, {run}"
    expect = """
expect = [
  { learner = "ann", rule = "champion", points = 50, badge = "gold" },
  { learner = "ben", rule = "champion", points = %s, badge = "gold" },
  { learner = "ann", points = 70 },
]
"""
    assert failures(rule() + WEEK, events, expect % 80) == ()
    assert failures(rule() + WEEK, events, expect % 30) == (
        "ben should have points 30, badge:gold 1 from champion and has points 80, badge:gold 1",
    )


@pytest.mark.parametrize(
    ("reward", "acts", "points"),
    [
        ('every = "week"\nattendance = { of = "lesson.completed", days = 2 }\naward = 7', "2026-09-07 2026-09-08", 7),
        ('every = "week"\nattendance = { of = "lesson.completed", days = 2 }\naward = 7', "2026-09-07 2026-09-07", 0),
        ('every = "day"\nanniversary = { years = [1] }\naward = 9', "2025-09-07", 9),
        ('every = "day"\ninactivity = { for = "14d" }\naward = 3', "2026-09-01 2026-09-02", 3),
        ('cron = "0 12 1 * *"\nrank = { by = "acts with lesson.completed" }\nplaces = [4]', "2026-08-20", 4),
        ('every = "week"\nrank = { by = "points earned", course = "BIO" }\nplaces = [5]', "2026-09-07", 0),
        ('every = "week"\ndraw = { winners = 1 }\naward = 6', "", 0),
    ],
)
def test_every_form_of_a_scheduled_reward_can_be_told(reward: str, acts: str, points: int) -> None:
    did = [f'{{ at = {day}T09:00:00, learner = "ann", kind = "lesson.completed" }}' for day in acts.split()]
    did = did or ['{ at = 2026-09-07T09:00:00, learner = "ann", kind = "user.logged_in" }']
    rules = f'{rule()}\n[[scheduled]]\nid = "s"\n{reward}\n'
    expect = f'expect = [{{ learner = "ann", rule = "s", points = {points} }}]'
    assert failures(rules, f'{", ".join(did)}, {{ at = 2026-09-20T12:00:00, run = "s" }}', expect) == ()


def test_an_act_of_nobody_ends_no_absence() -> None:
    gone = '[[scheduled]]\nid = "s"\nevery = "day"\nrecipient = "referrer"\ninactivity = { for = "5d" }\naward = 1\n'
    person = '[person]\nreferrer = { profile_field = "by" }\n'
    referred = '{ at = 2026-09-07T09:00:00, kind = "lesson.completed", referrer = "ben" }'
    run = '{ at = 2026-09-20T12:00:00, run = "s" }'
    told = failures(rule() + person + gone, f"{referred}, {ANN}, {run}", 'expect = [{ learner = "ben", points = 1 }]')
    assert told == ()


def test_what_was_taken_back_does_not_count_and_prizes_count_where_the_rules_say_so() -> None:
    rules = rule("quiz.submitted", 'reverse_on = "quiz.attempt_deleted"') + WEEK
    month = '[[scheduled]]\nid = "month"\nevery = "month"\nrank = {}\nplaces = [7]\n'
    quiz = '{ at = 2026-09-09T09:00:00, learner = "ann", kind = "quiz.submitted", lesson = "1" }'
    gone = quiz.replace("submitted", "attempt_deleted")
    ben = quiz.replace("ann", "ben")
    run, later = '{ run = "champion" }', '{ at = 2026-10-05T12:00:00, run = "%s" }'
    led = 'expect = [{ learner = "ben", rule = "champion", points = 50 }, { learner = "ann", rule = "champion" }]'
    assert failures(rules, f"{quiz}, {gone}, {ben}, {run}", led) == ()
    counting = rules.replace('every = "week"', 'every = "week"\ncounts = true')
    both = f"{ben}, {later % 'champion'}, {later % 'month'}"
    assert failures(counting + month, both, 'expect = [{ learner = "ben", rule = "month", points = 7 }]') == ()
    (waits,) = failures(counting + month, f"{ben}, {later % 'month'}")
    assert waits == (
        "event 2: month@2026-09-30T22:00:00Z waits: champion@2026-09-13T22:00:00Z is not decided yet,"
        " and its prizes count"
    )


def test_a_run_waits_for_what_somebody_has_to_decide() -> None:
    run = '{ run = "champion" }'
    (waits,) = failures(rule() + WEEK, f"{ANN}, {UNSURE}, {run}")
    assert waits == (
        "event 3: champion@2026-09-13T22:00:00Z waits for what r held of event 2 (approve or reject it before)"
    )
    first = 'expect = [{ learner = "ann", rule = "champion", points = 50, badge = "gold" }]'
    assert failures(rule() + WEEK, f"{ANN}, {UNSURE}, {{ reject = 2 }}, {run}", first) == ()
    sure = UNSURE.replace(', trust = "unverified"', "")
    assert failures(rule() + WEEK, f"{ANN}, {UNSURE}, {sure}, {run}", first) == ()


def test_prizes_keep_to_limits_and_what_a_budget_holds_of_them_is_settled_by_learner() -> None:
    week = WEEK.replace("places", 'ties = "all"\nbudget = "60 points/week"\nplaces')
    run = '{ run = "champion" }'
    held = 'held = [{ event = 4, rule = "champion", because = "budget" }]'
    events = f"{ANN}, {ANN}, {BEN}, {run}"
    assert failures(rule() + week, events, held) == ()
    assert failures(rule() + week, f'{events}, {{ reject = 4, learner = "ben" }}', held) == ()
    assert failures(rule() + week, f'{events}, {{ reject = 4, learner = "ann" }}', held) == (
        "event 5: event 4 is not held for ann",
    )
    both = week.replace("60 points", "10 points")
    assert failures(rule() + both, f"{events}, {{ approve = 4 }}") == (
        "event 5: event 4 waits by one rule for several: say whose, learner = …",
    )


def test_a_cap_on_the_source_of_what_is_decided_at_a_time_is_about_prizes_and_one_on_others_is_not() -> None:
    cap = '[[cap]]\nsource = "%s"\nlimit = "20 points/ever"\n'
    over = 'refused = [{ event = 2, rule = "champion", because = "cap 20 points/ever from scheduled" }]'
    assert failures(rule() + WEEK + cap % "scheduled", f'{ANN}, {{ run = "champion" }}', over) == ()
    paid = 'expect = [{ learner = "ann", rule = "champion", points = 50, badge = "gold" }]'
    assert failures(rule() + WEEK + cap % "forms", f'{ANN}, {{ run = "champion" }}', paid) == ()
    said = sentences(rulebook(rule() + WEEK + cap % "forms").scheduled[0], rulebook(rule()))
    assert not any("cap" in sentence for sentence in said)


def test_who_is_drawn_is_said_by_the_story_and_must_have_a_ticket() -> None:
    raffle = '[[scheduled]]\nid = "raffle"\nevery = "week"\ndraw = { winners = 1 }\naward = 500\n'
    events = f'{ANN}, {BEN}, {{ run = "raffle"%s }}'
    won = 'expect = [{ learner = "ben", rule = "raffle", points = 500 }, { learner = "ann", rule = "raffle" }]'
    assert failures(rule() + raffle, events % ', drawn = ["ben"]', won) == ()
    name = "raffle@2026-09-13T22:00:00Z"
    for drawn, told in (
        ("", f"who is drawn by {name} is chance: say who, drawn = […] (1 of ann, ben)"),
        (', drawn = ["eve"]', f"eve takes no part in {name} (there is ann, ben)"),
        (', drawn = ["ann", "ben"]', f"{name} draws 1 different winners (of ann, ben)"),
    ):
        assert failures(rule() + raffle, events % drawn) == (f"event 3: {told}",)
    nobody = '{ kind = "user.logged_in", at = 2026-09-09T09:00:00 }, { run = "raffle", drawn = ["ann"] }'
    assert failures(rule() + raffle, nobody) == ("event 2: nobody takes part in raffle, so that nobody is drawn",)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('{ run = "campion" }', "nothing scheduled is called 'campion', did you mean 'champion'?"),
        (
            '{ at = 2026-09-14T12:00:00, run = "champion" }',
            "event 2: champion@2026-09-13T22:00:00Z is decided from 2026-09-15T12:00:00 on",
        ),
        ('{ run = "champion", learner = "ann" }', "event 2: write { at = 2026-09-16T12:00:00, run = "),
        ('{ run = "off" }', "event 2: off is switched off"),
        ('{ run = "over" }', "event 2: over has no run any more"),
        ('{ assign = "gild", learner = "ann" }', "no badge 'gild', did you mean 'gold'?"),
        ('{ assign = "gold", to = "ann" }', "event 2: write { assign = "),
    ],
)
def test_what_cannot_be_carried_out_is_told(entry: str, told: str) -> None:
    more = "".join(
        f'[[scheduled]]\nid = "{name}"\nmode = "{mode}"\nevery = "p"\nrank = {{}}\nplaces = [1]\n'
        for name, mode in (("off", "off"), ("over", "live"))
    )
    period = "[period.p]\nfrom = 2020-01-01\nuntil = 2020-02-01\n"
    (failure,) = failures(rule() + WEEK + period + more, f"{ANN}, {entry}")
    assert failure.startswith(told)


def test_a_run_does_not_wait_for_what_is_held_of_another_time_and_so_many_runs_are_a_mistake() -> None:
    first = 'expect = [{ learner = "ann", rule = "champion", points = 50, badge = "gold" }]'
    later = UNSURE.replace("2026-09-09", "2026-09-16")
    assert failures(rule() + WEEK, f'{ANN}, {later}, {{ at = 2026-09-15T13:00:00, run = "champion" }}', first) == ()
    each_minute = WEEK.replace('every = "week"', 'cron = "* * * * *"\nover = "7d"')
    assert failures(rule() + each_minute, f'{ANN}, {{ at = 2026-10-09T09:00:00, run = "champion" }}') == (
        "event 2: more than 2000 runs of champion are due by then",
    )


def test_nothing_runs_before_anything_happened_and_nothing_twice() -> None:
    run = '{ run = "champion" }'
    nothing = "nothing has happened yet that champion could look at"
    assert failures(rule() + WEEK, run) == (f"event 1: {nothing}",)
    again = "champion@2026-09-20T22:00:00Z is decided from 2026-09-22T12:00:00 on"
    assert failures(rule() + WEEK, f"{ANN}, {run}, {run}") == (f"event 3: {again}",)


def test_a_story_gives_a_badge_by_hand_within_what_the_badge_allows_and_what_follows_follows() -> None:
    rules = (
        rule()
        + '[[badge]]\nid = "helper"\nassign = { by = ["tom"], limit = "1/week" }\n'
        + '[[badge]]\nid = "star"\nall_of = ["helper"]\n'
    )
    give = '{ at = 2026-09-09T10:00:00, assign = "helper", learner = "%s", by = "%s" }'
    expect = (
        'expect = [{ learner = "ann", rule = "badge:star", badge = "star" }]\n'
        "refused = [\n"
        '{ event = 1, rule = "badge:helper", because = "eve may not give it: only tom" },\n'
        '{ event = 3, rule = "badge:helper", because = "has the badge already" },\n'
        '{ event = 4, rule = "badge:helper", because = "limit 1/week of tom" }]'
    )
    given = [give % pair for pair in (("ann", "eve"), ("ann", "tom"), ("ann", "tom"), ("ben", "tom"))]
    assert failures(rules, ", ".join(given), expect) == ()
