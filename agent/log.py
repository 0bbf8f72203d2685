"""Structured logs on standard error: JSON for a journal, readable lines on a terminal. No persons."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

EVENTS = frozenset(
    {
        "agent_started",
        "agent_stopped",
        "batch_refused",
        "catalogue_stands_elsewhere",
        "delivery_recovered",
        "delivery_stopped",
        "delivery_trouble",
        "entry_rejected",
        "gap_filled",
        "gap_given_up",
        "grant_missing",
        "rules_adopted",
        "rules_refused",
        "rules_warning",
        "server_changed",
        "source_fault",
        "source_recovered",
        "source_rewound",
        "source_stopped",
        "source_trouble",
    }
)
"""Every event the agent may log; a name that is not here is a mistake that tests find."""

_SECRET_WORDS = ("password", "secret", "token", "authorization", "private")


def without_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every key that is named like a secret."""
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = "…"
    return event


def start(*, verbose: bool = False) -> None:
    """Begin logging for this process; called by commands, never at import."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_secrets,
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
