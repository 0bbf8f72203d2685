"""What budgets and brakes have counted for everybody together, kept as one number for each of their windows."""

from __future__ import annotations

from collections.abc import Iterable

import aiosqlite

TOTALLED = ("budget:", "safety:", "shadow/budget:", "shadow/safety:")
"""How the meters begin whose totals are kept (view `totalled`); their uses name no learner."""

_COUNT = """
INSERT INTO quota_total SELECT u.meter_no, u.bucket, sum(u.amount), count(*)
FROM totalled t CROSS JOIN quota_use u USING (meter_no)
WHERE u.person_no = 0 AND u.freed = 0 GROUP BY u.meter_no, u.bucket
"""
_TRIGGERS = (
    """
CREATE TRIGGER total_counts_a_use AFTER INSERT ON quota_use
WHEN NEW.person_no = 0 AND NEW.freed = 0 AND EXISTS (SELECT 1 FROM totalled WHERE meter_no = NEW.meter_no)
BEGIN
  INSERT INTO quota_total VALUES (NEW.meter_no, NEW.bucket, NEW.amount, 1)
  ON CONFLICT (meter_no, bucket) DO UPDATE SET amount = amount + excluded.amount, uses = uses + 1;
END
""",
    """
CREATE TRIGGER total_gives_back_a_freed_use AFTER UPDATE OF freed ON quota_use
WHEN NEW.person_no = 0 AND NEW.freed <> OLD.freed
BEGIN
  UPDATE quota_total
  SET amount = amount + (OLD.freed - NEW.freed) * NEW.amount, uses = uses + (OLD.freed - NEW.freed)
  WHERE meter_no = NEW.meter_no AND bucket = NEW.bucket;
END
""",
    """
CREATE TRIGGER total_gives_back_a_deleted_use AFTER DELETE ON quota_use
WHEN OLD.person_no = 0 AND OLD.freed = 0
BEGIN
  UPDATE quota_total SET amount = amount - OLD.amount, uses = uses - 1
  WHERE meter_no = OLD.meter_no AND bucket = OLD.bucket;
END
""",
)
_KEPT = "SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = 'total_counts_a_use'"
_KNOWN = "SELECT 1 FROM totalled LIMIT 1"


async def keep(connection: aiosqlite.Connection, meters: Iterable[str]) -> None:
    """Keep totals from now on where one of ``meters`` or of the ledger's own wants them; others pay for no triggers."""
    if not any(meter.startswith(TOTALLED) for meter in meters) and not list(await connection.execute_fetchall(_KNOWN)):
        return
    if list(await connection.execute_fetchall(_KEPT)):
        return
    await count(connection)
    for trigger in _TRIGGERS:
        await connection.execute(trigger)


async def count(connection: aiosqlite.Connection) -> None:
    """Add all of them up again from the uses."""
    await connection.execute("DELETE FROM quota_total")
    await connection.execute(_COUNT)
