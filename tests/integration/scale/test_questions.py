"""What a batch asks of PostgreSQL, and what of it while the rest of its campus waits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from tests.integration.scale.campus import Campus

BEFORE = (
    "SELECT batch_key.",  # whether it came before
    "SELECT agent.",  # held from here on
    "SELECT issue_limit.",
    "SELECT wallet.",  # all held in key order, where all are there
)
OPENED = ("INSERT INTO wallet", "SELECT wallet.")  # and locked in key order with those that are there
AFTER = (
    "WITH newest",  # from here on the campus waits; entries and movements are copied besides
    "UPDATE wallet",
)
KNOWN = (*BEFORE, *OPENED, *AFTER)


async def test_a_batch_asks_six_questions_however_many_entries_and_wallets_it_has_and_eight_of_new_wallets(
    parted_campus: Campus,
) -> None:
    await parted_campus.deliver({}, at=1_790_000_000)
    asked: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(next((known for known in KNOWN if statement.startswith(known)), statement))

    engine = parted_campus.store._engines.writing.sync_engine  # noqa: SLF001 - what is asked is what is counted
    event.listen(engine, "before_cursor_execute", note)
    try:
        for at, wanted in ((1_790_000_001, (*BEFORE, *OPENED, *AFTER)), (1_790_000_002, (*BEFORE, *AFTER))):
            asked.clear()
            await parted_campus.deliver(*({"learner": f"learner-{number % 50}"} for number in range(200)), at=at)
            assert asked == list(wanted)
    finally:
        event.remove(engine, "before_cursor_execute", note)
