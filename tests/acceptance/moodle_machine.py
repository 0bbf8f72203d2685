"""A machine with Moodle on which somebody types what the manual prints.

It is this one with an /etc, /opt, /var and /usr/local/bin of its own, and a network of its own, so that every port is
free. Its systemd is a script that starts what the unit names; its `mariadb` leads to a private server with the captured
Moodle; packages are those that are here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import servers

ROOT = Path(__file__).resolve().parents[2]
AGENT = "rewards-agent"
SYSTEMCTL = """#!/bin/sh
# What systemd would do with these units, as far as the manual needs it: a timer is only enabled.
stop() {
    [ ! -f /var/$1.pid ] || kill "$(cat /var/$1.pid)" || return 0
    while [ -f /var/$1.pid ] && kill -0 "$(cat /var/$1.pid)" 2>/dev/null; do sleep 0.1; done
}
start() {
    unit=$(ls /etc/systemd/system/$1.service)
    account=$(sed -n 's/^User=//p' "$unit")
    install -d -m 700 -o "$account" -g "$account" "/var/lib/$account"
    cd / || exit 1
    command=$(sed -n 's/^ExecStart=//p' "$unit")
    if grep -q '^Type=oneshot' "$unit"; then $command >>/var/log/$1.log 2>&1; exit; fi
    $command >>/var/log/$1.log 2>&1 & echo $! >/var/$1.pid
}
verb=$1; shift
[ "${1:-}" != --now ] || shift
for name in "$@"; do
    case "$name" in *.timer) continue ;; esac
    name=${name%.service}
    case "$verb" in
        enable | start) start "$name" ;;
        restart) stop "$name"; start "$name" ;;
        stop) stop "$name" ;;
    esac
done
"""
RUNUSER = '#!/bin/sh\n[ "$1 $3" = "-u --" ] && shift 3\nexec "$@"\n'
APT_GET = '#!/bin/sh\n[ "$1 $2" = "install -y" ] && shift 2 && echo "$@" >>/var/packages\n'
BOUND = {"etc": "/etc", "opt": "/opt", "var": "/var", "bin": "/usr/local/bin", "sysusers": "/usr/lib/sysusers.d"}


def printed(page: str, *, after: str = "") -> list[list[str]]:
    """The commands that root types in a page's console blocks, behind a heading; a list for each block."""
    text = (ROOT / page).read_text(encoding="utf-8").partition(after)[2] if after else (ROOT / page).read_text("utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [[line[2:] for line in block.splitlines() if line.startswith("# ")] for block in blocks]


class Machine:
    """A machine with Moodle, on which somebody types."""

    def __init__(self, place: Path, moodle: servers.MariaDatabase) -> None:
        self.place = place
        self.moodle = moodle
        shutil.copytree("/etc", place / "etc", symlinks=True, ignore=lambda *_: ["systemd"])
        (place / "etc" / "systemd" / "system").mkdir(parents=True)
        for ours in (AGENT, "rewards-catalogue"):
            shutil.rmtree(place / "etc" / ours, ignore_errors=True)
        for folder in ("opt", "var/lib", "var/log", "var/tmp", "var/www/moodle", "bin", "sysusers"):
            (place / folder).mkdir(parents=True)
        (place / "var/tmp/at").write_text(str(ROOT))
        socket = moodle.server.socket
        (place / "var/www/moodle/config.php").write_text(
            "<?php\n$CFG = new stdClass();\n$CFG->dbtype = 'mariadb';\n$CFG->dbhost = 'localhost';\n"
            f"$CFG->dbname = '{moodle.name}';\n$CFG->dbpass = 'secret';\n$CFG->prefix = 'mdl_';\n"
            f"$CFG->dboptions = ['dbsocket' => '{socket}'];\n"
        )
        client = shutil.which("mariadb") or "mariadb"
        self._program("mariadb", f'#!/bin/sh\nexec {client} --no-defaults -S{socket} -uroot "$@"\n')
        self._program("systemctl", SYSTEMCTL)
        self._program("runuser", RUNUSER)
        self._program("apt-get", APT_GET)
        mounts = "".join(f"mount --bind {place / mine} {theirs}\n" for mine, theirs in BOUND.items())
        self._room = subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-ec",
             f"{mounts}ip link set lo up\necho ready\nexec sleep 3600"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self._room.stdout is not None
        assert self._room.stdout.readline() == "ready\n"

    def _program(self, name: str, text: str) -> None:
        (self.place / "bin" / name).write_text(text)
        (self.place / "bin" / name).chmod(0o755)

    def type(self, *lines: str, check: bool = True, stdin: str = "") -> str:
        """What a shell says to these lines, typed one after another, in the checkout or where the last one ended."""
        environment = {
            "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "REWARDS_VENV": str(Path(sys.prefix)),
            "HOME": "/var/tmp",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        script = "cd $(cat /var/tmp/at)\ntrap 'pwd >/var/tmp/at' EXIT\nset -x\n" + "\n".join(lines) + "\n"
        done = subprocess.run(
            ["nsenter", "--mount", "--net", "--target", str(self._room.pid), "sh", "-ec", script],
            env=environment, capture_output=True, text=True, check=False, timeout=100, input=stdin,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self, unit: str = AGENT) -> str:
        """What a service said."""
        return (self.place / f"var/log/{unit}.log").read_text()

    def complete(self, lesson: int) -> None:
        """Somebody completes an activity now."""
        self.moodle.execute(
            "INSERT INTO mdl_logstore_standard_log (eventname, component, action, target, objecttable, objectid, crud,"
            " edulevel, contextid, contextlevel, contextinstanceid, userid, courseid, relateduserid, anonymous, other,"
            " timecreated, origin) VALUES (%s, 'core', 'updated', 'course_module_completion',"
            " 'course_modules_completion', %s, 'u', 2, 84, 70, %s, 35, 3, 35, 0, %s, UNIX_TIMESTAMP(), 'web')",
            (r"\core\event\course_module_completion_updated", lesson, lesson, '{"completionstate":1}'),
        )

    def switch_off(self) -> None:
        """Stop what was started, and let the room go."""
        self.type("systemctl stop rewards-agent rewards-catalogue", check=False)
        self._room.kill()
        self._room.communicate()


@contextmanager
def running_machine(place: Path) -> Iterator[Machine]:
    """A machine with Moodle, and nothing of ours: its server has no account for us yet."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "-n", "true"], check=False).returncode:
        pytest.skip("needs root and namespaces of mounts and networks")
    for program in ("systemd-sysusers", "mariadb", "nsenter", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    if not os.access(Path(sys.prefix) / "bin" / AGENT, os.X_OK):
        pytest.skip("needs an installed rewards-agent")
    with servers.running_mariadb() as server:
        for host in ("127.0.0.1", "localhost"):
            server.execute(f"DROP USER IF EXISTS '{servers.READER}'@'{host}'")
        moodle = server.create_database("moodle")
        servers.load_capture(moodle)
        made = Machine(place, moodle)
        try:
            yield made
        finally:
            made.switch_off()
