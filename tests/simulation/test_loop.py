"""What a simulated machine does follows from the seed alone, not from where things lie in the real one's memory."""

from __future__ import annotations

import weakref
from pathlib import Path
from random import Random

from sim.loop import VirtualLoop
from sim.network import Network
from sim.trace import Trace


class Thread:
    """Stands for one."""


def test_no_thread_comes_to_stand_in_the_place_of_one_that_is_gone_and_waits_for_its_answers() -> None:
    loop = VirtualLoop(Random("1"), Network(Random("1"), Trace(Path())))
    thread = Thread()
    place = weakref.ref(thread)
    loop.run_in_executor(thread, dict)
    del thread
    assert place() is not None, "its place in memory could be another's now"
    loop.close()
