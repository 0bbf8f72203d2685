"""What one unit appends: the recorder of pages, the movements it turns into entries, persons, and short numbers."""

from agent.ledger.record.behind import Behind
from agent.ledger.record.movements import BADGE_PREFIX, LOWERED, Movement
from agent.ledger.record.recorder import Recorder

__all__ = ["BADGE_PREFIX", "LOWERED", "Behind", "Movement", "Recorder"]
