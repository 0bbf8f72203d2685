"""An undo that is seen late: of each scope as much stays as was done again since, in that scope, and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.model import Event, Outcome, Trust
from tests.ledgers import rows
from tests.pipelines import running
from tests.rule_stories import decide, event, line, rule, rulebook

Told = tuple[str, str]
"""Kind (by its first letter) and local time of September 2026."""
KINDS = {"d": "lesson.completed", "u": "lesson.uncompleted", "r": "course.reset"}
UNDONE = 'reverse_on = ["lesson.uncompleted", "course.reset"]\n'


def told(*acts: Told) -> list[Event]:
    """Each act with its place in the log, which rises with the time; in the order in which they are given."""
    places = {when: place for place, (_, when) in enumerate(sorted(acts, key=lambda act: act[1]), 1)}
    found = []
    for kind, when in acts:
        one = event(KINDS[kind], f"2026-09-{when}:00", lesson=None if kind == "r" else "1", key=when)
        found.append(replace(one, seen=replace(one.seen, position=places[when])))
    return found


MONDAY, TUESDAY, LATER, BETWEEN = ("d", "07T09:00"), ("d", "08T09:00"), ("d", "08T10:00"), ("u", "07T10:00")


@pytest.mark.parametrize("undo", ["u", "r"])
def test_what_was_done_again_on_another_day_keeps_nothing_of_this_one(undo: str) -> None:
    """The refusal of Tuesday's second time had kept Monday's award too."""
    rules = rulebook(rule(more=f'once_per = ["lesson", "day"]\n{UNDONE}'))
    acts = told(MONDAY, TUESDAY, LATER, (undo, BETWEEN[1]))
    assert [line(one) for one in decide(rules, acts)][2:] == [
        "ann refused once_per lesson+day",
        f"ann reversed undone: {KINDS[undo]}",
    ]


@pytest.mark.parametrize("undo", ["u", "r"])
def test_one_time_again_keeps_one_award_of_two(undo: str) -> None:
    rules = rulebook(rule(more=f"frequency = 2\n{UNDONE}"))
    acts = told(MONDAY, ("d", "07T09:30"), LATER, (undo, BETWEEN[1]))
    decisions = decide(rules, acts)
    assert [one.outcome for one in decisions[3:]] == [Outcome.reversed]
    assert decisions[3].reverses is not None
    assert decisions[3].reverses.when == (acts[0].seen.occurred_at, 1), "the newer one stands for what was done again"


@pytest.mark.parametrize("undo", ["u", "r"])
async def test_a_review_of_what_was_done_again_waits_on_though_its_undo_is_seen_late(tmp_path: Path, undo: str) -> None:
    """After the reset of a course it had been closed, with nobody left who could be paid for doing it again."""
    text = rule(more=f'review = "always"\n{UNDONE}')
    first, again, late = told(MONDAY, TUESDAY, (undo, BETWEEN[1]))
    assert decide(rulebook(text), [first, again, late])[2].reason == "done again since"
    for name, pages in {"one": [[first, again, late]], "many": [[first], [again], [late]]}.items():
        async with running(tmp_path / name, text) as agent:
            for page in pages:
                await agent.take(*(one.seen for one in page))
            assert rows(agent.data_dir, "SELECT state FROM hold") == [("open",)]
            assert agent.reasons()[1:] == ["once_per lesson", "done again since"]


async def test_two_undos_of_what_is_under_review_give_its_place_back_once(tmp_path: Path) -> None:
    """Closed by its lesson's undo, it was given back by the course's too, and the limit let one more through."""
    text = rule(more=f'review = "always"\nlimit = "1/day"\n{UNDONE}')
    acts = told(MONDAY, ("u", "07T10:00"), ("r", "07T10:30"), ("d", "07T11:00"))
    other = event("lesson.completed", "2026-09-07T12:00:00", lesson="2")
    reasons = [one.reason for one in decide(rulebook(text), [*acts, other])]
    assert reasons[-2:] == ["review always", "limit 1/day"]


def test_what_an_award_has_closed_is_no_more_to_be_undone() -> None:
    rules = rulebook(rule(more=f'once_per = "day"\nmin_trust = "server_verified"\n{UNDONE}'))
    first, reset = told(MONDAY, ("r", "07T10:00"))
    elsewhere = event("lesson.completed", "2026-09-07T08:00:00", lesson="9", course="2")
    held = replace(first, trust=Trust.trusted_source)
    reasons = [one.reason for one in decide(rules, [held, elsewhere, reset])]
    assert reasons == ["trust trusted_source below server_verified", "", "nothing to undo"]
