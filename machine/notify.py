"""Telling systemd that we are ready, reloading, stopping, or alive. Does nothing where nobody listens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

SEND_S = 0.1
"""How long a manager that does not read may keep us, in seconds; then it is not told."""
SAID_MAX = 500
"""Characters of a sentence for `systemctl status`."""
BEGINNING_S = 15.0
"""How often a start that takes long is said to go on."""


def notify(state: str) -> None:
    """Send ``state`` (``READY=1``, ``STOPPING=1``, ``WATCHDOG=1`` …) to the service manager that started us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.settimeout(SEND_S)
        try:
            sender.connect(address)
            sender.sendall(state.encode())
        except OSError:
            return  # the manager is gone, or hangs: whoever waits for us must not


def tell(said: str) -> None:
    """Let `systemctl status` show a sentence; several lines become one, for systemd takes each line as an order."""
    notify(f"STATUS={' '.join(said.split())[:SAID_MAX]}")


@contextlib.asynccontextmanager
async def beginning(every_s: float = BEGINNING_S) -> AsyncIterator[None]:
    """While the block runs the manager waits for us, as long as our loop turns: a ledger may take minutes to upgrade.

    Without it systemd ends a start after `TimeoutStartSec=`, and the next one would begin the same anew, for ever.
    """
    task = asyncio.create_task(_go_on(every_s))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _go_on(every_s: float) -> None:
    while True:
        notify(f"EXTEND_TIMEOUT_USEC={round(4 * every_s * 1_000_000)}")
        await asyncio.sleep(every_s)


def watchdog_interval_s() -> float | None:
    """Half of what systemd waits before it thinks we hang, or None where it does not watch."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2_000_000 if microseconds.isdigit() else None
