"""The agent under the restrictions of its unit, beside a real database: it works, and it can do nothing else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import confined, servers
from tests.acceptance.campus import Campus, campus, wait_until
from tests.sites import MariaSite, log

UNIT = "rewards-agent"
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


def test_a_confined_agent_starts_pays_and_stops_as_systemd_wants_it(at: Campus, tmp_path: Path) -> None:
    address = at.directory / "data" / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, confined.seccomp_filter(UNIT) as filter_fd:
        told.bind(str(address))
        told.settimeout(READY_S)
        words = [sys.executable, "-m", "agent", "run", "--config", str(at.config)]
        command = confined.command(UNIT, words, filter_fd=filter_fd, reads=at.directory, writes=[at.directory / "data"])
        environment = confined.environment(NOTIFY_SOCKET=str(address))
        with (tmp_path / "log").open("wb") as out:
            agent = subprocess.Popen(command, env=environment, pass_fds=[filter_fd], stdout=out, stderr=out)
        try:
            said = told.recv(4_096).decode()
            while "STATUS" in said and "READY=1" not in said:
                said = told.recv(4_096).decode()
            assert "READY=1" in said, (tmp_path / "log").read_text()
            wait_until(lambda: agent.poll() is not None or len(at.export()) == 40)
            assert agent.poll() is None, (tmp_path / "log").read_text()
        finally:
            _end(agent)
    assert {row["amount"] for row in at.export()} == {"1"}
    assert at.command("ledger", "verify").returncode == 0


def _end(agent: subprocess.Popen[bytes]) -> None:
    """Stop the agent itself, as systemd would; bubblewrap ends with it."""
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    if agent.poll() is None and children:
        inner = Path(f"/proc/{children[0]}/task/{children[0]}/children").read_text().split()
        subprocess.run(["kill", "-TERM", *(inner or children)], check=True)
    assert agent.wait(30) == 0


def test_a_confined_agent_can_do_nothing_that_its_unit_forbids(at: Campus) -> None:
    data = at.directory / "data"
    with confined.seccomp_filter(UNIT) as filter_fd, subprocess.Popen(["sleep", "60"]) as outside:
        words = [sys.executable, "-c", ATTEMPTS, str(at.directory), str(data)]
        command = confined.command(UNIT, words, filter_fd=filter_fd, reads=at.directory, writes=[data])
        environment = confined.environment(OUTSIDE=str(outside.pid))
        done = subprocess.run(
            command, env=environment, pass_fds=[filter_fd], capture_output=True, text=True, check=False
        )
        outside.kill()
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    can = {what for what, how in said.items() if how == "done"}
    assert can == {"writes its data", "speaks to a database"}
