"""What is given instead of an entry that was answered lives as long as that would have: by the same terms."""

from __future__ import annotations

from collections.abc import Iterable

import aiosqlite


async def same_terms(connection: aiosqlite.Connection, given: Iterable[tuple[str, int, int]]) -> None:
    """Let the gifts (id of the entry, seq of its answer, seq of the gift) have the terms of what they stand for.

    A change of the terms is for new lots only. The answer is listed too: what had been spent of the lot is owed there,
    because all of it is there again in the gift.
    """
    await connection.executemany(
        "INSERT INTO lot_moved SELECT ?, coalesce((SELECT of_seq FROM lot_moved WHERE seq = e.seq), e.seq)"
        " FROM entry e WHERE e.seq = ?",
        [(seq, int(entry_id.partition("-")[2])) for entry_id, *seqs in given for seq in seqs],
    )
