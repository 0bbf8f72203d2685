"""Rules that contradict themselves or each other are told, exactly where and why; sensible ones are left alone."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from pathlib import Path
from time import process_time

import pytest

from agent.cli.tuning.checking import compiled_of
from agent.config.comparison import comparison
from agent.config.document import FaultsError
from agent.config.facts import FactTable
from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules, load_rules_text
from agent.config.rulefile.sense.reach import facts_told, unheard, unreached, warned
from agent.config.rulefile.sense.regions import excludes, implies
from agent.config.rulefile.sense.timed import over
from agent.config.settings import Settings, load_settings
from agent.engine.rules import compile_rules
from agent.wiring.rules import read_rules
from tests.rule_stories import decide, event, file, rule

HEAD = 'schema = 1\ntimezone = "UTC"\n'
QUIZ = '[[rule]]\nid = "q"\non = "quiz.submitted"\naward = 10\n'
POST = '[[rule]]\nid = "p"\non = "forum.posted"\naward = 5\n'


def told(text: str) -> list[str]:
    """The warnings of a file, each as `LINE:COLUMN message (hint)`."""
    return [f"{one.line}:{one.column} {one.message} ({one.hint})" for one in load_rules_text(HEAD + text).warnings]


@pytest.mark.parametrize(
    ("one", "other"),
    [(">=80", "<50"), (">80", 80), ("<80", ">=80"), ("60..79", ">=80"), (5, "!=5"), ("quiz", "page"), (True, False)],
)
def test_two_conditions_exclude_each_other(one: object, other: object) -> None:
    assert excludes(comparison(one), comparison(other))
    assert excludes(comparison(other), comparison(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [(">=80", "<=80"), ("60..80", ">=80"), ([1, 90], ">=80"), ("a*", "b*"), (5, "!=6"), (">=80", "@x"), (True, 1)],
)
def test_two_conditions_may_both_hold(one: object, other: object) -> None:
    assert not excludes(comparison(one), comparison(other))


def test_one_condition_holds_wherever_the_other_does() -> None:
    for one, other in ((">=80", ">=50"), (">80", ">=80"), (90, ">80"), ("60..70", ">50"), ([1, 2], "<=2"), (5, "!=6")):
        assert implies(comparison(one), comparison(other))
    for one, other in ((">=50", ">=80"), (">=80", ">80"), ([1, 3], "<=2"), ("a*", "abc"), (5, "!=5"), ("!=5", ">1")):
        assert not implies(comparison(one), comparison(other))


def test_a_branch_that_contradicts_the_rest_is_told_with_its_place() -> None:
    text = QUIZ + 'conditions = { score_pct = ">=80", any = [{ score_pct = "<50" }, { attempt = 1 }] }\n'
    (said,) = told(text)
    assert said.startswith("7:")
    assert "score_pct <50 can never be met here (score_pct >=80 must hold too: no event meets both)" in said


def test_a_none_that_the_conditions_always_meet_is_told() -> None:
    (said,) = told(QUIZ + 'conditions = { score_pct = ">=80", none = [{ score_pct = ">50" }] }\n')
    assert "this `none` is never met" in said
    assert told(QUIZ + 'conditions = { score_pct = ">=80", none = [{ score_pct = ">90" }] }\n') == []


def test_a_crossing_below_which_a_condition_keeps_the_fact_is_told() -> None:
    lesson = '[[rule]]\nid = "l"\non = "lesson.completed"\naward = 1\n'
    (said,) = told(lesson + 'crosses = { section_progress_pct = 80 }\nconditions = { section_progress_pct = "<50" }\n')
    assert "section_progress_pct <50 can never be met here" in said


def test_a_fact_with_several_values_contradicts_nothing() -> None:
    assert told(QUIZ + 'conditions = { cohorts = "a", any = [{ cohorts = "b" }] }\n') == []


def test_a_rule_that_is_denied_in_every_case_can_never_pay() -> None:
    deny = '[[deny]]\non = "forum.*"\nconditions = { word_count = "<10" }\nreason = "too short"\n'
    (said,) = told(deny + POST + 'conditions = { word_count = "<5" }\n')
    assert "rule p can never pay ([[deny]] in rules.toml:3 refuses all of it: too short)" in said
    assert told(deny + POST + 'conditions = { word_count = "<50" }\n') == []
    assert told(deny + QUIZ) == []


def test_a_rule_that_a_cap_leaves_nothing_can_never_pay() -> None:
    (said,) = told(QUIZ + 'group = "g"\n[[cap]]\ngroup = "g"\nlimit = "5 points/day"\n')
    assert "rule q can never pay ([[cap]] 5 points/day" in said


def test_two_rules_that_say_the_same_pay_twice_and_ids_that_look_alike_are_told() -> None:
    found = told(QUIZ + QUIZ.replace('"q"', '"other"') + POST.replace('"p"', '"a-b"') + QUIZ.replace('"q"', '"ab"'))
    assert [said.split(" (")[0].partition(" ")[2] for said in found] == [
        "rule other repeats another",
        "rule ab repeats another",
        "the id ab looks like another",
    ]


def test_an_audience_that_names_something_twice_is_told() -> None:
    (said,) = told(QUIZ + 'audience = { courses = ["A", "B", "A"] }\n')
    assert "'A' is named twice" in said


def test_what_posts_of_forms_bring_is_theirs_also_where_other_kinds_have_a_fact_of_that_name() -> None:
    deal = '[[rule]]\nid = "d"\non = "submission.received"\nconditions = { amount = ">=5" }\n'
    assert told(deal + "award = 1\n") == []
    assert told(deal + 'award = { points = { of = "amount", times = "0.1" } }\n') == []


def test_a_check_that_never_looks_at_anything_is_told() -> None:
    (said,) = told(QUIZ + '[[check]]\nid = "c"\nduplicate_text = {}\n')
    assert "check c never looks at anything" in said
    assert told(POST + '[[check]]\nid = "c"\nduplicate_text = {}\n') == []


def configured(directory: Path, source: str) -> Settings:
    """A campus with this source."""
    config = directory / "config.toml"
    config.write_text(f'[agent]\ncampus = "c"\ndata_dir = "data"\n{source}')
    return load_settings(config)


DOUBTED = '[[source]]\nname = "m"\nkind = "moodle-logstore"\nurl = "sqlite:///m.db"\ntrust = "client_reported"\n'
STRICT = 'min_trust = "server_verified"\n'


def test_a_trust_that_no_source_reaches_is_a_warning_at_its_place_and_no_fault(tmp_path: Path) -> None:
    settings = configured(tmp_path, DOUBTED)
    for fine in ("", 'mode = "off"\n' + STRICT):
        assert unreached(load_rules_text(HEAD + QUIZ + fine), settings) == ()
    (warning,) = warned(load_rules_text(HEAD + QUIZ + STRICT), settings).warnings
    assert str(warning).startswith("rules.toml:7:13: no configured source reaches min_trust server_verified")
    assert "the highest is client_reported" in str(warning)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('[[challenge]]\nid = "c"\nbadge = "b"\nstep = [{ on = "quiz.submitted" }]\n', 1),
        ('[[scheduled]]\nid = "s"\nevery = "week"\nrank = { by = "days with quiz.submitted" }\nplaces = [5]\n', 1),
        ('[[scheduled]]\nid = "s"\nevery = "week"\nrank = { by = "points earned" }\nplaces = [5]\n', 0),
    ],
)
def test_challenges_and_what_is_scheduled_are_told_of_a_trust_that_no_act_reaches(
    tmp_path: Path, table: str, told: int
) -> None:
    key, rest = table.split("\n", 1)
    rules = load_rules_text(f"{HEAD}{key}\n{STRICT}{rest}")
    assert len(unreached(rules, configured(tmp_path, DOUBTED))) == told


def posting(**keys: str) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f'[[source]]\nname = "t"\nkind = "tool-trigger"\npath = "/hook"\ntrust = "server_verified"\n{lines}'


WEB = '[[source]]\nname = "w"\nkind = "moodle-ws"\nurl = "https://m.example"\ntoken_file = "w.token"\n'


@pytest.mark.parametrize(
    ("source", "most"),
    [
        (posting(bearer_token_files='["a"]'), "trusted_source"),
        (posting(secret_files='["a"]'), "trusted_source"),
        (posting(allow_ips='["10.0.0.0/8"]'), "client_reported"),
        (posting(), "unverified"),
        (WEB + 'trust = "server_verified"\n', "trusted_source"),
    ],
)
def test_a_ceiling_reaches_no_further_than_what_proves_the_events(tmp_path: Path, source: str, most: str) -> None:
    settings = configured(tmp_path, source)
    (fault,) = unreached(load_rules_text(HEAD + QUIZ + STRICT), settings)
    assert f"the highest is {most};" in str(fault)
    assert unreached(load_rules_text(HEAD + QUIZ + f'min_trust = "{most}"\n'), settings) == ()


@pytest.mark.soak
def test_ten_thousand_rules_load_in_seconds() -> None:
    one = '[[rule]]\nid = "r{n}"\non = "quiz.submitted"\naward = {n}\naudience = {{ courses = ["C{n}"] }}\n'
    begun = process_time()
    rules = load_rules_text(HEAD + "".join(one.format(n=n + 1) for n in range(10_000)))
    assert len(compile_rules(rules, KindTable()).rules) == 10_000
    assert process_time() - begun < 30


def test_a_deny_that_asks_what_nothing_tells_of_a_kind_would_hold_it_for_ever() -> None:
    tagged = rule("forum.tagged")
    deny = '[[deny]]\non = "forum.*"\nconditions = { word_count = "<3" }\nreason = "short"\n'
    assert [one.message for one in file(tagged + deny).warnings] == [
        "nothing tells word_count of forum.tagged: each is held for ever"
    ]
    assert file(tagged + deny.replace("forum.*", "forum.posted")).warnings == ()
    assert file(tagged + deny.replace('"<3"', '{ is = "<3", if_unknown = "pass" }')).warnings == ()
    assert file(rule("forum.posted") + deny).warnings == ()


TRIGGER = posting(bearer_token_files='["a"]')
FORMS = '[[source]]\nname = "f"\nkind = "generic"\npath = "/f"\nbearer_token_files = ["a"]\n'
LOG = '[[source]]\nname = "m"\nkind = "moodle-logstore"\nurl = "sqlite:///m.db"\n'
LONG = '[[rule]]\nid = "p"\non = "forum.posted"\naward = 1\nconditions = { word_count = ">=20" }\n'
SHORT = '[[deny]]\non = "forum.posted"\nconditions = { word_count = "<3" }\nreason = "too short"\n'
RANKED = '[[scheduled]]\nid = "s"\nevery = "week"\nrank = { by = "sum of word_count in forum.posted" }\nplaces = [5]\n'


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (LONG, ["no configured source supplies word_count for forum.posted"]),
        (
            POST + SHORT,
            [
                "nothing tells word_count of forum.posted: each is held for ever",
                "no configured source supplies word_count for forum.posted",
            ],
        ),
        (POST.replace("award = 5", 'award = { points = { of = "word_count", times = "0.1" } }'),
         ["no configured source supplies word_count for forum.posted"]),
        (POST + 'message = "{word_count} words"\n', ["nothing fills in {word_count}"]),
        (RANKED, ["no configured source supplies word_count for forum.posted"]),
        (LONG.replace('">=20"', '{ is = ">=20", if_unknown = "pass" }'), []),
        (POST, []),
    ],
)  # fmt: skip
def test_a_fact_that_no_configured_source_supplies_is_warned_of(tmp_path: Path, rules: str, said: list[str]) -> None:
    def warnings(*sources: str) -> list[str]:
        facts = facts_told(configured(tmp_path, "".join(sources)))
        return [fault.message for fault in load_rules_text(HEAD + rules, facts=facts).warnings]

    assert warnings(TRIGGER) == said
    assert warnings(LOG) == []
    assert warnings(TRIGGER, WEB.replace('"w.token"', '"w.token"\nsame_site_as = "t"')) == []
    assert warnings(TRIGGER, FORMS) == []  # whoever posts the canonical schema may send it


def test_rules_check_and_the_agent_look_at_the_configured_sources(tmp_path: Path) -> None:
    settings = configured(tmp_path, TRIGGER)
    (tmp_path / "rules.toml").write_text(HEAD + LONG)
    for rules in (compiled_of(None, settings.path)[0], read_rules(settings)[0]):
        assert [fault.message for fault in rules.warnings] == [
            "no configured source supplies word_count for forum.posted"
        ]
    assert compiled_of([tmp_path / "rules.toml"], None)[0].warnings == ()


def test_whoever_is_warned_of_a_missing_fact_is_told_which_kind_of_source_has_it(tmp_path: Path) -> None:
    facts = facts_told(configured(tmp_path, TRIGGER))
    (warning,) = load_rules_text(HEAD + LONG, facts=facts).warnings
    assert "a [[source]] of kind canvas, moodle-logstore or moodle-ws would; what lacks it is held" in str(warning)


LESSON = '[[rule]]\nid = "l"\non = "lesson.completed"\naward = 10\n'
LOGIN = LESSON.replace("lesson.completed", "user.logged_in")
PROGRAMME = '[[rule]]\nid = "l"\non = "programme.completed"\naward = 10\n'
ALPHA = '[programme.alpha]\ncourses = ["A"]\npass = "completed"\n'
LEVEL = '[currency.stars]\n[[level]]\nname = "High"\ncurrency = "stars"\nfrom = 10\n'
BOTH = 'award = [{ to = "referrer", points = 5 }, { points = 1 }]\n'
FOR = 'limit = { of = "60 points/30d", for = "referrer" }\n'
LEVELS = (
    '[[level]]\nname = "A"\ncurrency = "points"\nfrom = 10\n[[level]]\nname = "B"\ncurrency = "points"\nfrom = {}\n'
)
ASKS = '[[rule]]\nid = "h"\non = "quiz.submitted"\naward = 1\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PROGRAMME, "5:6 no programme is ever completed here (write [programme.NAME]"),
        (
            PROGRAMME + 'conditions = { programme = "alfa" }\n' + ALPHA,
            "there is no [programme.alfa] (did you mean 'alpha'?)",
        ),
        (LESSON + 'once_per = "post"\n', "rule l can never pay (lesson.completed has no post: each is refused)"),
        (LESSON + 'once_per = ["day", "programme"]\n', "rule l can never pay (lesson.completed has no programme"),
        (LOGIN + 'once_per = "course"\n', "rule l can never pay (user.logged_in has no course: each is refused)"),
        (
            LOGIN.replace('"user.logged_in"', '["user.logged_in", "course.viewed"]') + 'once_per = "lesson"\n',
            "(user.logged_in and course.viewed have no lesson: each is refused)",
        ),
        (LESSON + FOR, "60 points/30d can never act (the rule awards no points to the referrer)"),
        (LESSON + FOR.replace("60 points", "6"), "6/30d can never act (the rule pays no referrer)"),
        (LESSON + "budget = '5 stars/day'\n[currency.stars]\n", "5 stars/day can never act (the rule awards no stars)"),
        (LESSON + 'budget = ["50 points/day", "9 points/ever"]\n', "9 points/ever holds every award (one award"),
        (LESSON + 'cooldown = "1d"\nlimit = "3/day"\n', "3/day can never act (cooldown 1d allows 2/day anyway)"),
        (LESSON + 'cooldown = "1d"\nlimit = "7/7d"\n', "7/7d can never act (cooldown 1d allows 7/7d anyway)"),
        (LESSON + 'cooldown = "1h"\nlimit = "1/7d"\n', "this cooldown can never act (limit 1/7d waits longer anyway)"),
        (
            LESSON + 'active = { from = 2026-09-07, until = 2026-09-09, days = ["sat", "sun"] }\n',
            "rule l can never pay (there is no sat or sun from 2026-09-07 until 2026-09-09)",
        ),
        (
            LESSON + 'requires = { level = "High" }\n' + LEVEL,
            "nobody reaches level 'High' (it is reached with stars, and nothing here awards stars)",
        ),
        (LESSON.replace("10", "0"), "rule l pays nothing (no badge, tier or `requires` asks for it either)"),
        (LESSON + "conditions = { any = [] }\n", "`any` is empty: it asks for nothing (leave it out)"),
        (LESSON + "conditions = { any = [{ none = [] }] }\n", "`none` is empty: it asks for nothing (leave it out)"),
        (LESSON + "limit = []\n", "7:9 `limit` is empty: it says nothing (leave it out"),
        (LESSON + "audience = {}\n", "7:12 `audience` is empty: it says nothing (leave it out"),
        (LESSON + "active = {}\n", "`active` is empty: it says nothing"),
        (LESSON + "conditions = {}\n", "`conditions` is empty: it says nothing"),
        (LESSON + "tags = []\n", "`tags` is empty: it says nothing"),
        (
            LESSON + LEVELS.format(10),
            "level 'B' begins where 'A' does, which stands in rules.toml:7 (give each a `from` of its own)",
        ),
        (
            LESSON.replace('"l"', '"lesson-complete"') + QUIZ.replace('"q"', '"lesson-completed"'),
            "the id lesson-completed looks like another (rule lesson-complete",
        ),
        (LESSON + QUIZ.replace('"q"', '"L"'), "the id L looks like another (rule l in rules.toml:3 is easily taken"),
    ],
)  # fmt: skip
def test_what_can_never_act_or_never_be_had_is_told_with_its_place(text: str, said: str) -> None:
    (found,) = told(text)
    assert said in found


@pytest.mark.parametrize(
    "text",
    [
        PROGRAMME + 'conditions = { programme = "alpha" }\n' + ALPHA,
        PROGRAMME + 'once_per = ["programme", "day"]\n' + ALPHA,
        LESSON + 'once_per = ["lesson", "course", "day"]\n',
        LESSON.replace("lesson.completed", "*.completed") + 'once_per = "programme"\n' + ALPHA,
        LESSON.replace("award = 10\n", BOTH) + FOR + '[person]\nreferrer = { profile_field = "x" }\n',
        LESSON + 'cooldown = "1d"\nlimit = ["1/day", "6/7d"]\n',
        LESSON + 'cooldown = "1d"\nlimit = ["10 points/day", "5/ever"]\n',
        LESSON + 'cooldown = "1h"\nlimit = "2/7d"\n',
        LESSON + 'once_per = "ever"\ncooldown = "7d"\nreverse_on = "lesson.uncompleted"\n',
        LESSON + 'once_per = "day"\nlimit = ["6/week", "8/7d", "1/12h"]\n',
        LESSON + 'once_per = "day"\nlimit = ["30/month", "359/year"]\n',
        LESSON + 'once_per = "day"\nlimit = "365/year"\n',
        LESSON + 'once_per = "week"\nlimit = ["5/month", "53/year"]\n',
        LESSON + 'once_per = "week"\nlimit = "1/7d"\n',
        LESSON + 'once_per = ["month", "lesson"]\nlimit = "12/year"\n',
        LESSON + 'cooldown = "1h"\nlimit = "1/7d"\nreverse_on = "lesson.uncompleted"\n',
        LESSON + 'active = { from = 2026-09-07, until = 2026-09-12, days = ["sat"] }\n',
        LESSON + 'requires = { level = "High" }\n' + LEVEL + ASKS.replace("award = 1", "award = { stars = 1 }"),
        LESSON.replace("10", "0") + 'tags = ["t"]\n' + ASKS + 'requires = { tag = "t" }\n',
        LESSON.replace("10", "0") + 'mode = "off"\n',
        LESSON + 'budget = ["10 points/day", "1/day"]\n',
        LESSON + 'mode = "off"\nconditions = { any = [] }\n',
        LESSON + 'mode = "off"\nlimit = []\n',
        LESSON + LEVELS.format(20),
        PROGRAMME + 'mode = "off"\n',
        LESSON.replace('"l"', '"week-1"') + QUIZ.replace('"q"', '"week-2"'),
    ],
)
def test_what_can_act_and_be_had_is_left_alone(text: str) -> None:
    assert told(text) == []


UNDONE = '[[rule]]\nid = "u"\non = {}\naward = 1\nreverse_on = {}\n'


@pytest.mark.parametrize(
    ("on", "reverse_on", "said"),
    [
        (
            '"grade.awarded"', '["grade.deleted", "quiz.attempt_deleted"]',
            "7:32 quiz.attempt_deleted never takes back what grade.awarded earned (grade.deleted, lesson.failed or",
        ),
        ('"lesson.completed"', '"grade.deleted"', "(lesson.failed or lesson.uncompleted would)"),
        ('"user.logged_in"', '"lesson.uncompleted"', "(nothing that Moodle tells would)"),
    ],
)  # fmt: skip
def test_an_undoing_that_is_about_other_acts_is_told_with_those_that_fit(on: str, reverse_on: str, said: str) -> None:
    (found,) = told(UNDONE.format(on, reverse_on))
    assert said in found


def test_an_undoing_that_can_find_something_is_left_alone(tmp_path: Path) -> None:
    for on, reverse_on in (
        ('["quiz.submitted", "grade.awarded"]', '"quiz.attempt_deleted"'),
        ('"assignment.submitted"', '["assignment.withdrawn", "lesson.uncompleted", "course.reset"]'),
        (r"'\mod_data\event\record_created'", '"grade.deleted"'),
        ('"quiz.*"', r"'\mod_quiz\event\attempt_deleted'"),
    ):
        assert told(UNDONE.format(on, reverse_on)) == []
    path = tmp_path / "rules.toml"
    path.write_text(HEAD + UNDONE.format('"lesson.completed"', '"grade.deleted"'))
    assert not load_rules((path,), facts=FactTable(sources=frozenset({"generic"}))).warnings, "it names what it likes"


def test_a_campus_with_learnworlds_hears_of_programmes_that_its_rules_do_not_know(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(HEAD + PROGRAMME + 'conditions = { programme = "from-there" }\n')
    for kind, count in (("learnworlds", 0), ("thinkific", 1)):
        found = load_rules((path,), facts=FactTable(sources=frozenset({kind}))).warnings
        assert len([one for one in found if "programme is ever" in one.message]) == count


def test_a_cap_on_a_source_that_nobody_configured_is_warned_of_with_the_nearest_name(tmp_path: Path) -> None:
    capped = '\n[[cap]]\nsource = ["%s", "scheduled"]\nlimit = "5/day"\n'
    settings = configured(tmp_path, DOUBTED.replace('"m"', '"forms"'))
    (name,) = (source.name for source in settings.sources)
    assert unheard(load_rules_text(HEAD + QUIZ + capped % name), settings) == ()
    misspelt = load_rules_text(HEAD + QUIZ + capped % f"{name}x")
    (warning,) = unheard(misspelt, settings)
    assert f"no [[source]] is called '{name}x', did you mean '{name}'?" in str(warning)
    assert warned(misspelt, settings).warnings == (warning,)


ENROLLED = '[[rule]]\nid = "l"\non = "course.completed"\naward = 10\nconditions = {{ {} }}\n'


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ("since_enrolment = 7", '7:34 since_enrolment 7 counts seconds (write "7d" for days, with h for hours'),
        ('since_enrolment = "<= 7"', 'since_enrolment <=7 counts seconds (write "7d" for days'),
        ('since_start = "0..14"', 'since_start 0..14 counts seconds (write "14d" for days'),
        ('any = [{ since_start = ["7d", 3] }]', 'since_start one of 7d, 3 counts seconds (write "3d" for days'),
        ('since_enrolment = "<1209600"', 'since_enrolment <1209600 counts seconds (write "14d": a length of time has'),
        ('since_enrolment = ">=-90061"', "since_enrolment >=-90061 counts seconds (a length of time has a unit"),
        (
            'since_enrolment = "<= @window" }\n[value.window]\ndefault = "14d"\nBIO101 = 7\n#',
            "10:10 @window is compared with since_enrolment: 7 counts seconds",
        ),
    ],
)
def test_a_bare_number_where_a_length_of_time_stands_is_told_with_what_was_meant(conditions: str, said: str) -> None:
    (found,) = told(ENROLLED.format(conditions))
    assert said in found


@pytest.mark.parametrize(
    "conditions",
    ['since_enrolment = "<=7d"', 'since_start = "<0"', 'since_start = "-2d..0"', 'since_start = ">= -1w"'],
)
def test_a_length_of_time_with_its_unit_is_left_alone_and_so_is_nothing(conditions: str) -> None:
    assert told(ENROLLED.format(conditions)) == []


SALE = (
    '[[rule]]\nid = "s"\non = "sale.made"\naward = { points = { of = "amount" } }\nconditions = { region = "north" }\n'
)
OWN = '[[kind]]\nkind = "sale.made"\n'


def test_a_kind_of_ones_own_needs_no_lms_event_and_brings_what_its_posts_say(tmp_path: Path) -> None:
    assert told(SALE + 'message = "{amount} sold"\n' + OWN) == []
    path = tmp_path / "rules.toml"
    path.write_text(HEAD + SALE + OWN)
    by_log = load_rules((path,), facts=FactTable(sources=frozenset({"moodle-logstore"}))).warnings
    assert [one.message for one in by_log] == [
        "no source supplies a fact 'amount' here",
        "no source supplies a fact 'region'",
    ]
    assert load_rules((path,), facts=FactTable(sources=frozenset({"moodle-logstore", "generic"}))).warnings == ()
    book = compile_rules(load_rules((path,)), KindTable())
    assert book.demand.names == frozenset()
    assert decide(book, [event("sale.made", facts={"amount": 7, "region": "north"})])[0].postings[0].amount == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SALE, 'one of your own is declared: [[kind]] with kind = "sale.made"'),
        (SALE.replace('"s"', '"s"\nonce_per = "lesson, day"'), 'such as "lesson", "day", or both: ["lesson", "day"]'),
        (SALE + OWN + 'when = "1"\n', "`when` and `suffix` are about an LMS event, name it: lms_event"),
        (SALE + OWN + "lms_event = 'sale_made'\n", "an LMS event begins with a backslash"),
    ],
)
def test_a_kind_that_is_not_declared_or_not_rightly_is_told(text: str, said: str) -> None:
    with pytest.raises(FaultsError) as caught:
        load_rules_text(HEAD + text)
    assert any(said in str(fault) for fault in caught.value.faults), [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("award = 1.000", "5:9 1.000 is read as 1 (write 1000, or 1)"),
        ('award = 1\nlimit = "50.000 points/month"', "6:9 50.000 is read as 50 (write 50000, or 50)"),
        ("award = { points = { of = 'score_pct', max = 2.000 } }", "5:46 2.000 is read as 2 (write 2000, or 2)"),
        ('award = 1\n[[tier]]\nname = "T"\nfrom = 5.000', "8:8 5.000 is read as 5 (write 5000, or 5)"),
    ],
)
def test_a_point_between_thousands_is_told_for_what_it_is_read_as(written: str, read: str) -> None:
    quiz = f'[[rule]]\nid = "q"\non = "quiz.submitted"\n{written}\n'
    found = [f"{one.line - 1}:{one.column} {one.message} ({one.hint})" for one in file(quiz).warnings]
    assert [one for one in found if "is read as" in one] == [read]


def test_a_number_with_as_many_decimals_as_its_currency_has_is_no_thousands() -> None:
    fine = "[currency.points]\ndecimals = 3\n"
    assert told(f'{fine}[[rule]]\nid = "q"\non = "quiz.submitted"\naward = 1.250\n') == []
    assert told(QUIZ.replace("award = 10", 'award = { points = { of = "score_pct", times = 1.250 } }')) == []


def test_a_worth_that_no_report_can_read_is_told() -> None:
    (said,) = told('[currency.points]\nworth = "R0,05"\n' + QUIZ)
    assert said.startswith("4:9 'R0,05' is no price")
    assert told('[currency.points]\nworth = "0.05 ZAR"\n' + QUIZ) == []


def test_a_budget_of_all_below_one_award_is_told_with_the_rule_that_always_waits() -> None:
    (said,) = told('[budget]\npoints = ["100/week", "5/day"]\n' + QUIZ)
    assert said.startswith("8:9 rule q always waits for review ([budget] 5 points/day in rules.toml:4")


def test_two_rules_that_pay_for_the_same_acts_are_told_where_nothing_else_parts_them() -> None:
    again = QUIZ.replace('"q"', '"again"').replace("10", "5")
    (said,) = told(QUIZ + again)
    assert said.startswith("8:6 rule again pays for the same acts again (as rule q in rules.toml:3")
    for other in ('limit = "1/day"', 'group = "g"', "conditions = { attempt = 1 }", 'mode = "shadow"'):
        assert told(QUIZ + again + other + "\n") == []
    assert told(QUIZ + again.replace("award = 5", "award = { reputation = 5 }") + "[currency.reputation]\n") == []


def test_hours_past_midnight_of_some_days_are_told_unless_a_day_begins_after_them() -> None:
    night = 'active = { days = ["fri"], hours = "22:00-02:00" }\n'
    (said,) = told(QUIZ + night)
    assert said.startswith("7:36 q is active on fri before 02:00 too, and no more when fri is over at midnight")
    every = '"mon", "tue", "wed", "thu", "fri", "sat", "sun"'
    for other in ('hours = "08:00-18:00"', 'hours = "22:00-24:00"', 'hours = "22:00-00:00"'):
        assert told(QUIZ + night.replace('hours = "22:00-02:00"', other)) == []
    assert told(QUIZ + night.replace('"fri"', every)) == told(QUIZ + night + 'mode = "off"\n') == []
    late = load_rules_text(HEAD + 'day_starts_at = "02:00"\n' + QUIZ + night)
    assert [str(one) for one in late.warnings] == []


def test_a_rule_whose_time_is_over_is_told_and_one_that_ends_today_is_not() -> None:
    active = "active = { from = 2025-09-01, until = 2025-11-30 }\n"
    rules = load_rules_text(HEAD + QUIZ + active)
    assert [str(one) for one in over(rules, date(2025, 12, 1))] == [
        'rules.toml:7:39: q ended on 2025-11-30, it earns nothing any more: write another until, or mode = "off"'
    ]
    assert list(over(rules, date(2025, 11, 30))) == []
    assert list(over(load_rules_text(HEAD + QUIZ + active + 'mode = "off"\n'), date(2026, 1, 1))) == []


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('limit = "50,000 points/week"', "write 50000"),
        ('limit = "50 000/week"', "write 50000"),
        ('limit = "2,5 points/week"', "write 2.5"),
        ('conditions = { score_pct = ">=60%" }', "write it without %"),
        ('conditions = { score_pct = ">=60,5" }', "write 60.5"),
        ('limit = "5\u00a0/day"', "a space of another kind stands here (U+00A0): write a plain space"),
        ('active = { hours = "08:00–18:00" }', "– is no hyphen: write -"),
    ],
)
def test_a_value_that_looks_right_is_told_with_what_makes_it_wrong(line: str, hint: str) -> None:
    with pytest.raises(FaultsError) as caught:
        file(QUIZ + line + "\n")
    assert hint in str(caught.value)


@pytest.mark.parametrize("zone", ["GMT+2", "UTC-3", "+02:00"])
def test_an_offset_is_no_zone_and_is_not_taken_for_another(zone: str) -> None:
    with pytest.raises(FaultsError, match=f"'{re.escape(zone)}' is not an IANA time zone, name a city"):
        load_rules_text(f'schema = 1\ntimezone = "{zone}"\n')


def test_an_award_with_decimals_says_how_many_its_currency_would_need() -> None:
    with pytest.raises(FaultsError, match=r"points has no decimals, write a whole number, or .* decimals = 2"):
        file(QUIZ.replace("10", "0.25"))


@pytest.mark.parametrize("step", ['[[level]]\nname = "A"\ncurrency = "points"\n', '[[tier]]\nname = "A"\n'])
def test_a_level_or_tier_may_begin_at_a_part_of_a_unit_that_its_currency_has(step: str) -> None:
    fine = file(f"[currency.points]\ndecimals = 2\n{step}from = 2.25\n" + QUIZ)
    begins = [level.from_ for level in fine.levels] + [tier.it.from_ for tier in fine.tiers]
    assert begins == [Fraction(9, 4)]
    with pytest.raises(FaultsError, match=r"points has no decimals, write a whole number, or .* decimals = 2"):
        file(f"{step}from = 2.25\n" + QUIZ)
    for wrong in ("-1", '"2"', "true"):
        with pytest.raises(FaultsError, match="is no total to begin at, a number, 0 or more"):
            file(f"{step}from = {wrong}\n" + QUIZ)


def test_a_challenge_whose_deadline_is_past_is_told() -> None:
    steps = '[[challenge.step]]\non = "lesson.completed"\n'
    rules = load_rules_text(f'{HEAD}[[challenge]]\nid = "c"\naward = 5\ndeadline = 2025-12-31\n{steps}')
    (said,) = over(rules, date(2026, 1, 1))
    assert str(said).startswith("rules.toml:6:12: the deadline of c was 2025-12-31, nobody completes it any more")
    assert list(over(rules, date(2025, 12, 31))) == []


@pytest.mark.parametrize("message", ["Well done, {learner.first_name", "Well done, attempt}", "{{score_pct}"])
def test_a_brace_of_a_message_that_stands_alone_is_told(message: str) -> None:
    assert any("a brace of this message stands alone" in one for one in told(QUIZ + f"message = '{message}'\n"))
    assert told(QUIZ + "message = 'Well done, {learner.first_name}: {score_pct} %'\n") == []


@pytest.mark.parametrize("written", ["60-79", "between 60 and 79"])
def test_a_range_that_is_written_in_other_words_is_told_as_it_is_written_here(written: str) -> None:
    (said,) = told(QUIZ + f'conditions = {{ score_pct = "{written}" }}\n')
    assert 'the fact is a number, and both ends are written "60..79"' in said


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ('streak = "5 days"', 'a table, such as { days = 5, in = "week" }'),
        ('conditions = "score_pct >= 60"', 'a table, such as { score_pct = ">=80" }'),
        ('audience = "BIO101"', 'a table, such as { courses = ["BIO101"] }'),
    ],
)
def test_a_table_that_is_none_is_told_with_what_it_looks_like(line: str, shape: str) -> None:
    with pytest.raises(FaultsError) as caught:
        file(QUIZ + line + "\n")
    assert shape in str(caught.value)


ADDED = "[[kind]]\nkind = \"x.happened\"\nlms_event = '{}'\n"


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        (ADDED.format(r"\mod_quiz\event\attempt_submitted"), "are quiz.submitted already"),
        (ADDED.format(r"\mod_page\event\course_module_viewed"), "are lesson.viewed already"),
        (ADDED.format(r"\mod_page\event\course_module_viewed") + "suffix = true\n", "are lesson.viewed already"),
        (ADDED.format(r"\core\event\course_module_completion_updated") + 'when = "3"\n', "are lesson.failed already"),
        (
            ADDED.format(r"\core\event\course_module_completion_updated") + 'when = ["0", "4"]\n',
            "lesson.uncompleted al",
        ),
        (ADDED.format(r"\a\event\b") + ADDED.format(r"\a\event\b").replace("x.", "y."), "are x.happened already"),
        (ADDED.format(r"\a\event\b") + 'when = "1"\n', "have no state: none is ever x.happened (leave `when` out)"),
        (ADDED.format(r"\a\event\b"), ""),
        (ADDED.format(r"\a\event\b") * 2, ""),
        (ADDED.format(r"\event\course_viewed") + "suffix = true\n", ""),
        (ADDED.format(r"\core\event\user_graded") + 'when = ["category", "mod"]\n', ""),
        (ADDED.format(r"\core\event\course_module_completion_updated"), ""),
        ('[[kind]]\nkind = "x.happened"\n', ""),
    ],
)
def test_a_kind_that_no_row_is_ever_of_is_told(line: str, warning: str) -> None:
    """Its rules paid nothing, and nothing said why: the first line that fits a row says of which kind it is."""
    said = told(QUIZ + line)
    assert (len(said), warning in "".join(said)) == (bool(warning), True), said
