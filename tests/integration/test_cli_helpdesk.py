"""`events` and `learner`, as a helpdesk types them, over a ledger that the real agent filled."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.campus import Campus, kill, wait_until
from tests.acceptance.test_posts import posting_campus
from tests.helpdesk import MOODLE, Desk, completed, filled


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus; tests that change something take a copy."""
    return filled(tmp_path_factory.mktemp("helpdesk") / "campus")


def explained(desk: Desk, what: str) -> str:
    return desk.command("events", "explain", what).stdout


def why(desk: Desk, *words: str) -> dict[str, Any]:
    answer = desk.json("learner", "why", *words)
    return {one["rule"]: one for one in answer["rules"]}


def test_events_are_listed_newest_first_with_what_each_rule_answered(desk: Desk) -> None:
    rows = desk.json("events", "list", "--learner", "ann", "--since", "2026-09-07", "--until", "2026-09-07")

    assert [row["log"] for row in rows] == ["moodle:9", "moodle:5", "moodle:4", "moodle:3", "moodle:2"]
    assert [row["outcomes"] for row in rows] == [
        {"starter": "awarded"},
        {"post": "refused"},
        {"post": "awarded"},
        {"lesson": "refused"},
        {"lesson": "awarded"},
    ]
    posts = desk.json("events", "list", "--kind", "forum.*", "--limit", "1")
    assert [(row["log"], row["facts"]) for row in posts] == [("moodle:5", {"word_count": 5})]


def test_an_event_that_earned_is_explained_in_a_sentence_for_each_rule(desk: Desk) -> None:
    told = explained(desk, "moodle:4")

    assert "moodle:4: forum.posted, 2026-09-07 11:30:00 Africa/Johannesburg" in told
    assert "post gave moodle:35 1 point, 0.25 stars. word_count >=20 passed, seen 30. Entries 2, 3." in told
    assert "Not about such events: lesson, starter, resting." in told


def test_an_event_that_earned_nothing_is_explained_with_the_limit_or_condition_that_refused_it(desk: Desk) -> None:
    assert "lesson gave moodle:35 nothing: limit 1/day (until 2026-09-08 00:00)." in explained(desk, "3")
    assert "post gave moodle:35 nothing: condition word_count >=20. word_count >=20 failed, seen 5." in explained(
        desk, "moodle:5"
    )


def test_an_event_that_is_held_is_explained_with_the_number_to_review(desk: Desk) -> None:
    (answer,) = desk.json("events", "explain", "moodle:14")

    (decision,) = answer["decisions"]
    assert (decision["outcome"], decision["hold"], decision["hold_state"]) == ("held", "backdated", "open")
    assert decision["sentence"] == "lesson holds 10 points for moodle:35: backdated."
    assert decision["since"] == f"It waits as number {decision['decision']} of rewards-agent review list."


def test_what_was_held_is_listed_with_what_became_of_it(desk: Desk, tmp_path: Path) -> None:
    changed = desk.copy(tmp_path / "campus")
    ((decision,),) = [
        [one["decision"] for one in row["decisions"]] for row in changed.json("events", "explain", "moodle:14")
    ]
    assert changed.json("events", "list", "--limit", "2")[1]["outcomes"] == {"lesson": "held"}

    changed.command("review", "reject", str(decision), "--reason", "not hers", "--by", "B. Desk")

    assert changed.json("events", "list", "--limit", "2")[1]["outcomes"] == {"lesson": "rejected"}


def test_what_was_approved_and_then_taken_back_is_reversed(desk: Desk, tmp_path: Path) -> None:
    changed = desk.copy(tmp_path / "campus")
    (before,) = changed.json("events", "explain", "moodle:14")
    (held,) = before["decisions"]
    changed.command("review", "approve", str(held["decision"]), "--by", "B. Desk")
    (award,) = changed.json("ledger", "list", "--limit", "1")
    learner, day = held["learner"], before["event"]["occurred_at"][:10]
    assert why(changed, learner, "--on", day)["lesson"]["outcome"] == "awarded"

    changed.command("ledger", "reverse", str(award["seq"]), "--reason", "not hers", "--by", "B. Desk")

    assert why(changed, learner, "--on", day)["lesson"]["outcome"] == "reversed"


@pytest.mark.parametrize("words", [["events", "list"], ["ledger", "list"], ["rules", "backfill", "--rule", "lesson"]])
def test_a_span_that_ends_before_it_begins_is_told(desk: Desk, words: list[str]) -> None:
    done = desk.command(*words, "--since", "2026-09-08", "--until", "2026-09-07", check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert "2026-09-07 is over before 2026-09-08 begins" in done.stderr


def test_an_event_is_found_by_the_beginning_of_its_id(desk: Desk) -> None:
    event_id = desk.json("events", "explain", "moodle:2")[0]["event"]["event_id"]

    assert desk.json("events", "explain", event_id[:9])[0]["event"]["log"] == "moodle:2"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("moodle:1", "it happened before payment began (2026-09-01T00:00:00Z, start_at): nothing older ever pays"),
        ("6", "Moodle logged it anonymously: nobody is known whom it could be paid to"),
        ("7", r"no rule is about such events (\core\event\dashboard_viewed)"),
        ("10", "the log has no such row: it was rolled back, or is not committed yet; the agent watches for it"),
        ("16", "it is not read yet: the agent has read to id 15"),
        ("99", "the log has no such row: its newest is 16"),
    ],
)
def test_a_row_that_was_never_recorded_is_read_live_and_it_says_why(desk: Desk, row: str, sentence: str) -> None:
    (answer,) = desk.json("events", "explain", row)

    assert (answer["recorded"], answer["why"]) == (False, sentence)


def test_what_was_never_recorded_is_told_with_what_the_rules_would_make_of_it(desk: Desk) -> None:
    told = explained(desk, "16").splitlines()

    assert told[-2:] == [
        "  Never recorded: it is not read yet: the agent has read to id 15.",
        "  lesson would give moodle:35 10 points.",
    ]


def test_a_fact_that_was_logged_twice_is_explained_by_the_row_that_counted(desk: Desk) -> None:
    (answer,) = desk.json("events", "explain", "moodle:8")

    assert answer["why"] == "it is the same fact as moodle:2, and a fact counts once"
    assert [one["sentence"] for one in answer["decisions"]] == ["lesson gave moodle:35 10 points."]


def test_what_is_no_event_at_all_ends_with_one_and_says_how_to_ask(desk: Desk) -> None:
    for what in ("nonsense", "9" * 30):
        done = desk.command("events", "explain", what, check=False)

        assert done.returncode == 1
        assert f"no recorded event is called {what!r}" in done.stderr
        assert "moodle:1234" in done.stderr


def test_an_event_whose_rule_came_later_says_so(desk: Desk, tmp_path: Path) -> None:
    changed = desk.copy(tmp_path / "campus")
    rules = changed.directory / "rules.toml"
    rules.write_text(rules.read_text() + '[[rule]]\nid = "late"\non = "lesson.*"\naward = 1\n')

    assert "late is newer than this event" in explained(changed, "moodle:2")
    late = why(changed, "ann", "--on", "2026-09-07", "--rule", "late")["late"]
    assert late["outcome"] == "not recorded"
    assert late["nearest"]["undecided"].startswith("the rule is newer than this act")
    assert late["nearest"]["sentence"] == "late would give moodle:35 1 point."


def test_a_row_in_a_gap_that_was_given_up_says_so(desk: Desk, tmp_path: Path) -> None:
    changed = desk.copy(tmp_path / "campus")
    changed.ledger("UPDATE source_gap SET state = 'given_up'")
    completed(changed.moodle, 10, 37, 10, "09-08T08:00")

    assert "it appeared after its gap was given up (gap_patience)" in explained(changed, "moodle:10")


def test_a_learner_has_balances_levels_badges_entries_and_holds(desk: Desk) -> None:
    shown = desk.json("learner", "show", "ann")

    assert (shown["learner"], shown["username"]) == ("moodle:35", "ann")
    assert [(one["currency"], one["amount"], one["level"]) for one in shown["balances"]] == [
        ("points", 11, "Regular"),
        ("stars", 25, ""),
    ]
    assert shown["badges"] == ["starter"]
    assert [one["seq"] for one in shown["entries"]] == [4, 3, 2, 1]
    assert [one["rule_id"] for one in shown["held"]] == ["lesson"]
    text = desk.command("learner", "show", "ann").stdout
    assert "0.25 stars (0.25 earned in all)" in text
    assert "11 points (11 earned in all, level Regular)" in text


@pytest.mark.parametrize("called", ["moodle:35", "35", "ann", "S35", "ann@example.org", "Ann@Example.ORG", " ANN "])
def test_a_person_is_found_by_everything_a_helpdesk_may_have_in_hand(desk: Desk, called: str) -> None:
    assert desk.json("learner", "show", called)["learner"] == "moodle:35"


def test_a_person_is_found_by_the_pseudonym_that_the_catalogue_knows(desk: Desk) -> None:
    ((pseudonym,),) = desk.ledger("SELECT pseudonym FROM person WHERE lms_user = '35'")

    assert desk.json("learner", "show", pseudonym)["learner"] == "moodle:35"


@pytest.mark.parametrize(
    ("called", "told"),
    [
        ("nobody", "Moodle knows nobody with the username, idnumber, e-mail or id 'nobody'"),
        ("cid", "'cid' is more than one person: id 37 (cid, by username); id 39 (sam, by idnumber)"),
        ("moodle:99", "Moodle has no user with the id 99"),
        ("", "Moodle knows nobody with the username, idnumber, e-mail or id ''"),
        ("9" * 30, "Moodle knows nobody with the username, idnumber, e-mail or id '999"),
        ("moodle:9223372036854775808", "Moodle has no user with the id 9223372036854775808"),
        ("canvas:35", "there is no site 'canvas'"),
    ],
)
def test_nobody_and_several_are_told_apart(desk: Desk, called: str, told: str) -> None:
    done = desk.command("learner", "show", called, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


@pytest.fixture(scope="module")
def posted(tmp_path_factory: pytest.TempPathFactory) -> Campus:
    """A campus without a log: Eve is known to one system, somebody with the id 7 to two; Fay has earned nothing."""
    at, _ = posting_campus(tmp_path_factory.mktemp("posted") / "campus")
    config = at.config.read_text()
    at.config.write_text(config + '[[source]]\nname = "shop"\nkind = "generic"\npath = "/shop"\n')
    for source, users in (("forms", ("eve", "7")), ("shop", ("7",))):
        rows = [f"lesson.completed,{user},2026-09-07T08:00:00Z,C1,L1\n" for user in users]
        rows += ["submission.received,fay,2026-09-07T08:00:00Z,C1,L1\n"] if source == "forms" else []
        file = at.directory / f"{source}.csv"
        file.write_text("event,distinct_id,time,course_id,lesson_id\n" + "".join(rows))
        at.command("import", "csv", str(file), "--source", source, "--apply", "--mixed-ids")
    at.catch_up()
    return at


@pytest.mark.parametrize("called", ["eve", " eve ", "forms:eve"])
def test_whom_no_log_knows_is_found_by_the_id_that_a_system_tells(posted: Campus, called: str) -> None:
    assert posted.json("learner", "show", called)["learner"] == "forms:eve"
    assert [row["learner"] for row in posted.json("ledger", "list", "--learner", called)] == ["forms:eve"]
    assert posted.json("learner", "why", called, "--on", "2026-09-07")["learner"] == "forms:eve"


@pytest.mark.parametrize("called", ["fay", "forms:fay"])
def test_who_only_posts_and_earned_nothing_is_told_why(posted: Campus, called: str) -> None:
    essay = {one["rule"]: one for one in posted.json("learner", "why", called, "--on", "2026-09-07")["rules"]}["essay"]

    assert essay["sentence"].startswith("essay gave forms:fay nothing: condition word_count >=3 (word_count unknown).")
    assert "nothing yet" in posted.command("learner", "show", called).stdout


@pytest.mark.parametrize(
    ("called", "told"),
    [
        ("7", "'7' is known to several sites: forms:7, shop:7\n  ask again with site:id"),
        (
            "8",
            "nothing was recorded of anybody with the id '8' here\n  learners are called by the ids",
        ),
        ("shop:eve", "nothing was recorded of anybody with the id 'eve' at shop\n"),
        ("moodle:eve", "there is no site 'moodle'\n  the configuration has: trigger, forms, shop\n"),
    ],
)
def test_nobody_and_several_are_told_where_systems_only_post(posted: Campus, called: str, told: str) -> None:
    for words in (["learner", "show", called], ["ledger", "adjust", called, "5", "--reason", "prize"]):
        done = posted.command(*words, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert told in done.stderr


def test_amounts_of_a_currency_that_the_rules_have_no_more_are_written_as_before(desk: Desk, tmp_path: Path) -> None:
    changed = desk.copy(tmp_path / "campus")
    rules = (changed.directory / "rules.toml").read_text().replace("[currency.stars]\ndecimals = 2\n", "")
    (changed.directory / "rules.toml").write_text(rules.replace(", stars = 0.25", ""))
    changed.catch_up()

    assert "0.25 stars (0.25 earned in all)" in changed.command("learner", "show", "ann").stdout
    assert "post gave moodle:35 1 point, 0.25 stars." in explained(changed, "moodle:4")
    adjusted = changed.command("ledger", "adjust", "ann", "1", "--currency", "stars", "--reason", "prize", check=False)
    assert "there is no currency 'stars'" in adjusted.stderr


def test_somebody_who_has_nothing_yet_is_told_so(desk: Desk) -> None:
    assert "nothing yet" in desk.command("learner", "show", "37").stdout


def test_why_lists_each_rule_with_its_outcome_on_that_day(desk: Desk) -> None:
    rules = why(desk, "S35", "--on", "2026-09-07")

    assert {rule: one["outcome"] for rule, one in rules.items()} == {
        "lesson": "awarded",
        "post": "awarded",
        "starter": "awarded",
        "resting": "nothing",
    }
    assert [one["reason"] for one in rules["lesson"]["others"]] == ["limit 1/day"]
    assert rules["lesson"]["nearest"]["message"] == "Well done, Ann: 3", "the name is filled in where it is read"
    assert rules["post"]["nearest"]["checks"] == [{"condition": "word_count >=20", "status": "passed", "seen": "30"}]
    assert rules["resting"]["sentence"] == "This rule is switched off (mode = off)."


def test_why_counts_a_day_in_the_time_zone_of_the_rules(desk: Desk) -> None:
    answer = desk.json("learner", "why", "ann", "--on", "2026-09-07")

    assert (answer["from"], answer["until"]) == ("2026-09-06T22:00:00Z", "2026-09-07T22:00:00Z")


def test_why_judges_what_is_not_read_yet_as_the_rules_are_and_writes_nothing(desk: Desk) -> None:
    before = desk.ledger("SELECT count(*) FROM decision")

    lesson = why(desk, "ann", "--on", "2026-09-12")["lesson"]

    assert (lesson["outcome"], lesson["recorded"]) == ("not recorded", False)
    assert lesson["sentence"] == "lesson would give moodle:35 10 points."
    assert lesson["nearest"]["undecided"] == "it is not read yet: the agent has read to id 15"
    assert desk.ledger("SELECT count(*) FROM decision") == before


def test_why_says_that_there_was_no_such_act(desk: Desk) -> None:
    told = desk.command("learner", "why", "37", "--on", "2026-09-07", "--rule", "post").stdout

    assert told.splitlines()[1:] == [
        "post: nothing",
        "  No such act in Moodle: its log shows nothing at all of this person on that day.",
    ]


def test_why_tells_rules_together_that_no_act_stands_behind_for_the_same_reason(desk: Desk) -> None:
    told = desk.command("learner", "why", "37", "--on", "2026-09-07").stdout.splitlines()

    assert told[1:3] == [
        "lesson, post, starter: nothing",
        "  No such act in Moodle: its log shows nothing at all of this person on that day.",
    ]
    assert why(desk, "37", "--on", "2026-09-07").keys() >= {"lesson", "post", "starter"}, "in JSON one by one"


def test_why_says_that_completion_tracking_is_off_in_the_course(desk: Desk) -> None:
    off = "No such act in Moodle: completion tracking is off in this course (ART1)."

    assert why(desk, "ben", "--on", "2026-09-11")["lesson"]["sentence"] == off
    assert why(desk, "ben", "--on", "2026-09-10", "--course", "ART1")["lesson"]["sentence"] == off
    assert why(desk, "ben", "--on", "2026-09-11")["post"]["sentence"] == "No such act in Moodle."


def test_why_looks_at_one_course_only_where_one_is_named(desk: Desk) -> None:
    assert why(desk, "ann", "--on", "2026-09-07", "--course", "3")["lesson"]["outcome"] == "awarded"
    assert why(desk, "ann", "--on", "2026-09-07", "--course", "ART1")["lesson"]["outcome"] == "nothing"
    done = desk.command("learner", "why", "ann", "--course", "NO1", check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "Moodle has no course 'NO1'")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--rule", "leson"), 1, "did you mean lesson?"),
        (("--on", "yesterdy"), 1, "'yesterdy' is not a day"),
        (("--on", "9999-12-31"), 1, "'9999-12-31' is not a day"),
        (("--course", "9" * 30), 1, "Moodle has no course '999"),
    ],
)
def test_a_slip_of_the_pen_is_answered_with_what_was_meant(
    desk: Desk, words: tuple[str, str], code: int, told: str
) -> None:
    done = desk.command("learner", "why", "ann", *words, check=False)

    assert done.returncode == code
    assert told in done.stderr


def test_why_tells_what_is_recorded_where_moodle_cannot_be_read(desk: Desk, tmp_path: Path) -> None:
    changed = desk.copy(tmp_path / "campus")
    (changed.directory / "moodle.db").unlink()

    done = changed.command("learner", "why", "35", "--on", "2026-09-07")

    assert "lesson gave moodle:35 10 points. Entry 1." in done.stdout
    assert "Moodle cannot be asked" in done.stderr
    assert "only what is recorded is told" in done.stderr


def test_what_a_rule_gave_that_is_gone_from_the_file_is_still_told(desk: Desk, tmp_path: Path) -> None:
    changed = desk.copy(tmp_path / "campus")
    rules = changed.directory / "rules.toml"
    rules.write_text(rules.read_text().replace('id = "post"', 'id = "essay"'))

    answers = why(changed, "ann", "--on", "2026-09-07")

    assert (answers["post"]["outcome"], answers["post"]["nearest"]["entries"]) == ("awarded", [2, 3])
    assert (answers["essay"]["outcome"], answers["essay"]["recorded"]) == ("not recorded", False)


def test_rules_with_a_fault_do_not_stop_the_helpdesk(desk: Desk, tmp_path: Path) -> None:
    changed = desk.copy(tmp_path / "campus")
    (changed.directory / "rules.toml").write_text("schema = 1\n")

    done = changed.command("events", "explain", "moodle:2")

    assert "lesson gave moodle:35 10 points. Entry 1." in done.stdout
    assert "the rules have faults" in done.stderr


def test_the_helpdesk_is_answered_while_the_agent_runs(desk: Desk, tmp_path: Path) -> None:
    changed = desk.copy(tmp_path / "campus")
    agent = changed.start()
    try:
        wait_until(lambda: why(changed, "ann", "--on", "2026-09-12", "--rule", "lesson")["lesson"]["recorded"])
        given = changed.command("ledger", "adjust", "ann", "2.50", "--currency", "stars", "--reason", "prize").stdout
        shown = changed.json("learner", "show", "ann")
    finally:
        kill(agent)

    assert given == "entry 7: moodle:35 +2.50 stars\n"
    assert {one["currency"]: one["amount"] for one in shown["balances"]} == {"points": 21, "stars": 275}


def test_events_are_followed_as_they_are_recorded_until_somebody_interrupts(desk: Desk, tmp_path: Path) -> None:
    changed = desk.copy(tmp_path / "campus")
    words = ["events", "tail", "--json", "-n", "1", "--config", str(changed.config)]
    with subprocess.Popen([sys.executable, "-m", "agent", *words], stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        before = json.loads(tail.stdout.readline())["log"]
        changed.catch_up()
        after = json.loads(tail.stdout.readline())
        tail.send_signal(signal.SIGINT)
        assert tail.wait(20) == 0
    assert (before, after["log"], after["outcomes"]) == ("moodle:15", "moodle:16", {"lesson": "awarded"})
    line = changed.command("events", "tail", "-n", "1", "--no-follow").stdout
    assert "moodle:16" in line
    assert "lesson awarded" in line
    assert changed.command("events", "tail", "--no-follow", "--kind", "quiz.*").stdout == ""


def test_a_name_that_commands_terminals_is_told_without_its_commands(desk: Desk, tmp_path: Path) -> None:
    there = desk.copy(tmp_path / "campus")
    with closing(sqlite3.connect(there.directory / MOODLE)) as site, site:
        site.execute("UPDATE mdl_user SET lastname = ? WHERE username = 'ann'", ("\x1b]0;owned\x07\nX",))

    for words in (("show", "ann"), ("why", "ann", "--on", "2026-09-07")):
        first = there.command("learner", *words).stdout.splitlines()[0]
        assert first.startswith("Ann  ]0;owned  X (ann, moodle:35)")
