"""What is told about one site that answers by web services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.config.secrets import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServiceOptions:
    """One configured site; ``site`` is the name that its ids belong to.

    ``token`` reads the token anew for each request, so that it can be changed while the agent runs. ``url`` is the
    site's address without a slash at its end, ``place`` where all this is configured. ``names`` is whether it is asked
    what learners are called.
    """

    name: str
    site: str
    url: str
    token: Callable[[], Secret]
    requests_per_s: float = 5.0
    timeout_s: float = 30.0
    cache_s: float = 300.0
    start_at: Literal["now", "beginning"] | int = "now"
    gap_patience_s: int = 1_800
    site_admins: frozenset[int] = frozenset()
    staff_roles: frozenset[str] = frozenset()
    agreed_cohorts: tuple[str, ...] = ()
    names: bool = False
    ca_file: Path | None = None
    place: str = ""
