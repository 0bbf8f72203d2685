"""What the agent may log, by name: a closed list, on which alerts are built. No persons, no secrets."""

from __future__ import annotations

import logging
from typing import Literal, TextIO, get_args

from machine import log

EventName = Literal[
    "acts_forgotten",
    "agent_started",
    "agent_stopped",
    "answer_refused",
    "answer_set_aside",
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
    "issuing_held",
    "kept_too_short",
    "learner_erased",
    "learner_readmitted",
    "library",
    "link_keys_differ",
    "log_rows_lost",
    "look_ups_go_on",
    "look_ups_wait",
    "lots_expired",
    "names_recovered",
    "names_trouble",
    "names_unknown",
    "not_active_yet",
    "part_failed",
    "part_trouble",
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


def start(*, verbose: bool = False, stream: TextIO | None = None) -> None:
    """Begin logging for this process, to ``stream`` or stderr; called by commands, never at import."""
    log.start(level=logging.DEBUG if verbose else logging.INFO, stream=stream)
