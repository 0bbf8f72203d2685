"""`learner erase` and `readmit` over a ledger that the real agent filled, with backups beside it and far from it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.inbox.personal import Traits
from agent.ledger import file
from agent.ledger.backup import taking
from agent.ledger.record import erased as marks
from agent.privacy import copies
from tests import ledgers
from tests.helpdesk import Desk, completed, filled
from tests.traces import standing_in

ANN = (b"S35", b"ann@", b'"ann"', b'"35"', b"moodle:35", b"35010", b"35011")
"""How Ann is called: idnumber, address, username, LMS id, learner, and ids of what is hers alone."""
BEN_IS_THERE = b"moodle:36"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus with two backups in two places, an old copy, and a ledger that was set aside."""
    desk = filled(tmp_path_factory.mktemp("erase") / "campus")
    data = desk.directory / "data"
    desk.command("backup")
    desk.command("backup", "--to", str(desk.directory / "elsewhere"))
    shutil.copy(data / "ledger.db", data / "backups" / "ledger-schema-3.db")
    with closing(sqlite3.connect(data / "backups" / "ledger-schema-3.db")) as old, old:
        later = ("suppressed", "forgotten", "alias", "link_held", "account_tag", "lot_notice", "partial_event")
        for table in (*later, "link_untold", "elsewhere"):
            old.execute(f"DROP TABLE {table}")
        old.execute("DROP TRIGGER person_is_news")
    aside = data / "set-aside-20261101T000000Z"
    aside.mkdir()
    shutil.copy(data / "ledger.db", aside / "ledger.db")
    return desk


@pytest.fixture
def desk(told: Desk, tmp_path: Path) -> Desk:
    """A copy of it to be changed."""
    copied = told.copy(tmp_path / "campus")
    (copied.directory / "data" / taking.PLACES).write_text(f"{copied.directory / 'elsewhere'}\n")
    return copied


@pytest.fixture(scope="module")
def erased(told: Desk, tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, Any]:
    """The campus without Ann, and what the command told."""
    copied = told.copy(tmp_path_factory.mktemp("erased") / "campus")
    (copied.directory / "data" / taking.PLACES).write_text(f"{copied.directory / 'elsewhere'}\n")
    return copied, copied.json("learner", "erase", "ann@example.org", "--by", "D. P.", "--yes")


def places(desk: Desk) -> Iterator[Path]:
    """Every file that the agent or its backups have made."""
    for folder in ("data", "elsewhere"):
        yield from (path for path in (desk.directory / folder).rglob("*") if path.is_file())


def where(desk: Desk, words: tuple[bytes, ...] = ANN) -> list[tuple[str, bytes]]:
    """Files in which a word stands."""
    return standing_in(places(desk), words, below=desk.directory)


def test_without_a_yes_it_is_told_what_would_go_and_nothing_changes(told: Desk) -> None:
    before = ledgers.content(told.directory / "data")

    said = told.command("learner", "erase", "ann")

    assert "Ann X (ann, moodle:35) would be erased:" in said.stdout
    assert "forfeited: 11 points, 0.25 stars" in said.stdout
    assert "copies that are written again: 4" in said.stdout
    assert "nothing was changed" in said.stderr
    assert ledgers.content(told.directory / "data") == before


def test_no_byte_of_the_person_is_left_in_any_file_and_everything_still_verifies(erased: tuple[Desk, Any]) -> None:
    desk, done = erased
    data = desk.directory / "data"

    assert where(desk) == []
    assert len(where(desk, (BEN_IS_THERE,))) == 5
    assert len(done["copies_rewritten"]) == 4
    assert (done["left"], done["marked"], done["forfeited"]) == ([], 1, {"points": "11 points", "stars": "0.25 stars"})
    assert ledgers.found(data) == []
    for copy in (*taking.copies(data / "backups"), *taking.copies(desk.directory / "elsewhere")):
        taking.require_whole(copy, taking.read_manifest(copy))
        assert ledgers.found(copy) == []


def test_the_secret_is_gone_with_the_person(told: Desk, erased: tuple[Desk, Any]) -> None:
    ((secret,),) = ledgers.rows(told.directory / "data", "SELECT secret FROM person WHERE lms_user = '35'")
    assert where(told, (secret,))
    assert where(erased[0], (secret,)) == []


def test_entries_stay_under_a_pseudonym_and_others_have_what_they_had(told: Desk, erased: tuple[Desk, Any]) -> None:
    before, after = told.export(), erased[0].export()

    assert [(row["amount"], row["currency"]) for row in after] == [(row["amount"], row["currency"]) for row in before]
    assert [row for row in after if row["learner"] == "moodle:36"] == [
        row for row in before if row["learner"] == "moodle:36"
    ]
    assert {row["learner"] for row in after} == {"moodle:36", erased[1]["pseudonyms"][0]}


def test_the_whole_log_read_again_pays_the_person_nothing_and_others_nothing_twice(desk: Desk) -> None:
    completed(desk.moodle, 17, 36, 14, "09-12T09:00")
    desk.command("learner", "erase", "ann", "--yes")
    before = desk.export()

    read_again(desk)

    after = desk.export()
    assert after[: len(before)] == before
    assert [row["learner"] for row in after[len(before) :]] == ["moodle:36"]
    assert where(desk) == []
    assert ledgers.found(desk.directory / "data") == []


def read_again(desk: Desk) -> None:
    """Have the whole log read once more."""
    desk.ledger("DELETE FROM source_anchor")
    desk.ledger("DELETE FROM source_gap")
    desk.ledger("UPDATE source_state SET position = 0, high_water = 0")
    desk.catch_up()


def test_the_helpdesk_says_of_who_was_erased_that_nothing_of_them_counts(erased: tuple[Desk, Any]) -> None:
    desk, _ = erased
    gone = "was erased: nothing of them is kept, and nothing earns (rewards-agent learner readmit)"

    shown = desk.command("learner", "show", "ann").stdout
    assert (gone in shown, "nothing yet" in shown) == (True, False)
    assert [desk.json("learner", "show", "ann")[key] for key in ("takes_part", "absent")] == [False, "erased"]

    why = desk.json("learner", "why", "ann", "--on", "2026-09-07", "--rule", "lesson")
    assert why["remarks"] == [f"moodle:35 {gone}"]
    (lesson,) = why["rules"]
    assert (lesson["outcome"], lesson["nearest"]["outcome"]) == ("not recorded", "refused")
    assert lesson["sentence"] == "lesson would give moodle:35 nothing: never earns: erased."
    assert lesson["nearest"]["undecided"] == f"the learner {gone}"

    (row,) = desk.json("events", "explain", "moodle:2")
    assert (row["recorded"], row["why"]) == (False, f"the learner {gone}")
    assert {one["outcome"] for one in row["decisions"]} == {"refused"}


def test_nobody_who_was_erased_is_paid_by_hand_and_the_refusal_says_what_to_do(erased: tuple[Desk, Any]) -> None:
    desk, _ = erased
    words = ("moodle:35", "5", "--currency", "points", "--reason", "a gift", "--by", "B")
    refused = desk.command("ledger", "adjust", *words, check=False)
    assert refused.returncode == 1
    assert "moodle:35 was erased" in refused.stderr
    assert "learner readmit moodle:35" in refused.stderr
    assert where(desk) == []


def test_readmitted_a_person_begins_anew_and_nothing_of_before_is_paid(desk: Desk) -> None:
    desk.command("learner", "erase", "ann", "--yes")
    desk.command("learner", "readmit", "ann", "--by", "D. P.")
    ((now,),) = ledgers.rows(desk.directory / "data", "SELECT until FROM suppressed")
    entries = len(desk.export())

    read_again(desk)
    assert len(desk.export()) == entries
    site = desk.moodle
    completed(site, 18, 35, 13, "09-12T08:00")
    with closing(sqlite3.connect(site.path)) as moodle, moodle:
        moodle.execute("UPDATE mdl_logstore_standard_log SET timecreated = ? WHERE id = 18", (now + 60,))
    desk.catch_up()

    (paid,) = desk.export()[entries:]
    assert (paid["learner"], paid["amount"]) == ("moodle:35", "10")
    again = desk.command("learner", "readmit", "ann", check=False)
    assert (again.returncode, "is not erased" in again.stderr) == (1, True)


def test_whoever_is_readmitted_by_one_account_is_readmitted_with_all_that_were_erased_together(desk: Desk) -> None:
    desk.command("learner", "merge", "moodle:36", "moodle:35", "--reason", "one person", "--by", "B")
    desk.command("learner", "erase", "moodle:37", "--yes")
    assert desk.json("learner", "erase", "ann", "--yes")["accounts"] == ["moodle:35", "moodle:36"]
    desk.command("restore", str(taking.copies(desk.directory / "data" / "backups")[0]), "--yes")
    marked = ledgers.rows(desk.directory / "data", "SELECT until FROM suppressed ORDER BY until")
    assert marked == [(None,), (None,), (None,)]

    looked = desk.json("learner", "readmit", "ben", "--preview")
    both = ["moodle:36", "moodle:35"]
    assert (looked["accounts"], looked["done"], looked["all_known"]) == (both, False, True)
    shown = desk.command("learner", "readmit", "ann", "--preview")
    assert shown.stdout == "would be readmitted: moodle:35, moodle:36\n"
    assert ledgers.rows(desk.directory / "data", "SELECT until FROM suppressed ORDER BY until") == marked

    done = desk.json("learner", "readmit", "ben", "--by", "D. P.")
    assert (done["accounts"], done["done"]) == (both, True)
    left = ledgers.rows(desk.directory / "data", "SELECT until FROM suppressed ORDER BY until")
    assert left == [(None,), (done["from"],), (done["from"],)], "who else was erased stays so"
    for account in both:
        again = desk.command("learner", "readmit", account, "--preview", check=False)
        assert (again.returncode, f"{account} is not erased" in again.stderr) == (1, True)


def test_of_an_erasure_that_kept_no_others_each_account_is_readmitted_by_its_name_and_that_is_said(desk: Desk) -> None:
    desk.command("learner", "erase", "ann", "--yes")
    desk.ledger("DELETE FROM setting WHERE key LIKE 'erased_with:%'")
    done = desk.command("learner", "readmit", "ann")
    assert "moodle:35" in done.stdout
    assert "readmit each of them by its name" in done.stderr


def test_a_backup_that_is_put_back_brings_nobody_back(desk: Desk) -> None:
    kept = desk.directory / "far-away"
    shutil.copytree(taking.copies(desk.directory / "data" / "backups")[0], kept)
    assert b'"35"' in (kept / "ledger.db").read_bytes()
    desk.command("learner", "erase", "ann", "--yes")

    desk.command("restore", str(kept), "--yes")
    desk.catch_up()

    assert where(desk) == []
    assert "moodle:35" not in {row["learner"] for row in desk.export()}
    assert ledgers.found(desk.directory / "data") == []


def test_done_again_it_finds_nothing_more_and_harms_nothing(erased: tuple[Desk, Any]) -> None:
    desk, _ = erased
    before = ledgers.content(desk.directory / "data")
    again = desk.json("learner", "erase", "moodle:35", "--yes")
    assert (again["marked"], again["acts"], again["copies_rewritten"], again["left"]) == (0, 0, [], [])
    after = ledgers.content(desk.directory / "data")
    grown = {"setting", "act"}
    assert {name: rows for name, rows in after.items() if name not in grown} == {
        name: rows for name, rows in before.items() if name not in grown
    }


class KilledError(BaseException):
    """The process ends here."""


def test_whatever_step_a_kill_falls_into_the_same_command_finishes(
    told: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = count_steps(told, tmp_path / "counted", monkeypatch)
    assert steps > 20
    for number in range(1, steps + 1, 3):
        desk = told.copy(tmp_path / str(number))
        (desk.directory / "data" / taking.PLACES).write_text(f"{desk.directory / 'elsewhere'}\n")
        begun(desk)
        with monkeypatch.context() as patched:
            stepping(patched, number)
            with pytest.raises(KilledError):
                clean_copies(desk)
        assert clean_copies(desk) == []
        copied = [path for path in places(desk) if path.parent != desk.directory / "data"]
        assert standing_in(copied, ANN, below=desk.directory) == [], number
        assert len(taking.copies(desk.directory / "data" / "backups")) == 1
        assert len(taking.copies(desk.directory / "elsewhere")) == 1
        shutil.rmtree(desk.directory)


def count_steps(told: Desk, directory: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    desk = told.copy(directory)
    (desk.directory / "data" / taking.PLACES).write_text(f"{desk.directory / 'elsewhere'}\n")
    begun(desk)
    with monkeypatch.context() as patched:
        counted = stepping(patched, 0)
        clean_copies(desk)
    return counted()


def begun(desk: Desk) -> None:
    """Ann is marked."""
    with closing(sqlite3.connect(desk.directory / "data" / "ledger.db")) as connection, connection:
        ((key,),) = connection.execute("SELECT value FROM setting WHERE key = ?", (marks.KEY,)).fetchall()
        mark = marks.mark_of(bytes.fromhex(key), ("moodle", "35"))
        connection.execute("INSERT INTO suppressed VALUES (?, 'erased', 0, NULL, 1, 'b', '')", (mark,))


def clean_copies(desk: Desk) -> list[str]:
    """The second part of the command; what is left to people."""
    data = desk.directory / "data"
    with file.reading(data) as connection:
        wanted = copies.Wanted(
            accounts=(("moodle", "35"),),
            erased=marks.of_ledger(connection),
            rows=marks.rows_of(connection),
            traits=Traits.of([("moodle", "35")]),
            sources={"moodle": ("moodle-logstore", "moodle")},
        )
    with taking.alone(data):
        return [told for _, told in copies.cleaned(data, wanted) if told not in {"rewritten", "clean"}]


def stepping(patched: pytest.MonkeyPatch, at: int) -> Callable[[], int]:
    """End with the ``at``-th change of any file's name or bytes; how many there were is told by what is returned."""
    done = [0]

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **named: Any) -> Any:
            done[0] += 1
            if done[0] == at:
                raise KilledError
            return real(*args, **named)

        return step

    for owner, name in (
        (copies, "_without"),
        (copies, "_gone"),
        (shutil, "copyfile"),
        (Path, "rename"),
        (Path, "replace"),
        (Path, "mkdir"),
        (taking, "write_manifest"),
    ):
        patched.setattr(owner, name, watched(getattr(owner, name)))
    return lambda: done[0]


def test_while_copies_are_written_again_no_backup_is_taken(desk: Desk) -> None:
    with taking.alone(desk.directory / "data"):
        refused = desk.command("backup", check=False)
    assert refused.returncode == 1
    assert "a backup or an erasure is under way" in refused.stderr


def test_what_is_not_known_in_a_place_of_copies_is_left_to_people_and_told(desk: Desk) -> None:
    strange = desk.directory / "elsewhere" / "monday.tar.gz"
    strange.write_bytes(b"who knows")
    done = desk.command("learner", "erase", "ann", "--yes", "--json", check=False)
    assert done.returncode == 1
    (left,) = json.loads(done.stdout)["left"]
    assert left.startswith(f"{strange}: it is nothing that this program made")


def test_who_opted_out_earns_nothing_until_they_opt_in_and_keeps_what_they_have(desk: Desk) -> None:
    before = desk.export()
    desk.command("learner", "opt-out", "ann", "--by", "D. P.")
    assert desk.json("learner", "show", "ann")["takes_part"] is False
    ((since,),) = ledgers.rows(desk.directory / "data", "SELECT since FROM opted_out")
    again = desk.command("learner", "opt-out", "ann", check=False)
    assert (again.returncode, "takes no part already" in again.stderr) == (1, True)

    acted(desk, 18, 35, since + 60)
    acted(desk, 19, 36, since + 60)
    desk.catch_up()
    (row,) = desk.json("events", "explain", "moodle:18")
    assert row["why"].startswith("the learner takes no part since ")
    assert [one["reason"] for one in row["decisions"]] == ["never earns: opted out"]
    assert "takes no part since" in desk.command("learner", "show", "ann").stdout
    (log,) = desk.json("doctor", "reconcile")["logs"]
    assert (log["absent"], log["missing"]) == (1, 0), "what is left out on purpose is no difference"
    new = desk.export()[len(before) :]
    assert [row["learner"] for row in new if row["occurred_at"] > "2026-10"] == ["moodle:36"]

    desk.command("learner", "opt-in", "ann")
    desk.ledger("UPDATE opted_out SET until = ?", since + 120)
    acted(desk, 23, 35, since + 180)
    read_again(desk)
    paid = [
        row["occurred_at"] for row in desk.export() if row["learner"] == "moodle:35" and row["occurred_at"] > "2026-10"
    ]
    assert len(paid) == 1, "what was meanwhile stays unpaid"
    assert desk.json("learner", "show", "ann")["takes_part"] is True


def acted(desk: Desk, number: int, user: int, when: int) -> None:
    """Somebody completed an activity at a time (seconds UTC)."""
    completed(desk.moodle, number, user, 10 + number % 5, "09-13T08:00")
    with closing(sqlite3.connect(desk.moodle.path)) as moodle, moodle:
        moodle.execute("UPDATE mdl_logstore_standard_log SET timecreated = ? WHERE id = ?", (when, number))
