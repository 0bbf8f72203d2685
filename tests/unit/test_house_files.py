"""The files around the code say the same as the code: units, image, doors, hooks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from catalogue.server.serving import SHUTDOWN_S_MAX
from tests.pages import PAGES
from tests.unit.test_supply import recipe

ROOT = Path(__file__).resolve().parents[2]
UNITS = ("rewards-agent", "rewards-catalogue")


def unit(name: str) -> dict[str, list[str]]:
    """The settings of a systemd unit: key to its values in order."""
    settings: dict[str, list[str]] = {}
    for line in (ROOT / "systemd" / f"{name}.service").read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            settings.setdefault(key, []).append(value)
    return settings


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_not_restarted_where_only_a_person_can_help(name: str) -> None:
    settings = unit(name)
    assert settings["Restart"] == ["on-failure"]
    assert settings["RestartPreventExitStatus"] == ["2 3"]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_gives_its_service_no_more_than_it_needs(name: str) -> None:
    settings = unit(name)
    assert settings["User"] == [name]
    assert settings["ProtectSystem"] == ["strict"]
    assert settings["NoNewPrivileges"] == ["yes"]
    assert settings["SystemCallFilter"][0] == "@system-service"
    assert settings["StateDirectory"] == [name]
    assert {"MemoryMax", "TasksMax"} <= settings.keys()


@pytest.mark.parametrize("name", [*UNITS, "rewards-agent@"])
def test_a_service_is_ready_and_alive_when_it_says_so_reads_its_settings_again_and_writes_for_nobody_else(
    name: str,
) -> None:
    settings = unit(name)
    assert (settings["Type"], settings["NotifyAccess"]) == (["notify"], ["main"])
    assert int(settings["WatchdogSec"][0]) >= 60, "the machine may stand still for a while"
    assert settings["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert int(settings["TimeoutStopSec"][0]) > SHUTDOWN_S_MAX, "what is under way is answered"
    assert (settings["UMask"], settings["StateDirectoryMode"]) == (["0077"], ["0700"])


@pytest.mark.parametrize("name", ["rewards-agent-backup", "rewards-agent-backup@", "rewards-catalogue-backup"])
def test_a_backup_is_made_every_day_also_where_the_machine_was_off_then(name: str) -> None:
    lines = (ROOT / "systemd" / f"{name}.timer").read_text(encoding="utf-8").splitlines()
    assert "Persistent=yes" in lines
    assert any(re.fullmatch(r"OnCalendar=(daily|\*-\*-\* .+)", line) for line in lines)
    assert unit(name)["Type"] == ["oneshot"]


@pytest.mark.parametrize("name", ["rewards-agent", "rewards-agent@"])
def test_a_unit_and_the_install_script_agree_who_may_read_its_directories(name: str) -> None:
    script = (ROOT / "scripts" / "install.sh").read_text(encoding="utf-8")
    made = set(re.findall(r"directory_of \"\$account\" \"/(etc|var/lib)/\S+\" (\d+)", script))
    configuration, state = unit(name)["ConfigurationDirectoryMode"], unit(name)["StateDirectoryMode"]
    assert {(place, mode.rjust(4, "0")) for place, mode in made} == {("etc", *configuration), ("var/lib", *state)}


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_program_of_this_project(name: str) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    program = Path(unit(name)["ExecStart"][0].split()[0]).name
    assert program in scripts


def test_the_services_accounts_are_the_ones_the_units_name() -> None:
    accounts = re.findall(
        r"^u (\S+)", (ROOT / "systemd" / "rewards.sysusers").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(accounts) == sorted(UNITS)


def test_the_image_runs_unprivileged_and_tells_its_health() -> None:
    last_stage = (ROOT / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    assert re.search(r"^USER \$\{UID\}:\$\{UID\}$", last_stage, re.MULTILINE), "a name may be anybody's"
    assert int(re.findall(r"^ARG UID=(\d+)$", last_stage, re.MULTILINE)[0]) > 0
    assert 'CMD ["rewards-agent", "status", "--live", "--json"]' in last_stage
    assert "apt-get" not in last_stage


def test_the_hooks_download_nothing_and_are_the_gates_of_make() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (\S+)", hooks) == ["local"]
    programs = set(re.findall(r"entry: \.venv/bin/(\S+)", hooks))
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ncheck:\n")[2].partition("\n\n")[0]
    assert programs == set(re.findall(r"\$\(BIN\)/(\S+)", recipe))


def test_continuous_integration_calls_make_test_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "exec make test"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_tests_run_without_what_only_some_need_and_not_without_what_all_need(tmp_path: Path) -> None:
    """Somebody who may install nothing; promtool is nowhere, and then neither is what confines a program."""
    there = ("mariadbd", "mariadb-install-db", "initdb", "pgbouncer", "bwrap", "systemd-analyze")
    for name in (*there, "id"):
        (tmp_path / name).write_text("#!/bin/sh\necho 1000\n")
        (tmp_path / name).chmod(0o755)
    command = ["/bin/sh", str(ROOT / "tests" / "install_packages.sh"), "servers"]
    only = {"PATH": str(tmp_path)}
    enough = subprocess.run(command, env=only, capture_output=True, text=True, check=False)
    assert (enough.returncode, enough.stderr) == (0, "")
    (tmp_path / "bwrap").unlink()
    lacking = subprocess.run(command, env=only, capture_output=True, text=True, check=False)
    assert (lacking.returncode, "apt-get install bubblewrap" in lacking.stderr) == (1, True)


def test_every_python_that_is_promised_is_one_that_a_release_is_tested_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=")
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    tested = re.findall(r"make test PYTHON=python(3\.\d+)", (ROOT / "docs/release-template.md").read_text("utf-8"))
    assert promised == [oldest, *tested]


def test_make_alone_lists_every_door_with_a_line() -> None:
    told = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    doors = {line.split()[1] for line in told.splitlines()}
    assert {"install", "demo", "test", "lint", "bench", "soak", "docs", "clean"} <= doors
    assert all(len(line.split()) > 3 for line in told.splitlines())


def test_every_door_that_a_page_names_is_there() -> None:
    doors = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    pages = (*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "SECURITY.md")
    named = {
        name
        for page in pages
        for name in re.findall(r"(?:`|^[$#] )make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert len(named) > 8
    assert named - doors == set()


def test_the_wheel_is_the_same_bytes_wherever_and_whenever_it_is_built(tmp_path: Path) -> None:
    built = []
    for number, seed in enumerate(("0", "1")):
        source = tmp_path / f"{'deeper/' * number}checkout"
        source.mkdir(parents=True)
        for name in ("agent", "catalogue", "machine", "wire"):
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE", "config.example.toml", "rules.example.toml"):
            shutil.copy(ROOT / name, source / name)
        for path in source.rglob("*"):
            os.utime(path, (number * 1_000_000, number * 1_000_000_000))
        (line,) = [line for line in recipe("wheel") if "hatchling" in line]
        command = [*line.replace(".venv/bin/python", sys.executable).split(), "--directory", str(source / "dist")]
        epoch = {"SOURCE_DATE_EPOCH": f"{1_700_000_000 + number}"}  # distributions set one of their own
        environment = {
            **os.environ,
            **epoch,
            "PYTHONHASHSEED": seed,
            "TZ": ("UTC", "Asia/Tokyo")[number],
            "LC_ALL": "C",
        }
        umask = f"umask {('022', '027')[number]} && exec"
        subprocess.run(
            ["sh", "-c", f'{umask} "$@"', "sh", *command], cwd=source, env=environment, capture_output=True, check=True
        )
        built.append(next((source / "dist").glob("*.whl")).read_bytes())
    assert built[0] == built[1]


def test_the_wheel_carries_all_that_the_programs_read_and_no_test(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        carried = set(wheel.namelist())
    rooms = ("agent", "catalogue", "machine", "wire")
    read = [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in {".py", ".sql", ".typed"}]
    missing = {path.relative_to(ROOT).as_posix() for path in read} - carried
    assert missing == set()
    assert {f"agent/{path.name}" for path in ROOT.glob("*.example.toml")} <= carried
    assert {name.partition("/")[0] for name in carried if ".dist-info" not in name} == set(rooms)
