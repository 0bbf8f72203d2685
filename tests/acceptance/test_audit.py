"""`rewards-agent audit`: what was done by hand, by whom, through a command alone and through a running agent."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

from agent.ledger.acts.journal import ACTS
from agent.operations import Operations
from tests.acceptance.campus import Campus, campus
from tests.sites import LOGGED_IN, SqliteSite, log

RULES = """
schema = 1
timezone = "UTC"

[[rule]]
id = "login"
on = "user.logged_in"
award = 10
"""


def acts(at: Campus, *words: str) -> list[tuple[str, str, str]]:
    """(what, by, outcome), oldest first."""
    return [(one["what"], one["by"], one["outcome"]) for one in reversed(at.json("audit", "list", *words))]


def test_what_is_done_by_hand_is_listed_with_who_did_it_and_what_it_came_to(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.sqlite")
    log(site, 1, eventname=LOGGED_IN, userid=5001)
    at = campus(tmp_path / "a", f"sqlite:///{site.path}", RULES)
    at.catch_up()
    at.command("ledger", "adjust", "moodle:5001", "5", "--reason", "Ann was ill", "--by", "owner")
    at.command("ledger", "reverse", "1", "--reason", "a mistake", "--by", "desk")
    at.command("rules", "backfill", "--rule", "login", "--since", "2026-01-01", "--preview")
    at.config.write_text(at.config.read_text().replace("[agent]\n", '[agent]\nmode = "shadow"\n'))
    at.catch_up()
    at.command("restore", at.json("backup", "--to", str(tmp_path / "copies"))["backup"], "--yes")
    assert acts(at) == [
        ("agent.mode", "", "done"),
        ("ledger.adjust", "owner", "done"),
        ("ledger.reverse", "desk", "done"),
        ("agent.mode", "", "done"),
        ("restore", "", "done"),
    ]
    assert acts(at, "--what", "ledger", "--by", "owner") == [("ledger.adjust", "owner", "done")]
    third = at.json("audit", "list")[2]["at"]
    moment = datetime.fromtimestamp(third, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    early = at.json("audit", "export", "--until", moment)
    assert [one["at"] < third for one in early] == [True] * len(early)
    assert at.json("audit", "list", "--since", moment)[-1]["at"] >= third
    assert acts(at, "--until", "2026-01-01") == []
    text = at.command("audit", "export", "--format", "csv").stdout
    assert [row["what"] for row in csv.DictReader(io.StringIO(text))][-1] == "agent.mode"
    assert "5001" not in text
    assert "ill" not in text
    assert "amount 5" in at.command("audit", "list").stdout


def test_every_operation_of_an_agent_is_an_act_or_is_known_to_be_none() -> None:
    none = {
        "import.events", "kudos.give", "redeem", "redemption.settle", "redemption.show", "rewards.offered",
        "scheduled.run", "sync.now", "allowance.draw",
    }  # fmt: skip
    source = Path(Operations.table.__code__.co_filename).read_text()
    body = source[source.index("def _every") : source.index("async def enrol_in_challenge")]
    named = {line.split('"')[1] for line in body.splitlines() if '": self.' in line or '": self._' in line}
    assert named - none == set(ACTS)
