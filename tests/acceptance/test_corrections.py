"""Moodle corrects itself in its own log: grades fall and rise, attempts are marked again, submissions are withdrawn."""

from __future__ import annotations

from pathlib import Path

from tests import servers
from tests.acceptance.campus import campus
from tests.ledgers import rows

RULES = """
schema = 1
timezone = "UTC"
[currency.points]
adjust_max = 50
[[rule]]
id = "grade"
on = "grade.awarded"
conditions = { score_pct = ">=50" }
award = 10
reverse_when = "no longer true"
[[rule]]
id = "quiz"
on = "quiz.submitted"
conditions = { score_pct = ">=50" }
award = 3
reverse_when = "no longer true"
[[rule]]
id = "handed-in"
on = "assignment.submitted"
award = 5
reverse_on = "assignment.withdrawn"
"""
_INSERT = (
    "INSERT INTO mdl_logstore_standard_log"
    " (eventname, component, action, target, objecttable, objectid, crud, edulevel, contextid, contextlevel,"
    " contextinstanceid, userid, courseid, relateduserid, anonymous, other, timecreated, origin)"
    " SELECT %s, component, action, target, objecttable, objectid, crud, edulevel, contextid, contextlevel,"
    " contextinstanceid, 2, courseid, relateduserid, anonymous, %s, timecreated + %s, origin"
    " FROM mdl_logstore_standard_log WHERE id = %s"
)


def test_what_moodle_corrects_is_taken_back_once_and_may_be_earned_anew(
    captured_moodle: servers.MariaDatabase, tmp_path: Path
) -> None:
    log = captured_moodle
    agent = campus(tmp_path / "a", log, RULES)
    agent.catch_up()
    before = agent.export()
    paid = {rule: [row for row in before if row["rule_id"] == rule and row["kind"] == "award"] for rule in
            ("grade", "quiz", "handed-in")}  # fmt: skip
    answered = {row["reverses"] for row in before}
    standing = {rule: next(row for row in found if row["entry_id"] not in answered) for rule, found in paid.items()}

    def row_of(rule: str) -> tuple[int, int, str]:
        event_id = bytes.fromhex(standing[rule]["event_id"])
        ((position,),) = rows(agent.directory / "data", "SELECT position FROM event WHERE event_id = ?", event_id)
        (row,) = log.execute("SELECT id, objectid, other FROM mdl_logstore_standard_log WHERE id = %s", (position,))
        return int(row[0]), int(row[1]), str(row[2])

    graded, grade, other = row_of("grade")
    ((item,),) = log.execute("SELECT itemid FROM mdl_grade_grades WHERE id = %s", (grade,))
    lowered = f'{{"itemid":{item},"overridden":true,"finalgrade":"1.00000"}}'
    attempt, number, _ = row_of("quiz")
    handed_in, _, _ = row_of("handed-in")
    log.execute(_INSERT, (r"\core\event\user_graded", lowered, 10_000_000, graded))
    log.execute("UPDATE mdl_quiz_attempts SET sumgrades = 0 WHERE id = %s", (number,))
    log.execute(_INSERT, (r"\mod_quiz\event\attempt_regraded", "null", 10_000_000, attempt))
    log.execute(
        _INSERT,
        (r"\mod_assign\event\submission_status_updated", '{"newstatus":"draft"}', 10_000_000, handed_in),
    )
    agent.catch_up()
    new = agent.export()[len(before) :]
    assert {(row["rule_id"], row["kind"], row["reverses"]) for row in new} == {
        (rule, "reversal", row["entry_id"]) for rule, row in standing.items()
    }
    assert {row["reason"] for row in new} == {
        "no longer true: condition score_pct >=50",
        "undone: assignment.withdrawn",
    }
    log.execute(_INSERT, (r"\core\event\user_graded", other, 20_000_000, graded))
    log.execute(_INSERT, (r"\core\event\user_graded", other, 20_000_001, graded))
    agent.catch_up()
    again = agent.export()[len(before) + len(new) :]
    assert [(row["rule_id"], row["kind"], row["amount"]) for row in again] == [("grade", "award", "10")]
    assert agent.command("ledger", "verify").returncode == 0


def test_an_adjustment_beyond_the_guardrail_is_refused_with_the_key_that_sets_it(
    captured_moodle: servers.MariaDatabase, tmp_path: Path
) -> None:
    agent = campus(tmp_path / "a", captured_moodle, RULES)
    agent.catch_up()
    words = ("ledger", "adjust", "moodle:35")
    refused = agent.command(*words, "51", "--reason", "a prize", "--by", "B. Desk", check=False)
    assert refused.returncode == 1
    assert "at most 50 points" in refused.stderr
    assert "[currency.points] adjust_max" in refused.stderr
    agent.command(*words, "50", "--reason", "a prize", "--by", "B. Desk")
    assert agent.export()[-1]["amount"] == "50"
