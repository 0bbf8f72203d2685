"""The scenario on a machine that boots: what it needs is told before anything is made."""

from __future__ import annotations

import pytest

from soak.booted.__main__ import lacking
from soak.booted.disk import NEEDED, missing


def test_what_a_machine_that_boots_needs_here_is_told_as_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert missing() == list(NEEDED.values())
    assert lacking(0, missing()) == "install first: apt-get install -y debootstrap e2fsprogs qemu-system-x86 git"
    assert "as root" in lacking(1_000, missing())
    assert not lacking(0, [])
