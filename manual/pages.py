"""Which reference pages there are, and what makes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from manual.doctor import doctor_page
from manual.personal import personal_page
from manual.queries import queries_page

PAGES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {"doctor.md": doctor_page, "personal-data.md": personal_page, "queries.md": queries_page}
)
"""File name under docs/reference/ → what makes its text."""
