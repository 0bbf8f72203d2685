"""The programs under the restrictions of their units: they work, and can do nothing else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import confined, programs, servers
from tests.acceptance.campus import Campus, campus, wait_until
from tests.sites import MariaSite, log

UNIT = "rewards-agent"
NETWORK = "speaks to a database"
RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "v"\non = "course.viewed"\naward = 1\nonce_per = "event"\n'
READY_S = 60
ATTEMPTS = """
import ctypes, json, mmap, os, socket, sys
said = {}
def attempt(name, act):
    try:
        act()
        said[name] = "done"
    except (OSError, ValueError) as exc:
        said[name] = type(exc).__name__
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments)) == -1:
        raise OSError(ctypes.get_errno(), str(number))
home, data = sys.argv[1:]
attempt("writes its data", lambda: open(f"{data}/mine", "w").close())
attempt("speaks to a database", lambda: socket.socket(socket.AF_INET).close())
attempt("writes its configuration", lambda: open(f"{home}/config.toml", "a").close())
attempt("writes to /etc", lambda: open("/etc/mine", "w").close())
attempt("writes to /usr", lambda: open("/usr/mine", "w").close())
attempt("sees other processes", lambda: os.kill(int(os.environ["OUTSIDE"]), 0))
attempt("mounts", lambda: call(165, 0, 0, 0, 0, 0))
attempt("makes a namespace", lambda: call(272, 0x10000000))
attempt("traces", lambda: call(101, 0, 0, 0, 0))
attempt("loads a module", lambda: call(175, 0, 0, 0))
attempt("sets the clock", lambda: call(164, 0, 0))
attempt("changes an owner", lambda: os.chown(f"{data}/mine", 0, 0))
attempt("raises a limit", lambda: call(160, 7, ctypes.addressof(ctypes.create_string_buffer(16))))
attempt("makes memory executable", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC).close())
attempt("listens to raw packets", lambda: socket.socket(17, socket.SOCK_RAW).close())
attempt("opens a disk", lambda: open("/dev/sda", "rb").close())
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def site(mariadb: servers.MariaDB) -> Iterator[MariaSite]:
    confined.needed()
    database = mariadb.create_database()
    made = MariaSite(database)
    log(made, *range(1, 41))
    made.execute("UPDATE mdl_logstore_standard_log SET timecreated = timecreated + id")
    yield made
    database.drop()


@pytest.fixture
def at(site: MariaSite, tmp_path: Path) -> Campus:
    made = campus(tmp_path / "campus", site.database, RULES)
    (made.directory / "data").mkdir(mode=0o700)
    return made


def test_a_confined_agent_starts_lives_pays_stops_and_is_copied_as_systemd_wants_it(at: Campus) -> None:
    with started(UNIT, at.directory, ["agent", "run", "--config", str(at.config)]) as (agent, told):
        wait_until(lambda: agent.poll() is not None or len(at.export()) == 40)
        for _ in "first", "again":
            while "WATCHDOG=1" not in told.recv(4_096).decode():
                assert agent.poll() is None, (at.directory / "log").read_text()
    assert {row["amount"] for row in at.export()} == {"1"}
    assert at.command("ledger", "verify").returncode == 0
    words = ["agent", "backup", "--to", str(at.directory / "data" / "copies"), "--config", str(at.config)]
    made = done_by(f"{UNIT}-backup", at.directory, [sys.executable, "-m", *words])
    assert made.returncode == 0, made.stderr


def test_a_confined_catalogue_starts_lives_is_copied_and_stops_as_systemd_wants_it(tmp_path: Path) -> None:
    confined.needed()
    (tmp_path / "data").mkdir()
    config = tmp_path / "catalogue.toml"
    config.write_text('[catalogue]\ndata_dir = "data"\nlisten = "127.0.0.1:0"\n')
    assert programs.run("catalogue", ["init", "--config", str(config)]).returncode == 0
    with started("rewards-catalogue", tmp_path, ["catalogue", "serve", "--config", str(config)]) as (server, told):
        while "WATCHDOG=1" not in told.recv(4_096).decode():
            assert server.poll() is None, (tmp_path / "log").read_text()
        words = ["catalogue", "backup", "--to", str(tmp_path / "data" / "copies"), "--config", str(config)]
        made = done_by("rewards-catalogue-backup", tmp_path, [sys.executable, "-m", *words])
        assert made.returncode == 0, made.stderr
    assert len(list((tmp_path / "data" / "copies").iterdir())) == 1


@contextmanager
def started(unit: str, home: Path, words: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A program of ours under its unit's restrictions, ready, with whoever hears what it tells systemd."""
    address = home / "data" / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, confined.seccomp_filter(unit) as filter_fd:
        told.bind(str(address))
        told.settimeout(READY_S)
        words = [sys.executable, "-m", *words]
        command = confined.command(unit, words, filter_fd=filter_fd, reads=home, writes=[home / "data"])
        environment = confined.environment(NOTIFY_SOCKET=str(address), WATCHDOG_USEC="4000000")
        with (home / "log").open("wb") as out:
            process = subprocess.Popen(command, env=environment, pass_fds=[filter_fd], stdout=out, stderr=out)
        try:
            while "READY=1" not in told.recv(4_096).decode():
                assert process.poll() is None, (home / "log").read_text()
            yield process, told
        finally:
            _end(process)


def done_by(unit: str, home: Path, words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """A command under a unit's restrictions, to its end."""
    with confined.seccomp_filter(unit) as filter_fd:
        command = confined.command(unit, words, filter_fd=filter_fd, reads=home, writes=[home / "data"])
        environment = confined.environment(**more)
        return subprocess.run(
            command, env=environment, pass_fds=[filter_fd], capture_output=True, text=True, check=False
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop the program itself, as systemd would; bubblewrap ends with it."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    if process.poll() is None and children:
        inner = Path(f"/proc/{children[0]}/task/{children[0]}/children").read_text().split()
        subprocess.run(["kill", "-TERM", *(inner or children)], check=True)
    assert process.wait(90) == 0


@pytest.mark.parametrize(
    ("unit", "network"),
    [
        (UNIT, {NETWORK}),
        (f"{UNIT}-backup", set()),
        ("rewards-catalogue", {NETWORK}),
        ("rewards-catalogue-backup", {NETWORK}),
    ],
)
def test_a_confined_program_can_do_nothing_that_its_unit_forbids(unit: str, network: set[str], tmp_path: Path) -> None:
    confined.needed()
    (tmp_path / "data").mkdir()
    (tmp_path / "config.toml").touch()
    with subprocess.Popen(["sleep", "60"]) as outside:
        words = [sys.executable, "-c", ATTEMPTS, str(tmp_path), str(tmp_path / "data")]
        done = done_by(unit, tmp_path, words, OUTSIDE=str(outside.pid))
        outside.kill()
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {what for what, how in said.items() if how == "done"} == {"writes its data", *network}
