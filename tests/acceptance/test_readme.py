"""README's steps, typed as they are printed on a machine with Moodle: the first decision, and the first award.

The machine is this one with an /etc, /opt, /var and /usr/local/bin of its own. Its systemd is a script that starts what
the unit names; its `mariadb` leads to a private server with the captured Moodle; packages are those that are here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.acceptance.campus import wait_until

ROOT = Path(__file__).resolve().parents[2]
AGENT = "rewards-agent"
FIRST_S, NEXT_S = 90, 60
SYSTEMCTL = """#!/bin/sh
# What systemd would do with the unit, as far as the README needs it.
unit=$(ls /etc/systemd/system/rewards-agent.service)
stop() {
    [ ! -f /run-agent ] || kill "$(cat /run-agent)" || return 0
    while [ -f /run-agent ] && kill -0 "$(cat /run-agent)" 2>/dev/null; do sleep 0.1; done
}
start() {
    install -d -m 700 -o rewards-agent -g rewards-agent /var/lib/rewards-agent
    cd / && $(sed -n 's/^ExecStart=//p' "$unit") >/var/log/agent.log 2>&1 & echo $! >/run-agent
}
case "$1" in
    enable) start ;;
    restart) stop; start ;;
    stop) stop ;;
esac
"""
SYSTEMCTL = SYSTEMCTL.replace("/run-agent", "/var/agent.pid")
RUNUSER = '#!/bin/sh\n[ "$1 $3" = "-u --" ] && shift 3\nexec "$@"\n'
APT_GET = '#!/bin/sh\n[ "$1 $2" = "install -y" ] && shift 2 && echo "$@" >>/var/packages\n'


def steps() -> list[list[str]]:
    """The commands of README's console blocks about production, a list for each block."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## In production")[2]
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [[line[2:] for line in block.splitlines() if line.startswith("# ")] for block in blocks]


class Machine:
    """A machine with Moodle, on which somebody types."""

    def __init__(self, place: Path, moodle: servers.MariaDatabase) -> None:
        self.place = place
        self.moodle = moodle
        shutil.copytree("/etc", place / "etc", symlinks=True, ignore=lambda *_: ["systemd"])
        (place / "etc" / "systemd" / "system").mkdir(parents=True)
        shutil.rmtree(place / "etc" / "rewards-agent", ignore_errors=True)
        for folder in ("opt", "var/lib", "var/log", "var/tmp", "var/www/moodle", "bin", "sysusers"):
            (place / folder).mkdir(parents=True)
        port = moodle.server.port
        (place / "var/www/moodle/config.php").write_text(
            "<?php\n$CFG = new stdClass();\n$CFG->dbtype = 'mariadb';\n$CFG->dbhost = '127.0.0.1';\n"
            f"$CFG->dbname = '{moodle.name}';\n$CFG->dbpass = 'secret';\n$CFG->prefix = 'mdl_';\n"
            f"$CFG->dboptions = ['dbport' => '{port}'];\n"
        )
        client = shutil.which("mariadb") or "mariadb"
        login = f"-h127.0.0.1 -P{port} -u{servers.ADMIN} -p{servers.ADMIN_PASSWORD}"
        self._program("mariadb", f'#!/bin/sh\nexec {client} {login} "$@"\n')
        self._program("systemctl", SYSTEMCTL)
        self._program("runuser", RUNUSER)
        self._program("apt-get", APT_GET)

    def _program(self, name: str, text: str) -> None:
        (self.place / "bin" / name).write_text(text)
        (self.place / "bin" / name).chmod(0o755)

    def type(self, *lines: str, check: bool = True) -> str:
        """What a shell says to these lines, typed one after another in the checkout."""
        here = self.place
        binds = {
            "etc": "/etc",
            "opt": "/opt",
            "var": "/var",
            "bin": "/usr/local/bin",
            "sysusers": "/usr/lib/sysusers.d",
        }
        mounts = "".join(f"mount --bind {here / mine} {theirs}\n" for mine, theirs in binds.items())
        script = f"set -e\n{mounts}cd {ROOT}\nset -x\n" + "\n".join(lines) + "\n"
        environment = {
            "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "REWARDS_VENV": str(Path(sys.prefix)),
            "HOME": "/var/tmp",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            env=environment, capture_output=True, text=True, check=False, timeout=100, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self) -> str:
        """What the agent said."""
        return (self.place / "var/log/agent.log").read_text()


@pytest.fixture
def machine(capture: None, tmp_path: Path) -> Iterator[Machine]:
    """A machine with Moodle, and nothing of ours: its server has no account for us yet."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("needs root and namespaces of mounts")
    if shutil.which("systemd-sysusers") is None or shutil.which("mariadb") is None:
        pytest.skip("needs systemd-sysusers and the mariadb client")
    if not os.access(Path(sys.prefix) / "bin" / "rewards-agent", os.X_OK):
        pytest.skip("needs an installed rewards-agent")
    with servers.running_mariadb() as server:
        server.execute(f"DROP USER '{servers.READER}'@'127.0.0.1'")
        moodle = server.create_database("moodle")
        servers.load_capture(moodle)
        made = Machine(tmp_path / "machine", moodle)
        yield made
        made.type("systemctl stop", check=False)


def complete(moodle: servers.MariaDatabase, lesson: int) -> None:
    """Somebody completes an activity now."""
    moodle.execute(
        "INSERT INTO mdl_logstore_standard_log (eventname, component, action, target, objecttable, objectid, crud,"
        " edulevel, contextid, contextlevel, contextinstanceid, userid, courseid, relateduserid, anonymous, other,"
        " timecreated, origin) VALUES (%s, 'core', 'updated', 'course_module_completion', 'course_modules_completion',"
        " %s, 'u', 2, 84, 70, %s, 35, 3, 35, 0, %s, UNIX_TIMESTAMP(), 'web')",
        (r"\core\event\course_module_completion_updated", lesson, lesson, '{"completionstate":1}'),
    )


def test_the_steps_of_the_readme_lead_to_the_first_decision_and_then_to_the_first_award(machine: Machine) -> None:
    first, look, live = steps()
    assert first[1] == "sh scripts/install.sh"
    assert "mode live" in live[0]
    machine.type(*first)
    assert (machine.place / "var/packages").read_text() == "python3 python3-venv\n", "what a fresh machine may lack"
    wait_until((machine.place / "var/lib/rewards-agent/ledger.db").exists, FIRST_S)
    wait_until(lambda: json.loads(machine.type("rewards-agent status --json"))["sources"], FIRST_S)
    complete(machine.moodle, 9_001)
    wait_until(lambda: "lesson.completed" in machine.type(*look), FIRST_S)
    mode = json.loads(machine.type("rewards-agent mode --json"))
    assert (mode["mode"], mode["decided"]["shadow"]) == ("shadow", 1)
    assert json.loads(machine.type("rewards-agent ledger list --json")) == []
    machine.type(*live)
    wait_until(lambda: "agent_started" in machine.log(), NEXT_S)
    complete(machine.moodle, 9_002)
    wait_until(lambda: len(json.loads(machine.type("rewards-agent ledger list --json"))) > 0, NEXT_S)
    (paid,) = {row["learner"] for row in json.loads(machine.type("rewards-agent ledger list --json"))}
    assert paid == "moodle:35"
