"""A backup put back: what was turned in it is found, and an end in the middle leaves what can be typed again."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.errors import ConfigError, IntegrityError
from agent.ledger import file
from agent.ledger.backup import taking
from agent.ledger.backup.restoring import restore
from agent.ledger.backup.taking import Manifest
from agent.privacy import copies
from tests.upgrades.test_every_schema import founded

NOW = 1_790_000_000
TURNS = 100
KILLED = """
import os, signal, sys
from pathlib import Path
from agent.ledger.backup.restoring import restore
last = int(sys.argv[1])
count = 0
def see(event, arguments):
    global count
    if event == "os.rename":
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(see)
restore(Path(sys.argv[2]), Path(sys.argv[3]), campus="demo", environment="production", now=1)
"""


@dataclass(frozen=True)
class Kept:
    """A ledger, and a copy of it with its inbox and key of texts."""

    data: Path
    copy: Path
    manifest: Manifest

    def put_back(self) -> Manifest:
        """Restore it over what is there."""
        campus, environment = self.manifest.campus, self.manifest.environment
        return restore(self.data, self.copy, campus=campus, environment=environment, now=NOW).manifest


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    path = founded(tmp_path, f"{file.SCHEMA:02}")
    (path.parent / "text.key").write_bytes(b"k" * 32)
    copy, manifest = taking.take(path.parent, tmp_path / "copies", keep=5, now=NOW)
    return Kept(path.parent, copy, manifest)


def test_a_bit_that_turned_anywhere_in_a_backup_is_found_or_changes_no_more_than_its_date(kept: Kept) -> None:
    chance = random.Random(7)
    before = kept.data.joinpath(file.FILE_NAME).read_bytes()
    for path in sorted(kept.copy.iterdir()):
        whole = path.read_bytes()
        for _ in range(TURNS):
            turned = bytearray(whole)
            turned[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
            path.write_bytes(turned)
            try:
                read = taking.read_manifest(kept.copy)
                taking.require_whole(kept.copy, read)
                taking.require_head(kept.copy, read)
            except IntegrityError:
                continue
            assert (read.schema, read.entries, read.head) == (
                kept.manifest.schema, kept.manifest.entries, kept.manifest.head,
            )  # fmt: skip
            if (read.campus, read.environment) != (kept.manifest.campus, kept.manifest.environment):
                with pytest.raises(ConfigError):
                    kept.put_back()
        path.write_bytes(whole)
    assert kept.data.joinpath(file.FILE_NAME).read_bytes() == before


@pytest.mark.parametrize("harm", [{"entries": 999}, {"schema": 3}, {"files": {}}])
def test_a_backup_that_says_of_its_ledger_what_is_not_so_is_refused(kept: Kept, harm: dict[str, object]) -> None:
    """How many entries it has decides whether the catalogue has more, and one of an older schema is not looked into."""
    path = kept.copy / taking.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | harm))
    with pytest.raises(IntegrityError):
        kept.put_back()


def test_restoring_that_is_killed_at_any_step_leaves_no_half_of_it_to_start_with_and_is_typed_again(
    kept: Kept, tmp_path: Path
) -> None:
    """Killed before the last file was there, an agent could start with a ledger and without the key of its texts."""
    step, ended = 1, -signal.SIGKILL
    while ended == -signal.SIGKILL:
        at = tmp_path / str(step)
        shutil.copytree(kept.data, at)
        words = [sys.executable, "-c", KILLED, str(step), str(at), str(kept.copy)]
        ended = subprocess.run(words, check=False).returncode
        if (at / file.FILE_NAME).exists():
            assert (at / "text.key").exists(), f"killed at step {step}"
        again = Kept(at, kept.copy, kept.manifest)
        assert again.put_back().entries == kept.manifest.entries
        assert {file.FILE_NAME, "text.key"} <= {path.name for path in at.iterdir()}
        assert not (at / ".restoring").exists()
        step += 1
    assert ended == 0
    assert step > len(kept.manifest.files) * 2, "each was set aside, and each put in its place"


def test_two_campuses_that_copy_into_one_directory_keep_each_their_own(kept: Kept, tmp_path: Path) -> None:
    """The rotation of one took the other's away, and an erasure at one rewrote the other's."""
    path = kept.copy / taking.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"campus": "other"}))
    made = [taking.take(kept.data, kept.copy.parent, keep=1, now=NOW + night)[0] for night in (1, 2)]
    assert {copy.name for copy in taking.copies(kept.copy.parent)} == {kept.copy.name, made[-1].name}
    assert copies.all_of(kept.data) == [made[-1]]
