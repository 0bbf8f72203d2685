"""Small pieces of the log-table collector: anchors kept, options checked, grants written, filters built."""

from __future__ import annotations

from itertools import pairwise

import pytest

from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Schema, Unreadable
from agent.collectors.logstore.grants import grant_statements, log_unreadable, tables_needed
from agent.collectors.logstore.identity import anchored
from agent.collectors.logstore.lookups.dates.overrides import assignment_dates, quiz_dates
from agent.collectors.logstore.options import Limits, LogstoreOptions
from agent.collectors.logstore.reading.stretch import filter_of
from agent.collectors.systems import moodle
from agent.errors import ConfigError
from agent.model import Anchor, Demand

OPTIONS = LogstoreOptions(name="moodle", url="mysql://companion_ro@db:3306/campus", password="s3cret")
SCHEMA = Schema(prefix="mdl_", log_table="mdl_logstore_standard_log")


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


def test_grants_read_named_tables_and_only_harmless_columns_of_people() -> None:
    statements = grant_statements(OPTIONS, tables_needed(["score_pct"], ["quiz.submitted"]))
    assert "GRANT SELECT ON `campus`.`mdl_quiz` TO 'companion_ro'@'127.0.0.1';" in statements
    (people,) = [one for one in statements if "mdl_user`" in one]
    assert "password" not in people
    assert "(id, username," in people
    assert not [one for one in statements if "*" in one or "mdl_config" in one]


def test_a_log_that_may_not_be_read_names_both_cures() -> None:
    error = log_unreadable(Unreadable(table="log", denied=True, reason="denied"), OPTIONS, SCHEMA)
    assert "GRANT SELECT ON `campus`.`mdl_logstore_standard_log`" in error.hint
    assert "table_prefix = 'mdl_'" in error.hint


def test_only_events_that_need_it_have_their_other_read() -> None:
    names = frozenset({moodle.COMPLETION, moodle.COURSE_COMPLETED})
    wanted = filter_of(Demand(rules_version="v", names=names, suffixes=frozenset(), facts=frozenset()), SCHEMA)
    assert wanted.other_params == (moodle.COMPLETION,)
    assert "CASE WHEN eventname IN (?) THEN other END" in wanted.columns


def test_rules_that_want_nothing_read_nothing() -> None:
    nothing = Demand(rules_version="v", names=frozenset(), suffixes=frozenset(), facts=frozenset())
    assert filter_of(nothing, SCHEMA).condition == "1 = 0"


def test_dates_that_may_not_be_read_leave_dates_open_and_a_table_that_is_not_there_holds_none() -> None:
    denied = Unreadable(table="assign_overrides", denied=True, reason="denied")
    absent = Unreadable(table="assign_overrides", denied=False, reason="no such table")
    assert not assignment_dates({1: 100}, [[], denied, []]).complete
    assert not quiz_dates({1: 100}, [[], denied]).complete
    known = assignment_dates({1: 100}, [[(1, 36, 200)], absent, absent])
    assert (known.complete, known.due(1, 35), known.due(1, 36), known.due(2, 35)) == (True, 100, 200, 0)
