"""How long a property is searched for a story that breaks it: longer in `make soak` than at each change."""

from __future__ import annotations

import os

EFFORT_PCT = int(os.environ.get("REWARDS_EFFORT_PCT", "35"))
SAME_EACH_TIME = "REWARDS_EFFORT_PCT" not in os.environ
"""A change is judged by the same stories each time; new ones are searched for where there is time for it."""
FEWEST = 10


def examples(usual: int) -> int:
    """How many stories to try where ``usual`` would do."""
    return max(min(usual, FEWEST), usual * EFFORT_PCT // 100)
