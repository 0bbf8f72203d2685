"""`rewards-agent demo` for real: a campus, an agent process, a catalogue process, an outage, a proof that can fail."""

from __future__ import annotations

import functools
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from agent.demo.campus import Campus
from agent.demo.stage.place import Place
from agent.demo.stage.proof import prove
from tests.pages import DOCS, Typed, command_of, typed
from tests.reader import LOOKS, Reader, following
from tests.writer import ELSEWHERE, idle, take_for_given, to_write

AGENT = Path(sys.executable).with_name("rewards-agent")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


READS = frozenset((
    "anomalies", "check", "cohorts", "courses", "diff", "doctor", "effect", "engagement", "explain", "export", "facts",
    "flags", "history", "labels", "learners", "liability", "links", "list", "merges", "movements", "progress",
    "ranking", "report", "show", "simulate", "spent", "stats", "status", "trends", "verify", "why",
))  # fmt: skip
"""Commands by their last word that only look."""
TESTS = {("rewards-agent", "rules", "test")}
UNLESS_YES = {("events", "replay"), ("events", "requeue"), ("rules", "backfill")}
"""Commands that look unless they are told `--yes`."""
NOT_HERE = {
    "rewards-agent learner merge campus2:9 moodle:35 --preview": "this campus has one site",
    "rewards-agent learner unlink campus2:9 --preview": "this campus has one site",
    "rewards-agent events requeue --source forms --reason field_missing": "nothing is posted here",
    "rewards-agent redemption show 5f2c9a7d11e04b7aa8c3d002": "a voucher is shown once, and `redeem` has shown it",
    "rewards-agent scheduled show week-champion": "its week waits for held decisions",
    "rewards-agent scheduled show week-champion@2026-09-13T22:00:00Z --standings": "its week waits for held decisions",
    "rewards-agent rules draw verify term-raffle": "no term has ended here",
    "rewards-agent rules effect lessons": "no experiment runs here: tests/integration/test_effect.py",
    "rewards-agent rules draw show term-raffle --export draw.json": "no term has ended here",
    "rewards-agent rules draw verify --file draw.json": "no term has ended here",
}
"""Commands that look and cannot end well on this campus, with the reason."""


def run_demo(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([AGENT, "demo", *words], capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    directory = tmp_path_factory.mktemp("demo") / "place"
    return directory, run_demo("--seconds", "15", "--dir", directory)


def test_the_demonstration_survives_its_outage_and_proves_itself(
    played: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = played
    assert done.returncode == 0, done.stdout + done.stderr
    killed, back = done.stdout.index("The catalogue is killed"), done.stdout.index("The catalogue is back")
    assert killed < back < done.stdout.index("✓ Log and ledger agree")
    assert "agree to the point" in done.stdout
    for reason in ("limit 3/day", "backdated", "never earns: staff", "never earns: guest", "deny: too short to count"):
        assert f"{reason} (" in done.stdout


def test_nothing_it_started_is_left_running(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    directory, _ = played
    left = [p for p in psutil.process_iter(["cmdline"]) if str(directory) in " ".join(p.info["cmdline"] or [])]
    assert left == []


def looks(one: Typed) -> bool:
    """Whether a command changes nothing."""
    words = (one.program, *one.words[:2])
    if words[1:] in UNLESS_YES:
        return "--yes" not in one.words
    return words in TESTS or command_of(one.program, one.words)[0].name in READS or bool(LOOKS & set(one.words))


@functools.cache
def to_look() -> dict[str, list[Typed]]:
    """Page by page the commands that only look; where two differ in values alone, the first stands for both."""
    found: dict[tuple[str, ...], Typed] = {}
    for one in filter(looks, typed()):
        found.setdefault((one.line,) if one.line in NOT_HERE else one.shape, one)
    pages: dict[str, list[Typed]] = {}
    for one in found.values():
        pages.setdefault(one.page, []).append(one)
    return pages


def exports() -> list[str]:
    """The sections of the page about exports that list a file's columns."""
    page = (DOCS / "analytics" / "exports.md").read_text(encoding="utf-8")
    return [section for section in page.split("\n## ") if "| column | what it holds |" in section]


@pytest.fixture(scope="module")
def reader(played: tuple[Path, subprocess.CompletedProcess[str]]) -> Iterator[Reader]:
    with following(Place(directory=played[0], port=0)) as made:
        yield made


@pytest.mark.parametrize("page", list(dict.fromkeys(one.page for one in typed())))
def test_what_a_page_types_to_look_at_something_works(reader: Reader, page: str) -> None:
    commands = to_look().get(page, [])
    done = {one.line: reader.types(one) for one in commands}
    failed = {line: said.err or said.out for line, said in done.items() if said.code != 0}
    assert {line: told for line, told in failed.items() if line not in NOT_HERE} == {}
    assert done.keys() & NOT_HERE.keys() <= failed.keys(), "it works by now, and needs no excuse"


def test_the_manual_types_much_to_look_at_and_no_excuse_is_left_over() -> None:
    assert sum(map(len, to_look().values())) > 100
    assert NOT_HERE.keys() <= {one.line for commands in to_look().values() for one in commands}


@pytest.mark.parametrize("section", exports(), ids=lambda section: section.splitlines()[0])
def test_the_columns_that_the_manual_lists_are_those_of_the_export(reader: Reader, section: str) -> None:
    line = re.search(r"^\$ (rewards-.*?) >", section, re.MULTILINE)
    assert line is not None
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    listed = [name for cell in rows for name in re.findall(r"`(\w+)`", cell)]
    assert reader.typed(line[1]).splitlines()[0].split(",") == listed


def test_the_proof_names_a_row_that_was_not_paid(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    directory, _ = played
    place = Place(directory=directory, port=0)
    campus = Campus(path=place.moodle, learners=(), usernames={}, contexts={}, courses=(), enrolled={})
    with closing(sqlite3.connect(place.moodle)) as db, db:
        db.execute(
            "INSERT INTO mdl_logstore_standard_log (eventname, objectid, contextlevel, contextinstanceid, userid, "
            "courseid, relateduserid, other, timecreated, origin) "
            r"SELECT '\core\event\course_completed', 1, 50, 999, 11, 999, 11, 'null', MAX(timecreated), 'web' "
            "FROM mdl_logstore_standard_log"
        )
    first = prove(place, campus).differences[0]
    assert "course-completed for moodle:11" in first


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    done = run_demo("--seconds", "3", "--dir", tmp_path)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_an_interrupt_closes_it_in_order_with_the_proof(tmp_path: Path) -> None:
    directory = tmp_path / "place"
    words = [str(AGENT), "demo", "--seconds", "300", "--dir", str(directory)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}) as demo:
        until = time.monotonic() + 60
        while time.monotonic() < until and not (directory / "agent" / "ledger.db").exists():
            time.sleep(0.2)
        time.sleep(3)
        demo.send_signal(signal.SIGINT)
        said, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, said
    assert "agree to the point" in said


def test_what_is_played_elsewhere_is_typed_by_the_manual_and_by_a_test_that_is_there() -> None:
    named = [re.findall(r"tests/[\w/]+(?:\.py)?", reason) for reason in ELSEWHERE]
    assert all(named)
    assert [path for paths in named for path in paths if not (DOCS.parent / path).exists()] == []
    assert list(idle()) == [], "these are typed no more"
    assert sum(map(len, to_write(looks).values())) > 100


@pytest.mark.parametrize("page", list(to_write(looks)))
def test_what_a_page_types_to_change_something_works(reader: Reader, page: str) -> None:
    """The last of all: what was demonstrated is not the same afterwards."""
    failed: dict[str, str] = {}
    for one in to_write(looks)[page]:
        if one.line not in reader.prepared:
            take_for_given(reader, one)
            said = reader.types(one)
            failed |= {one.line: said.err + said.out} if said.code else {}
    assert failed == {}
