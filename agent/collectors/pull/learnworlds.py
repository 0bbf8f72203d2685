"""Asking a LearnWorlds school (API v2) for what its webhooks missed, in the words of its webhooks.

The log of events says who completed or visited a course or was given a certificate; only their courses and certificates
are asked for (the latter are told of one user or one course alone). Payments are a list of their own, the newest first.
Who runs the school is asked first: webhooks say it of each user, most answers do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from agent.collectors.inbox.pulls import Fetched
from agent.collectors.pull.client import Answer
from agent.collectors.pull.plan import Ask, OddAnswerError, Round, Took, answered, listed, seconds, told, words

PAGES_MAX = 10_000
"""Pages of one list that are asked for, whatever it says how many there are."""
OVERLAP_S = 900
"""What is written while a round reads may be missed by it: the next one begins so much earlier."""
REFUNDS_OVERLAP_S = 60 * 86_400
"""A payment is refunded long after it was made, and can be asked for by the latter alone."""
_ASKED_AFTER = {"award_certificate": ("certificates",)}
_OF_COURSES = ("progress", "courses")
"""What is asked about those of whom the log tells an activity; these two where it is another."""
_MARKS = {"admin": "is_admin", "instructor": "is_instructor"}


class LearnWorldsPlan:
    """The plan; ``known`` holds who runs the school and who was asked about."""

    def first(self, this: Round) -> Sequence[Ask]:
        """Who runs the school, what was paid, and who did something."""
        after = str(this.since)
        return (
            *(_page("staff", "v2/users", {"role": role, "items_per_page": "100"}, about=role) for role in _MARKS),
            _page("payments", "v2/payments", {"created_after": str(_paid_since(this)), "items_per_page": "100"}),
            *(
                _page("logs", "v2/event-logs", {"activity": name, "created_after": after, "sort": "asc"}, about=name)
                for name in ("complete_course", "visit_course", "award_certificate")
            ),
        )

    def took(self, ask: Ask, answer: Answer, this: Round, now: int) -> Took:
        """One page."""
        found = answered(answer, ask.what)
        if not isinstance(found, dict):
            raise OddAnswerError(f"what it answers about {ask.what} is no object", hint="is url that of its API?")
        rows = listed(found.get("data"), ask.what)
        follow = _following(ask, found.get("meta"))
        if ask.what == "staff":
            staff = {**this.known.get("staff", {}), **{words(row.get("id")): _MARKS[ask.about] for row in rows}}
            return Took(asks=follow, known={**this.known, "staff": staff})
        if ask.what == "logs":
            return _log(ask.about, rows, follow, this)
        if _are_old(ask.what, rows, this):
            follow = []  # the newest come first
        facts = (fact for row in rows for fact in _FACTS[ask.what](row, ask.about, this, now))
        return Took(fetched=list(facts), asks=follow)

    def since(self, this: Round) -> int:
        """A little before this round began."""
        return max(this.since, this.begun - OVERLAP_S)


def _page(what: str, path: str, query: Mapping[str, str], *, about: str = "", needed: bool = True) -> Ask:
    return Ask(what=what, target=f"{path}?{urlencode({**query, 'page': '1'})}", about=about, needed=needed)


def _following(ask: Ask, meta: object) -> list[Ask]:
    """The next page, where there is one: the page is the last word of the query."""
    path, _, page = ask.target.rpartition("page=")
    total = meta.get("totalPages") if isinstance(meta, dict) else None
    if not isinstance(total, int) or int(page) >= min(total, PAGES_MAX):
        return []
    return [Ask(what=ask.what, target=f"{path}page={int(page) + 1}", about=ask.about, needed=ask.needed)]


def _paid_since(this: Round) -> int:
    return max(this.start, this.since - REFUNDS_OVERLAP_S)


def _are_old(what: str, rows: Sequence[Mapping[str, Any]], this: Round) -> bool:
    """Whether all of a page is older than what is asked for, where the list is not shortened by that already."""
    names, since = {
        "certificates": (("issued",), this.since),
        "payments": (("created", "paid_at"), _paid_since(this)),
    }.get(what, ((), 0))
    times = (max((seconds(row.get(name)) or 0 for name in names), default=0) for row in rows)
    return bool(names) and all(at < since for at in times)


def _log(activity: str, rows: Sequence[Mapping[str, Any]], follow: Sequence[Ask], this: Round) -> Took:
    """Ask about those who are in the log, about each once."""
    what = _ASKED_AFTER.get(activity, _OF_COURSES)
    key = f"asked {what[0]}"
    asked = list(this.known.get(key, ()))
    users = dict.fromkeys(words(_part(row, "user").get("id")) for row in rows)
    new = [user for user in users if user and user not in asked]
    asks = [_of_user(one, user) for user in new for one in what]
    return Took(asks=[*asks, *follow], known={**this.known, key: [*asked, *new]})


def _of_user(what: str, user: str) -> Ask:
    if what == "certificates":
        return _page(what, "v2/certificates", {"user_id": user}, about=user, needed=False)
    return _page(what, f"v2/users/{quote(user, safe='')}/{what}", {}, about=user, needed=False)


def _part(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def _user(number: str, this: Round) -> dict[str, Any]:
    mark = this.known.get("staff", {}).get(number)
    return {"id": number} if mark is None else {"id": number, mark: True}


def _completed(row: Mapping[str, Any], user: str, this: Round, _: int) -> Iterator[Fetched]:
    at, course = seconds(row.get("completed_at")), words(row.get("course_id"))
    if row.get("status") == "completed" and at is not None and course:
        data = {"completed_at": at, "course": {"id": course}, "user": _user(user, this)}
        yield _hook("courseCompleted", data, at, "completed", user, course)


def _enrolled(row: Mapping[str, Any], user: str, this: Round, _: int) -> Iterator[Fetched]:
    at, course = seconds(row.get("created")), words(_part(row, "course").get("id"))
    if at is not None and course:
        data = {"date": at, "course": {"id": course}, "user": _user(user, this)}
        yield _hook("enrolledFreeCourse", data, at, "enrolled", user, course)


def _paid(row: Mapping[str, Any], _: str, this: Round, now: int) -> Iterator[Fetched]:
    number, user = words(row.get("id")), words(row.get("user_id"))
    if number and user:
        product, refunded_at = _part(row, "product"), seconds(row.get("refund_at"))
        payment = {name: row[name] for name in ("id", "user_id", "created", "paid_at", "price") if name in row}
        payment["product"] = {name: product[name] for name in ("id", "type") if name in product}
        if row.get("refund_at") is not None:
            data = {"payment": {**payment, "refund_at": refunded_at}, "user": _user(user, this)}
            yield _hook("paymentRefunded", data, refunded_at or now, "refund", number)
            return
        at = seconds(row.get("paid_at")) or seconds(row.get("created")) or now
        yield _hook("paymentCreated", {"payment": payment, "user": _user(user, this)}, at, "payment", number)


def _certified(row: Mapping[str, Any], _: str, this: Round, now: int) -> Iterator[Fetched]:
    number, user = words(row.get("id")), words(_part(row, "user").get("id"))
    if number and user:
        kept = {name: row[name] for name in ("id", "issued", "course_id") if row.get(name) is not None}
        data = {"certificate": {**kept, "user": {"id": user}}, "user": _user(user, this)}
        yield _hook("awardedCertificate", data, seconds(row.get("issued")) or now, "certificate", number)


def _hook(name: str, data: Mapping[str, Any], at: int, *mark: str) -> Fetched:
    return told({"type": name, "data": data}, at, *mark)


_FACTS: Mapping[str, Callable[[Mapping[str, Any], str, Round, int], Iterator[Fetched]]] = {
    "progress": _completed,
    "courses": _enrolled,
    "payments": _paid,
    "certificates": _certified,
}
