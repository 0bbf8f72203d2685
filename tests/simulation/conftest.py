"""Where simulations lie: one place for all of them, in which what every run begins with is made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.__main__ import scratch


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """In memory where the machine has a file system there."""
    with scratch() as found:
        yield found
