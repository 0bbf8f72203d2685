"""Which reference pages there are, and what makes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from manual.api import api_page
from manual.cli import cli_page
from manual.configuration import catalogue_page, config_page, rules_page
from manual.doctor import doctor_page
from manual.log import log_page
from manual.metrics import metrics_page
from manual.personal import personal_page
from manual.queries import queries_page

PAGES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "api.md": api_page,
        "cli.md": cli_page,
        "catalogue-config.md": catalogue_page,
        "config.md": config_page,
        "log.md": log_page,
        "metrics.md": metrics_page,
        "rules.md": rules_page,
        "doctor.md": doctor_page,
        "personal-data.md": personal_page,
        "queries.md": queries_page,
    }
)
"""File name under docs/reference/ → what makes its text."""
