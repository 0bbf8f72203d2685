"""rules.toml: its models, what is checked across it, and how one or several files become one `RuleFile`."""

from __future__ import annotations

from agent.config.rulefile.loading import load_rules, load_rules_text
from agent.config.rulefile.merged import Placed, RuleFile
from agent.config.rulefile.models import Cap, Case, Conditions, Currency, Deny, Example, Level, Period, Rule

__all__ = [
    "Cap",
    "Case",
    "Conditions",
    "Currency",
    "Deny",
    "Example",
    "Level",
    "Period",
    "Placed",
    "Rule",
    "RuleFile",
    "load_rules",
    "load_rules_text",
]
