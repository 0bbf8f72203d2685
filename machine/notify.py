"""Telling systemd that we are ready, reloading, stopping, or alive. Does nothing where nobody listens."""

from __future__ import annotations

import os
import socket

SEND_S = 0.1
"""How long a manager that does not read may keep us, in seconds; then it is not told."""
SAID_MAX = 500
"""Characters of a sentence for `systemctl status`."""


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


def watchdog_interval_s() -> float | None:
    """Half of what systemd waits before it thinks we hang, or None where it does not watch."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2_000_000 if microseconds.isdigit() else None
