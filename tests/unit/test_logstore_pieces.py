"""Small pieces of the log-table collector: anchors kept, options checked, grants written, filters built."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Answer, Schema, Unreadable
from agent.collectors.logstore.draft import Draft, Kinds
from agent.collectors.logstore.grants import grant_statements, log_unreadable, tables_needed
from agent.collectors.logstore.identity import anchored
from agent.collectors.logstore.lookups.activities import activities
from agent.collectors.logstore.lookups.base import Batch
from agent.collectors.logstore.lookups.dates.overrides import assignment_dates, quiz_dates
from agent.collectors.logstore.options import CONNECTIONS_MAX, Limits, LogstoreOptions
from agent.collectors.logstore.reading.stretch import filter_of
from agent.collectors.systems import moodle
from agent.config.kinds import KindTable
from agent.errors import ConfigError
from agent.model import Anchor, Demand
from tests.disks import is_open
from tests.rule_stories import rule, rulebook

OPTIONS = LogstoreOptions(name="moodle", url="mysql://companion_ro@db:3306/campus", password="s3cret")
SCHEMA = Schema(prefix="mdl_", log_table="mdl_logstore_standard_log")


def a_draft(*, user: int = 35, time: int = 90) -> Draft:
    """A completion of activity 8 in course 3."""
    row = (1, moodle.COMPLETION, "course_modules_completion", 1, moodle.CONTEXT_MODULE, 8, user, 3, user, 0, None, time)
    return Draft((*row, "web", None), {}, "1")


def an_anchor(position: int) -> Anchor:
    return Anchor(position=position, lms_event="e", user=1, occurred_at=position)


def test_the_last_anchors_stay_and_older_ones_thin_out() -> None:
    limits = Limits(anchors_last=2, anchor_every_ids=10, anchors_max=5)
    anchors: tuple[Anchor, ...] = ()
    for position in range(1, 100, 3):
        anchors = anchored(anchors, an_anchor(position), limits)
    positions = [anchor.position for anchor in anchors]
    assert positions[-2:] == [94, 97]
    assert len(positions) == 5
    assert all(right - left >= 10 for left, right in pairwise(positions[:-2]))


def test_a_page_without_rows_leaves_the_anchors() -> None:
    assert anchored((an_anchor(3),), None, Limits()) == (an_anchor(3),)


def test_the_password_shows_in_no_repr() -> None:
    assert "s3cret" not in repr(OPTIONS)


@pytest.mark.parametrize("prefix", ["mdl-", "mdl_`; DROP", "m dl"])
def test_a_prefix_that_cannot_be_part_of_a_name_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="table_prefix"):
        LogstoreOptions(name="moodle", url="sqlite:////x", table_prefix=prefix)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://companion_ro:pw@db/campus", "holds a password"),
        ("oracle://db/campus", "no dialect"),
        ("mysql://db:notaport/campus", "not a URL"),
        ("", "no dialect"),
    ],
)
def test_a_url_that_names_no_database_is_told(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        database_for(LogstoreOptions(name="moodle", url=url))
    assert "pw" not in str(caught.value)


async def test_a_file_that_is_no_database_is_not_kept_open(tmp_path: Path) -> None:
    path = tmp_path / "moodle.db"
    path.write_bytes(b"no database at all " * 100)
    database = database_for(LogstoreOptions(name="moodle", url=f"sqlite:///{path}"))
    with pytest.raises(ConfigError, match="is not an SQLite database") as refused:
        await database.connect()
    assert not is_open(path), refused


def test_grants_read_named_tables_and_only_harmless_columns_of_people() -> None:
    statements = grant_statements(OPTIONS, tables_needed(["score_pct"], ["quiz.submitted"]))
    assert "GRANT SELECT ON `campus`.`mdl_quiz` TO 'companion_ro'@'127.0.0.1';" in statements
    (people,) = [one for one in statements if "mdl_user`" in one]
    assert "password" not in people
    assert statements[0].endswith(f"WITH MAX_USER_CONNECTIONS {CONNECTIONS_MAX};")
    assert CONNECTIONS_MAX >= 2 * (4 + 1), "two sites that share the account, their logs apart, and a command each"
    assert "(id, username," in people
    assert not [one for one in statements if "*" in one or "mdl_config" in one]


def test_a_log_that_may_not_be_read_names_both_cures() -> None:
    error = log_unreadable(Unreadable(table="log", denied=True, reason="denied"), OPTIONS, SCHEMA)
    assert "GRANT SELECT ON `campus`.`mdl_logstore_standard_log`" in error.hint
    assert "table_prefix = 'mdl_'" in error.hint


@pytest.mark.parametrize("denied", [True, False])
def test_a_log_whose_table_is_named_is_cured_by_its_name_and_not_by_the_prefix(denied: bool) -> None:
    answer = Unreadable(table="log", denied=denied, reason="no such table")
    error = log_unreadable(answer, replace(OPTIONS, log_table="moo_log"), SCHEMA)
    assert "correct log_table = 'moo_log'" in error.hint
    assert "table_prefix" not in error.hint


def test_only_events_that_need_it_have_their_other_read() -> None:
    names = frozenset({moodle.COMPLETION, moodle.COURSE_COMPLETED})
    wanted = filter_of(Demand(rules_version="v", names=names, suffixes=frozenset(), facts=frozenset()), SCHEMA)
    assert wanted.other_params == (moodle.COMPLETION,)
    assert "CASE WHEN eventname IN (?) THEN other END" in wanted.columns


def test_rules_that_want_nothing_read_nothing() -> None:
    nothing = Demand(rules_version="v", names=frozenset(), suffixes=frozenset(), facts=frozenset())
    assert filter_of(nothing, SCHEMA).condition == "1 = 0"


def test_a_rule_on_grades_asks_for_the_tables_that_say_which_activity_was_graded() -> None:
    """Without them every grade was refused, "no lesson": the statements left out `modules`, and doctor saw nothing."""
    demand = rulebook(rule("grade.awarded")).demand
    assert {"grade_items", "course_modules", "modules"} <= set(tables_needed(demand.facts, ["grade.awarded"]))
    assert "modules" not in tables_needed(rulebook(rule("lesson.completed")).demand.facts, ["lesson.completed"])


DENIED = Unreadable(table="assign_overrides", denied=True, reason="denied")
ABSENT = Unreadable(table="assign_overrides", denied=False, reason="no such table")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([[], ABSENT, ABSENT], {35: {"late_by": -10, "on_time": True}, 36: {"late_by": -10, "on_time": True}}),
        ([[(1, 36, 60)], DENIED, DENIED], {35: {}, 36: {"late_by": 30, "on_time": False}}),
        ([[], [(1, 36, 60)], DENIED], {35: {}, 36: {"late_by": 30, "on_time": False}}),
        ([DENIED, [(1, 36, 60)], []], {35: {"on_time": True}, 36: {}}),
    ],
)
def test_a_date_that_may_be_another_one_for_the_learner_is_not_told(
    answers: list[Answer], told: dict[int, dict[str, object]]
) -> None:
    """An override may be earlier than everybody's date, and paid who was late by it; an extension never is."""
    dates = assignment_dates({1: 100}, answers)
    for learner, facts in told.items():
        draft = a_draft(user=learner)
        dates.note(draft, 1, frozenset({"late_by", "on_time"}))
        assert draft.facts == facts


def test_a_quiz_whose_overrides_may_not_be_read_closes_nobody_knows_when() -> None:
    draft = a_draft()
    quiz_dates({1: 100}, [[], DENIED]).note(draft, 1, frozenset({"on_time"}))
    assert draft.facts == {}


@pytest.mark.parametrize(
    ("names", "nested", "section"),
    [
        ([(16, "page"), (30, "subsection")], DENIED, None),
        (DENIED, DENIED, None),
        ([(16, "page")], DENIED, 5),
        ([(16, "page"), (30, "subsection")], ABSENT, 5),
        ([(16, "page"), (30, "subsection")], [(5, 1)], 1),
    ],
)
def test_an_activity_that_may_lie_in_a_subsection_is_in_no_section_until_that_can_be_read(
    names: Answer, nested: Answer, section: int | None
) -> None:
    draft = a_draft()
    demand = Demand(rules_version="v", names=frozenset(), suffixes=frozenset(), facts=frozenset({"section"}))
    look = activities(Batch([draft], demand, SCHEMA, Kinds(KindTable()), OPTIONS, 0))
    next(look)
    with pytest.raises(StopIteration):
        look.send([[(8, 16, 5, 8, 0)], names, nested])
    assert draft.section == section
