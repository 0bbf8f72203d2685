"""The image, built without a registry, and run as it is meant to be: as nobody, on a read-only root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.campus import wait_until
from tests.sites import SqliteSite, log

ROOT = Path(__file__).resolve().parents[2]
USER = 10_733
SIZE_MB_MAX = 300
READY_S = 60
CONFIG = """[agent]
campus = "uni-example"
data_dir = "/var/lib/rewards-agent"
rules = "rules.toml"
[[source]]
name = "moodle"
kind = "moodle-logstore"
url = "sqlite:////tmp/moodle/moodle.db"
start_at = "beginning"
reconcile = "off"
"""
RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "v"\non = "course.viewed"\naward = 1\nonce_per = "event"\n'
STRANGE = "pip pip3 gcc cc ld make"
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3_600)]


class Container:
    """A root made of the image, and the directories that its volumes are."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.data, self.config, self.moodle = (home / name for name in ("data", "config", "moodle"))
        for place in (self.data, self.config, self.moodle):
            place.mkdir(mode=0o700)
        (root / "etc/rewards-agent").mkdir(exist_ok=True)  # where something is mounted a runtime makes a directory
        (self.config / "config.toml").write_text(CONFIG)
        (self.config / "rules.toml").write_text(RULES)
        log(SqliteSite(self.moodle / "moodle.db"), *range(1, 6))
        for path in (self.data, self.config, self.moodle, *self.config.iterdir(), *self.moodle.iterdir()):
            os.chown(path, USER, USER)

    def words(self, *command: str) -> Sequence[str]:
        """What runs a command in it, as `docker run --read-only --tmpfs /tmp --cap-drop ALL` would."""
        needed = [word for name in ("SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{name}")]
        return [
            "bwrap", "--ro-bind", str(self.root), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
            "--ro-bind", str(self.config), "/etc/rewards-agent", "--bind", str(self.data), "/var/lib/rewards-agent",
            "--bind", str(self.moodle), "/tmp/moodle", "--unshare-pid", "--unshare-ipc", "--unshare-net",
            "--die-with-parent", "--clearenv", "--setenv", "PATH", "/opt/rewards/bin:/usr/bin:/bin",
            "--cap-drop", "ALL", *needed, "--",
            "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
            "--no-new-privs", "env", "--chdir=/var/lib/rewards-agent", *command,
        ]  # fmt: skip

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in it, to its end."""
        return subprocess.run(self.words(*command), capture_output=True, text=True, check=False)

    @contextmanager
    def started(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command that runs in it, gone at the end."""
        with subprocess.Popen(self.words(*command)) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """Its name. `REWARDS_IMAGE` takes one that is built already."""
    for tool in ("buildah", "debootstrap", "bwrap"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on this machine")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    given = os.environ.get("REWARDS_IMAGE")
    if given:
        yield given
        return
    name = f"localhost/rewards-test-{os.getpid()}"
    subprocess.run(["sh", str(ROOT / "scripts/image.sh"), "--debootstrap", "--tag", name], check=True)
    yield name
    subprocess.run(["buildah", "rmi", "--force", name], check=False)


@pytest.fixture
def container(image: str, tmp_path: Path) -> Iterator[Container]:
    tmp_path.chmod(0o755)
    made = subprocess.run(["buildah", "from", image], capture_output=True, text=True, check=True).stdout.strip()
    root = subprocess.run(["buildah", "mount", made], capture_output=True, text=True, check=True).stdout.strip()
    yield Container(Path(root), tmp_path)
    subprocess.run(["buildah", "rm", made], check=True, stdout=subprocess.DEVNULL)


def test_the_image_pays_as_nobody_on_a_read_only_root_and_answers_its_health_check(container: Container) -> None:
    health = ("rewards-agent", "status", "--live", "--json")
    assert container.run(*health).returncode == 1, "nobody is there yet"
    with container.started("rewards-agent", "run") as agent:
        wait_until(lambda: agent.poll() is not None or container.run(*health).returncode == 0, READY_S)
        assert agent.poll() is None
        wait_until(lambda: json.loads(container.run("rewards-agent", "ledger", "list", "--json").stdout) != [])
    for place in ("/x", "/opt/rewards/x", "/etc/rewards-agent/x", "/usr/bin/x"):
        assert "Read-only file system" in container.run("touch", place).stderr
    status = container.run("cat", "/proc/self/status").stdout
    rights = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith(("Cap", "Uid", "NoNewPrivs")))
    assert {rights.pop(name) for name in list(rights) if name.startswith("Cap")} == {"0" * 16}
    assert rights == {"Uid": "\t".join([str(USER)] * 4), "NoNewPrivs": "1"}


def test_the_image_is_small_and_nobody_can_build_or_install_in_it(image: str, container: Container) -> None:
    listed = subprocess.run(["buildah", "images", "--json", image], capture_output=True, text=True, check=True).stdout
    number, unit = json.loads(listed)[0]["size"].split()
    assert unit == "MB"
    assert float(number) <= SIZE_MB_MAX
    assert container.run("sh", "-c", f"command -v {STRANGE}").stdout == ""
    assert container.run("python3", "-m", "pip", "--version").returncode != 0


def test_nothing_in_the_image_makes_its_user_another_and_its_user_is_a_number(image: str, container: Container) -> None:
    raised = subprocess.run(
        ["find", str(container.root), "-xdev", "-type", "f", "-perm", "/6000"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert raised.stdout == ""
    told = subprocess.run(["buildah", "inspect", image], capture_output=True, text=True, check=True).stdout
    config = json.loads(told)["Docker"]["config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
