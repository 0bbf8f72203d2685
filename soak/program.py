"""`python -m soak.program CLOCK MODULE WORD …`: a command, unchanged, on a machine whose wall clock is the campus's."""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

from soak.clock import CampusClock


def main() -> None:
    """Be the command."""
    _, clock, module, *words = sys.argv
    time.time = CampusClock(Path(clock)).now
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
