"""A campus whose disk is gone, or whose backup is too old, by the real commands with a real Moodle and catalogue."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_capture import RULES
from tests.integration.test_catalogue_process import Served, command, serving

CAMPUS = "test-campus"
FIRST_ROWS = 1_900
MORE_RULES = """
[[rule]]
id = "lesson-while-it-stands"
on = "lesson.completed"
award = 3
reverse_on = "lesson.uncompleted"

[[rule]]
id = "five-days"
on = "user.logged_in"
streak = { days = 3, in = "month" }
award = 20

[[badge]]
id = "beginner"
name = "Beginner"
all_of = [{ rule = "lesson-once", at_least = 2 }]
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "catalogue") as served:
        yield served


def enrolled(at: Campus, catalogue: Served) -> str:
    """Enrol an agent; its campus's recovery key."""
    where = ("--config", catalogue.config)
    known = [row["campus"] for row in json.loads(command("tenant", "list", "--json", *where).stdout)]
    verb = "token" if CAMPUS in known else "add"
    token = json.loads(command("tenant", verb, CAMPUS, "--json", *where).stdout)["token"]
    at.command("key", "new")
    key: str = at.json("key", "recovery")["recovery_key"]
    at.command("enrol", token)
    return key


def balances(at: Campus) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for row in at.export():
        found[row["learner"], row["currency"]] += int(row["amount"])
    return found


def paid(at: Campus) -> Counter[tuple[str, ...]]:
    """What was paid for what, whatever the order."""
    names = ("learner", "rule_id", "currency", "amount", "kind", "occurred_at")
    return Counter(tuple(row[name] for name in names) for row in at.export())


def wallets(catalogue: Served) -> Counter[int]:
    rows = json.loads(command("wallet", "show", CAMPUS, "--json", "--config", catalogue.config).stdout)
    return Counter(row["balance"] for row in rows)


def lost(at: Campus, catalogue: Served, key: str, tmp_path: Path) -> dict[str, Any]:
    """The disk is gone, but for settings and rules; the ledger comes back."""
    shutil.rmtree(at.directory / "data")
    (at.directory / "agent.ed25519").unlink()
    (at.directory / "recovery.public").unlink()
    paper = tmp_path / "paper.txt"
    paper.write_text(f"The recovery key of {CAMPUS}:\n\n  {key.lower()}\n")
    at.command("key", "new")
    given = command("tenant", "token", CAMPUS, "--agent", "agent-1", "--json", "--config", catalogue.config).stdout
    words = (
        "restore",
        "--from-catalogue",
        "--yes",
        "--recovery-key",
        str(paper),
        "--token",
        json.loads(given)["token"],
    )
    found: dict[str, Any] = json.loads(at.command(*words, "--json").stdout)
    return found


def test_a_wiped_disk_comes_back_from_the_catalogue_with_the_balances_it_would_have_had(
    captured_moodle: servers.MariaDatabase, catalogue: Served, tmp_path: Path
) -> None:
    rules = RULES + MORE_RULES
    log = "mdl_logstore_standard_log"
    captured_moodle.execute(f"CREATE TABLE later AS SELECT * FROM {log} WHERE id > {FIRST_ROWS}")
    captured_moodle.execute(f"DELETE FROM {log} WHERE id > {FIRST_ROWS}")
    at = campus(tmp_path / "a", captured_moodle, rules, extra=f'[catalogue]\nurl = "{catalogue.url}"')
    key = enrolled(at, catalogue)
    at.catch_up()
    delivered = paid(at)
    assert at.json("sync", "status")["waiting"] == 0
    catalogue.stop()
    captured_moodle.execute(f"INSERT INTO {log} SELECT * FROM later")
    at.catch_up()
    truth = paid(at)
    assert sum(delivered.values()) > 100, "enough was delivered"
    assert sum((truth - delivered).values()) > 100, "and enough was not"
    before = balances(at)
    catalogue.start()
    told = lost(at, catalogue, key, tmp_path)
    assert (told["entries"], told["epoch"], told["strangers"]) == (sum(delivered.values()), 2, 0)
    assert balances(at) == sum_of(delivered)
    assert at.json("ledger", "verify")["findings"] == []
    at.catch_up()
    assert paid(at) == truth
    assert balances(at) == before
    assert at.json("ledger", "verify")["findings"] == []
    assert wallets(catalogue) == Counter(value for value in before.values())
    report = json.loads(command("verify", "--json", "--config", catalogue.config).stdout)
    assert report["faults"] == []


def sum_of(delivered: Counter[tuple[str, ...]]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for (learner, _, currency, amount, *_), times in delivered.items():
        found[learner, currency] += int(amount) * times
    return found
