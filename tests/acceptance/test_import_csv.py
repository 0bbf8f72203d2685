"""A CSV file, looked at, imported, corrected and imported again, by the real commands."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

from tests.acceptance.campus import Campus, serving, wait_until
from tests.acceptance.test_posts import posting_campus

RULES = """
schema = 1
timezone = "UTC"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
[[rule]]
id = "welcome"
on = "user.registered"
award = 1
"""


def prepared(directory: Path) -> tuple[Campus, Path]:
    at, _ = posting_campus(directory)
    (at.directory / "rules.toml").write_text(RULES)
    now = int(time.time())
    file = at.directory / "events.csv"
    file.write_text(
        "event,distinct_id,time,course_id,lesson_id,event_id\n"
        f"lesson.completed,ann,{now - 90 * 86_400},C1,L1,e1\n"
        f"lesson.completed,ben,{now}000,C1,L1,e2\n"
        f"lesson.completed,cem,{now - 60},C1,L1,e3\n"
    )
    return at, file


def test_nothing_is_imported_before_it_is_applied_and_nothing_twice(tmp_path: Path) -> None:
    at, file = prepared(tmp_path / "a")
    looked = at.command("import", "csv", str(file), "--source", "forms", check=False)
    assert looked.returncode == 1
    assert "the time is in milliseconds" in looked.stdout
    corrected = at.directory / "corrected.csv"
    words = ("import", "csv", str(file), "--source", "forms", "--apply", "--corrected", str(corrected), "--json")
    done = at.command(*words, check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["imported"], told["bad rows"]) == (1, 2, 1)
    at.catch_up()
    assert sorted(row["learner"] for row in at.export()) == ["forms:ann", "forms:cem"]
    with corrected.open(newline="") as bad:
        (row,) = csv.DictReader(bad)
    assert row["remedy"] == "divide the column by 1000 and round it"
    row["time"] = row["time"][:-3]
    with corrected.open("w", newline="") as good:
        writer = csv.DictWriter(good, row)
        writer.writeheader()
        writer.writerow(row)
    for path in (corrected, corrected, file):
        at.command("import", "csv", str(path), "--source", "forms", "--apply", check=False)
    at.catch_up()
    assert sorted(row["learner"] for row in at.export()) == ["forms:ann", "forms:ben", "forms:cem"]
    assert {row["trust"] for row in at.export()} == {"trusted_source"}


def test_a_running_agent_takes_an_import_and_pays_it(tmp_path: Path) -> None:
    at, file = prepared(tmp_path / "a")
    users = at.directory / "users.csv"
    users.write_text("user_id,name,cohort\ndan,Dan Smith,2026\n")
    with serving(at) as service:
        wait_until(lambda: service.said("agent_started"))
        wait_until((at.directory / "data" / "agent.sock").exists)
        assert at.command("import", "csv", str(users), "--source", "forms", "--apply").returncode == 0
        at.command("import", "csv", str(file), "--source", "forms", "--apply", check=False)
        wait_until(lambda: len(at.export()) == 3)
    assert {row["learner"]: row["rule_id"] for row in at.export()} == {
        "forms:ann": "lesson",
        "forms:cem": "lesson",
        "forms:dan": "welcome",
    }


def test_a_source_that_takes_no_imports_is_told_also_where_it_is_only_looked(tmp_path: Path) -> None:
    at, file = prepared(tmp_path / "a")
    for more in ((), ("--apply",)):
        done = at.command("import", "csv", str(file), "--source", "trigger", *more, check=False)
        assert done.returncode == 1
        assert "config.toml has: forms" in done.stderr


def test_a_kind_that_is_nearly_one_is_remarked_and_imported(tmp_path: Path) -> None:
    at, file = prepared(tmp_path / "a")
    file.write_text(f"event,distinct_id,time,lesson_id\nlesson.complete,ann,{int(time.time())},L1\n")
    told = at.json("import", "csv", str(file), "--source", "forms", "--apply")
    assert told["imported"] == 1
    assert [line for line in told["remarks"] if "row 2" in line and "did you mean 'lesson.completed'" in line]
