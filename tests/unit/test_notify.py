"""Telling the service manager how we are, whoever it is and however it is."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from machine.notify import SAID_MAX, beginning, notify, tell


def test_a_manager_that_does_not_read_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{manager.getsockname()[1:].decode()}")
        notify("READY=1")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while other.sendto(b"WATCHDOG=1", manager.getsockname()):
                    pass
        notify("STOPPING=1")
        assert manager.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "@rewards-nobody-listens-here")
    notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert notify("READY=1") is None  # type: ignore[func-returns-value]


def test_what_is_told_of_several_lines_is_one_and_orders_the_manager_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{manager.getsockname()[1:].decode()}")
        tell("two faults:\nMAINPID=1\n  " + "x" * SAID_MAX)
        (line,) = manager.recv(4_096).splitlines()
        assert line.startswith(b"STATUS=two faults: MAINPID=1 x")


async def test_a_start_that_takes_long_says_that_it_goes_on_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{manager.getsockname()[1:].decode()}")
        loop = asyncio.get_running_loop()
        async with beginning(every_s=0.01):
            # Each asks for four times as long as until the next is said.
            told = [await loop.sock_recv(manager, 100) for _ in range(3)]
        assert told == [b"EXTEND_TIMEOUT_USEC=40000"] * 3
        with contextlib.suppress(BlockingIOError):
            while True:
                manager.recv(100)
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
