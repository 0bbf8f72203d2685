"""How long a property is searched for a story that breaks it: longer in `make soak` than at each change."""

from __future__ import annotations

import os

EFFORT_PCT = int(os.environ.get("REWARDS_EFFORT_PCT", "35"))
FEWEST = 10


def examples(usual: int) -> int:
    """How many stories to try where ``usual`` would do."""
    return max(min(usual, FEWEST), usual * EFFORT_PCT // 100)
