"""What each rule asks of the sources, and all of them together."""

from __future__ import annotations

import pytest

from tests.rule_stories import rule, rulebook

RULES = r"""
[[rule]]
id = "quiz"
on = "quiz.submitted"
conditions = { score_pct = ">=80" }
award = 10
[[rule]]
id = "talk"
on = ["forum.posted", '\mod_hsuforum\event\post_created']
once_per = "post"
award = 1
[[rule]]
id = "parked"
on = "grade.awarded"
conditions = { grade = ">=5" }
award = 1
mode = "off"
[[deny]]
on = "forum.*"
conditions = { word_count = "<3" }
reason = "too short"
"""


def test_a_rule_needs_its_facts_those_of_the_denials_it_meets_and_who_is_staff() -> None:
    needs = rulebook(RULES).needs
    assert set(needs) == {"quiz", "talk"}, "a rule that is off needs nothing"
    assert needs["quiz"].facts == {"score_pct", "staff"}
    assert needs["talk"].facts == {"post", "word_count", "staff"}
    assert needs["quiz"].names == {r"\mod_quiz\event\attempt_submitted"}
    assert r"\mod_hsuforum\event\post_created" in needs["talk"].names
    assert needs["quiz"].kinds == {"quiz.submitted"}


@pytest.mark.parametrize("event", [r"\mod_lesson\event\lesson_ended", r"\mod_x\event\course_module_viewed"])
def test_an_event_named_as_its_lms_calls_it_has_its_section_where_a_rule_is_once_for_each(event: str) -> None:
    """A rule on an event without a kind of its own said `no section`, unless another rule had asked for sections."""
    text = rule(more='once_per = "section"').replace('"lesson.completed"', f"'{event}'")
    assert "section" in rulebook(text).needs["r"].facts


def test_an_event_named_as_its_lms_calls_it_meets_the_denials_of_its_kind() -> None:
    deny = '[[deny]]\non = "lesson.viewed"\nreason = "x"\nconditions = { module = "page" }\n'
    text = deny + rule().replace('"lesson.completed"', r"'\mod_page\event\course_module_viewed'")
    assert "module" in rulebook(text).needs["r"].facts


def test_where_staff_earn_nobody_asks_who_is_staff() -> None:
    book = rulebook("[defaults]\nstaff_earn = true\n" + RULES)
    assert book.needs["quiz"].facts == {"score_pct"}
    assert book.demand.facts == {"score_pct", "post", "word_count"}


def test_the_demand_is_what_all_rules_need_together() -> None:
    book = rulebook(RULES)
    assert book.demand.names == book.needs["quiz"].names | book.needs["talk"].names
    assert book.demand.facts == {"score_pct", "post", "word_count", "staff"}


PROGRAMMES = """[programme.first]
courses = ["A", "id:7"]
pass = 80
[programme.second]
courses = ["idnumber:B"]
pass = 50
[programme.third]
courses = ["C"]
pass = "completed"
"""
GRADED, COMPLETED = r"\core\event\user_graded", r"\core\event\course_completed"


def test_acts_that_only_programmes_look_at_are_needed_in_their_courses() -> None:
    book = rulebook(PROGRAMMES + rule("programme.completed"))
    assert book.demand.names == {GRADED, COMPLETED}
    assert book.demand.placed == {GRADED: {"A", "id:7", "idnumber:B"}, COMPLETED: {"C"}}


def test_what_another_rule_wants_of_every_course_is_needed_everywhere() -> None:
    book = rulebook(PROGRAMMES + rule("programme.completed") + rule("course.completed", name="other"))
    assert book.needs["r"].placed == {GRADED: {"A", "id:7", "idnumber:B"}, COMPLETED: {"C"}}
    assert book.demand.placed == {GRADED: {"A", "id:7", "idnumber:B"}}
    assert rulebook(PROGRAMMES + rule("course.completed")).demand.placed == {}
