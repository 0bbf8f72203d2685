"""A whole file: how it is read, what is told of it, what becomes of its good rows."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.csvfile import source
from agent.collectors.csvfile.cells import Problem
from agent.collectors.csvfile.checked import Chunk, chunks
from agent.collectors.csvfile.ids import Ids
from agent.collectors.csvfile.judging import Wanted
from agent.collectors.csvfile.table import layout
from agent.errors import InvalidInputError
from tests.builders import NOW

HEAD = "event,distinct_id,time,course_id,lesson_id,progress_pct,time_on_task_sec,event_id,source\n"
GOOD = f"lesson.completed,U-1,{NOW},C1,L1,100,30,e1,thinkific\n"


def written(directory: Path, text: str | bytes) -> Path:
    path = directory / "events.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def ids_of(path: Path, *, mixed: bool = False) -> Ids:
    file = source.opened(path)
    return Ids.of(file, layout(file.columns), mixed=mixed)


def judged(path: Path, *, mixed: bool = False, **wanted: Any) -> list[Chunk]:
    file = source.opened(path)
    return list(chunks(file, layout(file.columns), Wanted(now=NOW, **wanted), ids_of(path, mixed=mixed)))


def told(path: Path, **wanted: Any) -> list[tuple[int, str, str]]:
    return [(fault.row, fault.column, fault.told) for chunk in judged(path, **wanted) for fault in chunk.faults]


def test_a_good_row_becomes_a_canonical_event(tmp_path: Path) -> None:
    (chunk,) = judged(written(tmp_path, HEAD + GOOD))
    assert list(chunk.faults) == []
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
        (("sep=;\r\n" + (HEAD + GOOD).replace(",", ";")).encode(), "utf-8", "semicolon"),
        (('"sep=\t"\n' + (HEAD + GOOD).replace(",", "\t")).encode(), "utf-8", "tab"),
        (("sep=\n" + HEAD + GOOD).encode(), "utf-8", "comma"),
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
        (
            b"lesson.completed,U-1,1,C1\n",
            "no heading: it names no column that is known, it begins with 'lesson.completed'",
        ),
        (b"PK\x03\x04\x14\x00\x06", "a workbook of a spreadsheet, no CSV file"),
        (b"\xd0\xcf\x11\xe0\xa1", "a workbook of a spreadsheet, no CSV file"),
        (b"event,distinct_id,time,time\n", "stands there twice"),
        (b"event,distinct_id,time,,x\n", "a column has no heading"),
        (b"event,distinct_id,user_id,time\n", "several columns mean 'distinct_id'"),
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


def test_the_line_that_excel_puts_above_a_file_is_no_row_of_it(tmp_path: Path) -> None:
    bad = GOOD.replace("e1", "e2").replace("U-1", "")
    assert told(written(tmp_path, "sep=,\n" + HEAD + GOOD + bad)) == [(3, "distinct_id", "the learner's id is empty")]


def test_a_quotation_mark_that_nobody_closed_is_told_where_it_swallowed_rows(tmp_path: Path) -> None:
    open_quote = GOOD.replace("e1", "e2").replace("U-1", '"U-2')
    first, *_ = told(written(tmp_path, HEAD + GOOD + open_quote + GOOD.replace("e1", "e3")))
    assert first == (3, "", "the row is too short, and one of its cells has the rows behind it in it")


def test_the_same_row_again_names_the_first_one(tmp_path: Path) -> None:
    bare = GOOD.replace("e1", "")
    text = HEAD + GOOD + bare + GOOD.replace("U-1", "U-2") + bare
    assert told(written(tmp_path, text)) == [
        (4, "event_id", "the same as row 2"),
        (5, "distinct_id", "the same as row 3"),
    ]


def test_the_same_moment_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    times = ("2026-03-01T09:00:00Z", "1772355600", "2026-03-01T11:00:00+02:00", "1772355601")
    text = "event,distinct_id,time,post_id\n" + "".join(f"forum.posted,U-1,{at},\n" for at in times)
    assert [row for row, _, _ in told(written(tmp_path, text))] == [3, 4]
    others = "event,distinct_id,time,post_id\n" + "".join(f"forum.posted,U-1,{times[0]},p{n}\n" for n in range(2))
    assert told(written(tmp_path, others)) == []


def test_a_row_with_cells_too_many_may_have_shifted_and_is_not_taken(tmp_path: Path) -> None:
    text = "event,distinct_id,time\n" + "".join(
        f"forum.posted,U-{n},{NOW}{rest}\n" for n, rest in enumerate(("", ",,", ",x", ",, y "))
    )
    faults = [fault for chunk in judged(written(tmp_path, text)) for fault in chunk.faults]
    assert [(fault.row, fault.value, fault.told) for fault in faults] == [
        (4, "x", "the row has 4 cells, the heading 3"),
        (5, " |  y ", "the row has 5 cells, the heading 3"),
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


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (("11", "12", "x"), {4: "is text, most are digits"}),
        (("x", "y", "12"), {4: "is all digits, most are not"}),
        (("11", "12", "013"), {4: "has leading zeros, most have none"}),
        (("0011", "0012", "13"), {4: "has no leading zeros, others have"}),
        (("0011", "1012", "0013", "21013"), {}),
        (("007", "012"), {}),
        (("U-1", "x@y.org", "z"), {}),
    ],
)
def test_an_id_that_looks_otherwise_than_most_is_told_by_its_row(
    tmp_path: Path, found: tuple[str, ...], said: dict[int, str]
) -> None:
    path = written(tmp_path, HEAD + "".join(GOOD.replace("U-1", one).replace("e1", one) for one in found))
    faults = [fault for chunk in judged(path) for fault in chunk.faults]
    assert {(fault.row, fault.column, fault.value) for fault in faults} == {
        (row, "distinct_id", found[row - 2]) for row in said
    }
    assert all(said[fault.row] in fault.told and "--mixed-ids" in fault.remedy for fault in faults)
    assert [len(chunk.good) for chunk in judged(path, mixed=True)] == [len(found)]


def test_what_the_ids_of_a_file_look_like_is_remarked(tmp_path: Path) -> None:
    def remarks(*found: str) -> list[str]:
        rows = "".join(GOOD.replace("U-1", one).replace("e1", one) for one in found)
        return ids_of(written(tmp_path, HEAD + rows)).remarks()

    assert remarks("1", "2") == []
    (mixed,) = remarks("U-1", "007", "7", "8")
    assert "1 text (row 2), 2 digits (row 4), 1 digits with leading zeros (row 3)" in mixed
    (padded,) = remarks("007", "008")
    assert padded.startswith("2 ids have leading zeros, the first in row 2: they are kept")


def test_users_are_checked_and_become_a_greeting(tmp_path: Path) -> None:
    text = (
        "user_id,name,email,cohort,start_date\n1,Ann Smith,ann@example.org,2026,2026-09-01\n2,BOB JONES,bob@,,\n"
        "1,Ann Smith,ann@example.org,,\n"
    )
    (chunk,) = judged(written(tmp_path, text))
    assert [(fault.row, fault.column) for fault in chunk.faults] == [(3, "email"), (3, "name"), (4, "distinct_id")]
    (event,) = chunk.events
    assert (event["event"], event["id"], event["facts"]) == ("user.registered", "user:1", {"cohort": "2026"})


def test_rows_that_were_corrected_are_taken_with_the_columns_that_we_added(tmp_path: Path) -> None:
    text = HEAD.strip() + ",problem,remedy\n" + GOOD.strip() + ",was wrong,mended\n"
    assert [len(chunk.events) for chunk in judged(written(tmp_path, text))] == [1]


def test_a_row_that_the_agent_refuses_after_all_is_told_like_any_other(tmp_path: Path) -> None:
    rows = GOOD + GOOD.replace("e1", "e2").replace("L1", "") + GOOD.replace("e1", "e3")
    (chunk,) = judged(written(tmp_path, HEAD + rows))
    less = chunk.without({1: ("event", Problem("event is unknown", "see the list"))})
    assert [one.row for one in less.good] == [2]
    assert [(fault.row, fault.column, fault.value) for fault in less.faults] == [
        (3, "lesson_id", ""),
        (4, "event", "lesson.completed"),
    ]
    assert [number for number, _ in less.bad] == [3, 4]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        path = written(tmp_path, HEAD + "".join(GOOD.replace("e1", f"e{n}") for n in range(rows)))
        file = source.opened(path)
        tracemalloc.start()
        for _ in chunks(file, layout(file.columns), Wanted(now=NOW), ids_of(path)):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(5_000) < 1.5 * peak(2_000)


@pytest.mark.parametrize("said", ["ab", '"', "\n", "x", " "])
def test_a_delimiter_that_divides_nothing_is_told(tmp_path: Path, said: str) -> None:
    with pytest.raises(InvalidInputError, match="divides no cells"):
        source.opened(written(tmp_path, HEAD + GOOD), delimiter=said)


def test_a_delimiter_may_be_named_by_its_word(tmp_path: Path) -> None:
    path = written(tmp_path, (HEAD + GOOD).replace(",", "\t"))
    assert [source.opened(path, delimiter=said).delimiter for said in ("tab", "\\t", "\t", "")] == ["\t"] * 4


@pytest.mark.parametrize("said", ["base64", "hex", "rot13", "nope", "zlib"])
def test_an_encoding_that_is_none_of_text_is_told(tmp_path: Path, said: str) -> None:
    with pytest.raises(InvalidInputError, match="is no encoding of text"):
        source.opened(written(tmp_path, HEAD + GOOD), encoding=said)


@pytest.mark.parametrize("said", ["utf-16", "utf-32", "undefined", "punycode", "idna"])
def test_a_file_that_is_no_text_in_the_encoding_said_is_told(tmp_path: Path, said: str) -> None:
    with pytest.raises(InvalidInputError, match=f"not text in {said}"):
        source.opened(written(tmp_path, HEAD + GOOD + "\xe9" * 9), encoding=said)
