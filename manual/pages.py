"""Which reference pages there are, and what makes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from manual.doctor import doctor_page

PAGES: Mapping[str, Callable[[], str]] = MappingProxyType({"doctor.md": doctor_page})
"""File name under docs/reference/ → what makes its text."""
