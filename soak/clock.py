"""The campus's wall clock: it runs faster than ours, and each machine's can be wrong."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

from sim.moodle import BEGAN

_LAYOUT = struct.Struct("ddd")


class CampusClock:
    """One machine's clock, in a file that its processes share: when it began, how fast it runs, how wrong it is."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _LAYOUT.size)

    @classmethod
    def begin(cls, path: Path, rate: float) -> CampusClock:
        """A right clock that runs ``rate`` campus seconds a second from now on."""
        path.write_bytes(_LAYOUT.pack(time.monotonic(), rate, 0.0))
        return cls(path)

    def now(self) -> float:
        """Seconds since 1970, UTC, as this machine believes."""
        began, rate, wrong_s = _LAYOUT.unpack(self._shared)
        return float(BEGAN + (time.monotonic() - began) * rate + wrong_s)

    def jump(self, wrong_s: float) -> None:
        """Be so many seconds ahead (or behind) from now on; 0 is right."""
        self._shared[16:24] = struct.pack("d", wrong_s)
