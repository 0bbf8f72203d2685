"""A service manager that hears at once what it is told, as systemd does.

A socket that nobody reads holds ten messages, and what is told beyond that is lost: of a server that says every half a
second that it lives, a test that is held up for a while would miss the one sentence that it waits for.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading

HEARD_S = 60


class Manager:
    """It listens at ``address``, the value of NOTIFY_SOCKET, until it is closed."""

    def __init__(self) -> None:
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("")  # a name of its own
        self.address = f"@{self._socket.getsockname()[1:].decode()}"
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def heard(self, word: str) -> str:
        """The next notification with this word in it; an error where none comes."""
        while word not in (said := self._told.get(timeout=HEARD_S)):
            pass
        return said

    def hush(self) -> list[str]:
        """What was notified and nobody has asked for yet."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._told.get_nowait())
        return found

    def close(self) -> None:
        """Listen no more."""
        self._socket.shutdown(socket.SHUT_RD)
        self._listening.join()
        self._socket.close()

    def _listen(self) -> None:
        while said := self._socket.recv(4_096):
            self._told.put(said.decode())
