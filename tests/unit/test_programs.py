"""How tests start, await and kill the programs."""

from __future__ import annotations

import signal
import threading

from tests import programs

SLEEPING = ["-n", "1", "-r", "1", "import time; time.sleep(60)"]


def waits(running: programs.Running, heard: list[int]) -> None:
    heard.append(running.wait(30))


def test_whoever_waits_hears_the_end_that_another_saw() -> None:
    for _ in range(20):
        running = programs.start("timeit", SLEEPING)
        heard: list[int] = []
        waiting = [threading.Thread(target=waits, args=(running, heard)) for _ in range(3)]
        for one in waiting:
            one.start()
        running.kill()
        while running.poll() is None:
            pass
        for one in waiting:
            one.join()
        assert heard == [-signal.SIGKILL] * 3
        assert running.wait() == -signal.SIGKILL
