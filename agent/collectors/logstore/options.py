"""What the log-table collector is told, and its limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agent.errors import ConfigError
from agent.model import Anchor

StartAt = Literal["now", "beginning"] | int
CONNECTIONS_MAX = 10
"""What the account may have at once: a running agent two, four where the log lies apart, and each command one or two; a
second site on the same server may share the account."""
_NAME = re.compile(r"[A-Za-z0-9_$]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one page and of what is remembered; names end in their unit."""

    page_rows_max: int = 1_000
    """Wanted rows in a page."""
    span_ids_max: int = 50_000
    """Ids that one page passes at most."""
    block_ids: int = 100
    """Ids whose presence is proven by one count; only where it is short are ids listed."""
    ahead_max_s: int = 7 * 86_400
    """How far ahead of this machine's clock a row is still taken for an elder; what is later has a clock gone wrong."""
    start_overlap_ids: int = 5_000
    """How far below the newest id a source starts: rows committed late may still appear there."""
    gap_ranges_max: int = 1_000
    """Gap ranges remembered; beyond it neighbours are merged."""
    gap_merge_s: float = 60.0
    """Adjacent gaps opened within this time are one."""
    gap_poll_s: float = 1.0
    """How often open gaps are looked at."""
    gap_proof_s: int = 86_400
    """How often gaps that were given up are proven again."""
    anchors_last: int = 3
    """Anchors at the last pages' ends."""
    anchor_every_ids: int = 10_000
    """Distance of the older anchors."""
    anchors_max: int = 64
    """Anchors in all; the oldest go first."""
    anchor_check_s: float = 60.0
    """How often anchors are read again."""
    look_again_s: float = 600.0
    """How often it is tried to look up what could not be looked up."""
    heartbeat_s: float = 60.0
    """How often a quiet source yields a page."""
    replica_patience_s: float = 60.0
    """How long another server behind the same address may lag before it counts as a log that went back."""
    connect_s: float = 10.0
    """Time to reach the server."""
    statement_s: float = 30.0
    """Time for one statement, enforced by the server where it can."""
    acts_max: int = 5_000
    """Rows that a helpdesk question reads at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What says in the LMS that somebody agreed to take part: being in a cohort, a custom profile field."""

    cohorts: tuple[str, ...] = ()
    profile_field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogstoreOptions:
    """One `moodle-logstore` source as configured.

    ``start_at`` is `now`, `beginning` or seconds since 1970. ``place`` says where the source is configured, for
    messages (`config.toml: [[source]] moodle`). ``asked`` is where learners agree; None asks
    nobody. ``left`` are rows of logs that were read under names that nothing is configured by any more.
    ``text_key`` is what digests of texts are made with. Passwords and that key never show in its repr.

    Raises:
        ConfigError: a table prefix or name holds something else than letters, digits and `_`.
    """

    name: str
    url: str
    site: str = ""
    password: str | None = field(default=None, repr=False)
    table_prefix: str = "mdl_"
    log_url: str | None = None
    log_password: str | None = field(default=None, repr=False)
    log_table: str | None = None
    start_at: StartAt = "now"
    poll_interval_s: float = 1.0
    gap_patience_s: float = 1_800.0
    backdated_after_s: int = 86_400
    site_admins: frozenset[int] = frozenset()
    link_by: tuple[str, ...] = ()
    asked: Asked | None = None
    text_key: bytes = field(default=b"", repr=False)
    left: Mapping[str, Sequence[Anchor]] = field(default_factory=dict)
    place: str = "config.toml"
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for key, value in (("table_prefix", self.table_prefix), ("log_table", self.log_table or "")):
            if not _NAME.fullmatch(value):
                raise ConfigError(
                    f"{self.place}: {key} = {value!r} cannot be part of a table's name",
                    hint="use letters, digits and _ only, as in Moodle's own config.php",
                )

    @property
    def site_name(self) -> str:
        """The name that ids belong to: the source's own unless it is told another."""
        return self.site or self.name
