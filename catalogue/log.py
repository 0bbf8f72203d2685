"""What the catalogue may log, by name: a closed list, on which alerts are built. Campuses and agents, no persons."""

from __future__ import annotations

import logging
from typing import Literal, TextIO, get_args

from machine import log

EventName = Literal[
    "agent_began_epoch",
    "agent_enrolled",
    "budget_alert",
    "catalogue_started",
    "catalogue_stopped",
    "clock_jumped",
    "database_away",
    "database_back",
    "database_failed",
    "erasure_waits",
    "job_failed",
    "key_rotated",
    "library",
    "link_keys_differ",
    "lots_expired",
    "months_made",
    "names_withdrawn",
    "operator_needed",
    "request_failed",
    "request_refused",
    "settings_adopted",
    "settings_refused",
    "settings_wait",
    "voucher_too_late",
    "vouchers_unreadable",
]
"""Every event the catalogue may log. `library` is what the code of others says."""

EVENTS: frozenset[str] = frozenset(get_args(EventName))

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
"""From which level on something is written: `log_level` in the settings."""


def start(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Begin logging for this process, or go on at another level; standard output is for what commands print."""
    log.start(level=LEVELS[level], stream=stream)
