"""The units as systemd itself sees them: no complaint, and no more exposed than agreed."""

from __future__ import annotations

import http.server
import re
import shutil
import socket
import socketserver
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted(path.name for path in (ROOT / "systemd").glob("*.service"))
TIMERS = sorted(path.name for path in (ROOT / "systemd").glob("*.timer"))
EXPOSURE_MAX = 1.3


@pytest.fixture(scope="module")
def systemd() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not on this machine")
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units as on a machine where the programs are installed: here a program that is there."""
    place = tmp_path_factory.mktemp("units")
    for name in (*UNITS, *TIMERS):
        text = (ROOT / "systemd" / name).read_text(encoding="utf-8")
        (place / name).write_text(text.replace("/opt/rewards/bin/", f"{Path(sys.executable).parent}/"))
    return place


def test_systemd_has_nothing_to_say_about_any_unit(systemd: str, installed: Path) -> None:
    units = [str(installed / name.replace("@.", "@campus.")) for name in (*UNITS, *TIMERS)]
    for name in (*UNITS, *TIMERS):
        if "@." in name:
            (installed / name.replace("@.", "@campus.")).symlink_to(installed / name)
    bare = {"PATH": "/nowhere"}  # a machine need not have `man`, which it would ask for a unit's pages
    done = subprocess.run([systemd, "verify", *units], capture_output=True, text=True, check=False, env=bare)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_exposed_no_more_than_agreed(systemd: str, name: str) -> None:
    command = [systemd, "security", "--offline=true", "--no-pager", str(ROOT / "systemd" / name)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert exposure is not None, told
    assert float(exposure[1]) <= EXPOSURE_MAX


@pytest.mark.parametrize("name", [name for name in UNITS if "backup" not in name])
def test_a_service_is_never_given_up_on_for_what_the_machine_cures(name: str) -> None:
    lines = (ROOT / "systemd" / name).read_text(encoding="utf-8").splitlines()
    assert {"Restart=on-failure", "RestartPreventExitStatus=2 3", "StartLimitIntervalSec=0"} <= set(lines)


@pytest.mark.parametrize("name", [name for name in UNITS if "backup" not in name])
def test_a_start_on_a_slow_machine_is_waited_for(name: str) -> None:
    """With systemd's 90 s a machine that boots with all its services at once began the start anew, again and again."""
    assert "TimeoutStartSec=5min" in (ROOT / "systemd" / name).read_text(encoding="utf-8").splitlines()


def test_an_agent_does_not_wait_for_a_database_on_its_machine() -> None:
    """While that recovered from a power cut, for an hour where it is large, the door was shut to every other system."""
    orders = re.findall(r"^After=(.*)$", (ROOT / "systemd/rewards-agent.service").read_text("utf-8"), re.MULTILINE)
    assert orders == ["network-online.target"]


@pytest.mark.parametrize("name", UNITS)
def test_no_copy_of_the_memory_is_left_where_a_life_ends_badly(name: str) -> None:
    """The watchdog ends a process by SIGABRT, and where cores are kept its keys and persons would lie in a file."""
    assert "LimitCORE=0" in (ROOT / "systemd" / name).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", [name for name in UNITS if "backup" in name])
def test_a_first_backup_starts_before_its_directory_is_there(name: str) -> None:
    """A path that is missing ends the unit with 226/NAMESPACE, before the line that would make it."""
    text = (ROOT / "systemd" / name).read_text(encoding="utf-8")
    (writes,) = re.findall(r"^ReadWritePaths=(.*)$", text, re.MULTILINE)
    assert [path for path in writes.split() if not path.startswith("-")] == []
    assert "ExecStartPre=+-/usr/bin/install -d" in text, "what is mounted there may let root make nothing"


@pytest.mark.parametrize("name", [name for name in (*UNITS, *TIMERS) if "@." in name])
def test_the_unit_of_one_campus_among_several_is_the_plain_one_at_other_places(name: str) -> None:
    plain = (ROOT / "systemd" / name.replace("@.", ".")).read_text(encoding="utf-8")
    instance = (ROOT / "systemd" / name).read_text(encoding="utf-8")
    instance = re.sub(r"# An account for each campus.*\n", "", instance)
    back = (
        instance.replace(" of campus %i", "")
        .replace("rewards-agents/%i", "rewards-agent")
        .replace("rewards-agent-%i", "rewards-agent")
    )
    assert back == plain


def test_what_compose_starts_is_confined_and_tells_its_health() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert set(services) == {"agent", "catalogue", "catalogue-init", "postgres"}
    for name, service in services.items():
        if name == "postgres":
            assert "healthcheck" in service
            continue
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "pids_limit"} <= service.keys()
    for name in ("catalogue", "postgres"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"
    assert services["agent"]["healthcheck"]["test"] == ["CMD", "rewards-agent", "status", "--live", "--json"]
    assert all(port.startswith("127.0.0.1:") for one in services.values() for port in one.get("ports", ()))


def test_what_compose_starts_is_started_in_order_reads_its_settings_only_and_ends_in_peace() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert services["catalogue-init"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["catalogue"]["depends_on"] == {"catalogue-init": {"condition": "service_completed_successfully"}}
    for name in ("agent", "catalogue"):
        assert services[name]["stop_grace_period"] == "60s"
        assert [one for one in services[name]["volumes"] if one.startswith("./") and not one.endswith(":ro")] == []
        assert f"{name}:/var/lib/rewards-{name}" in services[name]["volumes"]


def test_a_first_start_of_the_database_is_not_taken_for_its_being_there() -> None:
    """A server that is stopped again answers on the socket: the catalogue's `init` failed, and nothing was started."""
    asked = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["postgres"]["healthcheck"]
    assert asked["test"][:3] == ["CMD", "pg_isready", "--host"]


def test_an_agent_in_a_container_waits_for_no_catalogue_and_reaches_no_database_of_it() -> None:
    """Posts were lost while the catalogue was ill: its container was not started."""
    told = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    services = told["services"]
    assert "depends_on" not in services["agent"]
    assert {name for name, one in services.items() if "books" in one.get("networks", ())} == {
        "postgres", "catalogue-init", "catalogue",
    }  # fmt: skip
    assert told["networks"]["books"]["internal"] is True
    named = {name for one in services.values() for name in one.get("networks", ())}
    assert named == told["networks"].keys(), "podman-compose refuses a network that is not declared"
    assert services["postgres"]["networks"] == ["books"]


def test_the_catalogues_health_is_asked_of_itself_whatever_proxy_a_container_is_given() -> None:
    """Docker names its user's proxy in every container: the question went there, and the catalogue was ill for ever."""
    (asked,) = [
        one["healthcheck"]["test"]
        for name, one in yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"].items()
        if name == "catalogue"
    ]
    with socketserver.TCPServer(("127.0.0.1", 0), Well) as server, ThreadPoolExecutor() as pool:
        answering = pool.submit(server.handle_request)
        port = server.server_address[1]
        words = [sys.executable, *asked[2:-1], asked[-1].replace("8734", str(port))]
        environment = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            socket.create_connection(("127.0.0.1", port)).close()
        answering.result()
    assert done.returncode == 0, done.stderr


class Well(http.server.BaseHTTPRequestHandler):
    """A server that is well."""

    def do_GET(self) -> None:
        """Say so."""
        self.send_response(200 if self.path == "/livez" else 404)
        self.end_headers()
