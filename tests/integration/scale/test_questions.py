"""What a batch asks of PostgreSQL, and what of it while the rest of its campus waits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from tests.integration.scale.campus import Campus

ASKED = (
    "SELECT batch_key.",  # whether it came before
    "SELECT agent.",  # held from here on
    "SELECT issue_limit.",
    "INSERT INTO wallet",  # opened and locked in key order
    "SELECT wallet.",
    "UPDATE agent",
    "INSERT INTO ledger",  # from here on the campus waits; entries and movements are copied besides
    "INSERT INTO batch_key",
    "INSERT INTO batch ",
    "UPDATE wallet",
)


async def test_a_batch_asks_ten_questions_however_many_entries_and_wallets_it_has(parted_campus: Campus) -> None:
    await parted_campus.deliver({}, at=1_790_000_000)
    asked: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(next((known for known in ASKED if statement.startswith(known)), statement))

    engine = parted_campus.store._engines.writing.sync_engine  # noqa: SLF001 - what is asked is what is counted
    event.listen(engine, "before_cursor_execute", note)
    try:
        await parted_campus.deliver(*({"learner": f"learner-{number % 50}"} for number in range(200)), at=1_790_000_001)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert asked == list(ASKED)
