"""Structured logs on standard error: JSON for a journal, readable lines on a terminal. No secrets.

Which events a program may log is a list of its own, beside it: `agent.log`, `catalogue.log`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

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


def start(*, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Begin logging for this process, to ``stream`` or stderr; called by commands, never at import.

    What libraries say through the standard library comes out the same way, from warnings on. May be called again, for
    another ``level``.
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
        wrapper_class=structlog.make_filtering_bound_logger(level),
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
