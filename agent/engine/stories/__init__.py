"""Rules that test themselves: `[[rule.example]]`, checked at loading, and `[[case]]`, run by `rules test`. Pure."""

from __future__ import annotations

from agent.engine.stories.cases import CaseResult, run_cases
from agent.engine.stories.examples import untrue_examples
from agent.engine.stories.told import event_of

__all__ = ["CaseResult", "event_of", "run_cases", "untrue_examples"]
