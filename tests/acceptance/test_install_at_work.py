"""`scripts/install.sh` where services are at work: what is copied, restarted, and finished after an end midway."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = """#!/bin/sh
# The catalogue of one release: it knows the schema in the file beside it, and the database has that of /var/schema.
mine=$(cat "$(dirname "$0")/schema"); has=$(cat /var/schema)
case "$1" in
    init) [ ! -e /var/full ] || exit 1; echo "init by $mine" >>/var/done; echo "$mine" >/var/schema ;;
    tenant) [ "$mine" = "$has" ] || { echo "the database has schema $has, this program needs $mine" >&2; exit 2; } ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
# Units that are loaded are files in /var/units, with their state; one is broken while /var/units/NAME.broken is there.
case "$1" in
    list-units) for word; do [ ! -e "/var/units/$word" ] || echo "$word loaded"; done ;;
    cat) printf '[Service]\\n# LoadCredential=no:/no\\nLoadCredential=database.password:/root/password\\n' ;;
    start) echo "backup by $(cat /opt/rewards/bin/schema)" >>/var/done; [ ! -e /var/full ] ;;
    daemon-reload) if [ "$(cat /var/last)" = daemon-reload ]; then kill -9 $PPID; fi ;;
    restart) echo "$*" >>/var/done; [ ! -e "/var/units/$2.broken" ] ;;
esac
"""
SYSTEMD_RUN = """#!/bin/sh
echo "$*" | grep -q -- "--uid=rewards-catalogue --property=LoadCredential=database.password:/root/password /" || exit 9
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
"""
LAST = """#!/bin/sh
# A program that changes files; where /var/last has the number of this call, whoever called it is killed first.
count=$(($(cat /var/count) + 1)); echo $count >/var/count
[ "$count" != "$(cat /var/last)" ] || { kill -9 $PPID; exit; }
exec "/usr/bin/$(basename "$0")" "$@"
"""
KILLED = 137
CHANGING = ("chmod", "install", "ln", "mkdir", "mv", "rm", "systemd-sysusers")


def upgraded(place: Path, release: str) -> tuple[int, str, str]:
    """Let a release take over where systemd and a catalogue are at work: exit code, what was said, what was done."""
    binds = {"etc": "/etc", "opt": "/opt", "var": "/var", "bin": "/usr/local/bin", "sysusers": "/usr/lib/sysusers.d"}
    mounts = "".join(f"mount --bind {place / mine} {theirs}\n" for mine, theirs in binds.items())
    run = "mount -t tmpfs none /run && /bin/mkdir -p /run/systemd/system\n"
    install = f"sh {ROOT / 'scripts' / 'install.sh'} --venv /opt/{release}\n"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"set -e\n{mounts}{run}{install}"],
        env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    log = place / "var" / "done"
    told = log.read_text() if log.exists() else ""
    log.unlink(missing_ok=True)
    return done.returncode, done.stdout + done.stderr, told


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A machine with systemd, services at work and three releases, of which the last one changes the database."""
    if os.geteuid() or shutil.which("systemd-sysusers") is None:
        pytest.skip("needs root and systemd-sysusers")
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("needs namespaces of mounts")
    for folder in ("opt", "var/lib", "var/units", "bin", "sysusers", "etc/systemd/system"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("passwd", "group", "shadow", "gshadow", "nsswitch.conf"):
        if Path("/etc", name).exists():
            shutil.copy(Path("/etc", name), tmp_path / "etc" / name)
    for release, schema in (("one", "0024"), ("two", "0024"), ("three", "0025")):
        programs = tmp_path / "opt" / release / "bin"
        programs.mkdir(parents=True)
        (programs / "schema").write_text(schema)
        (programs / "rewards-agent").touch(mode=0o755)
        (programs / "rewards-catalogue").write_text(CATALOGUE)
        (programs / "rewards-catalogue").chmod(0o755)
    (tmp_path / "var/schema").write_text("0024")
    for unit in ("rewards-agent.service", "rewards-catalogue.service"):
        (tmp_path / "var/units" / unit).touch()
    (tmp_path / "var/last").write_text("0")
    (tmp_path / "var/count").write_text("0")
    tools = {"systemctl": SYSTEMCTL, "systemd-run": SYSTEMD_RUN} | dict.fromkeys(CHANGING, LAST)
    for name, text in tools.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


@pytest.fixture
def serving(empty: Path) -> Path:
    """It runs by the first of them."""
    assert upgraded(empty, "one")[0] == 0
    return empty


AGENT, CENTRE = "restart rewards-agent.service\n", "restart rewards-catalogue.service\n"


def test_a_release_that_changes_nothing_in_the_catalogues_database_is_restarted_on_and_no_more(serving: Path) -> None:
    code, said, done = upgraded(serving, "two")
    assert (code, done) == (0, AGENT + CENTRE), said


def test_the_release_before_copies_the_catalogues_database_before_the_newer_one_changes_it(serving: Path) -> None:
    """The newer release refuses an older database, also for a backup: the catalogue was down until somebody came."""
    code, said, done = upgraded(serving, "three")
    assert (code, done) == (0, f"backup by 0024\n{AGENT}init by 0025\n{CENTRE}"), said
    assert "nothing to do" in upgraded(serving, "three")[1]


def test_where_the_catalogue_cannot_be_copied_nothing_is_changed(serving: Path) -> None:
    (serving / "var/full").touch()
    code, said, done = upgraded(serving, "three")
    assert (code, done) == (1, "backup by 0024\n")
    assert "nothing was changed" in said
    assert (serving / "opt/rewards/current").readlink() == Path("/opt/one")
    (serving / "var/full").unlink()
    assert upgraded(serving, "three")[0] == 0


def test_an_upgrade_of_the_catalogues_database_that_failed_is_done_when_it_is_run_again(serving: Path) -> None:
    """The server may have ended meanwhile: it was `nothing to do`, and the secrets that systemd hands it were gone."""
    (serving / "bin/systemctl").write_text(SYSTEMCTL.replace("[ ! -e /var/full ]", "touch /var/full"))
    code, said, done = upgraded(serving, "three")
    assert (code, done) == (1, f"backup by 0024\n{AGENT}")
    assert "Mend what stands above, then run this again." in said
    (serving / "var/full").unlink()
    assert upgraded(serving, "three")[::2] == (0, f"{AGENT}init by 0025\n{CENTRE}")
    assert "nothing to do" in upgraded(serving, "three")[1]


def test_a_service_that_does_not_start_keeps_no_other_on_the_release_before_and_is_started_again(serving: Path) -> None:
    """An agent that failed ended the script; run again it had `nothing to do`, and the catalogue was the old one."""
    broken = serving / "var/units/rewards-agent.service.broken"
    broken.touch()
    code, said, done = upgraded(serving, "two")
    assert (code, done) == (1, AGENT + CENTRE)
    assert "does not run: rewards-agent.service. See journalctl -u with that name, mend it, then run this again" in said
    broken.unlink()
    assert upgraded(serving, "two")[::2] == (0, AGENT + CENTRE)
    assert "nothing to do" in upgraded(serving, "two")[1]


def test_a_release_stays_as_long_as_something_may_run_by_it(serving: Path) -> None:
    """Of three releases in a row, the one that the catalogue still ran by was taken away under it."""
    place = serving / "opt/rewards/versions"
    for name in ("one", "two", "three"):
        shutil.copytree(serving / "opt" / name, place / name)
        if name == "two":
            (place / name / "bin/schema").write_text("0025")
            (place / name / "bin/rewards-catalogue").write_text(CATALOGUE.replace("init)", "init) exit 1;"))
        code = upgraded(serving, f"rewards/versions/{name}")[0]
        assert code == (1 if name == "two" else 0)
        if name == "two":
            assert {path.name for path in place.iterdir()} == {"one", "two"}
    assert {path.name for path in place.iterdir()} == {"one", "three"}, "what ran before, and what runs"


def killed_at_each_step(machine: Path, release: str) -> int:
    """End it before each of the programs that change files, run it again, and find what an undisturbed run makes.

    Before how many it was ended.
    """
    copy = machine.with_name("copy")
    step, whole = 0, {}
    while True:
        shutil.copytree(machine, copy, symlinks=True)
        (copy / "var/count").write_text("0")
        (copy / "var/last").write_text(str(step))
        ended, said, first = upgraded(copy, release)
        (copy / "var/last").write_text("0")
        if step == 0:
            whole = found(copy)
        assert ended in {0, KILLED}, said
        code, said, second = upgraded(copy, release) if ended else (0, "", "")
        assert code == 0, said
        assert found(copy) == whole, f"killed at step {step}"
        acts = first + second
        assert acts.endswith(CENTRE), f"killed at step {step}: {acts}"
        if release == "three":
            assert acts.index("backup by 0024") < acts.index("init by 0025"), f"killed at step {step}: {acts}"
        shutil.rmtree(copy)
        if step and not ended:
            break
        step += 1
    return step


def found(machine: Path) -> dict[str, tuple[int, str]]:
    """Every path that an installation may touch, with its mode and what it says or leads to."""
    made = {}
    for path in sorted(machine.rglob("*")):
        name = str(path.relative_to(machine))
        if path.is_symlink():
            made[name] = (0, str(path.readlink()))
        elif name not in {"var/count", "var/last"} and not name.startswith("etc/gshadow"):
            made[name] = (path.stat().st_mode, path.read_text() if path.is_file() else "")
    return made


def test_what_was_installed_and_not_restarted_is_restarted_by_the_next_run(serving: Path) -> None:
    """Killed after the link had moved, services ran by the release before for ever: there was "nothing to do"."""
    (serving / "var/last").write_text("daemon-reload")
    assert upgraded(serving, "two")[::2] == (KILLED, "")
    (serving / "var/last").write_text("0")
    code, said, done = upgraded(serving, "two")
    assert (code, done) == (0, AGENT + CENTRE), said
    assert "nothing to do" in upgraded(serving, "two")[1]


def test_a_link_that_was_made_and_not_yet_moved_does_not_take_over(serving: Path) -> None:
    """The next run put its own link into the release that the half-made one led to, and moved that in place."""
    (serving / "opt/rewards/current.new").symlink_to("/opt/two")
    assert upgraded(serving, "three")[0] == 0
    assert (serving / "opt/rewards/current").readlink() == Path("/opt/three")
    assert not list((serving / "opt/two").glob("three*"))


@pytest.mark.soak
@pytest.mark.parametrize("release", ["two", "three"])
def test_an_upgrade_that_was_killed_at_any_step_is_finished_by_the_next_run(serving: Path, release: str) -> None:
    assert killed_at_each_step(serving, release) > len(CHANGING)


@pytest.mark.soak
def test_a_first_installation_that_was_killed_at_any_step_is_finished_by_the_next_run(empty: Path) -> None:
    assert killed_at_each_step(empty, "one") > len(CHANGING)
