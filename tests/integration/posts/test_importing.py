"""What an import keeps, and what it refuses, in a real inbox: event by event."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.cli.importing.csv_file import ASKED_BYTES_MAX, pieces
from agent.collectors.inbox.collector import InboxCollector, InboxOptions
from agent.collectors.inbox.importing import Imports
from agent.collectors.inbox.store import Inbox
from agent.collectors.systems.base import VALUES_MAX, Arrival
from agent.collectors.systems.generic import Generic
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.model import Demand, Observation, SourceState
from tests.builders import NOW
from tests.fakes import ManualClock

ALL = Demand(rules_version="v", names=frozenset(), suffixes=frozenset(), facts=frozenset(), patterns=frozenset({"*.*"}))
OPTIONS = InboxOptions(
    name="forms", site="forms", backdated_after_s=86_400, site_admins=frozenset(), awaits_log=False,
    pay_before_log=False, keep_s=86_400,
)  # fmt: skip


def an_event(number: int, **changes: Any) -> dict[str, Any]:
    """With as many values as a row of a file can have."""
    return {
        "event": "lesson.completed",
        "occurred_at": NOW - number,
        "user": {"id": f"U-{number}"},
        "context": {name: {"id": f"{name}-{number}"} for name in ("course", "section", "lesson", "post")},
        "metrics": {"progress_pct": 100, "score_pct": 66.7, "time_on_task_sec": 30},
        "id": f"e{number}",
        **changes,
    }


async def imported(directory: Path, events: list[dict[str, Any]]) -> tuple[dict[str, Any], list[Observation]]:
    """What the import answers, and what the reader of the inbox then sees."""
    inbox, clock = await Inbox.open(directory), ManualClock(NOW)
    answer = await Imports(inbox, ["forms"], SYSTEMS["generic"], KindTable, clock).take(source="forms", events=events)
    reader = InboxCollector(OPTIONS, inbox, SYSTEMS["generic"], KindTable, clock)
    seen: list[Observation] = []
    async for page in reader.pages(SourceState(), lambda: ALL, follow=False):
        assert "posts_unreadable" not in page.state.counts
        seen += page.observations
    await inbox.close()
    return answer, seen


async def test_an_event_that_cannot_be_read_spoils_none_beside_it(tmp_path: Path) -> None:
    events = [an_event(number) for number in range(9)]
    events[2] = an_event(2, user={"id": "a\0b"})
    events[5] = an_event(5, event="a." + "b" * 300)
    events[6] = an_event(6, metrics={"time_on_task_sec": 2**64})
    answer, seen = await imported(tmp_path, events)
    assert answer["kept"] == 6
    assert [(each["event"], each["field"]) for each in answer["refused"]] == [(2, "id"), (5, "event"), (6, "")]
    assert all(each["problem"] and each["remedy"] for each in answer["refused"])
    assert [one.people["subject"] for one in seen] == [f"U-{number}" for number in (0, 1, 3, 4, 7, 8)]


async def test_rows_with_every_column_are_divided_into_posts_that_can_be_read(tmp_path: Path) -> None:
    events = [an_event(number) for number in range(1_200)]
    answer, seen = await imported(tmp_path, events)
    assert answer == {"kept": 1_200, "refused": []}
    assert [one.people["subject"] for one in seen] == [f"U-{number}" for number in range(1_200)]


async def test_an_event_that_is_too_large_alone_is_refused_alone(tmp_path: Path) -> None:
    huge = an_event(1, facts={f"f{number}": ["x"] * 49 for number in range(VALUES_MAX // 49)})
    answer, seen = await imported(tmp_path, [an_event(0), huge, an_event(2)])
    assert (answer["kept"], [each["event"] for each in answer["refused"]], len(seen)) == (2, [1], 2)


def test_a_running_agent_is_asked_for_no_more_at_once_than_it_takes() -> None:
    events = [{"id": "x" * (ASKED_BYTES_MAX // 3)} for _ in range(7)]
    assert [(first, len(piece)) for first, piece in pieces(events)] == [(0, 2), (2, 2), (4, 2), (6, 1)]
    assert list(pieces([])) == []


class Failing(Generic):
    """A mapping with a fault: it stumbles over one learner."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        """As it should be, but for that one."""
        found = super().observations(arrival, kinds)
        if any(one.people["subject"] == "U-2" for one in found):
            raise KeyError("U-2")
        return found


async def test_an_event_on_which_this_version_fails_is_refused_and_spoils_none_beside_it(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    taking = Imports(inbox, ["forms"], Failing(), KindTable, ManualClock(NOW))
    answer = await taking.take(source="forms", events=[an_event(number) for number in range(5)])
    assert (answer["kept"], [each["event"] for each in answer["refused"]]) == (4, [2])
    await inbox.close()
