"""`scripts/install.sh` on a machine's files: install, again, another release, one more campus, and away."""

from __future__ import annotations

import os
import re
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


PYTHON = """#!/bin/sh
# A Python whose virtual environments are made at once, with nothing in them; pip does in them what is said here.
[ "$1 $2" = "-m venv" ] || exit 0
for place; do :; done
mkdir -p "$place/bin"
echo "#!$place/bin/python" >"$place/bin/rewards-agent"
cat >"$place/bin/python" <<'END'
#!/bin/sh
case "$*" in *" install "*) exit 0 ;; -m*) {pip} ;; esac
END
chmod +x "$place/bin/python"
"""


def built(
    machine: Path, *words: str, pip: str = "exit 0", said: int = 0, **more: str
) -> subprocess.CompletedProcess[str]:
    """Install this checkout with packages of its own, where pip does ``pip``."""
    python = machine.parent / "python"
    python.write_text(PYTHON.replace("{pip}", pip))
    python.chmod(0o755)
    done = subprocess.run(
        ["sh", str(ROOT / "scripts/install.sh"), "--root", str(machine), *words],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHON": str(python)} | more,
    )  # fmt: skip
    assert done.returncode == said, done.stdout + done.stderr
    return done


def test_packages_that_cannot_be_installed_change_nothing_and_it_says_so(machine: Path) -> None:
    told = built(machine, pip="echo No space left on device >&2; exit 1", said=1).stderr
    assert "No space left on device\nNothing that runs was changed. Cure what is told above" in told
    assert [path.name for path in (machine / "opt/rewards").iterdir()] == ["versions"], "and nothing fills the disk"
    assert not list((machine / "opt/rewards/versions").iterdir())


def test_wheels_from_a_directory_are_taken_by_their_hashes_alone(machine: Path, tmp_path: Path) -> None:
    """They were installed whatever was in them."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (name, version) = re.findall(r"^(\w+)==(\S+)", (ROOT / "requirements.run.lock").read_text(), re.MULTILINE)[0]
    (wheels / f"{name}-{version}-py3-none-any.whl").write_text("something else")
    told = built(machine, "--wheels", str(wheels), pip=f'exec {sys.executable} "$@"', said=1).stderr
    assert "PACKAGES DO NOT MATCH THE HASHES" in told
    assert f"Of {wheels} nothing is taken that has not the hash in requirements.run.lock" in told
    assert not (machine / "opt/rewards/current").exists()


def test_a_release_whose_python_went_with_an_upgrade_of_the_machine_is_made_again(machine: Path) -> None:
    """All its files were there, none of its programs started, and the script said "nothing to do"."""
    assert "making" in built(machine).stdout
    assert "nothing to do" in built(machine).stdout
    (python,) = (machine / "opt/rewards/versions").glob("*/bin/python")
    python.write_text("#!/bin/sh\nexit 1\n")
    again = built(machine).stdout
    assert "making" in again
    assert "nothing to do" not in again, "services that run by it are restarted"
    assert "nothing to do" in built(machine).stdout


def test_a_release_is_not_whole_before_it_is_on_the_disk(machine: Path, tmp_path: Path) -> None:
    """After a power cut its files could be empty, and it was taken for whole."""
    sync = tmp_path / "first/sync"
    sync.parent.mkdir()
    sync.write_text("#!/bin/sh\necho the disk is gone >&2\nexit 1\n")
    sync.chmod(0o755)
    assert "the disk is gone" in built(machine, said=1, PATH=f"{sync.parent}:{os.environ['PATH']}").stderr
    assert not list((machine / "opt/rewards/versions").iterdir())


def test_the_programs_of_an_image_that_is_made_start_where_its_own_root_is(machine: Path) -> None:
    """Their first lines led to the directory in which the image was made."""
    built(machine)
    program = (machine / "opt/rewards/current/bin/rewards-agent").read_text()
    assert program.startswith("#!/opt/rewards/versions/")


def test_where_the_programs_are_is_said_once(machine: Path) -> None:
    """The units led to /opt/rewards wherever the programs were, and removing took away all that stood beside them."""
    neighbour = machine / "srv/tools/bin/other"
    neighbour.parent.mkdir(parents=True)
    neighbour.touch()
    script(machine, "--venv", str(VENV), "--prefix", "/srv/tools/rewards/")
    for unit in (machine / "etc/systemd/system").glob("*.service"):
        assert "/opt/rewards" not in unit.read_text(), unit
    assert (
        "ExecStart=/srv/tools/rewards/bin/rewards-agent run"
        in (machine / "etc/systemd/system/rewards-agent.service").read_text()
    )
    assert (machine / "usr/local/bin/rewards-agent").readlink() == Path("/srv/tools/rewards/bin/rewards-agent")
    assert "nothing to do" in script(machine, "--venv", str(VENV))
    (machine / "srv/tools/rewards/mine").touch()
    script(machine, "uninstall")
    assert [path.name for path in (machine / "srv/tools/rewards").iterdir()] == ["mine"]
    for odd in ("rewards", "/"):
        assert "--prefix is a path" in script(machine, "--venv", str(VENV), "--prefix", odd, check=False)


def test_two_at_once_are_one_after_the_other(machine: Path) -> None:
    (machine / "opt/rewards/versions").mkdir(parents=True)
    words = ["flock", str(machine / "opt/rewards"), "sh", str(ROOT / "scripts/install.sh")]
    done = subprocess.run(
        [*words, "--root", str(machine), "--venv", str(VENV)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Another installation is at work" in done.stderr


def test_a_machine_without_systemd_is_told_before_anything_is_made(machine: Path, tmp_path: Path) -> None:
    """It ended with "not found" when half of it was in place."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("awk", "cat", "cmp", "dirname", "id", "mkdir", "readlink", "sed", "sh", "touch"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    before = everything(machine)
    told = built(machine, said=1, PATH=str(tools)).stderr
    assert "this is for machines with systemd" in told
    assert everything(machine) == before


@pytest.mark.parametrize("place", ["etc/systemd", "usr/lib", "usr/local", "opt"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_made(machine: Path, place: str) -> None:
    """The new release was current, half of it was in place, and "Read-only file system" was all that was said."""
    (machine / place).mkdir(parents=True, exist_ok=True)
    mount = f"mount -t tmpfs -o ro none {machine / place} && "
    words = f"{mount} sh {ROOT}/scripts/install.sh --root {machine} --venv {VENV}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Nothing was changed: {machine / place} cannot be written." in done.stderr
    assert not (machine / "opt/rewards").exists()


def test_directories_that_are_there_stay_as_somebody_made_them(machine: Path) -> None:
    """Each run gave the configuration back to the service, from an administrator who had taken it away."""
    script(machine, "--venv", str(VENV))
    config, state = machine / "etc/rewards-agent", machine / "var/lib/rewards-agent"
    os.chown(config, 0, 0)
    config.chmod(0o711)
    os.chown(state, 4_321, 4_321)
    told = script(machine, "--venv", str(VENV))
    assert (config.stat().st_uid, config.stat().st_mode & 0o777) == (0, 0o711)
    assert state.stat().st_uid == 4_321
    assert f"foreign  {state} belongs to" in told
    assert "chown -R rewards-agent: /var/lib/rewards-agent" in told
    assert f"foreign  {config}" not in told


def test_an_account_of_that_name_keeps_its_numbers_and_no_other_group_reads_what_is_its(machine: Path) -> None:
    """The group of the directories was the account's own number, which may be anybody's."""
    with (machine / "etc/passwd").open("a") as passwd:
        passwd.write("rewards-agent:x:990:100::/nowhere:/bin/sh\n")
    with (machine / "etc/group").open("a") as group:
        group.write("users:x:100:\nrewards-agent:x:991:\ndocker:x:990:\n")
    script(machine, "--venv", str(VENV))
    for place in ("etc", "var/lib"):
        made = (machine / place / "rewards-agent").stat()
        assert (made.st_uid, made.st_gid) == (990, 991)


def test_a_campus_is_made_where_the_programs_are(machine: Path) -> None:
    assert "Install the programs first" in script(machine, "campus", "north", check=False)


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


def test_uninstalling_keeps_what_cannot_be_made_again_unless_it_is_told_to_purge(machine: Path) -> None:
    script(machine, "--venv", str(VENV))
    script(machine, "campus", "north")
    ledger = machine / "var/lib/rewards-agent/ledger.db"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    ledger.write_text("the only copy")
    enabled = machine / "etc/systemd/system/timers.target.wants/rewards-agent-backup.timer"
    enabled.parent.mkdir()
    enabled.symlink_to(machine / "etc/systemd/system/rewards-agent-backup.timer")
    script(machine, "uninstall")
    assert not (machine / "opt/rewards").exists()
    assert [path.name for path in (machine / "etc/systemd/system").rglob("*")] == ["timers.target.wants"]
    assert VENV.exists(), "what was only linked to stays"
    assert ledger.read_text() == "the only copy"
    assert (machine / "etc/rewards-agents/north").is_dir()
    (machine / "etc/systemd/system/rewards-agent.service.d").mkdir()
    (machine / "etc/rewards-agents/north/config.toml").write_text('[agent]\ndata_dir = "/srv/north"\n')
    assert "Nothing was removed" in script(machine, "uninstall", "--purge", check=False, typed="yes\n")
    assert ledger.exists()
    told = script(machine, "uninstall", "--purge", typed="purge\n")
    assert "These stay, where data_dir led: /srv/north" in told
    left = [path for path in everything(machine) if "rewards" in path]
    assert left == []


@pytest.mark.parametrize("words", [("--prefix",), ("--wheels", ""), ("remove",), ("--venv", "/nowhere")])
def test_a_word_that_makes_no_sense_is_told(machine: Path, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["sh", str(ROOT / "scripts" / "install.sh"), "--root", str(machine), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {1, 2}
    assert done.stderr
