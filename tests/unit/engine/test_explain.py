"""Rules and decisions in sentences that a helpdesk can read out."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agent.config.kinds import KindTable
from agent.config.rulefile import Rule
from agent.engine import explain
from agent.engine.rules import compile_rules
from agent.model import Event, Fact, Posting, Trust
from tests.rule_stories import decide, event, file, rule, rulebook

FULL = rulebook(
    '[currency.coin]\ndecimals = 2\n[[cap]]\nlimit = "9 coin/day"\n'
    + rule(
        "quiz.submitted",
        'title = "Quiz"\nconditions = { score_pct = ">=80", any = [{ attempt = 1 }], none = [{ passed = false }] }\n'
        'once_per = ["lesson", "day"]\nfrequency = 2\nlimit = "3/day"\ncooldown = "1h"\nbadge = "ace"\n'
        'mode = "shadow"\n'
        'audience = { courses = ["A", "B"], categories = ["C"], cohorts = ["D"], except_roles = ["teacher"] }\n'
        'active = { from = 2026-01-01, until = 2026-12-31, days = ["mon"], hours = "08:00-18:30", zone = "UTC" }',
        award="{ points = 10, coin = 0.5 }",
    )
    + rule(name="plain", more='once_per = "ever"\nmode = "off"')
    + rule(name="half", more='audience = { cohorts = ["D"] }\nactive = { until = 2026-12-31 }')
    + "[[rule]]\nid = \"lms\"\non = '\\mod_x\\event\\y'\naward = 0\nactive = { from = 2026-01-01 }\n"
)


def test_a_rule_is_told_in_a_sentence_for_each_of_its_parts() -> None:
    assert explain.rule_sentences(FULL.rules[0], FULL) == (
        "Quiz: on quiz.submitted.",
        "The subject gets 10 points, 0.50 coin, the badge ace.",
        "Only where score_pct >=80 and any of (attempt 1) and not (passed false).",
        "Pays 2 times for each lesson and day and learner.",
        "For courses A or B; categories C; cohorts D; nobody who is teacher.",
        "Active from 2026-01-01 until 2026-12-31 on mon from 08:00 to 18:30 by the clock of UTC.",
        "Stops at cooldown 1h.",
        "Stops at limit 3/day.",
        "Stops at cap 9 coin/day.",
        "An event believed less than trusted_source is held.",
        "Decides and reports, pays nothing.",
    )


@pytest.mark.parametrize(
    ("on", "often"),
    [
        ("'\\core\\event\\course_viewed'", "once for each course and learner"),
        ("'\\mod_x\\event\\course_module_viewed'", "once for each lesson and learner"),
        ('"course*"', "once for each course and learner"),
        (
            '["user.logged_in", "course.viewed"]',
            "once for each day and learner (user.logged_in), for each course and learner (course.viewed)",
        ),
        (
            "['\\mod_x\\event\\y', \"user.*\"]",
            "once for each event (\\mod_x\\event\\y, all else), for each day and learner (user.logged_in)",
        ),
        ("'\\local_k\\event\\y'", "once for each lesson and learner"),
    ],
)
def test_what_it_is_once_per_is_told_of_each_of_its_kinds_where_the_rule_does_not_say(on: str, often: str) -> None:
    own = "[[kind]]\nkind = \"lesson.kept\"\nlms_event = '\\local_k\\event\\y'\n"
    rules = file(own + rule().replace('"lesson.completed"', on))
    table = KindTable().extended(rules.kinds)
    (made,) = (book := compile_rules(rules, KindTable())).rules
    assert f"Pays {often}." in explain.rule_sentences(made, book, kinds=table)


def test_what_a_rule_does_not_say_is_not_told() -> None:
    assert explain.rule_sentences(FULL.rules[1], FULL) == (
        "plain: on lesson.completed.",
        "The subject gets 10 points.",
        "Pays once.",
        "An event believed less than trusted_source is held.",
        "Switched off.",
    )
    half = explain.rule_sentences(FULL.rules[2], FULL)
    assert "For cohorts D." in half
    assert "Active until 2026-12-31." in half
    lms = explain.rule_sentences(FULL.rules[3], FULL)
    assert lms[:3] == (r"lms: on \mod_x\event\y.", "The subject gets nothing.", "Pays once for each event.")


def test_what_becomes_of_an_unknown_fact_is_told_where_the_rule_says_it() -> None:
    waits = '{ is = ">=80", if_unknown = "hold" }'
    text = f'conditions = {{ score_pct = {waits}, none = [{{ attempt = {{ is = ">3", if_unknown = "fail" }} }}] }}'
    book = rulebook(
        rule("quiz.submitted", text)
        + '[[deny]]\non = "quiz.*"\nconditions = { origin = { is = "cli", if_unknown = "pass" } }\nreason = "by cron"\n'
    )
    said = explain.rule_sentences(book.rules[0], book)
    limited = "not (attempt >3 (not met where that is not known))"
    assert f"Only where score_pct >=80 (held where that is not known) and {limited}." in said
    assert "Earns nothing where origin cli (met where that is not known) (deny: by cron)." in said
    (decision,) = decide(book, [event("quiz.submitted", facts={"score_pct": 79, "origin": "web"})])
    assert decision.reason == "condition score_pct >=80", "a reason says what was asked, as it always does"


# What each key adds to a rule that pays for lessons, or what stands in its place.
KEYS = {
    "id": 'id = "other"',
    "on": 'on = "quiz.submitted"',
    "title": 'title = "Lessons"',
    "description": 'description = "What is learned is paid."',
    "award": "award = 11",
    "conditions": "conditions = { attempt = 1 }",
    "once_per": 'once_per = "course"',
    "frequency": "frequency = 2",
    "limit": 'limit = "3/day"',
    "cooldown": 'cooldown = "1h"',
    "budget": 'budget = "500 points/day"',
    "min_trust": 'min_trust = "server_verified"',
    "recipient": 'recipient = "actor"',
    "reverse_on": 'reverse_on = "lesson.uncompleted"',
    "reverse_when": 'reverse_when = "no longer true"\nconditions = { attempt = 1 }',
    "mode": 'mode = "shadow"',
    "active": "active = { from = 2026-01-01 }",
    "audience": 'audience = { cohorts = ["D"] }',
    "badge": 'badge = "ace"',
    "requires": 'requires = { badges = ["starter"] }',
    "message": 'message = "Well done"',
    "group": 'group = "learn"',
    "tags": 'tags = ["ai"]',
    "streak": "streak = { weeks = 4 }",
    "crosses": "crosses = { section_progress_pct = 80 }",
    "momentum": 'momentum = { lessons = 3, within = "2h" }',
    "spaced": 'spaced = { days = 3, of = "course" }',
    "first": "first = true",
    "comeback": 'comeback = "30d"',
    "review": 'review = "always"',
}


@pytest.mark.parametrize("key", sorted(set(Rule.model_fields) - {"example"}))
def test_every_key_of_a_rule_is_told(key: str) -> None:
    name, value = "r", KEYS[key]
    lines = {"id": f'id = "{name}"', "on": 'on = "lesson.completed"', "award": "award = 10"} | {key: value}
    badges = "" if key not in {"badge", "requires"} else '[[badge]]\nid = "ace"\n[[badge]]\nid = "starter"\n'
    plain, told = (
        rulebook(badges + "[[rule]]\n" + "\n".join(text)) for text in ([*lines.values()][:3], lines.values())
    )
    if key in ("id", "on", "award"):
        plain = rulebook(rule())
    said = explain.rule_sentences(told.rules[0], told)
    assert said != explain.rule_sentences(plain.rules[0], plain)
    assert set(Rule.model_fields) - {"example"} == set(KEYS), "an example is a case, and `rules test` tells it"


def test_what_the_whole_file_does_to_a_rule_is_told_with_it() -> None:
    book = rulebook(
        '[[deny]]\non = "lesson.*"\nreason = "practice course"\nconditions = { course_id = "7" }\n'
        '[[deny]]\non = "quiz.*"\nreason = "other"\n[[cap]]\nlimit = "50 points/day"\n'
        '[budget]\npoints = ["900/week", "200/day"]\n' + rule()
    )
    said = explain.rule_sentences(book.rules[0], book)
    assert "Earns nothing where course_id 7 (deny: practice course)." in said
    assert not [one for one in said if "other" in one]
    assert {
        "Stops at cap 50 points/day.",
        "Stops at budget 900 points/week; what goes over is held for review.",
        "Stops at budget 200 points/day; what goes over is held for review.",
    } <= set(said)


def test_what_several_rules_stop_at_together_is_told_once_and_what_is_each_ones_own_is_not() -> None:
    shared = '[[cap]]\ngroup = "g"\nlimit = "50 points/day"\n[budget]\npoints = "900/week"\n'
    own = 'limit = "1/day"\n'
    grouped = [rule(more=own + 'group = "g"', name=name) for name in ("a", "b")]
    book = rulebook(shared + "".join(grouped) + rule(more=own, name="c"))
    assert explain.shared_brakes(book.rules) == {
        "Stops at cap 50 points/day of group g.": ["a", "b"],
        "Stops at budget 900 points/week; what goes over is held for review.": ["a", "b", "c"],
    }
    assert explain.shared_brakes(book.rules[:1]) == {}


def test_caps_of_two_groups_that_say_the_same_are_not_told_as_one() -> None:
    caps = [f'[[cap]]\ngroup = "{group}"\nlimit = "9 points/day"\n' for group in ("g", "h")]
    caps.append('[[cap]]\ngroup = "h"\nsource = "moodle"\nlimit = "9 points/day"\n')
    rules = [rule(more=f'group = "{group}"', name=name) for name, group in (("a", "g"), ("b", "h"), ("c", "h"))]
    book = rulebook("".join(caps + rules))
    assert explain.shared_brakes(book.rules) == {
        "Stops at cap 9 points/day of group h.": ["b", "c"],
        "Stops at cap 9 points/day from moodle of group h.": ["b", "c"],
    }
    assert "Stops at cap 9 points/day of group g." in explain.rule_sentences(book.rules[0], book)


def test_what_a_limit_does_with_what_goes_over_and_for_whom_it_is_are_told() -> None:
    limits = 'limit = [{ of = "60 points/30d", over = "trim", for = "referrer" }, "5/day"]'
    book = rulebook(rule(more=limits, award='[{ to = "referrer", points = 50 }, { points = 10 }]'))
    said = [one for one in explain.rule_sentences(book.rules[0], book) if one.startswith("Stops")]
    assert said == [
        "Stops at limit 60 points/30d for the referrer; what goes over is cut to fit.",
        "Stops at limit 5/day.",
    ]


def test_named_values_are_told_with_what_they_are_and_where_they_differ() -> None:
    conditions = 'conditions = { since_enrolment = "<= @window", none = [{ since_start = "> @each" }] }'
    several = "".join(f'C{number} = "{number}d"\n' for number in range(1, 12))
    book = rulebook(
        '[value.window]\ndefault = "14d"\nBIO101 = "7d"\n[value.low]\nBIO101 = 3\n[value.each]\n'
        + several
        + rule("course.completed", conditions)
        + '[[deny]]\non = "course.*"\nreason = "few"\nconditions = { course_participants = "< @low" }\n'
    )
    said = explain.rule_sentences(book.rules[0], book)
    ways = ", ".join(f"in C{number} {number}d" for number in range(1, 9))
    assert (
        "Only where since_enrolment <= @window (@window is 14d, in BIO101 7d)"
        f" and not (since_start > @each (@each is {ways}, and others in 3 more))." in said
    )
    assert "Earns nothing where course_participants < @low (@low is in BIO101 3) (deny: few)." in said


RULES = rulebook(
    rule("quiz.submitted", 'conditions = { score_pct = ">=80", attempt = "<=2" }\nlimit = "1/day"\nonce_per = "event"')
)


def test_a_decision_is_told_in_one_sentence() -> None:
    good: dict[str, Fact] = {"score_pct": Fraction(85), "attempt": 1}
    paid, full, low, waiting = decide(
        RULES,
        [
            event("quiz.submitted", facts=good),
            event("quiz.submitted", key="2", facts=good),
            event("quiz.submitted", key="3", facts={"score_pct": 50}),
            event("quiz.submitted", key="4", facts=good, level=Trust.unverified),
        ],
    )
    met = "score_pct >=80 passed, seen 85; attempt <=2 passed, seen 1."
    assert explain.decision_sentence(paid) == f"r gave moodle:ann 10 points. {met}"
    local = "r gave moodle:ann nothing: limit 1/day (until 2026-09-08 00:00)"
    assert explain.decision_sentence(full, RULES) == f"{local}. {met}"
    assert "(until 2026-09-07 22:00 UTC)" in explain.decision_sentence(full)
    assert explain.decision_sentence(low) == (
        "r gave moodle:ann nothing: condition score_pct >=80. score_pct >=80 failed, seen 50; attempt <=2 unknown."
    )
    assert explain.decision_sentence(waiting, RULES).startswith(
        "r holds 10 points for moodle:ann: trust unverified below trusted_source."
    )
    (shadow,) = decide(rulebook(rule()), [event()], shadow=True)
    assert explain.decision_sentence(shadow) == "r would have given moodle:ann 10 points (shadow)."
    (nobody,) = decide(rulebook(rule(more='recipient = "referrer"')), [event()])
    assert explain.decision_sentence(nobody) == "r gave nobody nothing: no referrer."


def test_what_is_held_no_more_was_held() -> None:
    (waiting,) = decide(rulebook(rule()), [event(level=Trust.unverified)])
    assert explain.decision_sentence(waiting, settled=True).startswith("r held 10 points for moodle:ann: ")


def test_an_amount_below_zero_is_told_with_its_own_fractions() -> None:
    # -150 hundredths were "-2.50": rounded down, then the rest.
    rules = rulebook("[currency.stars]\ndecimals = 2\n" + rule())
    told = explain.amounts([Posting(currency="stars", amount=amount) for amount in (-150, -5, 250)], rules)
    assert told == "-1.50 stars, -0.05 stars, 2.50 stars"


def test_what_was_never_recorded_is_told_as_what_would_be() -> None:
    paid, waiting = decide(rulebook(rule(more='once_per = "event"')), [event(), event(key="2", level=Trust.unverified)])
    assert explain.decision_sentence(paid, as_if=True) == "r would give moodle:ann 10 points."
    assert explain.decision_sentence(waiting, as_if=True).startswith("r would hold 10 points for moodle:ann: trust")


def test_the_nearest_miss_is_the_decision_that_came_furthest() -> None:
    good: dict[str, Fact] = {"score_pct": Fraction(85), "attempt": 1}
    guest, low, half, waiting, paid, full = decide(
        RULES,
        [
            event("quiz.submitted", mark="guest"),
            event("quiz.submitted", key="1", facts={"score_pct": 10, "attempt": 9}),
            event("quiz.submitted", key="2", facts={"score_pct": 10, "attempt": 1}),
            event("quiz.submitted", key="3", facts=good, level=Trust.unverified),
            event("quiz.submitted", key="4", facts=good),
            event("quiz.submitted", key="5", facts=good),
        ],
    )
    assert explain.nearest_miss([guest, low, half]) is half
    assert explain.nearest_miss([full, guest, half]) is full
    assert explain.nearest_miss([full, waiting, half]) is waiting
    assert explain.nearest_miss([waiting, paid]) is paid
    assert explain.nearest_miss([]) is None


LESSON = event()
NEXT = event(when="2026-09-07T09:30:00", lesson="2", key="b")
AGAIN = event(when="2026-09-07T10:00:00", key="again")
CAP = '[[cap]]\nlimit = "15 points/day"'
DENY = '[[deny]]\non = "lesson.*"\nreason = "practice"\nconditions = { course_id = "7" }'
GATE = 'requires = { badges = ["amb"] }\n[[badge]]\nid = "amb"'
HERE: dict[str, Fact] = {
    "course_shortname": "ART",
    "course_id": "7",
    "cohorts:ann": ("x",),
    "roles:ann": ("teacher",),
    "attempt": 1,
}


@pytest.mark.parametrize(
    ("more", "events", "decided", "said"),
    [
        ("", [LESSON, AGAIN], "refused once_per lesson", "Pays once for each lesson and learner."),
        ('once_per = "course"', [LESSON, NEXT], "refused once_per course", "Pays once for each course and learner."),
        ("frequency = 2", [LESSON, AGAIN, event(key="c")], "refused frequency 2 per lesson", "Pays 2 times for each"),
        ('conditions = { attempt = ">=2" }', [], "refused condition attempt >=2", "Only where attempt >=2."),
        (
            "conditions = { none = [{ attempt = 1 }] }",
            [],
            "refused condition none of (attempt 1)",
            "Only where not (att",
        ),
        ('active = { days = ["tue"] }', [], "refused active: not on mon", "Active on tue."),
        (
            'active = { hours = "10:00-12:00" }',
            [],
            "refused active: outside 10:00-12:00",
            "Active from 10:00 to 12:00.",
        ),
        ("active = { from = 2026-10-01 }", [], "refused active: before 2026-10-01", "Active from 2026-10-01."),
        ('audience = { courses = ["BIO"] }', [], "refused audience: courses", "For courses BIO."),
        ('audience = { cohorts = ["pilot"] }', [], "refused audience: cohorts", "For cohorts pilot."),
        (
            'audience = { except_roles = ["teacher"] }',
            [],
            "refused audience: except_roles",
            "For nobody who is teacher.",
        ),
        (
            'min_trust = "server_verified"',
            [event(level=Trust.trusted_source)],
            "held trust trusted_source below server_verified",
            "An event believed less than server_verified is held.",
        ),
        ('recipient = "referrer"', [], "refused no referrer", "The referrer gets 10 points."),
        ('cooldown = "1h"', [LESSON, NEXT], "refused cooldown 1h", "Stops at cooldown 1h."),
        ('limit = "1/day"', [LESSON, NEXT], "refused limit 1/day", "Stops at limit 1/day."),
        ('limit = "15 points/7d"', [LESSON, NEXT], "refused limit 15 points/7d", "Stops at limit 15 points/7d."),
        (
            'budget = "15 points/day"',
            [LESSON, NEXT],
            "held budget 15 points/day of r",
            "Stops at budget 15 points/day of",
        ),
        (CAP, [LESSON, NEXT], "refused cap 15 points/day", "Stops at cap 15 points/day."),
        (
            '[budget]\npoints = "15/day"',
            [LESSON, NEXT],
            "held budget 15 points/day",
            "Stops at budget 15 points/day; w",
        ),
        (DENY, [], "refused deny: practice", "Earns nothing where course_id 7 (deny: practice)."),
        (GATE, [LESSON], "refused requires the badge amb: not yet", "Only for who has the badge amb."),
        ('review = "always"', [LESSON], "held review always", "Each award waits until somebody approves it"),
        ('mode = "shadow"', [LESSON], "shadow", "Decides and reports, pays nothing."),
        ('mode = "off"', [LESSON], "refused mode off", "Switched off."),
        ("streak = { days = 3 }", [LESSON], "refused streak 1 of 3 days", "Needs 3 days in a row."),
        ('momentum = { lessons = 3, within = "2h" }', [LESSON], "refused momentum 1 of 3", "Needs 3 different lessons"),
        (
            'spaced = { days = 3, of = "course" }',
            [LESSON],
            "refused spaced 1 of 3 days",
            "Needs the same course on 3 days",
        ),
        ("first = true", [LESSON, NEXT], "refused not the first", "Only the first time."),
        ('comeback = "30d"', [LESSON, NEXT], "refused comeback after 0 of 30 days", "Only after 30 days without."),
        (
            'limit = { of = "15 points/7d", over = "trim" }',
            [LESSON, NEXT],
            "awarded",
            "Stops at limit 15 points/7d; what goes over is cut to fit.",
        ),
    ],
)
def test_what_stops_an_award_is_what_was_explained(more: str, events: list[Event], decided: str, said: str) -> None:
    book = rulebook(rule(more=more))
    last = decide(book, events or [event(facts=HERE)])[-1]
    assert f"{last.outcome.name} {last.reason}".strip().startswith(decided)
    assert [one for one in explain.rule_sentences(book.rules[0], book) if one.startswith(said)]


def test_a_comeback_is_paid_and_told_each_time() -> None:
    book = rulebook(rule(more='comeback = "30d"'))
    days = [f"2026-{month:02d}-01T09:00:00" for month in (1, 3, 5)]
    came = decide(book, [event(when=day, lesson=day, key=day) for day in days])
    assert [len(one.postings) for one in came] == [0, 1, 1]
    said = explain.rule_sentences(book.rules[0], book)
    assert "Pays each time." in said
    assert "Pays once." not in said
