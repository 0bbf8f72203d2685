"""What everybody should have, worked out by a plain fold over what Moodle committed and forms sent; no code is shared.

The rules that this stands for are `rules`. Each is told here again in its own words, a few lines each: whom it pays how
often. How much an award is, is said by the version of the rules that it names.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from sim.called import account
from sim.moodle import ADMIN, COMPLETED, DELETED, GUEST, LEFT, LOGGED_IN, POSTED, VIEWED, Form, Row

PAYS: Mapping[str, int] = {
    "lesson": 10, "login": 1, "view": 2, "post": 5, "form": 7, "essay": 20, "path": 15, "thanked": 3,
}  # fmt: skip
"""Rule → points, before anybody edits."""
THANKED = "thanked"
"""The rule for kudos, which `sim/thanks.py` counts."""
_RULES = """\
schema   = 1
timezone = "Africa/Abidjan"

[currency.points]
title = "Points"
spendable = true
expires_after = "{life}"
overdraw = "{overdraw}"

[[rule]]
id = "lesson"
title = "Lesson completed"
on = "lesson.completed"
award = {lesson}

[[rule]]
id = "login"
title = "Logged in"
on = "user.logged_in"
award = {login}

[[rule]]
id = "view"
title = "Course viewed"
on = "course.viewed"
award = {view}
once_per = "event"
limit = "3/day"

[[rule]]
id = "post"
title = "Posted"
on = "forum.posted"
award = {post}
reverse_on = "forum.post_deleted"

[[rule]]
id = "form"
title = "Form sent"
on = "submission.received"
award = {form}
{budget}

[[rule]]
id = "essay"
title = "Essay accepted"
on = "submission.received"
conditions = {{ form = "essay" }}
award = {essay}
limit = "1/day"
review = "always"

[[rule]]
id = "thanked"
title = "Thanked"
on = "kudos.given"
award = {thanked}
reverse_on = "kudos.revoked"

[[challenge]]
id = "path"
title = "Look around, then learn"
award = {path}

  [[challenge.step]]
  on = "course.viewed"

  [[challenge.step]]
  on = "lesson.completed"
  count = 2
"""
_BONUS = """
[[rule]]
id = "bonus"
title = "Posted, too"
on = "forum.posted"
award = {bonus}
reverse_on = "forum.post_deleted"
"""
BONUS = 3
"""What a rule pays that comes later, and is then decided for what was before."""
VIEWS_A_DAY, ESSAYS_A_DAY, LESSONS_OF_PATH = 3, 1, 2


class Terms(NamedTuple):
    """How long points live, and whether what is taken back and was spent is owed or forgiven.

    ``forms_a_day`` are the points that forms may issue in a day without a reviewer, to all learners together; 0: any.
    """

    life: str = "never"
    overdraw: str = "owe"
    forms_a_day: int = 0


USUAL = Terms()
LIVES, OVERDRAWS, BUDGETS = ("never", "3s", "40s", "1h"), ("owe", "owe", "forgive"), (0, 0, 15)
"""What worlds differ in: points live longer than any story, or shorter; two forms a day are issued, or all."""

Awards = dict[tuple[str, str], int]
"""(learner, rule) → how many awards stand."""


def rules(pays: Mapping[str, int] = PAYS, note: str = "", terms: Terms = USUAL) -> str:
    """The rules as a file, with other points for some and maybe the bonus; ``note`` is a line that says nothing."""
    text = _RULES + (_BONUS if "bonus" in pays else "")
    budget = f'budget = "{terms.forms_a_day} points/day"' if terms.forms_a_day else ""
    return text.format(**pays, life=terms.life, overdraw=terms.overdraw, budget=budget) + (
        f"# {note}\n" if note else ""
    )


def version(text: str) -> str:
    """What the agent calls the rules of one file: its length and its bytes, hashed (the file has no name to itself)."""
    raw = text.encode()
    return hashlib.sha256(bytes(8) + len(raw).to_bytes(8, "big") + raw).hexdigest()


NEVER = 2**62

Spans = Mapping[str, Iterable[tuple[int, int | None]]]
"""Account → when it took no part: from and until before, in seconds UTC; None: to this day."""


def owed(
    rows: Iterable[Row],
    forms: Iterable[Form],
    *,
    linked: bool = False,
    bonus: bool = False,
    since: Mapping[str, int] | None = None,
    out: Spans | None = None,
) -> Awards:
    """What everybody should have; what forms earn is Moodle's learner's where accounts are ``linked``.

    What an account did before ``since`` (seconds UTC; `NEVER`: whatever it does) is nobody's: it was erased. Nor is
    what it did while it was ``out``.
    """
    began, apart, happened = since or {}, out or {}, list(rows)
    until = {row["objectid"]: row["timecreated"] for row in happened if row["eventname"] == LEFT}
    told: defaultdict[str, set[tuple[str, int, int]]] = defaultdict(set)
    for row in filter(_earns, happened):
        user = row["relateduserid"] or row["userid"]
        who = f"moodle:{user}"
        if not began.get(who, 0) <= row["timecreated"] < until.get(user, NEVER):
            continue
        if within(apart.get(who, ()), row["timecreated"]):
            continue
        told[row["eventname"]].add((who, row["timecreated"], row[_ABOUT.get(row["eventname"], "contextinstanceid")]))
    deleted = {row["objectid"] for row in happened if row["eventname"] == DELETED}
    sent = {form for form in forms if form.at >= began.get(form.account, 0)}
    sent = {form for form in sent if not within(apart.get(form.account, ()), form.at)}
    awards = _of_log(told, deleted, bonus=bonus) + _of_forms(sent, "moodle" if linked else "forms")
    return {key: times for key, times in awards.items() if times}


def _of_log(
    told: Mapping[str, set[tuple[str, int, int]]], deleted: set[int], *, bonus: bool
) -> Counter[tuple[str, str]]:
    """What acts in Moodle earn: (learner, when, about what) by the name of the event."""
    awards: Counter[tuple[str, str]] = Counter()
    for who, _ in {(who, lesson) for who, _, lesson in told[COMPLETED]}:
        awards[who, "lesson"] += 1
    for who in {who for who, _, _ in told[VIEWED]}:
        awards[who, "path"] += awards[who, "lesson"] >= LESSONS_OF_PATH
    for who, _ in {(who, day(at)) for who, at, _ in told[LOGGED_IN]}:
        awards[who, "login"] += 1
    # The same page in the same second is one fact, and a set knows it once.
    for (who, _), times in Counter((who, day(at)) for who, at, _ in told[VIEWED]).items():
        awards[who, "view"] += min(times, VIEWS_A_DAY)
    for who, post in {(who, post) for who, _, post in told[POSTED]}:
        awards[who, "post"] += post not in deleted
        awards[who, "bonus"] += bonus and post not in deleted
    return awards


def _of_forms(sent: Iterable[Form], site: str) -> Counter[tuple[str, str]]:
    """What forms earn once everything is reviewed; what went over a budget is approved."""
    awards = Counter((account(site, form.learner), "form") for form in sent)
    # Whatever is refused while others wait is looked at again when one of them is rejected: the order does not matter.
    accepted = Counter((form.learner, day(form.at)) for form in sent if form.essay and form.good)
    for (learner, _), times in accepted.items():
        awards[account(site, learner), "essay"] += min(times, ESSAYS_A_DAY)
    return awards


def within(spans: Iterable[tuple[int, int | None]], at: int) -> bool:
    """Whether a time lies in one of them."""
    return any(began <= at < (NEVER if ended is None else ended) for began, ended in spans)


_ABOUT = {POSTED: "objectid"}
"""The column that names what an event is about, where it is not the activity or course."""


def _earns(row: Row) -> bool:
    if row["anonymous"] or row["origin"] not in {"web", "ws", "cli"} or row["realuserid"]:
        return False
    return row["userid"] not in {GUEST, ADMIN} and row["relateduserid"] not in {GUEST, ADMIN}


def day(at: int) -> str:
    """The day in Abidjan, which has the time of Greenwich and knows no summer time."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()
