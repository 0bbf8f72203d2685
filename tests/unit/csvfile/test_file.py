"""A whole file: how it is read, what is told of it, what becomes of its good rows."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.csvfile import source
from agent.collectors.csvfile.checked import Chunk, Ids, Wanted, chunks
from agent.collectors.csvfile.table import layout
from agent.errors import InvalidInputError
from tests.builders import NOW

HEAD = "event,distinct_id,time,course_id,lesson_id,progress_pct,time_on_task_sec,event_id,source\n"
GOOD = f"lesson.completed,U-1,{NOW},C1,L1,100,30,e1,thinkific\n"


def written(directory: Path, text: str | bytes) -> Path:
    path = directory / "events.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def judged(path: Path, ids: Ids | None = None, **wanted: Any) -> list[Chunk]:
    file = source.opened(path)
    return list(chunks(file, layout(file.columns), Wanted(now=NOW, **wanted), ids or Ids()))


def told(path: Path, **wanted: Any) -> list[tuple[int, str, str]]:
    return [(fault.row, fault.column, fault.told) for chunk in judged(path, **wanted) for fault in chunk.faults]


def test_a_good_row_becomes_a_canonical_event(tmp_path: Path) -> None:
    (chunk,) = judged(written(tmp_path, HEAD + GOOD))
    assert chunk.faults == []
    assert chunk.events == [
        {
            "event": "lesson.completed",
            "occurred_at": NOW,
            "user": {"id": "U-1"},
            "context": {"course": {"id": "C1"}, "lesson": {"id": "L1"}},
            "metrics": {"progress_pct": 100, "time_on_task_sec": 30},
            "id": "e1",
        }
    ]


@pytest.mark.parametrize(
    ("data", "encoding", "delimiter"),
    [
        (("\ufeff" + HEAD + GOOD).encode(), "utf-8-sig", "comma"),
        ((HEAD + GOOD).replace(",", ";").encode(), "utf-8", "semicolon"),
        ((HEAD + GOOD).replace(",", "\t").encode("utf-16"), "utf-16", "tab"),
    ],
)
def test_encoding_byte_order_mark_and_delimiter_are_found_out(
    tmp_path: Path, data: bytes, encoding: str, delimiter: str
) -> None:
    path = written(tmp_path, data)
    file = source.opened(path)
    assert (file.encoding, source.called(file.delimiter)) == (encoding, delimiter)
    assert [len(chunk.events) for chunk in judged(path)] == [1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"event,distinct_id,time\nlesson.completed,Andr\xe9,1\n", "not text in utf-8"),
        (b"event,distinct_id,tme\n", "'time' is missing; column 'tme' is not known, did you mean 'time'"),
        (b"event,distinct_id,time,time\n", "stands there twice"),
        (b"event,distinct_id,time,,x\n", "a column has no heading"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_told_with_what_to_do(
    tmp_path: Path, data: bytes, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        judged(written(tmp_path, data))
    assert caught.value.hint


def test_bytes_that_are_no_text_deep_in_the_file_are_told_by_their_row(tmp_path: Path) -> None:
    many = HEAD + "".join(GOOD.replace("e1", f"e{n}") for n in range(5_000))
    with pytest.raises(InvalidInputError, match="somewhere behind row"):
        judged(written(tmp_path, many.encode() + b"lesson.completed,Andr\xe9\n"))


def test_the_same_row_again_names_the_first_one(tmp_path: Path) -> None:
    bare = GOOD.replace("e1", "")
    text = HEAD + GOOD + bare + GOOD.replace("U-1", "U-2") + bare
    assert told(written(tmp_path, text)) == [
        (4, "event_id", "the same as row 2"),
        (5, "event_id", "the same as row 3"),
    ]


def test_places_that_events_are_counted_by_must_be_there_and_known(tmp_path: Path) -> None:
    rows = [GOOD.replace("L1", ""), GOOD.replace("C1", "C9"), GOOD.replace("L1", "L9"), GOOD]
    text = HEAD + "".join(row.replace("e1", f"e{n}") for n, row in enumerate(rows))
    known = frozenset({("C1", ""), ("C1", "L1")})
    assert told(written(tmp_path, text), known=known) == [
        (2, "lesson_id", "lesson.completed names no lesson"),
        (3, "course_id", "this course is not in the list of courses"),
        (4, "lesson_id", "this lesson is not in the list of courses"),
    ]


def test_without_consent_a_row_does_not_count(tmp_path: Path) -> None:
    text = HEAD.replace("source", "consent") + GOOD.replace("thinkific", "yes") + GOOD.replace("e1,thinkific", "e2,no")
    assert told(written(tmp_path, text)) == [(3, "consent", "the learner has not agreed")]
    assert told(written(tmp_path, HEAD + GOOD), consent=True) == [(2, "consent", "the learner has not agreed")]


def test_ids_of_several_forms_are_remarked(tmp_path: Path) -> None:
    ids = Ids()
    rows = "".join(GOOD.replace("U-1", who).replace("e1", who) for who in ("U-1", "007", "7"))
    judged(written(tmp_path, HEAD + rows), ids)
    (remark,) = ids.remarks()
    assert "leading zeros (row 3)" in remark


def test_users_are_checked_and_become_a_greeting(tmp_path: Path) -> None:
    text = (
        "user_id,name,email,cohort,start_date\n1,Ann Smith,ann@example.org,2026,2026-09-01\n2,BOB JONES,bob@,,\n"
        "1,Ann Smith,ann@example.org,,\n"
    )
    (chunk,) = judged(written(tmp_path, text))
    assert [(fault.row, fault.column) for fault in chunk.faults] == [(3, "email"), (3, "name"), (4, "")]
    (event,) = chunk.events
    assert (event["event"], event["id"], event["facts"]) == ("user.registered", "user:1", {"cohort": "2026"})


def test_rows_that_were_corrected_are_taken_with_the_columns_that_we_added(tmp_path: Path) -> None:
    text = HEAD.strip() + ",problem,remedy\n" + GOOD.strip() + ",was wrong,mended\n"
    assert [len(chunk.events) for chunk in judged(written(tmp_path, text))] == [1]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        path = written(tmp_path, HEAD + "".join(GOOD.replace("e1", f"e{n}") for n in range(rows)))
        file = source.opened(path)
        tracemalloc.start()
        for _ in chunks(file, layout(file.columns), Wanted(now=NOW), Ids()):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(12_000) < 1.5 * peak(3_000)
