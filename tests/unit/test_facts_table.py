"""The table of facts says of itself what everybody relies on."""

from __future__ import annotations

from agent.config.facts import FACTS, LOGSTORE, MOODLE_WS, FactTable
from agent.config.kinds import KindTable
from agent.demo.schema import TABLES


def test_every_fact_is_named_once_and_applies_to_some_kind() -> None:
    kinds = KindTable().kinds()
    assert len({entry.name for entry in FACTS}) == len(FACTS)
    assert not [entry.name for entry in FACTS if not any(entry.applies_to(kind) for kind in kinds)]


def test_every_fact_that_a_condition_can_see_has_a_sample() -> None:
    assert not [entry.name for entry in FACTS if entry.condition and not entry.sample]


def test_every_table_is_one_that_moodle_has() -> None:
    assert {table for entry in FACTS for table in entry.tables} <= set(TABLES)


def test_a_lost_table_names_the_facts_that_go_with_it() -> None:
    lost = FactTable().tables_for(["score_pct", "word_count"], ["quiz.submitted"])
    assert lost["quiz"] == frozenset({"score_pct"})
    assert "forum_posts" not in lost
    assert lost["user"] == frozenset()


def test_suppliers_are_known_per_kind() -> None:
    table = FactTable()
    assert table.suppliers("score_pct", "quiz.submitted") >= {LOGSTORE, "thinkific"}
    assert table.suppliers("late_by", "quiz.submitted") == {LOGSTORE, MOODLE_WS}
    assert table.suppliers("late_by", "assignment.submitted") == {LOGSTORE, MOODLE_WS}
    assert table.suppliers("late_by", "lesson.completed") == {LOGSTORE}
    assert table.suppliers("score_pct", "forum.posted") == frozenset()
    assert table.suppliers("nosuch", "forum.posted") == frozenset()


def test_who_supplies_a_score_differs_by_kind() -> None:
    """Moodle's log says that an activity was failed and not with how much; Canvas says no score of a quiz."""
    table = FactTable()
    assert table.suppliers("score_pct", "lesson.failed") == {"generic", "xapi"}
    assert table.suppliers("score_pct", "course.passed") == {"generic", "xapi"}
    assert table.suppliers("score_pct", "grade.awarded") == {LOGSTORE, MOODLE_WS, "canvas", "generic", "xapi"}
    assert table.suppliers("score_pct", "quiz.submitted") == {LOGSTORE, MOODLE_WS, "generic", "thinkific", "xapi"}
    assert table.suppliers("attempt", "assignment.submitted") == {LOGSTORE, MOODLE_WS, "canvas"}


def test_names_that_are_only_demanded_are_not_shown_for_conditions() -> None:
    table = FactTable()
    assert {"staff", "section", "post"}.isdisjoint(table.names())
    assert "section" not in [entry.name for entry in table.for_kind("lesson.completed")]
    assert "completion_state" in [entry.name for entry in table.for_kind("lesson.completed")]
