"""What look-ups share: the page's drafts, what is wanted, and exact numbers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from fractions import Fraction

from agent.collectors.logstore.dialects.database import Answer, Query, Rows, Schema, Unreadable
from agent.collectors.logstore.draft import Draft, Kinds, by_table
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.numbers import whole
from agent.model import Demand

LookUp = Generator[list[Query], list[Answer], None]
"""Yields queries and is sent their answers, round by round."""


class Batch:
    """The drafts of one page and what is wanted of them. The page bounds every list of ids.

    ``profile`` gives the profile fields of the roles and facts that are asked for (see `Demand`). ``parents`` are
    sections that lie in another one, and which: the look-up of activities fills it with its first answers, or says
    with ``nested`` that nobody may tell us.
    ``cohorts`` are those that the rules name.
    ``link_by`` names what tells one person from another in several sites, ``asked`` what says that somebody agreed.
    ``now`` is when is looked, in seconds UTC.
    """

    __slots__ = (
        "asked",
        "cohorts",
        "drafts",
        "facts",
        "kinds",
        "link_by",
        "nested",
        "now",
        "parents",
        "profile",
        "schema",
        "site_admins",
        "tables",
        "text_key",
    )

    def __init__(
        self,
        drafts: Sequence[Draft],
        demand: Demand,
        schema: Schema,
        kinds: Kinds,
        options: LogstoreOptions,
        now: int,
    ) -> None:
        self.drafts = drafts
        self.facts = demand.facts
        self.cohorts = sorted({one.name for one in demand.selectors if one.by == "cohorts"})
        self.profile = {name: field for name, field in demand.profile.items() if name in demand.facts}
        self.schema = schema
        self.kinds = kinds
        self.now = now
        self.site_admins = options.site_admins
        self.text_key = options.text_key
        self.link_by = options.link_by
        self.asked = options.asked
        self.tables = by_table(drafts)
        self.parents: dict[int, int] = {}
        self.nested = True

    def wants(self, *names: str) -> bool:
        """Whether any of these facts is demanded."""
        return not self.facts.isdisjoint(names)

    def section_of(self, section: int) -> int | None:
        """The section that counts: of a subsection the one that it lies in; None where that may not be read."""
        return self.parents.get(section, section) if self.nested else None

    def of_table(self, table: str) -> list[Draft]:
        """The drafts whose object lies in ``table`` and is named."""
        return [draft for draft in self.tables.get(table, ()) if draft.object_id is not None]


def rows_of(answer: Answer) -> Rows:
    """The rows, none where the table could not be read."""
    return [] if isinstance(answer, Unreadable) else answer


def per_cent(part: int | Fraction, base: int | Fraction) -> int | Fraction:
    """``part`` of ``base`` in per cent, exact; ``base`` is not 0."""
    if isinstance(part, int) and isinstance(base, int):
        rounded, rest = divmod(100 * part, base)
        return rounded if rest == 0 else Fraction(100 * part, base)
    return whole(100 * Fraction(part) / base)


def note_due(draft: Draft, due: int, facts: frozenset[str]) -> None:
    """What the due date (0: none) says about the event's own time."""
    if due > 0:
        if "late_by" in facts:
            draft.facts["late_by"] = draft.time - due
        if "on_time" in facts:
            draft.facts["on_time"] = draft.time <= due
