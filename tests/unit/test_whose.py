"""Whose accounts those of a page are: what of a log's rows is remembered once somebody was erased."""

from __future__ import annotations

from agent.arriving.whose import Whose
from agent.ledger.record.erased import Erased, mark_of
from agent.ledger.record.people import People
from agent.model import Anchor, Page, SourceState

KEY = bytes(32)


def test_no_row_of_who_was_erased_is_what_a_log_is_known_by_also_where_its_site_has_another_name() -> None:
    people = People()
    people.erased = Erased(key=KEY, spans={mark_of(KEY, ("moodle", "35")): (0, None)})
    anchors = tuple(Anchor(position=user, lms_event="x", user=user, occurred_at=5) for user in (35, 36))
    page = Page(
        source="renamed",
        observations=(),
        state=SourceState(anchors=anchors),
        rules_version="v",
        caught_up=True,
        newest=0,
    )

    assert Whose(people, sites={"renamed": "moodle"}).stored(page).anchors == anchors[1:]
    assert Whose(people).stored(page).anchors == anchors, "another site's 35 is somebody else"
