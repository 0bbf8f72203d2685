"""From a row of the log to an Observation: what the row itself says. Look-ups add to a Draft in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from agent.collectors.logstore.dialects.database import Row
from agent.collectors.numbers import whole_number
from agent.collectors.systems import moodle
from agent.config.kinds import KindTable
from agent.errors import InvalidInputError
from agent.model import EventMark, Evidence, Fact, Identifier, Observation, PersonMark

COLUMNS = (
    "id, eventname, objecttable, objectid, contextlevel, contextinstanceid, userid, courseid, relateduserid, "
    "anonymous, [other], timecreated, origin, realuserid"
)
"""The columns of a row in the order `drafts_of` takes them apart."""


class Draft:
    """One row on its way to an Observation; look-ups fill it in. Slots, not a dataclass: there is one per row."""

    __slots__ = (
        "agreed", "context_instance", "course", "detail", "event", "expected", "facts", "identifiers", "instance",
        "kind", "learner", "lesson", "marks", "module", "named", "object_id", "object_table", "origin", "other",
        "people", "person_marks", "position", "post", "related", "section", "time", "user",
    )  # fmt: skip

    def __init__(self, row: Row, other: moodle.Other, detail: str) -> None:
        (
            self.position,
            self.event,
            self.object_table,
            self.object_id,
            level,
            self.context_instance,
            self.user,
            course,
            self.related,
            _,
            _,
            self.time,
            self.origin,
            real_user,
        ) = row
        self.other = other
        self.named: tuple[str | None, int | None] = (self.object_table, self.object_id)
        self.object_table, self.object_id = moodle.about(self.event, *self.named, other)
        self.detail = detail
        self.kind: str | None = None
        self.course: int | None = course or None
        self.lesson: int | None = self.context_instance if level == moodle.CONTEXT_MODULE else None
        self.section: int | None = None
        self.module: str | None = None
        self.instance: int | None = None
        self.expected = 0
        self.post: int | None = self.object_id if self.event in moodle.POSTS else None
        self.related = self.related or None  # some plugins write 0 where there is nobody
        self.people: dict[str, str] = moodle.people_of(self.event, self.user, self.related)
        subject = self.people.get("subject")
        self.learner: int | None = None if subject is None else int(subject)
        self.marks: set[EventMark] = set()
        self.facts: dict[str, Fact] = {}
        self.person_marks: dict[str, PersonMark] = {}
        self.agreed: dict[str, int | None] = {}
        self.identifiers: dict[str, tuple[Identifier, ...]] = {}
        if real_user:
            self.marks.add("logged_in_as")
        if (
            self.origin is None
            or self.origin == "restore"
            or self.named[1] in moodle.RESTORED_IDS
            or not _RESTORED_VALUES.isdisjoint(other.values())
        ):
            self.marks.add("restored")


_RESTORED_VALUES: frozenset[moodle.OtherValue] = moodle.RESTORED_IDS | frozenset(map(str, moodle.RESTORED_IDS))
"""What a restore writes into `other` for an id that it could not map."""


class Kinds:
    """Which kind a row is, remembered per name and word: the table is searched once for each."""

    def __init__(self, table: KindTable) -> None:
        self.table = table
        self._known: dict[tuple[str, str], str | None] = {}

    def of(self, event: str, when: str = "") -> str | None:
        """The kind, or None where no entry fits."""
        key = (event, when)
        if key not in self._known:
            self._known[key] = self.table.kind_of(event, when)
        return self._known[key]


def drafts_of(
    rows: Iterable[Row],
    kinds: Kinds,
    facts: frozenset[str],
    *,
    start_at: int,
    backdated: frozenset[int],
    seen: Counter[str],
) -> list[Draft]:
    """Drafts of the rows that make observations, in order.

    Anonymous rows, rows older than ``start_at`` and rows of no possible time are only counted, in ``seen``.
    ``backdated`` are positions.
    """
    drafts: list[Draft] = []
    for row in rows:
        if row[9]:
            seen["rows_anonymous"] += 1
            continue
        if not 0 <= row[11] <= moodle.TIME_MAX:
            seen["rows_of_no_time"] += 1
            continue
        if row[11] < start_at:
            seen["rows_before_start"] += 1
            continue
        event: str = row[1]
        keys = moodle.OTHER_KEYS.get(event)
        other: moodle.Other = {}
        if keys is not None:
            try:
                other = moodle.decode_other(row[10], keys)
            except InvalidInputError:
                seen["rows_unreadable_other"] += 1
        draft = Draft(row, other, moodle.detail_of(event, other))
        if event != moodle.GRADED:
            draft.kind = kinds.of(event, draft.detail if event in moodle.BY_DETAIL else "")
        if draft.position in backdated:
            draft.marks.add("backdated")
        _row_facts(draft, row[12], facts)
        drafts.append(draft)
    return drafts


_SAID = (("enrol_method", "enrol"), ("tag", "tagname"))
"""Facts that stand in `other` under a name of their own."""


def _row_facts(draft: Draft, origin: str | None, facts: frozenset[str]) -> None:
    """The demanded facts that the row itself carries."""
    into, event, other = draft.facts, draft.event, draft.other
    if "origin" in facts and origin:
        into["origin"] = origin
    if "course_id" in facts and draft.course is not None:
        into["course_id"] = str(draft.course)
    if event == moodle.COMPLETION:
        if "completion_state" in facts and (state := whole_number(draft.detail)) is not None:
            into["completion_state"] = state
        if "overridden" in facts:
            into["overridden"] = bool(other.get("overrideby"))
    elif event in moodle.REPLIES or event in moodle.DISCUSSIONS:
        if "is_reply" in facts:
            into["is_reply"] = event in moodle.REPLIES
        if "discussion" in facts and other.get("discussionid"):
            into["discussion"] = str(other["discussionid"])
    else:
        into.update({name: str(other[key]) for name, key in _SAID if name in facts and other.get(key)})


def observation_of(draft: Draft, *, source: str, site: str) -> Observation:
    """The Observation of a draft whose look-ups are done."""
    named_in, named_id = draft.named
    return Observation(
        source=source,
        site=site,
        position=draft.position,
        lms_event=draft.event,
        kind=draft.kind,
        people=draft.people,
        natural_key=moodle.natural_key(
            event=draft.event,
            user=draft.user,
            related=draft.related,
            object_table=named_in,
            object_id=named_id,
            context_instance=draft.context_instance,
            time=draft.time,
            detail=draft.detail,
        ),
        occurred_at=draft.time,
        evidence=Evidence.database_row,
        object_table=draft.object_table,
        object_id=_text(draft.object_id),
        course=_text(draft.course),
        section=_text(draft.section),
        lesson=_text(draft.lesson),
        post=_text(draft.post),
        marks=frozenset(draft.marks) if draft.marks else _NO_MARKS,
        person_marks=draft.person_marks,
        facts=draft.facts,
        identifiers=draft.identifiers,
        agreed=draft.agreed,
    )


_NO_MARKS: frozenset[EventMark] = frozenset()


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def by_table(drafts: Iterable[Draft]) -> Mapping[str, list[Draft]]:
    """Drafts by the table of their object."""
    found: dict[str, list[Draft]] = {}
    for draft in drafts:
        found.setdefault(draft.object_table or "", []).append(draft)
    return found
