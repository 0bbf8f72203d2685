"""`python -m soak.booted`: a Debian boots in an emulator, and the units live through what machines live through."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from soak.booted import disk
from soak.booted.guest import Guest, Typed, accelerated
from soak.booted.scenes import SCENES, Scene, upgraded
from soak.booted.site import Campus

PLACE = Path("/var/tmp/rewards-booted")  # noqa: S108 - for the next time; root's alone
EARLIER = "HEAD~60"
SLOWER = 4.0


def main(words: Sequence[str]) -> int:
    """0 where everything held, 1 where something did not, 2 where this machine lacks something."""
    asked = _parser().parse_args(words)
    if lacks := lacking(os.geteuid(), disk.missing()):
        print(lacks, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the emulator goes too
    asked.place.mkdir(mode=0o700, parents=True, exist_ok=True)
    began = time.monotonic()
    made = disk.made(asked.place, asked.before if _plays(upgraded, asked.only) else "")
    kind = "lends its processor" if accelerated() else "emulates one"
    print(f"The disk is made after {time.monotonic() - began:.0f} s; this machine {kind}.\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="rewards-booted-") as name:
        guest = Guest(made, Path(name), slower=1.0 if accelerated() else SLOWER)
        try:
            guest.on()
            return _played(Campus(guest), asked.only)
        finally:
            guest.off()
            (asked.place / "console.log").write_bytes(guest.console.read_bytes())


def lacking(user: int, packages: Sequence[str]) -> str:
    """What has to be done here first, in words; empty where nothing has."""
    if user:
        return "this makes a machine's disk, with accounts and programs of its own: run it as root"
    return f"install first: apt-get install -y {' '.join(packages)}" if packages else ""


def _played(campus: Campus, only: Sequence[str]) -> int:
    """The table of docs/ops/soak.md, line by line as it comes."""
    print("| done | seen |\n|---|---|", flush=True)
    for scene in SCENES:
        if scene is not SCENES[0] and not _plays(scene, only):
            continue
        try:
            for done, seen in scene(campus):
                print(f"| {done} | {seen} |", flush=True)
        except Typed as fault:
            print(f"\ndoes not hold: {scene.__name__}: {fault}", flush=True)
            return 1
    print("\nall of it holds")
    return 0


def _plays(scene: Scene, only: Sequence[str]) -> bool:
    return not only or scene.__name__ in only


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m soak.booted", description=__doc__, epilog="docs/ops/soak.md")
    parser.add_argument("--place", type=Path, default=PLACE, help=f"where the disk is made (default {PLACE})")
    parser.add_argument("--before", default=EARLIER, help=f"the commit that is upgraded from (default {EARLIER})")
    names = ", ".join(scene.__name__ for scene in SCENES)
    parser.add_argument("--only", nargs="*", default=(), help=f"scenes, of: {names} after the first (default all)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
