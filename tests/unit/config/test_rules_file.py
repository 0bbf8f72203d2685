"""rules.toml as a whole: every fault at once with its place, warnings apart, several files as one version."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.document import FaultsError
from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules, load_rules_text
from agent.engine.rules import compile_rules
from agent.errors import ConfigError
from tests.rule_stories import file, rule, rulebook

HEAD = 'schema = 1\ntimezone = "Africa/Johannesburg"\n'


MANY = '''\
schema = 1
timezone = "Africa/Johanesburg"
[[rule]]
id = "a"
on = "quiz.submited"
award = { pints = 1 }
limit = "3/fortnight"
once_per = "lessn"
points = 5
[[rule]]
id = "a"
on = ["forum.*", "zebra.*"]
award = 1.5
conditions = { since_start = "<= @window", any = [{ attempt = "<= @other" }] }
[[cap]]
group = "learn"
limit = "9 pints/day"
[budget]
pints = "9/sem9"
[[level]]
name = "x"
currency = "pints"
from = 0
[[kind]]
kind = "a.b"
lms_event = "core"
[[deny]]
on = "zebra.crossed"
reason = "no"'''


def faults(text: str) -> list[str]:
    """Line and message of every fault of a file."""
    with pytest.raises(FaultsError) as caught:
        load_rules_text(text)
    return [f"{fault.line}: {fault.message}" for fault in caught.value.faults]


@pytest.mark.parametrize(
    "name", ["Europe", "right/UTC", "posixrules", "../UTC", "/etc/localtime", "zone.tab", "localtime", "Factory"]
)
def test_a_file_of_tzdata_that_is_no_zone_is_none_here(name: str) -> None:
    assert faults(f'schema = 1\ntimezone = "{name}"\n') == [f"2: {name!r} is not an IANA time zone"]


@pytest.mark.parametrize(
    "day", ['"1788220800"', "1788220800", "2026-09-01T09:00:00", "2026-09-01T00:00:00Z", '"1.9.2026"']
)
def test_what_is_no_day_begins_no_period_and_closes_nothing(day: str) -> None:
    for table in (f"[period.sem1]\nfrom = {day}\nuntil = 2030-12-20\n", f"[calendar]\nclosed = [{day}]\n"):
        assert [told.split(":")[0] for told in faults(HEAD + table)] == ["4"]


def test_the_least_file_has_a_schema_a_timezone_and_rules_with_id_on_and_award() -> None:
    rules = load_rules_text(HEAD + '[[rule]]\nid = "r"\non = "lesson.completed"\naward = 10\n')
    (only,) = rules.rules
    assert (only.it.mode, only.it.recipient, only.it.frequency, only.it.once_per) == ("live", "subject", 1, None)
    assert (rules.day_starts_at, rules.week_starts_on, rules.staff_earn, rules.closed) == (0, 0, False, ())
    assert rules.currencies["points"].spendable
    assert rules.currencies["points"].expires_after is None
    assert rules.warnings == ()


def test_every_fault_of_every_kind_is_told_at_once_with_its_place() -> None:
    assert faults(MANY) == [
        "2: 'Africa/Johanesburg' is not an IANA time zone",
        "4: rule 'a' stands in rules.toml:10 again",
        "5: unknown kind 'quiz.submited'",
        "6: unknown currency 'pints'",
        "7: unknown window 'fortnight'",
        "8: once_per 'lessn' is neither a scope nor a [period.lessn]",
        "9: unknown key `points` in [[rule]]",
        "11: rule 'a' stands in rules.toml:3 already",
        "12: no kind fits 'zebra.*'",
        "13: points has no decimals",
        "14: unknown value @window",
        "14: unknown value @other",
        "16: no rule is in group 'learn'",
        "17: unknown currency 'pints'",
        "19: unknown currency 'pints'",
        "19: unknown window 'sem9'",
        "22: unknown currency 'pints'",
        "26: an LMS event begins with a backslash",
        "28: unknown kind 'zebra.crossed'",
    ]


def test_a_file_needs_schema_and_timezone() -> None:
    assert faults(rule()) == ["1: `schema` is missing", "1: `timezone` is missing"]
    assert faults('schema = 2\ntimezone = "UTC"\n')[0].startswith("1: ")


def test_a_rule_that_is_no_table_is_told_beside_the_faults_of_the_others() -> None:
    told = faults(f'{HEAD}rule = [5, {{ id = "r", on = "zebra", award = 1 }}]\n')
    assert told[0].startswith("3: ")
    assert told[1] == "3: unknown kind 'zebra'"


def test_ids_may_have_capitals_and_are_told_apart_by_them() -> None:
    told = file(rule(name="Quiz-80A", more='badge = "Ace"') + rule(name="quiz-80a") + '[[badge]]\nid = "Ace"\n')
    assert [one.it.id for one in told.rules] == ["Quiz-80A", "quiz-80a"]
    assert [one.it.id for one in told.badges] == ["Ace"]


def test_nearest_names_are_offered() -> None:
    with pytest.raises(FaultsError, match=r"did you mean 'quiz\.submitted'"):
        file(rule("quiz.submited"))
    with pytest.raises(FaultsError, match="there is points, stars"):
        file("[currency.stars]\n" + rule(award="{ xyz = 1 }"))


SINGLE = [
    ('id = "A B"\non = "lesson.completed"\naward = 1', "4: 'A B' is not an id"),
    ('id = "r"\non = "Lesson Completed"\naward = 1', "5: 'Lesson Completed' is neither a kind nor an LMS event"),
    ('id = "r"\non = "lesson.completed"', "3: the rule gives nothing"),
    ('id = "r"\non = "lesson.completed"\naward = 1\nmin_trust = "high"', "7: 'high' is not a trust"),
    ('id = "r"\non = "lesson.completed"\naward = 1\nonce_per = []', "7: once_per names nothing, or something twice"),
    (
        'id = "r"\non = "lesson.completed"\naward = 1\nonce_per = ["day", "day"]',
        "7: once_per names nothing, or something twice",
    ),
    (
        'id = "r"\non = "lesson.completed"\naward = 1\nactive = { from = 2026-02-01, until = 2026-01-01 }',
        "7: ends before it begins",
    ),
    ('id = "r"\non = "lesson.completed"\naward = 1\naudience = { courses = ["id:"] }', "7: 'id:' names no course"),
    (
        'id = "r"\non = "lesson.completed"\naward = 1\n[[rule.example]]\nevent = { kind = "x" }',
        "7: an example needs `expect` or `because`",
    ),
    (
        (
            'id = "r"\non = "lesson.completed"\naward = 1\n'
            '[[rule.example]]\nevent = { kind = "x" }\nexpect = { points = [] }'
        ),
        "9: a list is no amount",
    ),
]


@pytest.mark.parametrize(("body", "told"), SINGLE)
def test_a_rule_that_cannot_be_is_refused_at_its_place(body: str, told: str) -> None:
    assert faults(f"{HEAD}[[rule]]\n{body}\n") == [told]


TABLES = [
    ('[budget]\npoints = "x"', "4: 'x' is not a limit"),
    ('[budget]\npoints = "5 stars/day"', "4: a budget of points counts points"),
    ("[[kind]]\nkind = \"forum.*\"\nlms_event = '\\x'", "4: 'forum.*' is not a kind"),
    ("budget = 5", "3: a budget is a table"),
    ('[budget]\npoints = ["5/day", "5 stars/day"]', "4: a budget of points counts points"),
    (
        '[budget]\npoints = { of = "5 points/day", over = "trim" }',
        "4: a budget is everybody's, and what goes over it is held",
    ),
    ("[value.w]\ndefault = true", "4: true is neither a number nor a duration"),
    ('[value.w]\ndefault = "soon"', "4: 'soon' is neither a number nor a duration"),
    ("[period.p]\nfrom = 2026-02-01\nuntil = 2026-01-01", "5: ends before it begins"),
    ("[currency.awards]", "3: 'awards' means something else in an award or a limit"),
    ("[period.day]\nfrom = 2026-01-01\nuntil = 2026-02-01", "3: 'day' is a scope or a window already"),
    ('[currency."a b"]', "3: 'a b' is not a name"),
]


@pytest.mark.parametrize(("body", "told"), TABLES)
def test_a_table_that_cannot_be_is_refused_at_its_place(body: str, told: str) -> None:
    assert faults(f"{HEAD}{body}\n") == [told]


WARNED = [
    ('once_per = "ever"\ncooldown = "7d"', "this cooldown can never act"),
    ('once_per = "ever"\nlimit = "3/ever"', "3/ever can never act"),
    ('once_per = "day"\nlimit = "1/day"', "1/day can never act"),
    ('once_per = "day"\nlimit = "10 points/day"', "10 points/day can never act"),
    ('once_per = "day"\nfrequency = 2\nlimit = "14/week"', "14/week can never act"),
    ('once_per = "day"\nlimit = "9/7d"', "9/7d can never act"),
    ('once_per = "week"\nlimit = "6/month"', "6/month can never act"),
    ('once_per = "month"\nlimit = "120 points/year"', "120 points/year can never act"),
    ('limit = "9 stars/day"', "9 stars/day can never act"),
    ('limit = "5 points/day"', "5 points/day refuses every award"),
    ('limit = ["3/day", "2/day"]', "this limit can never act"),
    ('conditions = { section_progress_pct = ">=200" }', "section_progress_pct >=200 can never be met"),
    ('conditions = { section_progress_pct = "<0" }', "section_progress_pct <0 can never be met"),
    ('conditions = { section_progress_pct = "101..200" }', "section_progress_pct 101..200 can never be met"),
    ("conditions = { section_progress_pct = [120, 130] }", "section_progress_pct one of 120, 130 can never be met"),
    ("conditions = { section_progress_pct = true }", "section_progress_pct true can never be met"),
    ('conditions = { module = ">=3" }', "module >=3 can never be met"),
    ('conditions = { section_progress_pct = "7d" }', "section_progress_pct 7d can never be met"),
    ("conditions = { on_time = 3 }", "on_time 3 can never be met"),
    ('conditions = { none = [{ section_progres_pct = "<5" }] }', "no source supplies a fact 'section_progres_pct'"),
    ('conditions = { word_count = ">=3" }', "no source supplies word_count for lesson.completed"),
    ('message = "Hi {learner.nme}, {section_progress_pct} %"', "nothing fills in {learner.nme}"),
    ('message = "{section_progres_pct} %"', "nothing fills in {section_progres_pct}"),
    ("conditions = { staff = true }", "no source supplies a fact 'staff'"),
]


@pytest.mark.parametrize(("more", "message"), WARNED)
def test_what_is_allowed_and_hardly_meant_is_warned_of(more: str, message: str) -> None:
    (warning,) = file("[currency.stars]\n" + rule(more=more)).warnings
    assert warning.message == message


def test_a_limit_for_one_recipient_is_compared_with_what_that_one_gets() -> None:
    awards = '[{ to = "author", points = 50 }, { to = "subject", points = 10 }]'
    limits = '{ of = "10 points/day", for = "subject" }, { of = "50 points/week", for = "author" }, "90 points/7d"'
    assert file(rule(award=awards, more=f"limit = [{limits}]")).warnings == ()
    (warning,) = file(rule(award=awards, more='limit = { of = "40 points/day", for = "author" }')).warnings
    assert (warning.message, warning.hint) == ("40 points/day refuses every award", "one award is points 50")


FINE = [
    'once_per = "day"\nfrequency = 5\nlimit = "3/day"',
    'once_per = "lesson"\nlimit = ["3/day", "10/week"]',
    'limit = { of = "5 points/day", over = "trim" }',
    'conditions = { section_progress_pct = ["80", "!=5", ">200"], module = ["quiz", 7], course = "3" }',
    'conditions = { late_by = "<= @window", section_progress_pct = "80..100" }',
    'conditions = { section_progress_pct = "<= @window" }',
    'conditions = { on_time = { is = true, if_unknown = "pass" } }',
    'conditions = { late_by = ["7d", "0d"] }',
    'message = "{learner.first_name} {learner.last_name}: {section_progress_pct} % of {section}"',
]


@pytest.mark.parametrize("more", FINE)
def test_what_makes_sense_is_not_warned_of(more: str) -> None:
    assert file('[value.window]\ndefault = "7d"\n' + rule(more=more)).warnings == ()


def test_denials_are_looked_at_too_and_lms_names_stand_for_their_kinds() -> None:
    deny = '[[deny]]\non = \'\\mod_forum\\event\\post_created\'\nconditions = { score_pct = ">5" }\nreason = "x"\n'
    unknown = '[[rule]]\nid = "u"\non = \'\\mod_x\\event\\y\'\naward = 1\nconditions = { score_pct = ">5" }\n'
    (warning,) = file(deny + unknown).warnings
    assert warning.message == "no source supplies score_pct for forum.posted"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    return path


def test_several_files_are_one_and_the_kept_text_is_the_same_version(tmp_path: Path) -> None:
    main = write(tmp_path, "rules.toml", HEAD + rule(name="a"))
    law = write(tmp_path, "rules.d/law.toml", f"{HEAD}{rule(name='b')}".rstrip())
    rules = load_rules([main, law])
    assert [placed.it.id for placed in rules.rules] == ["a", "b"]
    assert load_rules_text(rules.text).version == rules.version
    assert [placed.it.id for placed in load_rules_text(rules.text).rules] == ["a", "b"]
    assert load_rules([main]).text == main.read_text()
    assert load_rules([law]).version != load_rules([main]).version


def test_the_version_knows_order_and_names_but_not_line_ends_or_where_the_folder_stands(tmp_path: Path) -> None:
    one = write(tmp_path, "one/rules.toml", HEAD + rule())
    two = write(tmp_path, "two/other.toml", (HEAD + rule()).replace("\n", "\r\n"))
    assert load_rules([one]).version == load_rules([two]).version
    part = write(tmp_path, "one/b.toml", rule(name="b"))
    renamed = write(tmp_path, "one/c.toml", rule(name="b"))
    assert load_rules([one, part]).version != load_rules([one, renamed]).version
    elsewhere = write(tmp_path, "two/c.toml", rule(name="b"))
    assert load_rules([one, elsewhere]).version == load_rules([one, renamed]).version


def test_a_changed_character_is_another_version(tmp_path: Path) -> None:
    one = write(tmp_path, "rules.toml", HEAD + rule())
    before = load_rules([one]).version
    write(tmp_path, "rules.toml", HEAD + rule(award="11"))
    assert load_rules([one]).version != before
    assert len(before) == 64


def test_files_that_contradict_each_other_are_told_in_both_places(tmp_path: Path) -> None:
    first = write(tmp_path, "rules.toml", f"{HEAD}[period.p]\nfrom = 2026-01-01\nuntil = 2026-02-01\n{rule()}")
    second = write(
        tmp_path, "law.toml", f'timezone = "UTC"\n[period.p]\nfrom = 2026-01-01\nuntil = 2026-02-01\n{rule()}'
    )
    with pytest.raises(FaultsError) as caught:
        load_rules([first, second])
    told = [
        (Path(fault.file).name, fault.line, fault.message.replace(f"{tmp_path}/", "")) for fault in caught.value.faults
    ]
    assert told == [
        ("law.toml", 1, "timezone differs from rules.toml:2"),
        ("law.toml", 2, "[period] p stands in rules.toml:3 already"),
        ("law.toml", 6, "rule 'r' stands in rules.toml:6 already"),
        ("rules.toml", 7, "rule 'r' stands in law.toml:5 again"),
    ]


def test_a_file_that_is_no_toml_does_not_hide_the_faults_of_the_others(tmp_path: Path) -> None:
    broken = write(tmp_path, "rules.toml", "schema = \n")
    other = write(tmp_path, "law.toml", rule(award="-1"))
    with pytest.raises(FaultsError) as caught:
        load_rules([broken, other])
    assert [Path(fault.file).name for fault in caught.value.faults] == ["law.toml", "rules.toml"]


def test_settings_currencies_levels_and_kinds_are_read() -> None:
    rules = file(
        'schema = 1\ntimezone = "UTC"\nday_starts_at = "04:00"\nweek_starts_on = "sunday"\n'
        '[calendar]\nclosed = ["2026-12-24..2026-12-26", "2027-01-01"]\n[defaults]\nstaff_earn = true\n'
        '[currency.stars]\nspendable = false\nexpires_after = "30d"\ndecimals = 2\n'
        '[[level]]\nname = "New"\ncurrency = "stars"\nfrom = 0\n'
        '[[kind]]\nkind = "kudos.given"\nlms_event = \'\\local_k\\event\\given\'\nwhen = "1"\n' + rule("kudos.given")
    )
    assert (rules.day_starts_at, rules.week_starts_on, rules.staff_earn, len(rules.closed)) == (14_400, 6, True, 2)
    assert (rules.currencies["stars"].expires_after, rules.levels[0].name) == (2_592_000, "New")
    assert compile_rules(rules, KindTable()).demand.names == {r"\local_k\event\given"}


def test_the_demand_is_what_live_rules_want() -> None:
    name = r"\mod_choice\event\answer_created"
    rules = rulebook(
        '[value.w]\ndefault = 5\n[[deny]]\non = "forum.*"\nconditions = { word_count = "<3" }\nreason = "x"\n'
        + rule("lesson.viewed", 'once_per = "section"', name="views")
        + rule("quiz.submitted", 'conditions = { any = [{ attempt = "<= @w" }] }\nmessage = "{score_pct}"', name="quiz")
        + rule("course.completed", 'mode = "off"', name="off")
        + f"[[rule]]\nid = \"l\"\non = '{name}'\naward = 1\n"
        + 'audience = { courses = ["id:7"], categories = ["x"], cohorts = ["y"], except_roles = ["z"] }\n'
    )
    assert rules.demand.names == {r"\mod_quiz\event\attempt_submitted", name}
    assert rules.demand.suffixes == {r"\event\course_module_viewed"}
    assert rules.demand.facts == {
        *("staff", "section", "attempt", "course_shortname", "score_pct"),
        *("course_id", "course_categories", "cohorts", "roles"),
    }
    with_posts = rulebook(
        '[defaults]\nstaff_earn = true\n[[deny]]\non = "forum.*"\nconditions = { word_count = "<3" }\nreason = "x"\n'
        + rule("forum.posted", 'audience = { courses = ["idnumber:a", "b"] }')
    )
    assert with_posts.demand.facts == {"post", "word_count", "course_idnumber", "course_shortname"}


def test_no_file_at_all_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigError, match="there is no file of rules"):
        load_rules([])


def test_names_that_guides_use_stand_for_what_moodle_says() -> None:
    on = "[[rule]]\nid = \"r\"\non = 'core\\event\\quiz_attempt_submitted'\naward = 1\n"
    assert rulebook(on).demand.names == {r"\mod_quiz\event\attempt_submitted"}


def test_a_table_that_stands_once_is_told_so_where_it_has_two_brackets(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        'schema = 1\ntimezone = "UTC"\n[[calendar]]\nclosed = ["2026-09-01"]\n[[period.x]]\nfrom = "soon"\n'
    )
    with pytest.raises(FaultsError) as caught:
        load_rules([path])
    assert [str(fault).partition("rules.toml:")[2] for fault in caught.value.faults] == [
        "3:3: [calendar] stands once, and is written so, not [[calendar]]",
        "5:10: [period.x] stands once, and is written so, not [[period.x]]",
    ]
