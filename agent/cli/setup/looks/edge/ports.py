"""Whether an agent that does not run could listen where it should."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.errors import ConfigError, RewardsError, TransientError

if TYPE_CHECKING:
    from agent.config.settings import Settings

_IPV6 = ":"


def port_findings(settings: Settings) -> Iterator[Finding]:
    """Each address that cannot be listened at; nothing is said where an agent is at work and does not answer."""
    http = settings.http
    if http is None or _at_work(settings.agent.data_dir):
        return
    for key, listen in (("listen", http.listen), ("status_listen", http.status_listen)):
        error = None if listen is None else _refused(key, listen)
        if error is not None:
            yield Finding.of("door", error, "port-taken")


def _at_work(data_dir: Path) -> bool:
    """Whether whoever took the data directory last is still a process of this machine."""
    from agent.ledger.file import LOCK_NAME

    try:
        os.kill(int((data_dir / LOCK_NAME).read_text(encoding="ascii")), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True


def _refused(key: str, listen: str) -> RewardsError | None:
    host, _, port = listen.rpartition(":")
    bare = host.strip("[]")
    family = socket.AF_INET6 if _IPV6 in bare else socket.AF_INET
    with contextlib.closing(socket.socket(family)) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((bare, int(port)))
        except OSError as exc:
            return _told(f"[http] {key} = {listen} cannot be listened at", port, exc)
    return None


def _told(what: str, port: str, exc: OSError) -> RewardsError:
    if exc.errno == errno.EADDRINUSE:
        hint = f"another program has the port (ss -ltnp 'sport = :{port}' says which): stop it, or choose another port"
        return TransientError(f"{what}: it is taken", hint=hint)
    if exc.errno == errno.EACCES:
        hint = "ports below 1024 are root's: take a higher one, and let a proxy lead to it"
        return ConfigError(f"{what}: this user may not", hint=hint)
    return ConfigError(
        f"{what}: {exc.strerror or exc}", hint="name an address of this machine (ip address), or 127.0.0.1"
    )
