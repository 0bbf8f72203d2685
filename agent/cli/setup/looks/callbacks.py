"""The receivers of callbacks: whether their secrets can be read, and whether they take what they are told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding, duration
from agent.errors import RewardsError
from machine.words import counted

if TYPE_CHECKING:
    from agent.config.settings import Settings

ABOUT = "callbacks"


def callback_findings(settings: Settings) -> Iterator[Finding]:
    """One finding for each `[[callback]]`; nothing is sent."""
    from agent.ledger import file
    from agent.ledger.stream import items, positions
    from agent.outbox.callbacks.post import Post
    from agent.wiring.callbacks import callback_address

    for callback in settings.callbacks:
        try:
            Post(callback_address(settings, callback))
            with file.reading(settings.agent.data_dir) as connection:
                stands, newest = positions.read(connection, callback.name), items.newest(connection)
        except RewardsError as exc:
            yield Finding.of(ABOUT, exc, "callback-unusable")
            continue
        if stands is None:
            yield Finding(about=ABOUT, level="ok", found=f"{callback.name} is told from the next start on")
        elif stands.last_error:
            waiting = newest.seq - stands.at.seq
            left = counted(waiting, "entry waits", "entries wait")
            found = f"{callback.name} does not take what it is told: {stands.last_error}; {left}"
            do = f"nothing is lost; see the receiver's own log, then: rewards-agent callback test {callback.name}"
            yield Finding(about=ABOUT, level="warn", code="callback-failing", found=found, do=do)
        else:
            ago = "none yet" if stands.last_ok_at is None else f"{duration(time.time() - stands.last_ok_at)} ago"
            yield Finding(about=ABOUT, level="ok", found=f"{callback.name} took its last message: {ago}")
