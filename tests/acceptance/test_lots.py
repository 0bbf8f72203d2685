"""Currencies that expire, seen from the command line, over the captured log."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path

from tests import servers
from tests.acceptance.campus import campus

RULES = """
schema = 1
timezone = "UTC"
[currency.points]
expires_after = "1h"
[currency.kept]
decimals = 2
expires_after = "7300d"
notice = "7300d"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = { points = 10, kept = 0.25 }
"""


def _an_hour_after(text: str) -> str:
    return (datetime.fromisoformat(text) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_lots_expire_into_a_statement_and_show_and_export_tell_it(
    shared_capture: servers.MariaDatabase, tmp_path: Path
) -> None:
    agent = campus(tmp_path / "a", shared_capture, RULES)
    assert "lots_expired" in agent.catch_up(), "acts of long ago are over when they are read"
    chain = agent.export()
    learner = next(row["learner"] for row in chain if row["currency"] == "points")
    earned = sum(int(row["amount"]) for row in chain if row["learner"] == learner and row["currency"] == "points")
    text = agent.command("ledger", "export", "--with-statement").stdout
    stated = [row for row in csv.DictReader(io.StringIO(text)) if row["kind"] == "expiry"]
    assert {row["currency"] for row in stated} == {"points"}
    assert {row["reverses"]: row["occurred_at"] for row in stated} == {
        row["entry_id"]: _an_hour_after(row["occurred_at"]) for row in chain if row["currency"] == "points"
    }
    assert sum(int(row["amount"]) for row in stated if row["learner"] == learner) == -earned
    assert agent.export() == chain, "what expires is never in the chain"
    found = {one["currency"]: one for one in agent.json("learner", "show", learner)["balances"]}
    assert (found["points"]["balance"], found["points"]["amount"], found["points"]["lots"]) == (0, earned, [])
    assert found["kept"]["balance"] == sum(lot["left"] for lot in found["kept"]["lots"]) > 0
    shown = agent.command("learner", "show", learner).stdout
    assert f"  0 points ({earned} earned in all)" in shown
    assert "0.25 kept expire on " in shown or "0.25 expire on " in shown
    assert ", soon" in shown
    assert agent.command("ledger", "verify").returncode == 0
    agent.catch_up()
    assert agent.command("ledger", "export", "--with-statement").stdout == text, "nothing expires twice"
