"""A campus whose disk is gone, or whose backup is too old, by the real commands with a real Moodle and catalogue."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli.app import app
from tests import servers
from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_capture import RULES
from tests.acceptance.test_delivery import COMPLETED, complete
from tests.integration.test_catalogue_process import Served, command, serving
from tests.sites import SqliteSite, log

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
    words = ("restore", "--from-catalogue", "--yes")
    nobody = at.command(*words, check=False)
    assert (nobody.returncode, "rewards-catalogue tenant token" in nobody.stderr) == (2, True)
    token = json.loads(given)["token"]
    strangers = at.command(*words, "--token", token, check=False)
    assert (strangers.returncode, "--recovery-key" in strangers.stderr) == (2, True)
    assert not (at.directory / "data" / "ledger.db").exists(), "nobody is made up"
    again = (*words, "--token", token, "--recovery-key", str(paper))
    found: dict[str, Any] = json.loads(at.command(*again, "--json").stdout)
    return found


def test_a_wiped_disk_comes_back_from_the_catalogue_with_the_balances_it_would_have_had(
    captured_moodle: servers.MariaDatabase, catalogue: Served, tmp_path: Path
) -> None:
    rules = RULES + MORE_RULES
    table = "mdl_logstore_standard_log"
    captured_moodle.execute(f"CREATE TABLE later AS SELECT * FROM {table} WHERE id > {FIRST_ROWS}")
    captured_moodle.execute(f"DELETE FROM {table} WHERE id > {FIRST_ROWS}")
    at = campus(tmp_path / "a", captured_moodle, rules, extra=f'[catalogue]\nurl = "{catalogue.url}"')
    key = enrolled(at, catalogue)
    at.catch_up()
    delivered = paid(at)
    assert at.json("sync", "status")["waiting"] == 0
    catalogue.stop()
    captured_moodle.execute(f"INSERT INTO {table} SELECT * FROM later")
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
    report = json.loads(command("verify", "--sums", "--json", "--config", catalogue.config).stdout)
    assert report["faults"] == []
    three = at.json("doctor", "reconcile")
    assert (three["differences"], three["upto"], three["aside"]) == ([], sum(truth.values()), 0)
    assert [(row["day"], row["rule"], row["currency"], row["entries"], row["amount"]) for row in report["sums"]] == [
        (row["day"], row["rule"], row["currency"], row["there_entries"], row["there_amount"]) for row in three["books"]
    ]
    (moodle,) = three["logs"]
    assert moodle["acts"] == moodle["recorded"] > 300


def sum_of(delivered: Counter[tuple[str, ...]]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for (learner, _, currency, amount, *_), times in delivered.items():
        found[learner, currency] += int(amount) * times
    return found


LESSON = """
schema = 1
timezone = "UTC"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
"""


def test_a_backup_older_than_the_catalogue_is_refused_and_recovered_by_the_documented_command(
    catalogue: Served, tmp_path: Path
) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    complete(site, 1)
    at = campus(tmp_path / "a", f"sqlite:///{site.path}", LESSON, extra=f'[catalogue]\nurl = "{catalogue.url}"')
    enrolled(at, catalogue)
    at.catch_up()
    data, backup = at.directory / "data", tmp_path / "backup"
    shutil.copytree(data, backup)
    kept = Path(at.json("backup", "--to", str(tmp_path / "kept"))["backup"])
    complete(site, 2)
    at.catch_up()
    assert at.json("sync", "status")["acked_seq"] == 6
    shutil.rmtree(data)
    told_first = CliRunner().invoke(app, ["restore", str(kept), "--config", str(at.config)], input="n\n")
    assert (told_first.exit_code, data.exists()) == (1, False), "who reads it and says no has lost nothing"
    acknowledged = "the catalogue has acknowledged entry 6, and this backup ends at 3"
    assert acknowledged in told_first.stderr.partition("Put back the backup")[0]
    assert "rewards-agent restore --from-catalogue" in told_first.stderr
    shutil.move(backup, data)
    at.command("ledger", "adjust", "moodle:35", "7", "--reason", "a prize", "--by", "a desk")
    complete(site, 3)
    refused = at.command("run", "--until-caught-up", check=False)
    assert refused.returncode == 3
    assert "restore --from-catalogue" in refused.stderr, "the cure is named"
    told = json.loads(at.command("restore", "--from-catalogue", "--yes", "--json").stdout)
    assert (told["entries"], told["epoch"], told["strangers"]) == (6, 2, 0)
    assert [(one["amount"], one["reason"]) for one in told["by_hand_again"]] == [(7, "a prize (by a desk)")]
    assert (Path(told["set_aside"]) / "ledger.db").exists(), "nothing is deleted"
    told_first = CliRunner().invoke(app, ["restore", str(kept), "--config", str(at.config)], input="n\n")
    assert "acknowledged entry 6 of a later history, and this backup ends at 3" in told_first.stderr
    at.catch_up()
    assert at.json("sync", "status")["fault"] == ""
    assert balances(at) == Counter({(f"moodle:{learner}", "points"): 30 for learner in (35, 36, 37)})
    assert wallets(catalogue) == Counter({30: 3})
    report = json.loads(command("verify", "--json", "--config", catalogue.config).stdout)
    assert (report["entries"], report["faults"]) == (9, [])
    assert at.json("ledger", "verify")["findings"] == []


def test_reconcile_names_the_first_difference_of_each_of_the_three_books(catalogue: Served, tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    for lesson in (1, 2, 3):
        complete(site, lesson)
    at = campus(tmp_path / "a", f"sqlite:///{site.path}", LESSON, extra=f'[catalogue]\nurl = "{catalogue.url}"')
    enrolled(at, catalogue)
    at.catch_up()
    agreed = at.command("doctor", "reconcile")
    assert "9 of 9 wanted acts are in the ledger" in agreed.stdout
    assert "compared up to entry 9" in agreed.stdout
    with contextlib.closing(sqlite3.connect(at.directory / "data" / "ledger.db")) as ledger:
        ledger.execute("DELETE FROM event WHERE position = 21")
        ledger.commit()
    with contextlib.closing(sqlite3.connect(catalogue.config.parent / "catalogue.db")) as books:
        books.execute("DROP TRIGGER entry_refuses_update")
        changed = "CAST(replace(CAST(body AS TEXT), '\"amount\":10', '\"amount\":99') AS BLOB)"
        books.execute(f"UPDATE entry SET body = {changed} WHERE seq = 5")
        books.commit()
    differs = at.command("doctor", "reconcile", "--json", check=False)
    assert differs.returncode == 3
    act, entry = json.loads(differs.stdout)["differences"]
    assert act.startswith("row 21 of moodle ")
    assert "entry 5 " in entry or "after entry" in entry


CORRECTED = (
    LESSON.replace("award = 10\n", 'award = 10\nlimit = "2/day"\nreverse_on = "lesson.uncompleted"\n')
    + """
[[badge]]
id = "two"
name = "Two"
all_of = [{ rule = "lesson", at_least = 2 }]
"""
)


@pytest.mark.soak
def test_corrections_a_merge_and_a_second_loss_before_the_log_was_read_again_change_no_balance(
    catalogue: Served, tmp_path: Path
) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    complete(site, 1)
    complete(site, 2)
    at = campus(tmp_path / "a", f"sqlite:///{site.path}", CORRECTED, extra=f'[catalogue]\nurl = "{catalogue.url}"')
    key = enrolled(at, catalogue)
    at.catch_up()
    seq = next(row["seq"] for row in at.export() if row["learner"] == "moodle:36" and row["currency"] == "points")
    at.command("ledger", "reverse", seq, "--reason", "by mistake", "--by", "a desk")
    at.command("learner", "merge", "moodle:36", "moodle:35", "--reason", "one person", "--by", "a desk")
    at.command("sync", "now")
    delivered = balances(at)
    complete(site, 3)
    catalogue.stop()
    at.catch_up()
    truth = balances(at)
    catalogue.start()
    lost(at, catalogue, key, tmp_path)
    assert balances(at) == delivered
    at.command("ledger", "adjust", "moodle:37", "5", "--reason", "between", "--by", "a desk")
    at.command("sync", "now")
    at.command("key", "recovery", "--json")
    assert lost(at, catalogue, key, tmp_path)["epoch"] == 3
    at.catch_up()
    truth["moodle:37", "points"] += 5
    assert balances(at) == truth
    assert at.json("doctor", "reconcile")["differences"] == []
    uncompleted = {"eventname": COMPLETED, "objecttable": "course_modules_completion", "objectid": 12}
    place = {"contextlevel": 70, "contextinstanceid": 1, "relateduserid": 37, "other": '{"completionstate":0}'}
    log(site, 900, **uncompleted, **place)
    at.catch_up()
    assert truth["moodle:37", "points"] - balances(at)["moodle:37", "points"] == 10, "an undo finds what came back"
    assert at.json("ledger", "verify")["findings"] == []
