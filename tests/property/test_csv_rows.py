"""What the look at a file calls good is what the reader of the inbox takes, whatever stands in the cells."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.collectors.csvfile.ids import Ids
from agent.collectors.csvfile.judging import Judge, Wanted
from agent.collectors.csvfile.table import layout
from agent.collectors.systems.base import Arrival
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.model import Evidence
from tests.builders import NOW

EVENT = {
    "event": "lesson.completed",
    "distinct_id": "U-1",
    "time": str(NOW),
    "course_id": "C1",
    "lesson_id": "L1",
    "post_id": "",
    "progress_pct": "66.7",
    "time_on_task_sec": "30",
    "event_id": "e1",
}
USER = {"distinct_id": "U-1", "name": "Ann Smith", "email": "ann@example.org", "cohort": "2026", "start_date": ""}
cells = st.one_of(
    st.sampled_from(
        ["", "--5", "9" * 5_000, "9" * 15, "0." + "0" * 13 + "1", "1e-5000", "²", "٣", str(2**64), "a\0b", "\ud800"]
    ),
    st.sampled_from(["x" * 195, "x" * 196, "x" * 200, "x" * 201, "a." + "b" * 198, "a." + "b" * 250, "a.b", "-1.5"]),
    st.sampled_from(
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00Z", str(NOW * 1000)]
    ),
    st.text(max_size=12),
)


@pytest.mark.parametrize("good", [EVENT, USER])
@settings(max_examples=150)
@given(data=st.data())
def test_a_row_without_faults_is_one_that_the_reader_of_the_inbox_takes(
    good: Mapping[str, str], data: st.DataObject
) -> None:
    said = dict(good) | data.draw(st.dictionaries(st.sampled_from(sorted(good)), cells, max_size=3))
    judge = Judge(layout(tuple(good)), Wanted(now=NOW), Ids([]), columns=len(good))
    faults, event = judge.judged(2, tuple(said.values()))
    assert all(fault.told and fault.remedy and fault.value.isprintable() for fault in faults)
    if not faults:
        body = orjson.dumps({"events": [event]})
        arrival = Arrival(source="a", site="a", number=1, received_at=NOW, evidence=Evidence.file, body=body)
        assert len(SYSTEMS["generic"].observations(arrival, KindTable())) == 1
