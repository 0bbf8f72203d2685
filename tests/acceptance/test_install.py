"""`scripts/install.sh` on a machine's files: install, again, another release, one more campus, and away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(sys.executable).parents[1]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a machine that has accounts and nothing of ours."""
    if os.geteuid() != 0 or shutil.which("systemd-sysusers") is None:
        pytest.skip("needs root and systemd-sysusers")
    root = tmp_path / "machine"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\n")
    return root


def script(machine: Path, *words: str, check: bool = True, typed: str = "") -> str:
    """Run it on that machine; what it printed."""
    command = ["sh", str(ROOT / "scripts" / "install.sh"), *words, "--root", str(machine)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=typed)
    assert (done.returncode == 0) is check, done.stdout + done.stderr
    return done.stdout + done.stderr


def everything(machine: Path) -> dict[str, tuple[int, float, str]]:
    """Every path with its mode, its time, and where a link leads."""
    found = {}
    for path in sorted(machine.rglob("*")):
        at = path.lstat()
        leads = str(path.readlink()) if path.is_symlink() else ""
        found[str(path.relative_to(machine))] = (at.st_mode, 0.0 if path.is_dir() else at.st_mtime, leads)
    return found


def test_a_second_installation_changes_nothing(machine: Path) -> None:
    first = script(machine, "--venv", str(VENV))
    assert "written  " in first
    assert "rewards-agent init --dir /etc/rewards-agent && chown -R rewards-agent: /etc/rewards-agent" in first
    assert (machine / "opt/rewards/bin/rewards-agent").exists()
    assert {path.name for path in (machine / "etc/systemd/system").iterdir()} == {
        path.name for path in (ROOT / "systemd").iterdir() if path.suffix in {".service", ".timer"}
    }
    (number,) = [
        line.split(":")[2]
        for line in (machine / "etc/passwd").read_text().splitlines()
        if line.startswith("rewards-agent:")
    ]
    config = (machine / "etc/rewards-agent").stat()
    assert (config.st_uid, config.st_mode & 0o777) == (int(number), 0o750)
    before = everything(machine)
    again = script(machine, "--venv", str(VENV))
    assert "nothing to do" in again
    assert everything(machine) == before


def test_an_account_may_write_its_own_directory_before_its_service_first_starts(machine: Path) -> None:
    """`rewards-catalogue init` is typed as its account, which may make nothing in /var/lib."""
    script(machine, "--venv", str(VENV))
    script(machine, "campus", "north")
    for account, place in (
        ("rewards-agent", "rewards-agent"),
        ("rewards-catalogue", "rewards-catalogue"),
        ("rewards-agent-north", "rewards-agents/north"),
    ):
        (number,) = [
            line.split(":")[2]
            for line in (machine / "etc/passwd").read_text().splitlines()
            if line.startswith(f"{account}:")
        ]
        writes = (machine / "var/lib" / place).stat()
        assert (writes.st_uid, writes.st_mode & 0o777) == (int(number), 0o700)


def test_what_is_installed_can_be_read_by_the_services_however_strict_roots_umask_is(machine: Path) -> None:
    """With umask 077 the programs were root's alone: the services ended with "Permission denied"."""
    command = f"umask 077; sh {ROOT}/scripts/install.sh --venv {VENV} --root {machine}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in ("opt/rewards/versions", "usr/local/bin", "etc/systemd/system", "usr/lib/sysusers.d"):
        assert (machine / path).stat().st_mode & 0o005 == 0o005, path


def test_packages_that_cannot_be_installed_change_nothing_and_it_says_so(machine: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\n[ "$1 $2" = "-m venv" ] || exit 0\nfor place; do :; done\nmkdir -p "$place/bin"\n'
        'printf "#!/bin/sh\\necho No space left on device >&2\\nexit 1\\n" >"$place/bin/python"\n'
        'chmod +x "$place/bin/python"\n'
    )
    python.chmod(0o755)
    command = ["sh", str(ROOT / "scripts/install.sh"), "--root", str(machine)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHON": str(python)}
    )
    assert done.returncode == 1
    assert "No space left on device\nNothing that runs was changed. Cure what is told above" in done.stderr
    assert not (machine / "opt/rewards/current").exists()


def test_another_release_takes_over_and_the_one_before_stays_for_a_way_back(machine: Path) -> None:
    releases = machine / "opt/rewards/versions"
    left = []
    for name in ("1", "2", "3"):
        (releases / name / "bin").mkdir(parents=True)
        (releases / name / "bin" / "rewards-agent").touch(mode=0o755)
        script(machine, "--venv", str(releases / name))
        assert (machine / "opt/rewards/current").resolve() == releases / name
        left.append(sorted(path.name for path in releases.iterdir()))
    assert left == [["1"], ["1", "2"], ["2", "3"]]
    assert (machine / "opt/rewards/bin").readlink() == Path("current/bin")


def test_each_campus_has_an_account_of_its_own_and_no_odd_name_is_taken(machine: Path) -> None:
    script(machine, "--venv", str(VENV))
    for name in ("north", "south-2"):
        told = script(machine, "campus", name)
        assert f"systemctl enable --now rewards-agent@{name} rewards-agent-backup@{name}.timer" in told
    owners = {(machine / "etc/rewards-agents" / name).stat().st_uid for name in ("north", "south-2")}
    assert len(owners) == 2
    assert "there" not in script(machine, "campus", "north"), "it may be run again"
    for odd in ("", "../x", "North", "a" * 15, "-x", "a b"):
        assert "A campus is named by" in script(machine, "campus", odd, check=False)


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
    restart) echo "$*" >>/var/done; [ ! -e "/var/units/$2.broken" ] ;;
esac
"""
SYSTEMD_RUN = """#!/bin/sh
echo "$*" | grep -q -- "--uid=rewards-catalogue --property=LoadCredential=database.password:/root/password /" || exit 9
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
"""


def upgraded(place: Path, release: str) -> tuple[int, str, str]:
    """Let a release take over where systemd and a catalogue are at work: exit code, what was said, what was done."""
    binds = {"etc": "/etc", "opt": "/opt", "var": "/var", "bin": "/usr/local/bin", "sysusers": "/usr/lib/sysusers.d"}
    mounts = "".join(f"mount --bind {place / mine} {theirs}\n" for mine, theirs in binds.items())
    run = "mount -t tmpfs none /run && mkdir -p /run/systemd/system\n"
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
def serving(tmp_path: Path) -> Path:
    """A machine with systemd and a catalogue at work; it has three releases, of which the last changes the database."""
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
    for name, text in (("systemctl", SYSTEMCTL), ("systemd-run", SYSTEMD_RUN)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    assert upgraded(tmp_path, "one")[0] == 0
    return tmp_path


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


def test_uninstalling_keeps_what_cannot_be_made_again_unless_it_is_told_to_purge(machine: Path) -> None:
    script(machine, "--venv", str(VENV))
    script(machine, "campus", "north")
    ledger = machine / "var/lib/rewards-agent/ledger.db"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    ledger.write_text("the only copy")
    script(machine, "uninstall")
    assert not (machine / "opt/rewards").exists()
    assert not list((machine / "etc/systemd/system").iterdir())
    assert VENV.exists(), "what was only linked to stays"
    assert ledger.read_text() == "the only copy"
    assert (machine / "etc/rewards-agents/north").is_dir()
    assert "Nothing was removed" in script(machine, "uninstall", "--purge", check=False, typed="yes\n")
    assert ledger.exists()
    script(machine, "uninstall", "--purge", typed="purge\n")
    left = [path for path in everything(machine) if "rewards" in path]
    assert left == []


@pytest.mark.parametrize("words", [("--prefix",), ("remove",), ("--venv", "/nowhere")])
def test_a_word_that_makes_no_sense_is_told(machine: Path, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["sh", str(ROOT / "scripts" / "install.sh"), "--root", str(machine), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {1, 2}
    assert done.stderr
