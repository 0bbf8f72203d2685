"""An award that is to stay true falls when a later event about the same thing no longer meets the conditions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.config.document import FaultsError
from agent.config.kinds import KindTable
from agent.engine import evaluate, explain
from agent.model import Event, Fact
from tests.rule_stories import decide, event, play, rule, rulebook

TRUE = 'conditions = { score_pct = ">=80" }\nreverse_when = "no longer true"'
GRADE = rule("grade.awarded", TRUE)
QUIZ = rule("quiz.submitted", TRUE)


def graded(hour: int, score: int | None, item: str = "7", who: str = "ann", **more: Fact) -> Event:
    facts = more if score is None else {"score_pct": score, **more}
    one = event(
        "grade.awarded", f"2026-09-07T{hour:02d}:00:00", who, obj=("grade_grades", item), facts=facts, key=f"{hour}"
    )
    return replace(one, seen=replace(one.seen, position=hour))


def attempt(hour: int, score: int, kind: str = "quiz.submitted", number: str = "3") -> Event:
    when = f"2026-09-07T{hour:02d}:00:00"
    return event(kind, when, "ann", obj=("quiz_attempts", number), facts={"score_pct": score}, key=f"{kind}{hour}")


def test_a_grade_lowered_below_the_condition_takes_its_award_back_once() -> None:
    assert play(GRADE, graded(9, 85), graded(10, 60), graded(11, 50)) == [
        "ann +10 points",
        "ann reversed no longer true: condition score_pct >=80",
        "ann refused condition score_pct >=80",
    ]


def test_raised_again_it_is_a_new_generation_payable_once() -> None:
    found = decide(rulebook(GRADE), [graded(9, 85), graded(10, 60), graded(11, 90), graded(12, 95)])
    assert [one.outcome.name for one in found] == ["awarded", "reversed", "awarded", "refused"]
    assert [one.generation for one in found if one.outcome.name == "awarded"] == [0, 1]


def test_a_lowered_grade_seen_before_the_higher_one_counts_before_it_too() -> None:
    assert play(GRADE, graded(10, 60), graded(9, 85)) == ["ann refused condition score_pct >=80", "ann refused undone"]
    assert play(GRADE, graded(9, 85), graded(11, 90), graded(10, 60)) == [
        "ann +10 points",
        "ann refused once_per lesson",
        "ann refused done again since",
    ]


def test_the_grade_of_another_item_or_learner_takes_nothing() -> None:
    assert play(GRADE, graded(9, 85), graded(10, 10, item="8"), graded(11, 10, item="9", who="ben"))[1:] == [
        "ann refused condition score_pct >=80",
        "ben refused condition score_pct >=80",
    ]


def test_what_is_unknown_takes_nothing_unless_the_condition_says_so() -> None:
    assert play(GRADE, graded(9, 85), graded(10, None))[1] == (
        "ann refused condition score_pct >=80 (score_pct unknown)"
    )
    said = GRADE.replace('">=80"', '{ is = ">=80", if_unknown = "fail" }')
    assert play(said, graded(9, 85), graded(10, None))[1].startswith("ann reversed no longer true")


def test_one_failed_condition_is_enough_where_another_is_unknown() -> None:
    text = GRADE.replace('">=80"', '">=80", passed = true')
    events = [graded(9, 85, passed=True), graded(10, None, passed=False)]
    assert play(text, *events)[1].startswith("ann reversed no longer true")


def test_an_attempt_marked_down_takes_its_award_back_and_marked_up_earns_only_where_the_rule_says_so() -> None:
    down, up = attempt(10, 60, "quiz.regraded"), attempt(11, 90, "quiz.regraded")
    assert play(QUIZ, attempt(9, 85), down) == [
        "ann +10 points",
        "ann reversed no longer true: condition score_pct >=80",
    ]
    assert play(QUIZ, attempt(9, 85), down, up) == play(QUIZ, attempt(9, 85), down)
    both = QUIZ.replace('"quiz.submitted"', '["quiz.submitted", "quiz.regraded"]').replace('"[', "[").replace(']"', "]")
    assert play(both, attempt(9, 85), down, up)[2] == "ann +10 points"
    assert play(QUIZ, attempt(9, 85), attempt(10, 60, "quiz.regraded", number="4"))[1] == (
        "ann refused condition score_pct >=80"
    )


def test_every_recipient_gives_back() -> None:
    text = GRADE.replace("award = 10", 'award = [{ to = "actor", points = 1 }, { to = "subject", points = 10 }]')
    events = [graded(9, 85), graded(10, 60)]
    for number, one in enumerate(events):
        events[number] = replace(one, seen=replace(one.seen, people={"subject": "ann", "actor": "tom"}))
    assert sorted(play(text, *events)[2:]) == [
        "ann refused condition score_pct >=80",
        "ann reversed no longer true: condition score_pct >=80",
        "tom reversed no longer true: condition score_pct >=80",
    ]


def test_what_the_rule_never_paid_for_undoes_nothing() -> None:
    text = GRADE + 'audience = { courses = ["BIO"] }\n'
    assert play(text, graded(10, 60, course_shortname="ART")) == play(
        text.replace('reverse_when = "no longer true"', ""), graded(10, 60, course_shortname="ART")
    )
    low = graded(10, 60)
    restored = replace(low, seen=replace(low.seen, marks=frozenset({"restored"})))
    assert play(GRADE, graded(9, 85), restored)[1] == "ann refused never earns: restored from a backup"


def test_a_rule_that_asks_for_nothing_is_not_slower_judged() -> None:
    plain = rulebook(rule("grade.awarded", 'conditions = { score_pct = ">=80" }'))
    assert plain.matching(graded(9, 85).seen).doubts == ()
    (verdict,) = evaluate.judge(graded(9, 60), plain)
    assert (verdict.undoes, verdict.refs) == (False, ())


def test_the_attempts_that_are_marked_again_are_read_though_they_do_not_earn() -> None:
    names = rulebook(QUIZ).demand.names
    assert {name.rpartition("\\")[2] for name in names} == {
        "attempt_submitted", "attempt_regraded", "attempt_manual_grading_completed", "question_manually_graded",
    }  # fmt: skip
    assert "Taken back when a later such event or quiz.regraded about the same thing no longer meets" in " ".join(
        explain.rule_sentences(rulebook(QUIZ).rules[0], rulebook(QUIZ))
    )


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('reverse_when = "no longer true"', "nothing that could be no longer true"),
        (f"{TRUE}\ncrosses = {{ score_pct = 80 }}", "`reverse_when` and `crosses` in one rule"),
        ('conditions = { score_pct = ">=80" }\nreverse_when = "sometimes"', "reverse_when"),
    ],
)
def test_what_cannot_be_meant_is_a_fault(more: str, told: str) -> None:
    with pytest.raises(FaultsError) as caught:
        rulebook(rule("grade.awarded", more))
    assert told in str(caught.value.faults[0])


def test_a_submission_put_back_to_draft_or_removed_is_withdrawn() -> None:
    table = KindTable()
    status = r"\mod_assign\event\submission_status_updated"
    assert table.kind_of(r"\mod_assign\event\submission_removed") == "assignment.withdrawn"
    assert [table.kind_of(status, word) for word in ("draft", "new", "reopened", "submitted")] == [
        "assignment.withdrawn", "assignment.withdrawn", None, None,
    ]  # fmt: skip
    text = rule("assignment.submitted", 'reverse_on = "assignment.withdrawn"')
    handed_in = event("assignment.submitted", obj=("assign_submission", "5"))
    drawn = event("assignment.withdrawn", "2026-09-07T10:00:00", obj=("assign_submission", "5"))
    assert play(text, handed_in, drawn)[1] == "ann reversed undone: assignment.withdrawn"
