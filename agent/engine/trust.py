"""The only place that decides how far an event is believed, and what identifies it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import orjson

from agent.model import Event, Evidence, Observation, Trust

EARNED: Mapping[Evidence, Trust] = {
    Evidence.database_row: Trust.server_verified,
    Evidence.signature: Trust.trusted_source,
    Evidence.bearer_token: Trust.trusted_source,
    Evidence.web_service: Trust.trusted_source,
    Evidence.file: Trust.trusted_source,
    Evidence.address: Trust.client_reported,
    Evidence.nothing: Trust.unverified,
}
"""What each kind of evidence is worth before ceilings and claims lower it."""

_WORTH: Mapping[Trust, Evidence] = {
    Trust.trusted_source: Evidence.bearer_token,
    Trust.client_reported: Evidence.address,
    Trust.unverified: Evidence.nothing,
}
"""What is worth so much and no more."""


def tag(seen: Observation, ceiling: Trust, *, claim: Trust = Trust.server_verified) -> Event:
    """The observation with its identity and its trust.

    ``ceiling`` is the most its source can reach; ``claim`` is what the sender says of itself, which can only lower.
    """
    return Event(
        seen=seen,
        event_id=event_id(seen.site, seen.natural_key),
        trust=min(EARNED[seen.evidence], ceiling, claim),
    )


def tag_all(observations: Iterable[Observation], ceiling: Trust) -> list[Event]:
    """`tag` for a page of what collectors saw, whose senders claim nothing."""
    earned = {evidence: min(trust, ceiling) for evidence, trust in EARNED.items()}
    return [
        Event(seen=seen, event_id=event_id(seen.site, seen.natural_key), trust=earned[seen.evidence])
        for seen in observations
    ]


def lowered(evidence: Evidence, claim: Trust) -> Evidence:
    """The evidence that is left where a sender itself says how far it is to be believed: never better evidence."""
    return evidence if EARNED[evidence] <= claim else _WORTH[claim]


def event_id(site: str, natural_key: Iterable[str]) -> bytes:
    """SHA-256 over the site and the parts of the natural key as one compact JSON array of texts, in UTF-8.

    JSON's quotes keep ("1", "23") and ("12", "3") apart.
    """
    return hashlib.sha256(orjson.dumps((site, *natural_key))).digest()
