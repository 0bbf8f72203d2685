"""What a test leaves outside of its room is seen, and what others do on the machine meanwhile is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rooms import outside


def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A machine's root, a home and a checkout, with an agent installed."""
    root, home, checkout = (tmp_path / name for name in ("root", "home", "checkout"))
    for made in (root / "var/lib/rewards-agent", root / "etc/rewards-agent", home / ".config", checkout):
        made.mkdir(parents=True)
    (root / "var/lib/rewards-agent/ledger.db").touch()
    return root, home, checkout


@pytest.mark.parametrize(
    "left",
    [
        "root/var/lib/rewards-agent/text.key",
        "root/var/lib/rewards-agents",
        "root/etc/rewards-agent/config.toml",
        "root/etc/rewards-catalogue",
        "root/run/rewards-agent",
        "home/demo-data",
        "home/.config/rewards",
        "checkout/ledger.db",
    ],
)
def test_what_is_left_outside_is_seen_and_named(tmp_path: Path, left: str) -> None:
    at = places(tmp_path)
    before = outside(*at)
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).touch()
    assert str(tmp_path / left) in outside(*at) - before


@pytest.mark.parametrize(
    "theirs",
    [
        "root/var/lib/rewards-agent/ledger.db-wal",
        "root/var/lib/rewards-agent/backup-1",
        "root/var/lib/mysql",
        "home/.cache",
        "checkout/.pytest_cache",
    ],
)
def test_what_an_installed_agent_and_tools_do_meanwhile_is_not_ours(tmp_path: Path, theirs: str) -> None:
    at = places(tmp_path)
    before = outside(*at)
    (tmp_path / theirs).mkdir()
    assert outside(*at) == before
