"""Structured logs on standard error: JSON for a journal, readable lines on a terminal. No persons, no secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO, get_args

import structlog
from structlog.typing import Processor

EventName = Literal[
    "acts_forgotten",
    "agent_started",
    "agent_stopped",
    "answer_refused",
    "answer_set_aside",
    "batch_refused",
    "callback_recovered",
    "callback_trouble",
    "catalogue_key_changed",
    "catalogue_notice",
    "catalogue_stands_elsewhere",
    "choice_not_told",
    "clock_jumped",
    "clocks_differ",
    "delivery_recovered",
    "delivery_stopped",
    "delivery_trouble",
    "entry_rejected",
    "event_set_aside",
    "expiry_near",
    "expiry_trouble",
    "forgetting_trouble",
    "gap_filled",
    "gap_given_up",
    "grant_missing",
    "issuing_held",
    "kept_too_short",
    "learner_erased",
    "learner_readmitted",
    "library",
    "link_keys_differ",
    "look_ups_go_on",
    "look_ups_wait",
    "lots_expired",
    "not_active_yet",
    "part_failed",
    "people_recovered",
    "people_trouble",
    "persons_not_kept",
    "post_failed",
    "request_failed",
    "review_overdue",
    "rules_adopted",
    "rules_refused",
    "rules_warning",
    "schedule_trouble",
    "scheduled_failed",
    "scheduled_run",
    "scheduled_waits",
    "server_changed",
    "source_failed",
    "source_fault",
    "source_quiet",
    "source_recovered",
    "source_rewound",
    "source_stopped",
    "source_trouble",
    "statement_recovered",
    "statement_set_back",
    "statement_trouble",
    "web_service_refused",
    "wishes_trouble",
]
"""Every event the agent may log; alerts are built on these. `library` is what the code of others says."""

EVENTS: frozenset[str] = frozenset(get_args(EventName))

_SECRET_KEY = re.compile(
    r"(?:^|_)(?:passwords?|passwd|secrets?|tokens?|authorization|cookies?|credentials?|bearer|private"
    r"|(?:api|signing)_?key)(?:_|$)",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)")


def without_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Refuse the value of every key that is named like a secret, and the password in whatever looks like a URL."""
    for key, value in event.items():
        if _SECRET_KEY.search(key):
            event[key] = "…"
        elif isinstance(value, str) and "://" in value:
            event[key] = _PASSWORD_IN_URL.sub(r"\1:…", value)
    return event


def start(*, verbose: bool = False, stream: TextIO | None = None) -> None:
    """Begin logging for this process, to ``stream`` or stderr; called by commands, never at import.

    What libraries say through the standard library comes out the same way, from warnings on.
    """
    out = stream or sys.stderr
    terminal = out.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_secrets,
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _take_in_libraries(out, shared, last)


def _take_in_libraries(out: TextIO, shared: list[Processor], last: list[Processor]) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_as_library, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _as_library(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record: logging.LogRecord = event["_record"]
    return {**event, "event": "library", "library": record.name, "message": event["event"]}
