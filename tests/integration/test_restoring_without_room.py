"""A disk fills up somewhere in `restore`: what was there stays, or all of it is put back and says so."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests import ledgers, programs
from tests.disks import small_disk_at
from tests.helpdesk import filled
from tests.integration.test_catalogue_process import command

STEP = 8_192
"""By so much more room there is at each try."""
TRIES = 60

Typed = Callable[[], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk") as place:
        yield place


def tried(disk: Path, least: int, typed: Typed, stays: Callable[[], object]) -> list[str]:
    """What it says at each try, without room first and from ``least`` bytes on with a little more, until it is done."""
    before = stays()
    said: list[str] = []
    for room in (0, *range(least, least + TRIES * STEP, STEP)):
        ballast = disk / "ballast"
        stat = os.statvfs(disk)
        with ballast.open("wb", buffering=0) as file:
            file.write(bytes(max(0, stat.f_bavail * stat.f_bsize - room)))
        done = typed()
        ballast.unlink()
        if done.returncode == 0:
            return said
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert stays() == before, f"with room for {room} bytes: {done.stderr}"
        said.append(done.stderr)
    pytest.fail(f"never done: {said[-1]}")


def bytes_of(copy: Path) -> int:
    return sum(path.stat().st_size for path in copy.iterdir())


def test_the_agents_ledger_stays_or_the_backup_is_in_its_place_and_written_down(tmp_path: Path, disk: Path) -> None:
    made = filled(tmp_path / "made")
    made.command("backup", "--to", str(tmp_path / "copies"))
    (copy,) = (path for path in (tmp_path / "copies").iterdir() if path.is_dir())
    desk = made.copy(disk / "campus")
    data = desk.directory / "data"
    words = ["restore", str(copy), "--yes", "--config", str(desk.config)]

    said = tried(disk, bytes_of(copy), lambda: programs.run("agent", words), lambda: ledgers.content(data))

    assert len(said) > 2
    assert all("is full" in one and "free some space" in one for one in said)
    assert ledgers.rows(data, "SELECT count(*) FROM act WHERE what = 'restore'") == [(1,)]
    assert ledgers.found(data) == []
    assert not (data / ".restoring").exists()


def test_the_catalogues_books_stay_or_the_backup_is_in_their_place_with_all_that_it_must_note(
    tmp_path: Path, disk: Path
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "catalogue.toml").write_text('[catalogue]\ndata_dir = "data"\nlisten = "127.0.0.1:1"\n')
    command("init", "--config", made / "catalogue.toml")
    command("tenant", "add", "uni-example", "--config", made / "catalogue.toml")
    command("backup", "--to", tmp_path / "copies", "--config", made / "catalogue.toml")
    (copy,) = (path for path in (tmp_path / "copies").iterdir() if path.is_dir())
    place = Path(shutil.copytree(made, disk / "place"))
    words = ["restore", str(copy), "--yes", "--config", str(place / "catalogue.toml")]

    def books() -> list[object]:
        with closing(sqlite3.connect(place / "data" / "catalogue.db")) as connection:
            return [*connection.iterdump()]

    said = tried(disk, bytes_of(copy), lambda: programs.run("catalogue", words), books)

    assert len(said) > 2
    assert all("is in use" not in one and ("make room" in one or "free some space" in one) for one in said), said
    with closing(sqlite3.connect(place / "data" / "catalogue.db")) as connection:
        noted = connection.execute("SELECT act FROM act WHERE act = 'database.restore'").fetchall()
    assert len(noted) == 1
    assert [path.name for path in (place / "data").glob(".catalogue*")] == []
    command("verify", "--config", place / "catalogue.toml")
