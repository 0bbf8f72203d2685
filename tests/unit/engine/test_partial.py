"""A post that lacks a part of its key is about the one row that says all it says, and about none where several do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.engine import trust
from agent.engine.sighting.partial import Lacking, fits, matched
from agent.model import Event, Observation, Trust
from tests.builders import an_observation


def a_row(number: int = 1, **changes: object) -> Observation:
    return an_observation(number, object_table="forum_posts", object_id="40", **changes)


def a_post(number: int = 1, *, key: str = "short", **changes: object) -> Observation:
    """The same without its lesson, under a key of its own."""
    seen = replace(a_row(number, **changes), lesson=None, source="trigger", natural_key=(key, str(number)))
    return replace(seen, marks=frozenset({"partial", "unconfirmed"}))


def event(seen: Observation) -> Event:
    return trust.tag(seen, Trust.server_verified)


def lacking(seen: Observation, *, paid: bool = False, told: bytes = b"") -> Lacking:
    return Lacking(number=7, event=event(seen), told=told, paid=paid)


def test_a_post_fits_what_says_all_that_it_says() -> None:
    assert fits(a_post(), a_row())
    assert not fits(a_row(), a_post()), "a row says its lesson"


@pytest.mark.parametrize(
    "changes",
    [{"occurred_at": 5}, {"site": "b"}, {"lms_event": "x"}, {"object_id": "41"}, {"course": "9"}, {"people": {}}],
)
def test_a_post_does_not_fit_what_says_otherwise(changes: dict[str, object]) -> None:
    assert not fits(a_post(), replace(a_row(), **changes))  # type: ignore[arg-type]


def test_a_row_that_is_the_only_one_to_fit_tells_the_post_and_stays_what_it_is() -> None:
    row = event(a_row())
    found = matched([row], [lacking(a_post())], [])
    assert (found.events, found.told, found.settled) == ([row], {7: row.event_id}, frozenset({7}))


def test_a_post_that_lacked_nothing_is_its_row_seen_before_and_no_post_that_was_told() -> None:
    row, post = event(a_row()), lacking(replace(a_post(), natural_key=a_row().natural_key))
    found = matched([row], [post], [])
    assert (found.events, found.told, found.settled, found.completed) == ([row], {}, frozenset(), frozenset({7}))


def test_of_two_rows_that_fit_neither_tells_it() -> None:
    one, other = event(a_row()), event(replace(a_row(), natural_key=("b",), lesson="2"))
    for page, recorded in (([one, other], []), ([one], [other])):
        found = matched(page, [lacking(a_post())], recorded)
        assert (found.events, found.told) == (page, {})


def test_a_post_whose_row_came_first_adds_nothing_to_it() -> None:
    post, row = event(a_post()), event(a_row())
    assert matched([post], [], [row]).events == []
    assert matched([post, row], [], []).events == [row]
    other = event(replace(a_row(), natural_key=("b",)))
    assert matched([post], [], [row, other]).events == [post]
    assert matched([post], [], []).events == [post]


def test_a_post_that_was_decided_by_itself_is_sighted_again_by_what_it_was_about_and_by_nothing_else() -> None:
    paid = lacking(replace(a_post(), marks=frozenset({"partial"})), paid=True)
    row = event(a_row())
    found = matched([row], [paid], [])
    assert [one.event_id for one in found.events] == [paid.event.event_id]
    assert (found.told, found.settled) == ({7: row.event_id}, frozenset())
    again = matched([row], [replace(paid, told=row.event_id)], [])
    assert [one.event_id for one in again.events] == [paid.event.event_id]
    other = event(replace(a_row(), natural_key=("b",)))
    assert matched([other], [replace(paid, told=row.event_id)], []).events == [other]
