"""The machine's disk: Debian 12 of debootstrap with MariaDB, this release and an earlier one, put by `install.sh`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
SMALLEST = "systemd-sysv,dbus,udev,python3,python3-venv,ca-certificates,qemu-guest-agent,procps"
MORE = ("linux-image-cloud-amd64", "mariadb-server")
SIZE = "6G"
SITE = "/var/www/moodle"
HERE, BEFORE = "/root/release", "/root/release-before"
"""Where the checkouts of this release and of the earlier one stand on the machine."""
NEEDED = {
    "debootstrap": "debootstrap",
    "mkfs.ext4": "e2fsprogs",
    "qemu-system-x86_64": "qemu-system-x86",
    "git": "git",
}
"""Program → the Debian package that has it."""
NOTHING_STARTS = "#!/bin/sh\nexit 101\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk that can be booted: its image, and the kernel and first file system that start it."""

    image: Path
    kernel: Path
    initrd: Path


def missing() -> list[str]:
    """Packages that have to be installed here first."""
    return [package for program, package in NEEDED.items() if shutil.which(program) is None]


def made(place: Path, before: str) -> Disk:
    """Make a disk below ``place`` with this checkout and, where it is named, the commit ``before``, which runs.

    What takes long and is the same for every release (Debian, the wheels) stays below ``place`` for the next time.
    """
    place.mkdir(parents=True, exist_ok=True)
    debian, wheels, root = place / "debian.tar", place / "wheels", place / "root"
    if not debian.exists():
        _debian(place / "debian", debian)
    if not wheels.exists():
        _wheels(wheels)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    _run("tar", "-xf", debian, "-C", root, "--numeric-owner")
    shutil.copytree(wheels, root / "root" / "wheels")
    _checkout("HEAD", root / HERE.lstrip("/"), working=True)
    if before:
        _checkout(before, root / BEFORE.lstrip("/"))
    _settings(root)
    with _entered(root):
        # Both are whole on the disk: on the machine itself, which is slow, the same command has only to move a link.
        for release in (HERE, BEFORE) if before else (HERE,):
            _chroot(root, "sh", f"{release}/scripts/install.sh", "--wheels", "/root/wheels")
    kernel, initrd = (_only(root / "boot", f"{name}-*") for name in ("vmlinuz", "initrd.img"))
    found = Disk(image=place / "disk.img", kernel=place / "vmlinuz", initrd=place / "initrd.img")
    shutil.copyfile(kernel, found.kernel)
    shutil.copyfile(initrd, found.initrd)
    found.image.unlink(missing_ok=True)
    _run("mkfs.ext4", "-q", "-d", root, found.image, SIZE)
    shutil.rmtree(root)
    return found


def _debian(root: Path, tar: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    mirror = os.environ.get("DEBIAN_MIRROR", MIRROR)
    _run("debootstrap", "--variant=minbase", f"--include={SMALLEST}", SUITE, root, mirror)
    with _entered(root):
        _chroot(root, "apt-get", "install", "-y", "--no-install-recommends", *MORE)
    half = tar.with_suffix(".half")
    _run("tar", "-cf", half, "-C", root, "--numeric-owner", "--exclude=./var/cache/apt/archives/*", ".")
    half.replace(tar)
    shutil.rmtree(root)


def _wheels(wheels: Path) -> None:
    """What both releases stand on, checked against the hashes of the lock, for the machine's Python."""
    half = wheels.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    python = ROOT / ".venv" / "bin" / "python"
    _run(
        python, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "download",
        "--python-version", "3.11", "--only-binary", ":all:", "--require-hashes",
        "--requirement", ROOT / "requirements.run.lock", "--dest", half,
    )  # fmt: skip
    half.replace(wheels)


def _checkout(commit: str, to: Path, *, working: bool = False) -> None:
    """The files of a commit, or those of it as they stand here now."""
    to.mkdir(parents=True)
    if working:
        listed = _run("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, to / name)
        return
    with subprocess.Popen(["git", "-C", str(ROOT), "archive", commit], stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x", "-C", str(to)], stdin=archive.stdout, check=True)
    if archive.returncode:
        told = f"git has no commit {commit}"
        raise RuntimeError(told)


def _settings(root: Path) -> None:
    (root / "etc/hostname").write_text("campus\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost campus\n")
    (root / "etc/fstab").write_text("/dev/vda / ext4 rw,errors=remount-ro 0 1\n")
    journal = root / "etc/systemd/journald.conf.d/kept.conf"
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.write_text("[Journal]\nStorage=persistent\n")
    # Two that take time from a machine that has little: who types is logged, and packages are looked for.
    quiet = root / "etc/systemd/system/qemu-guest-agent.service.d/quiet.conf"
    quiet.parent.mkdir(parents=True)
    quiet.write_text("[Service]\nLogLevelMax=warning\n")
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        (root / "etc/systemd/system" / timer).symlink_to("/dev/null")
    (root / SITE.lstrip("/")).mkdir(parents=True)
    (root / SITE.lstrip("/") / "config.php").write_text(
        "<?php\n$CFG = new stdClass();\n$CFG->dbtype = 'mariadb';\n$CFG->dbhost = '127.0.0.1';\n"
        "$CFG->dbname = 'moodle';\n$CFG->dbpass = 'secret';\n$CFG->prefix = 'mdl_';\n"
    )


@contextmanager
def _entered(root: Path) -> Iterator[None]:
    """Below ``root`` commands can be typed, and packages that are installed start nothing."""
    refusing = root / "usr/sbin/policy-rc.d"
    refusing.write_text(NOTHING_STARTS)
    refusing.chmod(0o755)
    _run("mount", "-t", "proc", "proc", root / "proc")
    try:
        yield
    finally:
        _run("umount", root / "proc")
        refusing.unlink()


def _chroot(root: Path, *words: str) -> None:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    _run("env", "-i", f"PATH={path}", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "chroot", root, *words)


def _only(directory: Path, pattern: str) -> Path:
    (found,) = directory.glob(pattern)
    return found


def _run(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        told = f"{' '.join(map(str, words))} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2_000:]}"
        raise RuntimeError(told)
    return done.stdout
