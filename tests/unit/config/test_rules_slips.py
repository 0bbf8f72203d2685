"""Slips in rules that loaded and did nothing, or did something else: each is told with its place and what to write."""

from __future__ import annotations

import pytest

from agent.config.document import FaultsError
from agent.config.rulefile import load_rules_text
from tests.rule_stories import file, rule

HEAD = 'schema = 1\ntimezone = "Asia/Kathmandu"\n'
AVERAGE = '{ points = { of = "score_pct", times = "1/3" } }'
QUIZ = r"'\mod_quiz\event\attempt_submitted'"

REFUSED = [
    (
        rule(more='audience = { courses = ["id: 7"] }'),
        '7:25: \'id: 7\' names no course, a short name, "idnumber:…" or "id:7"',
    ),
    (rule(more='audience = { courses = ["idnumber:H "] }'), "7:25: 'idnumber:H ' names no course, a short name,"),
    (rule(more='audience = { cohorts = [""] }'), "7:25: `cohorts`: must not be empty"),
    (rule(more='audience = ["BIO101"]'), "7:12: `audience`: a list cannot stand here, expected a table, such as {"),
    (
        rule(more='reverse_on = "lesson.*"'),
        "7:14: 'lesson.*' takes in 'lesson.completed', which stands in `on`, an event",
    ),
    (
        rule(more='reverse_on = ["lesson.uncompleted", "*"]'),
        "7:37: '*' takes in 'lesson.completed', which stands in `on`",
    ),
    (rule("lesson.c*", 'reverse_on = "lesson.*"'), "7:14: 'lesson.*' takes in 'lesson.c*', which stands in `on`"),
    (rule().replace('"lesson.completed"', QUIZ) + 'reverse_on = "quiz.*"\n', f"8:14: 'quiz.*' takes in {QUIZ}, which"),
    (rule(more='once_per = "7d"'), '7:12: \'7d\' is no scope, write cooldown = "7d", or limit = "1/7d"'),
    (
        rule(more='once_per = "activity"'),
        "7:12: once_per 'activity' is neither a scope nor a [period.activity], one of ever, lesson,",
    ),
    (rule(more='limit = "9007199254740993/ever"'), "7:9: '9007199254740993' is not a number, at most 15 digits before"),
    (
        rule(award='{ points = 10, badge = "ace" }'),
        '6:32: a badge is no amount, give it beside the award: badge = "ace"',
    ),
    (
        '[[scheduled]]\nid = "s"\nevery = "week"\ncron = "0 18 * * FRI"\nrank = { by = "points earned" }\nplaces = [5]',
        "6:8: scheduled 's' has `every` and `cron`, take one of the two out",
    ),
    (rule(award=AVERAGE), "6:48: '1/3' is not a number, write a number such as 80 or 79.5"),
    ('[value.w]\n"id:7" = "7d"\n', "4:1: 'id:7' names no course here, a value names courses by their short names"),
    ('[value.w]\n"" = "7d"\n', "4:1: '' names no course here, a value names courses by their short names"),
    ('[[level]]\nname = ""\ncurrency = "points"\nfrom = 5\n', "4:8: `name`: must not be empty"),
    (
        '[budget]\npoints = { of = "5/day", over = "trim" }\n',
        "4:10: a budget is everybody's, and what goes over it is held,",
    ),
]


@pytest.mark.parametrize(("text", "told"), REFUSED)
def test_a_slip_is_refused_with_its_place_and_what_to_write(text: str, told: str) -> None:
    with pytest.raises(FaultsError) as caught:
        load_rules_text(HEAD + text)
    (fault,) = caught.value.faults
    assert str(fault).partition(":")[2].startswith(told)


TOP = HEAD + '[[rule]]\nid = "r"\non = "quiz.submitted"\n'
CONDITIONS = '[rule.conditions]\nscore_pct = ">=80"\n'
TOOK = "but TOML reads it as a key of"
IN_CONDITIONS = f"belongs to the keys of [[rule]], {TOOK} [rule.conditions], which line 7 opened"
HUNG = [
    (
        f'{TOP}award = 1\n{CONDITIONS}limit = "3/day"\nmode = "off"\n',
        [f"9: `limit` {IN_CONDITIONS}", f"10: `mode` {IN_CONDITIONS}"],
    ),
    (f"{TOP}title = ''\n{CONDITIONS}award = 10\n", ["3: the rule gives nothing", f"9: `award` {IN_CONDITIONS}"]),
    (
        f"{TOP}[rule.award]\npoints = 10\nfrequency = 3\n",
        [f"8: `frequency` belongs to the keys of [[rule]], {TOOK} [rule.award], which line 6 opened"],
    ),
    (
        f'{HEAD}[budget]\npoints = "5/day"\nday_starts_at = "04:00"\n',
        [f"5: `day_starts_at` belongs to the top of the file, {TOOK} [budget], which line 3 opened"],
    ),
    (
        f'{HEAD}[value.w]\ndefault = 1\nweek_starts_on = "sun"\n',
        [f"5: `week_starts_on` belongs to the top of the file, {TOOK} [value.w], which line 3 opened"],
    ),
    (
        f'{TOP}award = 1\n[[rule.example]]\n[rule.example.event]\nkind = "quiz.submitted"\nexpect = {{}}\n',
        [
            "7: an example needs `expect` or `because`",
            f"10: `expect` belongs to the keys of [[rule.example]], {TOOK} [rule.example.event], which line 8 opened",
        ],
    ),
    (
        f'{HEAD}[[deny]]\non = 5\n[deny.conditions]\nscore_pct = "<3"\nreason = "x"\n',
        [
            "3: `reason` is missing from [[deny]]",
            "4: 5 is neither a kind nor an LMS event",
            f"7: `reason` belongs to the keys of [[deny]], {TOOK} [deny.conditions], which line 5 opened",
        ],
    ),
]


@pytest.mark.parametrize(("text", "told"), HUNG)
def test_a_key_that_a_header_took_is_explained_where_any_name_may_stand(text: str, told: list[str]) -> None:
    with pytest.raises(FaultsError) as caught:
        load_rules_text(text)
    assert [f"{fault.line}: {fault.message}" for fault in caught.value.faults] == told


SINCE = 'conditions = { since_enrolment = "<= @w" }\nonce_per = "event"'
DOUBTED = [
    (
        "",
        'once_per = "course"\ncrosses = { course_progress_pct = 100.5 }',
        "course_progress_pct never comes to 100.5",
        "the fact is a percentage, 0 to 100",
    ),
    ("[value.w]\n", SINCE, "[value.w] is empty: @w is unknown everywhere", 'write default = "14d"'),
    (
        '[value.w]\nDefault = "14d"\n',
        SINCE,
        "'Default' is read as the short name of a course",
        "did you mean `default`?",
    ),
    (
        '[value.w]\ndefault = "14"\n',
        SINCE,
        "@w is compared with since_enrolment: 14 counts seconds",
        'write "14d" for days',
    ),
    (
        "[value.w]\ndefault = 1.5\n",
        SINCE,
        "@w is compared with since_enrolment: 1.5 counts seconds",
        'write "36h" for days',
    ),
    (
        "[value.w]\ndefault = 0.3\n",
        SINCE,
        "@w is compared with since_enrolment: 0.3 counts seconds",
        "a length of time has",
    ),
]


@pytest.mark.parametrize(("before", "more", "told", "hint"), DOUBTED)
def test_a_slip_that_may_be_meant_is_warned_of(before: str, more: str, told: str, hint: str) -> None:
    (warning,) = file(before + rule("course.completed", more)).warnings
    assert warning.message == told
    assert warning.hint.startswith(hint)


FINE = [
    rule(more='reverse_on = "lesson.un*"'),
    rule("lesson.*", 'reverse_on = "lesson.uncompleted"'),
    rule(more='audience = { courses = ["id:7", "id:my-course", "idnumber:H S", "a:b"] }'),
    rule("submission.received", '[rule.conditions]\ngroup = "A"\ntitle = "Essay"'),
    '[currency.limit]\n[[rule]]\nid = "r"\non = "quiz.submitted"\n[rule.award]\nlimit = 5\n',
    '[budget]\npoints = { of = "500/week" }\n' + rule(),
]


@pytest.mark.parametrize("text", FINE)
def test_what_only_looks_like_a_slip_is_left_alone(text: str) -> None:
    assert file(text).warnings == ()
