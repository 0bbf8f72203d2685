"""Every test has a room of its own; what one leaves on the machine outside of it is found when it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
_SYSTEM = ("etc", "etc/systemd/system", "opt", "run", "usr/local/bin", "var/backups", "var/lib", "var/log")
_KEPT = (
    "agent.ed25519",
    "catalogue.db",
    "catalogue.toml",
    "config.toml",
    "inbox.db",
    "ledger.db",
    "rules.toml",
    "text.key",
)
"""What lives as long as an installation: one that works on this machine beside the tests has all of it already."""
_OF_A_USER = ("", ".config", ".local/share", ".local/state", ".cache")


def outside(root: Path, home: Path, checkout: Path = CHECKOUT) -> frozenset[str]:
    """What is there that a program of ours may have left: below ``root`` and ``home`` by name, in ``checkout`` all."""
    return frozenset((*_installed(root), *_of_user(home), *_visible(home), *_visible(checkout)))


def _installed(root: Path) -> Iterator[str]:
    for place in _SYSTEM:
        for name in _names(root / place):
            if name.startswith("rewards-"):
                yield str(root / place / name)
                yield from (str(root / place / name / kept) for kept in _names(root / place / name) if kept in _KEPT)


def _of_user(home: Path) -> Iterator[str]:
    for place in _OF_A_USER:
        yield from (str(home / place / name) for name in _names(home / place) if "rewards" in name)


def _visible(directory: Path) -> Iterator[str]:
    """Names without a dot before them: tools keep their caches under those."""
    return (str(directory / name) for name in _names(directory) if not name.startswith("."))


def _names(directory: Path) -> list[str]:
    try:
        with os.scandir(directory) as found:
            return [entry.name for entry in found]
    except OSError:
        return []
