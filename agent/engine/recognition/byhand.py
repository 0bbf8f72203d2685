"""Giving a badge by hand: who may, to whom, and how often. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from agent.config.grammar import Limit
from agent.config.rulefile.tables.badge import Assign
from agent.engine.calendar import Calendar
from agent.engine.quota import Quota, Span, Uses, until
from agent.model import StateRequest, Use

ASSIGNED = "assigned:"
"""How the meters begin that count what was given by hand."""

Places = tuple[tuple[Quota, str], ...]


def not_allowed(assign: Assign, *, by: str, learner: str) -> str:
    """Why this giver may not give it to this learner, or an empty text."""
    if assign.by is not None and by not in assign.by:
        return f"{by} may not give it: only {', '.join(assign.by)}"
    if assign.to is not None and learner not in assign.to:
        return f"{learner} is not among those who can have it"
    return ""


def places(badge: str, assign: Assign, *, by: str, at: int, calendar: Calendar) -> Places:
    """What giving it at ``at`` (seconds UTC) is counted in: the giver's limits, then those of all givers."""
    moment = calendar.moment(at)
    quotas = [_quota(f"{ASSIGNED}{badge}:{by}", limit, f"limit {limit.text} of {by}") for limit in assign.limit]
    quotas += [_quota(f"{ASSIGNED}{badge}", limit, f"limit {limit.text}") for limit in assign.total]
    found = ((quota, quota.bucket(at, moment, "")) for quota in quotas)
    return tuple((quota, bucket) for quota, bucket in found if bucket is not None)


def wants(found: Places) -> StateRequest:
    """What must be read to ask them."""
    keys = {key for quota, bucket in found for key in quota.keys(bucket, "", "")}
    return StateRequest(rows=frozenset(keys), totals=frozenset(), holds=frozenset())


def full(found: Places, uses: Uses, at: int, calendar: Calendar) -> tuple[str, int | None]:
    """The limit that leaves no room, and until when (None: for ever); an empty text where all do."""
    for quota, bucket in found:
        key = quota.key(bucket, "", "")
        if uses.room(quota, key, at) < 1:
            later = uses.free_at(quota, key, at, 1) if quota.span is Span.rolling else until(quota, calendar, at)
            return quota.label, later
    return "", None


def taken(found: Places, at: int) -> Iterable[Use]:
    """What giving it takes of them."""
    return [quota.use(bucket, "", at, 1) for quota, bucket in found]


def _quota(owner: str, limit: Limit, label: str) -> Quota:
    rolling = limit.window.kind == "rolling"
    return Quota(
        meter=f"{owner}:{limit.window.name}",
        span=Span.rolling if rolling else Span.calendar,
        maximum=int(limit.maximum),
        label=label,
        windows=() if rolling else (limit.window.name,),
        window_s=limit.window.seconds,
        everyone=True,
    )
