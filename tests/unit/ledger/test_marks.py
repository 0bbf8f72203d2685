"""What a batch says of how far its agent had read: true for its own entries, never for those that are still to come."""

from __future__ import annotations

from pathlib import Path

import aiosqlite
import pytest

from agent.ledger import file
from agent.ledger.recovery import marks
from agent.ledger.recovery.marks import Begins, Marks
from agent.ledger.writer import Writer
from tests.wire_builders import append_entries, entries
from wire.canonical import MalformedError


async def read_to(writer: Writer, position: int) -> None:
    """The source is read to there, in the transaction of the entries that it brought."""

    async def unit(conn: aiosqlite.Connection) -> None:
        await conn.execute(
            "INSERT INTO source_state"
            " (source, position, high_water, start_at, running_s, proven_at, counts, updated_at)"
            " VALUES ('moodle', ?, ?, 100, 0, 0, x'7b7d', 0)"
            " ON CONFLICT (source) DO UPDATE SET position = excluded.position, high_water = excluded.high_water",
            (position, 1_000 + position),
        )

    await writer.run(unit)


async def sealed(writer: Writer, directory: Path, first_seq: int, last_seq: int) -> Marks:
    place = file.ledger_path(directory).as_uri() + "?mode=ro"
    async with aiosqlite.connect(place, uri=True, isolation_level=None) as conn:
        found, keep = await marks.within(conn, first_seq, last_seq)
    await writer.run(keep)
    return found


async def test_a_batch_that_leaves_entries_behind_repeats_the_marks_of_the_last_one_that_did_not(
    tmp_path: Path,
) -> None:
    writer = await Writer.open(tmp_path)
    try:
        await append_entries(writer, entries(1, 10))
        await read_to(writer, 50)
        assert await sealed(writer, tmp_path, 1, 5) == Marks(), "nothing is known to be delivered with it"
        whole = await sealed(writer, tmp_path, 6, 10)
        assert (whole.low_water, whole.sources) == ({"moodle": 50}, {"moodle": Begins(100, 1_050)})
        await append_entries(writer, entries(11, 20))
        await read_to(writer, 90)
        assert await sealed(writer, tmp_path, 11, 15) == whole
        assert (await sealed(writer, tmp_path, 16, 20)).low_water == {"moodle": 90}
        again = await sealed(writer, tmp_path, 11, 15)
        assert again == Marks(), "a catalogue that was set back is not told of what it does not have"
    finally:
        await writer.close()


async def test_a_source_that_is_read_again_after_a_restore_keeps_its_mark(tmp_path: Path) -> None:
    writer = await Writer.open(tmp_path)
    try:
        await append_entries(writer, entries(1, 3))
        await read_to(writer, 20)

        async def unit(conn: aiosqlite.Connection) -> None:
            await conn.execute("INSERT INTO restored_source VALUES ('moodle', 70)")

        await writer.run(unit)
        assert (await sealed(writer, tmp_path, 1, 3)).low_water == {"moodle": 70}
    finally:
        await writer.close()


def test_marks_survive_the_way_and_nonsense_is_refused() -> None:
    made = Marks(low_water={"a": 5}, sources={"a": Begins(None, 7)}, scheduled={"weekly": 9})
    assert marks.parse(made.low_water, made.resume()) == made
    assert marks.parse({"a": 5}, None) == Marks(low_water={"a": 5})
    spoiled: list[object] = [5, {}, {"sources": [], "scheduled": {}}, {"sources": {"a": [1]}, "scheduled": {}}]
    for nonsense in spoiled:
        with pytest.raises(MalformedError):
            marks.parse({}, nonsense)
