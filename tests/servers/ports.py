"""TCP ports that a test may name in a file or a command before anybody listens there.

A port that the system gives and that is closed again is given to somebody else before long: to another test beside this
one, or to a connection. So ours lie where the system takes none from, and each process of tests has a block of its own.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import socket
from collections.abc import Iterator
from pathlib import Path

BLOCK = 100
LOWEST, HIGHEST = 20_000, 65_000
_OF_THE_SYSTEM = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that nobody but this process is given for a while."""
    return next(port for port in _ours() if _is_free(port))


@functools.cache
def _ours() -> Iterator[int]:
    """The ports of this process's block, again and again; a name in no folder stands for it while the process lives."""
    for block in _blocks():
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0rewards-ports-{block.start}")
        except OSError:
            claim.close()
        else:
            claim.detach()  # open until the process ends
            return itertools.cycle(block)
    raise OSError("every block of ports is taken: are hundreds of tests at work on this machine?")


def _blocks() -> list[range]:
    """Those of which the system gives no port by itself; all of them where there is none."""
    low, high = (int(word) for word in _OF_THE_SYSTEM.read_text(encoding="ascii").split())
    every = [range(first, first + BLOCK) for first in range(LOWEST, HIGHEST, BLOCK)]
    return [block for block in every if block.stop <= low or block.start > high] or every


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False
