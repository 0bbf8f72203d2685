"""The nouns that flow through the house, frozen. Times are whole seconds since 1970, UTC; amounts are integers.

Observation (a collector) → Event (`engine.trust.tag`) → Decision (`engine.booking.book`) → Entry (`ledger.append`)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Literal, TypeVar, dataclass_transform

from agent.apart import Aside

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def noun(cls: type[T]) -> type[T]:
    """A dataclass with slots and keywords, made for every event: the type checker refuses to assign its fields.

    Nothing refuses at run time: a new one is two to three times as cheap (docs/adr/0009).
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)


Fact = bool | int | str | Fraction | tuple[str, ...]
"""What a condition can look at. Numbers are exact: int, or Fraction where they do not divide."""
Role = Literal["subject", "actor", "author", "purchaser", "referrer", "supervisor"]
FROM_PROFILE: tuple[Role, ...] = ("referrer", "supervisor")
"""Roles that no event tells: a custom profile field of the subject names them."""
ROLES: tuple[Role, ...] = ("subject", "actor", "author", "purchaser", "referrer", "supervisor")


class Trust(IntEnum):
    """How far an event is believed; higher is better."""

    unverified = 0
    client_reported = 1
    trusted_source = 2
    server_verified = 3


CLAIMED = "external_ids"
"""By what a system says which account of another site its user has there."""


@noun
class Identifier:
    """By what a system says who somebody is; never written down. ``shared``: several accounts have it there."""

    by: str  # idnumber, email, username; or CLAIMED, the value being the site and id of an account there: site:id
    value: str = field(repr=False)
    shared: bool = False


class Evidence(StrEnum):
    """How an observation reached us. Collectors report it; only `engine.trust` judges it."""

    database_row = "database_row"
    signature = "signature"
    bearer_token = "bearer_token"  # noqa: S105 - the name of a kind of evidence
    address = "address"
    web_service = "web_service"  # the LMS answered when it was asked
    file = "file"  # an administrator imported it
    nothing = "nothing"


EventMark = Literal["restored", "cleared", "logged_in_as", "preview", "preview_unknown", "backdated", "unconfirmed",
                    "doubted", "overtaken", "partial"]  # fmt: skip
"""What was seen about the whole act: `backdated`, `preview_unknown`, `unconfirmed` (a post whose row was not seen yet)
and `doubted` (brought about by what is held) hold, `partial` (its key) is told, others never earn."""

PersonMark = Literal[
    "guest", "nobody", "system", "not_agreed", "agreement_unknown", "site_admin", "staff", "roles_unknown",
    "deleted_before", "deleted",
]  # fmt: skip
"""What is known of one person in an event, the first that applies. Unknown holds, `site_admin` and `staff` are waived
by `[defaults] staff_earn`, `deleted` is only told, the others never earn (`deleted_before`: the act came later)."""


@noun
class Observation:
    """Something a collector saw and that is not yet believed.

    ``source`` is the configured name it came through, ``site`` the name that ids belong to (`same_site_as`).
    ``position`` is its number in the source's own log, ``order`` in the site's, where it came by post. ``people`` maps
    roles to LMS user ids as text. ``natural_key`` is that of the fact, site excluded (`engine.trust` prefixes it).
    ``course``, ``section``, ``lesson`` (course module) and ``post`` are LMS ids as text.
    ``facts`` are those of first sight. Essay and post text is never among them.
    ``accounts`` are those of ``people`` whose wallet is that of an account of another site: LMS user id → learner.
    ``identifiers`` are what the system says of who its users are; they are compared and not kept.
    ``agreed`` is since when (seconds UTC) each has agreed by the LMS's word, None for not; neither is this kept.
    """

    source: str
    site: str
    position: int
    lms_event: str
    kind: str | None
    people: Mapping[str, str]
    natural_key: tuple[str, ...]
    occurred_at: int
    evidence: Evidence
    object_table: str | None = None
    object_id: str | None = None
    course: str | None = None
    section: str | None = None
    lesson: str | None = None
    post: str | None = None
    marks: frozenset[EventMark] = frozenset()
    person_marks: Mapping[str, PersonMark] = field(default_factory=dict)
    facts: Mapping[str, Fact] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)
    identifiers: Mapping[str, tuple[Identifier, ...]] = field(default_factory=dict, repr=False, compare=False)
    agreed: Mapping[str, int | None] = field(default_factory=dict, repr=False, compare=False)
    order: int = 0

    def learner(self, user: str) -> str:
        """Whose wallet an LMS user id of this site stands for: ``<site>:<LMS user id>``."""
        return self.accounts.get(user) or f"{self.site}:{user}"


@noun
class Event:
    """An observation with its identity (SHA-256 of the natural key, 32 bytes) and trust: `engine.trust.tag`."""

    seen: Observation
    event_id: bytes
    trust: Trust


class Outcome(IntEnum):
    """What became of one event under one rule for one recipient."""

    awarded = 1
    held = 2
    refused = 3
    shadow = 4  # would have been awarded; pays nothing
    reversed = 5  # an earlier award is answered by its opposite


class HoldKind(StrEnum):
    """Why a decision waits. `review` reserves scope and quotas; the others reserve nothing (DECISIONS 10)."""

    trust = "trust"
    backdated = "backdated"
    fact = "fact"  # a fact that [[deny]] or `none` looks at is unknown
    roles = "roles"  # the LMS would not tell whether the recipient is staff
    budget = "budget"
    review = "review"


CheckStatus = Literal["passed", "failed", "unknown"]


@noun
class Check:
    """One condition as it was judged: `score_pct >=80`, failed, seen `66.67`."""

    text: str
    status: CheckStatus
    seen: str


@noun
class Posting:
    """A signed movement on one account of one learner; ``currency`` is a currency or ``badge:<id>``."""

    currency: str
    amount: int


@noun
class Use:
    """What an award takes from one quota: ``amount`` at ``at`` in ``bucket`` of ``meter`` by ``learner``.

    ``meter`` names the quota (`once:lesson-completed`, `limit:lesson-completed:awards/day`, …), ``bucket`` the
    scope value or the window it falls into, ``learner`` is ``<site>:<LMS user id>`` (empty where a quota counts
    everybody). ``slot`` tells uses of one bucket apart: the generation for `once:` meters; -1 lets the ledger take
    the entry's seq. ``freed`` uses count no longer, except where the quota keeps reversed ones (cooldown).
    """

    meter: str
    bucket: str
    learner: str
    at: int
    amount: int
    slot: int = -1
    freed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """An award that an event can undo, as it was booked.

    ``marker`` is the seq of its first entry, or below zero the number of a decision without entries; 0 is the
    ``number``-th decision (from 1) of the page under way. ``when`` is the time and the position of its event,
    ``entries`` the ids of its entries, one for each posting.
    """

    marker: int
    when: tuple[int, int]
    role: str
    learner: str
    scope: str
    generation: int
    postings: tuple[Posting, ...]
    uses: tuple[Use, ...]
    entries: tuple[str, ...] = ()
    number: int = 0


@noun
class Decision:
    """What one rule decided for one recipient of one event, with its reason.

    ``learner`` is ``<site>:<LMS user id>`` or empty where the role is missing. ``reason`` is empty for awards, else a
    stable text such as ``limit 3/day`` or ``condition score_pct >=80``; ``until`` is when a limit or cooldown would
    let the next one through, where that can be said. ``postings`` and ``uses`` are what is (or, held or shadow, would
    be) booked; ``scope`` is the once_per scope, ``generation`` its repetition. ``reserves`` are the uses that a hold
    for review keeps from all others. ``supersedes`` names holds of the same rule, learner and scope that this award
    closes. ``reverses`` is the award that a reversal answers, its ``postings`` are the opposite. ``notes`` are members
    of sets, kept whatever the outcome: a day on which something was done counts for a streak whether or not it paid.
    ``completes`` is what of a challenge this act has completed: `step 2`, `challenge`.
    """

    event_id: bytes
    rule_id: str
    rules_version: str
    role: str
    learner: str
    outcome: Outcome
    scope: str = ""
    generation: int = 0
    reason: str = ""
    until: int | None = None
    hold: HoldKind | None = None
    checks: tuple[Check, ...] = ()
    postings: tuple[Posting, ...] = ()
    uses: tuple[Use, ...] = ()
    supersedes: tuple[int, ...] = ()
    message: str = ""
    reverses: Award | None = None
    reserves: tuple[Use, ...] = ()
    notes: tuple[Use, ...] = ()
    completes: tuple[str, ...] = ()


@noun
class Said:
    """The newest decision of one rule for one recipient of an event that was seen before.

    ``number`` is the decision's, ``hold`` says what it waits for, ``open`` that no person has settled it (another act
    may have closed it), ``unknown`` that a fact was not there. ``waiting`` are all that are open still, and for what.
    """

    rule_id: str
    role: str
    number: int
    outcome: Outcome
    reason: str
    hold: HoldKind | None
    open: bool
    unknown: bool
    waiting: tuple[tuple[int, HoldKind], ...] = ()


GapState = Literal["open", "given_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Ids lo, lo+step, … hi of a source that were not there when the cursor passed them.

    ``present`` of them were there when last looked (0 unless ranges had to be merged to stay within the limit).
    ``opened_running_s`` is on the source's running clock, ``high_water`` the newest `timecreated` of lower ids.
    """

    lo: int
    hi: int
    step: int
    present: int
    opened_running_s: float
    high_water: int
    state: GapState = "open"

    @property
    def missing(self) -> int:
        """How many ids are not there."""
        return (self.hi - self.lo) // self.step + 1 - self.present


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A row remembered by content, to notice when the log is no longer the same log."""

    position: int
    lms_event: str
    user: int
    occurred_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """How far a source is read: everything a collector needs to go on after a restart.

    ``start_at`` is when payment begins (resolved and stored at the first connection), ``running_s`` how long the agent
    has been tailing this source in all, ``proven_at`` when what was passed was last looked at again. ``fault`` is the
    integrity fault that stopped it, or empty. Of the ids ``unsure`` (after, up to) not everything could be looked up.
    """

    position: int = 0
    high_water: int = 0
    start_at: int | None = None
    running_s: float = 0.0
    proven_at: int = 0
    fault: str = ""
    anchors: tuple[Anchor, ...] = ()
    gaps: tuple[Gap, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    unsure: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one read of a source gives: observations in order of their numbers, and where the source then stands.

    ``state`` replaces the stored one in the transaction that records ``observations``, but not for a ``part``; its
    ``counts`` are totals. ``rules_version`` are the rules that decide it: their filter fetched it. ``newest`` is the
    newest number there was (0: cannot be told), ``caught_up`` that no more was there, ``set_aside`` what failed.
    ``again`` shows what was read before: what of it is not recorded was not wanted then.
    """

    source: str
    observations: Sequence[Observation]
    state: SourceState
    rules_version: str
    caught_up: bool
    newest: int = 0
    again: bool = False
    set_aside: Sequence[Aside] = ()
    part: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """What rules call something in the LMS, at a place (`rules.toml:12:3`); ``of`` is whose name it is (a rule's)."""

    by: Literal["courses", "categories", "cohorts", "roles", "profile fields"]
    name: str
    where: str
    of: str = ""
    programme: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    r"""What the live rules want from the sources: which rows, and which looked-up facts.

    ``names`` are full LMS event names, ``suffixes`` endings such as ``\event\course_module_viewed`` that stand for
    every component's event; anything else need not be read. ``patterns`` are kinds and wildcards over kinds, for
    sources whose events have no LMS name. ``facts`` are names of `config.facts`: a collector looks up only these.
    ``selectors`` are names in the LMS: each must mean one thing. ``profile``: which fields of profiles are read.
    ``placed`` gives those of ``names`` that matter in these courses alone (`id:7`); a collector need not heed it.
    """

    rules_version: str
    names: frozenset[str]
    suffixes: frozenset[str]
    facts: frozenset[str]
    selectors: tuple[Selector, ...] = ()
    profile: Mapping[str, str] = field(default_factory=dict)
    patterns: frozenset[str] = frozenset()
    placed: Mapping[str, frozenset[str]] = field(default_factory=dict)


UseKey = tuple[str, str, str]
"""(meter, bucket, learner) of `Use`."""
HoldKey = tuple[str, str, str]
"""(rule_id, learner, scope) of a held `Decision`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRequest:
    """What a page needs to know of the past: ``rows`` use by use, ``totals`` summed per key, and open holds.

    Under ``objects`` the live awards and the open holds about an object are wanted (see `engine.past.undo`). What
    ``standing`` names (`engine.recognition.model`) is wanted of ``learners`` and of those whose awards are undone;
    ``given`` are meters of badges: that one was had, and where one that can be taken back is found.
    """

    rows: frozenset[UseKey]
    totals: frozenset[UseKey]
    holds: frozenset[HoldKey]
    objects: frozenset[UseKey] = frozenset()
    learners: frozenset[str] = frozenset()
    standing: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
