"""What an installation holds is told whole: the bill of materials has what the lock pins, the image what it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from tests.test_tidy import ROOT

LOCK = "requirements.run.lock"


def pins(name: str) -> dict[str, str]:
    """Package to version, of a lock file; every one has a hash."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(
        r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+?)(?: ;[^\\\n]*)? \\\n    --hash=sha256:", text, re.MULTILINE
    )
    return dict(found)


def recipe(door: str, *words: str) -> list[str]:
    """The commands that a door of the Makefile would run, each on a line; nothing is run."""
    command = ["make", "--no-print-directory", "--dry-run", door, *words]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [" ".join(line.split()) for line in told.replace("\\\n", " ").splitlines()]


def test_the_doors_of_the_supply_chain_read_what_an_installation_downloads_and_use_pinned_tools() -> None:
    (told,) = [line for line in recipe("sbom") if "cyclonedx-py " in line]
    assert told.endswith(f" --output-file dist/sbom.cdx.json {LOCK}")
    (asked,) = [line for line in recipe("audit") if "pip-audit " in line]
    assert f"--require-hashes --requirement {LOCK} ||" in asked, "no package goes unasked, and none is resolved anew"
    assert " --strict " in asked, "what nobody could be asked about is no all-clear"
    assert {"cyclonedx-bom", "pip-audit"} <= pins("requirements.audit.lock").keys()
    assert pins(LOCK).items() <= pins("requirements.lock").items()


def test_the_image_is_built_from_files_that_are_there_and_that_its_context_lets_in() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    for name in re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE):
        assert name == "." or (name in let_in and (ROOT / name).exists())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel.get("force-include", {}), "pyproject.toml", project["project"]["readme"]}
    assert {name.partition("/")[0] for name in needed} <= let_in
    assert all((ROOT / name).exists() for name in let_in)
    (entry,) = re.findall(r'^ENTRYPOINT \["(\S+)"\]$', dockerfile, re.MULTILINE)
    assert entry in project["project"]["scripts"]
    label = 'org.opencontainers.image.{}="{}"'
    for name, of in (("title", "name"), ("version", "version"), ("licenses", "license")):
        assert label.format(name, project["project"][of]) in dockerfile


def tool(directory: Path) -> Path:
    """Where the tools of the supply chain are: beside this Python, else installed from their lock."""
    beside = Path(sys.executable).parent
    if (beside / "cyclonedx-py").exists():
        return beside
    venv.create(directory, with_pip=True)
    install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", "requirements.audit.lock"]
    subprocess.run([directory / "bin" / "python", *install], cwd=ROOT, check=True)
    return directory / "bin"


@pytest.mark.soak
def test_the_bill_of_materials_names_every_package_that_the_lock_pins_and_no_other(tmp_path: Path) -> None:
    bin_, made = tool(tmp_path / "tools"), tmp_path / "sbom.json"
    (line,) = [line for line in recipe("sbom") if "cyclonedx-py " in line]
    words = [str(made) if word == "dist/sbom.cdx.json" else word for word in line.split()[1:]]
    subprocess.run([bin_ / "cyclonedx-py", *words], cwd=ROOT, check=True, capture_output=True)
    told = json.loads(made.read_bytes())
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    assert told["metadata"]["component"]["name"] == "rewards-sidecar"
    assert {part["name"].lower(): part["version"] for part in told["components"]} == pins(LOCK)
