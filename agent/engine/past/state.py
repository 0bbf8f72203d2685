"""What a page of decisions looks at and leaves changed: the past as the ledger has it, and the page's own decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.engine.past.undo import Acts
from agent.engine.quota import Uses
from agent.engine.recognition.record import Record
from agent.model import HoldKey, Use


class State:
    """What a page knows of the past, and of itself: uses of quotas, open holds, what could be undone, who has what."""

    __slots__ = ("acts", "holds", "record", "uses")

    def __init__(self, uses: Uses, holds: dict[HoldKey, tuple[int, ...]], acts: Acts, record: Record) -> None:
        self.uses = uses
        self.holds = holds
        self.acts = acts
        self.record = record

    @classmethod
    def load(
        cls,
        uses: Iterable[Use],
        holds: Mapping[HoldKey, tuple[int, ...]],
        acts: Acts | None = None,
        record: Record | None = None,
    ) -> State:
        """From what the ledger found for a `StateRequest`."""
        return cls(Uses(uses), dict(holds), acts or Acts(), record or Record())
