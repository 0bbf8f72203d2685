"""rules.toml: its models, what is checked across it, and how one or several files become one `RuleFile`."""

from __future__ import annotations

from agent.config.rulefile.loading import load_rules, load_rules_text
from agent.config.rulefile.merged import Placed, RuleFile
from agent.config.rulefile.models import Cap, Deny, Rule
from agent.config.rulefile.tables.calendar import Period
from agent.config.rulefile.tables.challenge import Challenge
from agent.config.rulefile.tables.condition import Conditions
from agent.config.rulefile.tables.currency import Currency, Level
from agent.config.rulefile.tables.scheduled import Scheduled
from agent.config.rulefile.tables.story import Case, Example

__all__ = [
    "Cap",
    "Case",
    "Challenge",
    "Conditions",
    "Currency",
    "Deny",
    "Example",
    "Level",
    "Period",
    "Placed",
    "Rule",
    "RuleFile",
    "Scheduled",
    "load_rules",
    "load_rules_text",
]
