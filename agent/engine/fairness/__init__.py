"""Fair play: named checks over what learners did, as sets in the ledger, judged in the fold."""

from __future__ import annotations

from agent.engine.fairness.guards import CompiledCheck, Fair, Guard, asked, guards
from agent.engine.fairness.patterns import compiled

__all__ = ["CompiledCheck", "Fair", "Guard", "asked", "compiled", "guards"]
