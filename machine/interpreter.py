"""What the interpreter is set to while a program works: how soon threads take turns, how often cycles are sought."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

TURN_S = 0.000_5
"""How long a database's thread waits for its turn while a page is computed; the interpreter's default is ten times
this."""

YOUNG_MAX = 50_000
"""Objects made before cycles are sought among them. A page makes some 30,000, which end with it without being sought;
at the interpreter's default of 700 a quarter of the engine's time went into looking through them."""


@contextlib.contextmanager
def at_work() -> Iterator[None]:
    """For the length of a ``with``; what is there at its beginning (modules, rules) is never looked through again."""
    turn, thresholds, frozen = sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()
    sys.setswitchinterval(TURN_S)
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        if not frozen:  # it thaws everything, also what somebody else froze
            gc.unfreeze()
        sys.setswitchinterval(turn)
