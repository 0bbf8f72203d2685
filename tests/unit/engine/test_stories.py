"""Rules that test themselves: an untrue example stops the file, an untrue story fails `rules test`."""

from __future__ import annotations

import pytest

from agent.config.document import FaultsError
from agent.config.kinds import KindTable
from agent.engine.rules import compile_rules
from agent.engine.stories import CaseResult, run_cases
from tests.rule_stories import file, rule, rulebook

RANKING = '[[scheduled]]\nid = "s"\nevery = "week"\nrank'
QUIZ = 'conditions = { score_pct = ">=80" }\n'


def example(event: str, expect: str, on: str = "quiz.submitted", more: str = QUIZ, award: str = "10") -> str:
    return f"{rule(on, more, award=award)}\n[[rule.example]]\nevent = {{ {event} }}\n{expect}\n"


TRUE = [
    example('kind = "quiz.submitted", score_pct = 85', "expect = { points = 10 }"),
    example('kind = "quiz.submitted", score_pct = 79.99', "expect = {}"),
    example('kind = "quiz.submitted"', "expect = { points = 0 }"),
    example('kind = "quiz.submitted"', 'because = "condition score_pct >=80"'),
    example('kind = "quiz.submitted", score_pct = 85', 'expect = { points = 10, badge = "ace" }', more='badge = "ace"'),
    example('kind = "quiz.submitted", score_pct = 85', "expect = { points = 10 }", more='badge = "ace"'),
    example('kind = "quiz.submitted"', "expect = { points = 10 }", more='mode = "off"'),
    example('kind = "quiz.submitted"', "expect = { points = 10 }", more="active = { until = 2020-01-01 }"),
    example('kind = "quiz.submitted", at = 2021-01-01', "expect = {}", more="active = { until = 2020-01-01 }"),
    example('kind = "quiz.submitted"', "expect = { points = 10 }", more='audience = { cohorts = ["pilot"] }'),
    example(
        'kind = "quiz.submitted", cohorts = ["other"]',
        'because = "audience: cohorts"',
        more='audience = { cohorts = ["pilot"] }',
    ),
    example('kind = "quiz.submitted", staff = true', 'because = "never earns: staff"', more=""),
    example('kind = "quiz.submitted", trust = "unverified"', 'because = "trust unverified"', more=""),
    example(
        'kind = "course.completed", since_enrolment = "7d", tags = ["x"]',
        "expect = { points = 10 }",
        on="course.completed",
        more='conditions = { since_enrolment = "<=7d", tags = "x" }',
    ),
    example(
        'kind = "course.completed", referrer = "ben"',
        "expect = { points = 60 }",
        on="course.completed",
        more="",
        award='[{ to = "referrer", points = 50 }, { points = 10 }]',
    ),
    example('kind = "badge.awarded"', "expect = { points = 10 }", on="badge.awarded", more=""),
    example(r"lms_event = '\mod_x\event\y'", "expect = { points = 10 }", on=r"\\mod_x\\event\\y", more=""),
    "[currency.coin]\ndecimals = 2\n"
    + example('kind = "quiz.submitted"', "expect = { coin = 0.25 }", more="", award="{ coin = 0.25 }"),
    "[period.p]\nfrom = 2030-01-01\nuntil = 2030-02-01\n"
    + example('kind = "quiz.submitted"', "expect = { points = 10 }", more='once_per = ["p", "lesson"]'),
]


@pytest.mark.parametrize("text", TRUE)
def test_a_file_with_a_true_example_loads(text: str) -> None:
    assert rulebook(text).rules


UNTRUE = [
    (
        example('kind = "quiz.submitted", score_pct = 70', "expect = { points = 10 }"),
        "it expects points 10, the rule gives nothing (condition score_pct >=80)",
    ),
    (
        example('kind = "quiz.submitted", score_pct = 85', "expect = { points = 11 }"),
        "it expects points 11, the rule gives points 10",
    ),
    (
        example('kind = "quiz.submitted", score_pct = 85', 'because = "limit 3/day"'),
        "it expects the reason 'limit 3/day', the rule gives points 10",
    ),
    (
        "[currency.coin]\ndecimals = 2\n"
        + example('kind = "quiz.submitted"', "expect = { coin = 1.5 }", more="", award="{ coin = 0.25 }"),
        "it expects coin 1.5, the rule gives coin 0.25",
    ),
    (example('kind = "forum.posted"', "expect = {}"), "the rule is not about forum.posted"),
    (example(r"lms_event = '\mod_x\event\y'", "expect = {}"), r"the rule is not about \mod_x\event\y"),
    (example("score_pct = 85", "expect = {}"), "an event needs a kind"),
    (example('kind = "quiz.submitted", trust = "high"', "expect = {}"), "'high' is not a trust"),
    (example('kind = "quiz.submitted", at = "noon"', "expect = {}"), "'noon' is not a time; write 2026-09-07T09:00:00"),
    (example('kind = "quiz.submitted", module = { a = 1 }', "expect = {}"), "module cannot be {'a': 1}"),
]


@pytest.mark.parametrize(("text", "told"), UNTRUE)
def test_a_file_with_an_untrue_example_does_not_load(text: str, told: str) -> None:
    rules = file(text)
    with pytest.raises(FaultsError) as caught:
        compile_rules(rules, KindTable())
    (fault,) = caught.value.faults
    assert fault.message == f"this example is untrue: {told}"
    assert rules.rules[0].document.text.splitlines()[fault.line - 1] == "[[rule.example]]"


def story(body: str, rules: str = "") -> CaseResult:
    text = f'{rules or rule(more=_TWICE)}[[case]]\nname = "a story"\n{body}\n'
    (result,) = run_cases(file(text), rulebook(text))
    return result


_TWICE = 'limit = "2/day"'
_THREE = (
    "events = [\n"
    '  { at = 2026-09-07T09:00:00, learner = "ann", kind = "lesson.completed" },\n'
    '  { at = 2026-09-07T10:00:00, learner = "ann", kind = "lesson.completed" },\n'
    '  { at = 2026-09-07T11:00:00, learner = "ann", kind = "lesson.completed", trust = "unverified" },\n'
    '  { at = 2026-09-07T12:00:00, learner = "ann", kind = "lesson.completed" },\n'
    '  { at = 2026-09-07T12:00:00, learner = "ben", kind = "lesson.completed", lesson = "1" },\n]\n'
)


def test_a_true_story_has_no_failures() -> None:
    body = (
        'expect = [{ learner = "ann", rule = "r", points = 20 }, { learner = "ben", points = 10 }]\n'
        'refused = [{ event = 4, rule = "r", because = "limit 2/day" }]\n'
        'held = [{ event = 3, rule = "r", because = "trust unverified below trusted_source" }]'
    )
    assert story(_THREE + body).failures == ()
    assert story(_THREE + body).where.startswith("rules.toml:")


def test_every_untrue_sentence_of_a_story_is_told() -> None:
    body = (
        'expect = [{ learner = "ann", rule = "r", points = 30 }, { learner = "ben", points = 9 }]\n'
        'refused = [{ event = 1, rule = "r", because = "limit 2/day" }]\n'
        'held = [{ event = 4, rule = "r", because = "trust" }, { event = 1, rule = "s", because = "x" }]'
    )
    rules = rule(more=_TWICE) + rule("forum.posted", name="s")
    assert story(_THREE + body, rules).failures == (
        "ann should have points 30 from r and has points 20",
        "ben should have points 9 and has points 10",
        "event 1 should be refused by r (limit 2/day) and is: awarded",
        "event 4 should be held by r (trust) and is: refused limit 2/day",
        "event 1 should be held by s (x) and is: not decided by this rule",
    )


SLIPS = [
    (
        'events = [{ kind = "quiz.submitted", scor_pct = 85 }]',
        "no source supplies a fact 'scor_pct', did you mean 'score_pct'?",
        "85 }",
    ),
    (
        'events = [{ kind = "lesson.completed", lessn = "1" }]',
        "no source supplies a fact 'lessn', did you mean 'lesson'?",
        '"1" }',
    ),
    (
        'events = [{ kind = "lesson.complete" }]',
        "unknown kind 'lesson.complete', did you mean 'lesson.completed'?",
        '"lesson.complete"',
    ),
    (
        r"events = [{ kind = '\core\event\x' }]",
        r"unknown kind '\\core\\event\\x', an LMS name is lms_event = '\…'",
        r"'\core",
    ),
    (
        'events = [{ kind = "lesson.completed" }]\nexpect = [{ learner = "ann", rule = "lesson", points = 0 }]',
        "no rule 'lesson', did you mean 'lessons'?",
        '"lesson", p',
    ),
    (
        'events = [{ kind = "lesson.completed" }]\nexpect = [{ learner = "ann", points = 10, pionts = 0 }]',
        "unknown currency 'pionts', did you mean 'points'?",
        "0 }",
    ),
    (
        'events = [{ kind = "lesson.completed" }]\nrefused = [{ event = 1, rule = "lessns", because = "x" }]',
        "no rule 'lessns', did you mean 'lessons'?",
        '"lessns"',
    ),
    (
        'events = [{ kind = "lesson.completed" }]\nheld = [{ event = 99, rule = "lessons", because = "x" }]',
        "there is no event 99, the story has 1 event",
        "99",
    ),
]


@pytest.mark.parametrize(("body", "told", "at"), SLIPS)
def test_a_story_that_names_what_is_not_there_fails_with_the_nearest_name_and_is_warned_of_where_it_stands(
    body: str, told: str, at: str
) -> None:
    rules = rule(name="lessons")
    assert story(body, rules).failures == (told,)
    text = f'{rules}[[case]]\nname = "a story"\n{body}\n'
    (warning,) = file(text).warnings
    assert f"{warning.message}, {warning.hint}" == told
    assert file(text).rules[0].document.text.splitlines()[warning.line - 1][warning.column - 1 :].startswith(at)


def test_a_story_may_speak_of_all_that_decides() -> None:
    rules = (
        rule(more='badge = "ace"')
        + '[[challenge]]\nid = "c"\naward = 1\n[[challenge.step]]\non = "quiz.submitted"\n'
        + '[[badge]]\nid = "ace"\n[programme.p]\ncourses = ["A"]\npass = "completed"\n'
    )
    body = 'events = [{ kind = "lesson.completed" }, { kind = "programme.completed", programme = "p" }]\n'
    for name in ("c", "badge:ace"):
        expect = f'expect = [{{ learner = "ann", rule = "{name}" }}]'
        assert story(body + expect, rules).failures == ()


def test_a_story_may_tell_facts_of_a_form_and_those_that_its_rules_look_at() -> None:
    rules = rule(more='conditions = { shade = "red" }')
    events = 'events = [{ kind = "submission.received", anything = 1 }, { kind = "lesson.completed", shade = "red" }]'
    assert story(f'{events}\nexpect = [{{ learner = "ann", points = 10 }}]', rules).failures == ()


@pytest.mark.parametrize(
    ("rules", "points"),
    [
        (rule(more="crosses = { laps = 5 }"), 10),
        (RANKING + ' = { by = "sum of laps in lesson.completed" }\nplaces = [9]\n', 9),
    ],
)
def test_a_story_may_tell_a_fact_that_a_crossing_or_a_ranking_looks_at(rules: str, points: int) -> None:
    run = ', { run = "s" }' if "scheduled" in rules else ""
    events = f'events = [{{ kind = "lesson.completed", laps = 5 }}{run}]'
    assert story(f'{events}\nexpect = [{{ learner = "ann", points = {points} }}]', rules).failures == ()


def test_who_says_what_somebody_has_of_one_currency_says_nothing_of_others() -> None:
    rules = "[currency.reputation]\n" + rule(award="{ points = 10, reputation = 5 }")
    events = 'events = [{ kind = "lesson.completed" }]\n'
    assert story(f'{events}expect = [{{ learner = "ann", points = 10 }}]', rules).failures == ()
    for expect, told in (
        ('{ learner = "ann" }', "ann should have nothing and has points 10, reputation 5"),
        ('{ learner = "ann", rule = "r", points = 10 }', "ann should have points 10 from r and has points 10, reput"),
    ):
        (failure,) = story(f"{events}expect = [{expect}]", rules).failures
        assert failure.startswith(told)


def test_a_number_that_nothing_can_be_is_a_failure_of_its_story() -> None:
    (failure,) = story('events = [{ kind = "lesson.completed", score_pct = 1234567890123456 }]').failures
    assert failure.startswith("event 1: 1234567890123456 is too large")


def test_an_event_that_cannot_be_is_a_failure_of_its_story() -> None:
    assert story('events = [{ learner = "ann" }]').failures == ("event 1: an event needs a kind",)
    (told,) = story('events = [{ learner = "ann", kind = "lesson.completed", at = 9999-12-31T23:00:00 }]').failures
    assert told == "event 1: 9999-12-31 23:00:00 is no time that an act could have (a year from 1971 to 8999)"
    told = 'event 1: a kind is a text (such as kind = "lesson.completed")'
    assert story('events = [{ learner = "ann", kind = ["lesson.completed"] }]').failures == (told,)


def test_a_story_tells_amounts_as_they_are_written() -> None:
    rules = "[currency.coin]\ndecimals = 2\n" + rule(award="{ coin = 0.25 }")
    body = 'events = [{ kind = "lesson.completed" }]\nexpect = [{ learner = "ann", coin = 2 }]'
    assert story(body, rules).failures == ("ann should have coin 2 and has coin 0.25",)


def test_a_story_that_says_nothing_of_badges_does_not_count_them() -> None:
    rules = rule(more='badge = "ace"')
    body = 'events = [{ learner = "ann", kind = "lesson.completed" }]\nexpect = [{ learner = "ann", points = 10 }]'
    assert story(body, rules).failures == ()
    spoken = body.replace("points = 10", 'points = 10, badge = "ace"')
    assert story(spoken, rules).failures == ()
    assert story(spoken.replace('"ace"', '"other"'), rules).failures == (
        "ann should have points 10, badge:other 1 and has points 10, badge:ace 1",
    )


@pytest.mark.parametrize(
    ("rules", "acts", "points"),
    [
        (rule("quiz.submitted", 'reverse_on = "quiz.attempt_deleted"'), "quiz.submitted quiz.attempt_deleted", 0),
        (rule("assignment.submitted", 'reverse_on = "assignment.withdrawn"'),
         "assignment.submitted assignment.submitted assignment.withdrawn", 0),
        (rule("grade.awarded", QUIZ + 'reverse_when = "no longer true"'), "grade.awarded:90 grade.awarded:70", 0),
        (rule("grade.awarded", QUIZ + 'reverse_when = "no longer true"'),
         "grade.awarded:90 grade.awarded:70 grade.awarded:95", 10),
        (rule("badge.awarded", 'reverse_on = "badge.revoked"'), "badge.awarded badge.revoked", 0),
    ],
)  # fmt: skip
def test_what_undoes_or_changes_an_act_of_a_story_is_about_the_newest_one_of_that_lesson(
    rules: str, acts: str, points: int
) -> None:
    told = [act.partition(":")[::2] for act in acts.split()]
    events = [
        f'{{ learner = "ann", kind = "{kind}", lesson = "5"{f", score_pct = {score}" if score else ""} }}'
        for kind, score in told
    ]
    others = '{ learner = "ben", kind = "quiz.attempt_deleted", lesson = "5" }'
    body = (
        f'events = [{", ".join([events[0], others, *events[1:]])}]\nexpect = [{{ learner = "ann", points = {points} }}]'
    )
    assert story(body, rules).failures == ()


_EVIDENCE = rule("submission.received", 'once_per = "event"\nreview = "always"\nlimit = "2/month"\n', name="s")
_SENT = '{ at = 2026-09-07T09:00:00, learner = "ann", kind = "submission.received", form = "x" }'


@pytest.mark.parametrize(
    ("rulings", "points", "refused"),
    [
        ("{ approve = 1 }", 10, ""),
        ("{ reject = 1 }", 0, '{ event = 3, rule = "s", because = "rejected" }'),
        ('{ approve = 1, rule = "s" }, { approve = 2 }', 20, ""),
        ("{ reject = 1 }, " + _SENT + ", { approve = 2 }, { approve = 4 }", 20, ""),
        (_SENT, 0, '{ event = 3, rule = "s", because = "limit 2/month" }'),
    ],
)
def test_a_story_tells_what_a_reviewer_decides_and_what_that_comes_to(rulings: str, points: int, refused: str) -> None:
    body = f'events = [{_SENT}, {_SENT}, {rulings}]\nexpect = [{{ learner = "ann", points = {points} }}]\n'
    assert story(f"{body}refused = [{refused}]", _EVIDENCE).failures == ()


def test_what_a_rejection_sets_free_in_a_story_is_decided_again_as_in_the_ledger() -> None:
    third = f"events = [{_SENT}, {_SENT}, {_SENT}, {_SENT}, {{ reject = 1 }}, {{ approve = 3 }}, {{ approve = 2 }}]\n"
    told = (
        'refused = [{ event = 3, rule = "s", because = "limit 2/month" }]\nexpect = [{ learner = "ann", points = 20 }]'
    )
    assert story(third + told, _EVIDENCE).failures == ()
    late = story(third.replace("approve = 3", "approve = 4"), _EVIDENCE).failures
    assert late == ("event 6: event 4 is not held",)
    other = rule("lesson.completed", name="p", award="7") + '[[cap]]\nlimit = "10 points/day"\n'
    did = '{ at = 2026-09-07T10:00:00, learner = "ann", kind = "lesson.completed" }'
    for ruling in ("{ reject = 1 }", "{ approve = 1, points = 3 }"):
        body = f"events = [{_SENT}, {did}, {did.replace('ann', 'ben')}, {ruling}]\n"
        told = 'expect = [{ learner = "ann", rule = "p", points = 7 }, { learner = "ben", points = 7 }]'
        assert story(f"{body}{told}", other + _EVIDENCE).failures == ()


def test_what_two_reviews_were_in_the_way_of_in_a_story_waits_once_both_are_rejected_in_either_order() -> None:
    acts = [_SENT.replace("07T09", moment) for moment in ("07T00", "08T03", "09T03")]
    evidence = _EVIDENCE.replace('limit = "2/month"', 'cooldown = "36h"')
    for first, second in ((1, 3), (3, 1)):
        body = f"events = [{', '.join(acts)}, {{ reject = {first} }}, {{ reject = {second} }}, {{ approve = 2 }}]\n"
        assert story(body + 'expect = [{ learner = "ann", points = 10 }]', evidence).failures == ()


def test_what_waits_in_a_story_waits_by_itself_though_it_is_about_one_scope_or_one_thing() -> None:
    sure, doubted = '{ kind = "lesson.completed", lesson = "5" }', '{ kind = "lesson.completed", lesson = "5", %s }'
    doubted %= 'trust = "unverified"'
    paid = 'expect = [{ learner = "ann", points = 10 }]'
    body = f"events = [{sure}, {doubted}, {{ reject = 1 }}, {{ approve = 2 }}]\n{paid}"
    assert story(body, rule(more='review = "always"')).failures == ()
    undone = rule(more='review = "always"\nreverse_on = "lesson.uncompleted"\nlimit = "1/ever"')
    gone, other = sure.replace("completed", "uncompleted"), sure.replace("5", "6")
    body = f"events = [{doubted}, {sure}, {gone}, {other}, {{ approve = 4 }}]\n{paid}"
    assert story(body, undone).failures == ()


def test_a_story_tells_that_another_amount_is_approved_than_was_promised() -> None:
    range_ = _EVIDENCE.replace('"always"', '{ when = "always", adjust = "5..30" }')
    coins = "[currency.points]\ndecimals = 2\n"
    body = f'events = [{_SENT}, {{ approve = 1, points = %s }}]\nexpect = [{{ learner = "ann", points = %s }}]'
    for rules, amount in ((range_, "30"), (coins + range_, "5.25"), (_EVIDENCE, "3")):
        assert story(body % (amount, amount), rules).failures == ()
    assert story(body % ("30", "10"), range_).failures == ("ann should have points 10 and has points 30",)


def test_an_approval_over_a_cap_pays_nothing_and_one_of_a_badge_rule_gives_the_badge() -> None:
    capped = rule("lesson.completed", 'min_trust = "server_verified"', name="a") + rule("forum.posted", name="b")
    body = (
        'events = [{ kind = "lesson.completed", trust = "unverified" }, { kind = "forum.posted" }, { approve = 1 }]\n'
        'refused = [{ event = 3, rule = "a", because = "cap 10 points/ever" }]\n'
        'expect = [{ learner = "ann", points = 10 }]'
    )
    assert story(body, capped + '[[cap]]\nlimit = "10 points/ever"\n').failures == ()
    badge = 'events = [{ kind = "lesson.completed" }, { approve = 1 }]\n'
    paid = 'expect = [{ learner = "ann", points = 10, badge = "ace" }]'
    assert story(badge + paid, rule(more='badge = "ace"\nreview = "always"')).failures == ()


def test_a_cap_on_a_source_counts_its_acts_alone_also_those_that_are_approved() -> None:
    rules = _EVIDENCE + rule() + '[[cap]]\nsource = "forms"\nlimit = "10 points/ever"\n'
    sent = _SENT.replace(" }", ', source = "%s" }')
    done = '{ kind = "lesson.completed", source = "%s" }'
    events = ", ".join([sent % "forms", sent % "post", done % "forms", done % "m", "{ approve = 1 }, { approve = 2 }"])
    body = (
        f'events = [{events}]\nexpect = [{{ learner = "ann", points = 30 }}]\n'
        'refused = [{ event = 3, rule = "r", because = "cap 10 points/ever from forms" }]'
    )
    assert story(body, rules).failures == ()


def test_what_is_undone_or_paid_before_a_ruling_waits_no_longer_and_what_was_approved_is_undone() -> None:
    quiz = rule("quiz.submitted", 'review = "always"\nreverse_on = "quiz.attempt_deleted"')
    did = '{ learner = "ann", kind = "quiz.submitted", lesson = "5" }'
    gone = did.replace("submitted", "attempt_deleted")
    nothing = 'expect = [{ learner = "ann" }]'
    assert story(f"events = [{did}, {{ approve = 1 }}, {gone}]\n{nothing}", quiz).failures == ()
    late = "event 3: what r held of event 1 is settled already"
    assert story(f"events = [{did}, {gone}, {{ approve = 1 }}]\n{nothing}", quiz).failures == (late,)
    doubted = '{ kind = "lesson.completed", lesson = "5", trust = "unverified" }'
    sure = '{ kind = "lesson.completed", lesson = "5" }'
    assert story(f"events = [{doubted}, {sure}, {{ approve = 1 }}]", rule()).failures == (late,)


@pytest.mark.parametrize(
    ("ruling", "told"),
    [
        ("{ approve = 9 }", "event 9 is not held"),
        ('{ approve = 1, rule = "t" }', "event 1 is not held by t"),
        (
            "{ approve = true }",
            'write { approve = 2, rule = "…" }, { approve = 2, points = 30 } or { reject = 2 }, with the number',
        ),
        ("{ approve = 1, reject = 1 }", "write { approve = 2"),
        ('{ approve = 1, learner = "ben" }', "event 1 is not held for ben"),
        ("{ reject = 1, points = 5 }", "points says nothing beside reject"),
        ("{ approve = 1, pionts = 5 }", "decision promises no pionts (its currencies: points)"),
        ("{ approve = 1, points = 11 }", "11 points is outside the guardrails (rule s allows 1 point to 10 points)"),
        ("{ approve = 1, points = 0 }", "0 points is outside the guardrails"),
        ("{ approve = 1, points = 2.5 }", "2.5 is finer than points can be"),
        ("{ approve = 1 }, { reject = 1 }", "what s held of event 1 is settled already"),
    ],
)
def test_a_ruling_about_what_does_not_wait_is_a_failure_of_its_story(ruling: str, told: str) -> None:
    *_, failure = story(f"events = [{_SENT}, {ruling}]", _EVIDENCE).failures
    assert failure.partition(": ")[2].startswith(told)


def test_an_act_that_completes_a_step_in_order_is_not_after_it_and_counts_for_one_of_them() -> None:
    twice = """
[[challenge]]
id = "c"
award = 7
order = "strict"
  [[challenge.step]]
  id = "a"
  on = "lesson.completed"
  count = 2
  [[challenge.step]]
  id = "b"
  on = ["quiz.submitted", "lesson.*"]
"""
    told = 'expect = [{ learner = "ann", rule = "c", points = %d }]'
    act = '{ at = 2026-09-0%dT09:00:00, kind = "lesson.completed", lesson = "%d" }'
    late, early, next_day = act % (8, 1), act % (7, 2), act % (9, 1)
    for acts, points in ((f"{early}, {late}", 0), (f"{late}, {early}", 0), (f"{next_day}, {late}, {early}", 7)):
        assert story(f"events = [{acts}]\n{told % points}", twice).failures == ()
    other = twice.replace('"lesson.*"', '"forum.posted"')
    quiz = late.replace("lesson.completed", "quiz.submitted")
    assert story(f"events = [{early}, {late}, {quiz}]\n{told % 7}", other).failures == ()
