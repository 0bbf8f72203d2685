"""How events and decisions are written into the ledger's local columns, and read back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import orjson

from agent.model import (
    Award,
    Check,
    Decision,
    Event,
    Evidence,
    Fact,
    HoldKind,
    Observation,
    Outcome,
    Posting,
    Trust,
    Use,
)

_JSON_INTEGER_BITS = 63
_STATUS_CODE = {"passed": 1, "failed": 0, "unknown": 2}
_STATUS: dict[int, Any] = {code: status for status, code in _STATUS_CODE.items()}


def _exact(value: object) -> object:
    if isinstance(value, Fraction):
        return {"q": [str(value.numerator), str(value.denominator)]}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def _fact(value: Any) -> Fact:
    if isinstance(value, dict):
        return int(value["n"]) if "n" in value else Fraction(int(value["q"][0]), int(value["q"][1]))
    if isinstance(value, list):
        return tuple(value)
    fact: Fact = value
    return fact


def fact_of(text: str | bytes) -> Fact:
    """The fact that a payload has as this JSON."""
    return _fact(orjson.loads(text))


def encode_events(seen: Sequence[Observation]) -> list[bytes]:
    """The parts of each observation that have no column of its own; facts stay exact."""
    try:
        return _at_once([_payload(each) for each in seen])
    except TypeError:
        return [encode_event(each) for each in seen]


_BETWEEN = b',null,{"'


def _at_once(objects: Sequence[Mapping[str, object]]) -> list[bytes]:
    """The JSON of each, none of them empty: all in one call, since each call costs as much as what it encodes.

    What stands between two of them appears nowhere inside one: in a text the quote would be escaped, and no list in
    them holds objects.
    """
    if not objects:
        return []
    listed: list[object] = [None] * (2 * len(objects))
    listed[::2] = objects
    first, *others = orjson.dumps(listed, default=_exact)[1:-6].split(_BETWEEN)
    return [first, *[b'{"' + other for other in others]]


def encode_event(seen: Observation) -> bytes:
    """What `encode_events` gives for one; also where a fact is beyond what JSON writes as it is."""
    payload = _payload(seen)
    try:
        return orjson.dumps(payload, default=_exact)
    except TypeError:
        payload["f"] = {name: _plain(value) for name, value in seen.facts.items()}
        return orjson.dumps(payload, default=_exact)


def _payload(seen: Observation) -> dict[str, object]:
    """``e`` is first (see `encode_events`)."""
    payload: dict[str, object] = {"e": seen.lms_event, "w": seen.people, "v": seen.evidence, "f": seen.facts}
    if seen.site != seen.source:
        payload["si"] = seen.site
    if value := seen.kind:
        payload["k"] = value
    _place(seen, payload)
    if seen.order:
        payload["n"] = seen.order
    if seen.marks:
        payload["m"] = seen.marks
    if seen.person_marks:
        payload["pm"] = seen.person_marks
    if seen.accounts:
        payload["ac"] = seen.accounts
    return payload


def _place(seen: Observation, payload: dict[str, object]) -> None:
    if value := seen.object_table:
        payload["t"] = value
    if value := seen.object_id:
        payload["o"] = value
    if value := seen.course:
        payload["c"] = value
    if value := seen.section:
        payload["s"] = value
    if value := seen.lesson:
        payload["l"] = value
    if value := seen.post:
        payload["p"] = value


def _plain(value: Fact) -> object:
    """What JSON would refuse, another way: integers of more than 64 bits, and halves of surrogate pairs in texts."""
    if isinstance(value, int) and value.bit_length() > _JSON_INTEGER_BITS:
        return {"n": str(value)}
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def decode_event(payload: bytes, *, source: str, position: int, occurred_at: int, event_id: bytes, trust: int) -> Event:
    """The event of a row of table `event` (its natural key is not kept: ``event_id`` stands for it)."""
    data = orjson.loads(payload)
    seen = Observation(
        source=source,
        site=data.get("si", source),
        position=position,
        lms_event=data["e"],
        kind=data.get("k"),
        people=data["w"],
        natural_key=(),
        occurred_at=occurred_at,
        evidence=Evidence(data["v"]),
        object_table=data.get("t"),
        object_id=data.get("o"),
        course=data.get("c"),
        section=data.get("s"),
        lesson=data.get("l"),
        post=data.get("p"),
        marks=frozenset(data.get("m", ())),
        person_marks=data.get("pm", {}),
        accounts=data.get("ac", {}),
        order=data.get("n", 0),
        facts={name: _fact(value) for name, value in data["f"].items()},
    )
    return Event(seen=seen, event_id=event_id, trust=Trust(trust))


def encode_details(decisions: Iterable[Decision]) -> list[bytes | None]:
    """`encode_detail` of each. A class doing one lesson is told once: like scopes and postings, like detail."""
    told: dict[tuple[str, int], tuple[object, int]] = {}
    details: list[dict[str, object]] = []
    places: list[int] = []
    for d in decisions:
        alike = not (d.generation or d.checks or d.message or d.completes or d.hold is not None or d.until is not None)
        key = (d.scope, id(d.postings))
        if alike and (found := told.get(key)) is not None:
            places.append(found[1])
            continue
        detail = _detail(d)
        place = len(details) if detail else -1
        if detail:
            details.append(detail)
        if alike:
            told[key] = (d.postings, place)  # kept, so that its id stays its own
        places.append(place)
    encoded = [*_at_once(details), None]
    return [encoded[place] for place in places]


def encode_detail(decision: Decision) -> bytes | None:
    """What explains a decision beyond its reason: scope, checks, postings; None where there is nothing to add."""
    detail = _detail(decision)
    return orjson.dumps(detail) if detail else None


def _detail(decision: Decision) -> dict[str, object]:
    detail: dict[str, object] = {}
    if decision.scope:
        detail["s"] = decision.scope
    if decision.generation:
        detail["g"] = decision.generation
    if decision.until is not None:
        detail["u"] = decision.until
    if decision.hold is not None:
        detail["h"] = decision.hold.value
    if decision.checks:
        detail["c"] = [(check.text, _STATUS_CODE[check.status], check.seen) for check in decision.checks]
    if decision.postings:
        detail["p"] = [(posting.currency, posting.amount) for posting in decision.postings]
    if decision.message:
        detail["m"] = decision.message
    if decision.completes:
        detail["st"] = decision.completes
    return detail


def decode_decision(
    detail: bytes | None,
    *,
    event_id: bytes,
    rule_id: str,
    version: str,
    role: str,
    learner: str,
    outcome: int,
    reason: str,
) -> Decision:
    """The decision of a row of table `decision`; its uses are in `quota_use` (or, held, in the hold's promise)."""
    data: Mapping[str, Any] = orjson.loads(detail) if detail else {}
    return Decision(
        event_id=event_id,
        rule_id=rule_id,
        rules_version=version,
        role=role,
        learner=learner,
        outcome=Outcome(outcome),
        reason=reason,
        scope=data.get("s", ""),
        generation=data.get("g", 0),
        until=data.get("u"),
        hold=HoldKind(data["h"]) if "h" in data else None,
        checks=tuple(Check(text=text, status=_STATUS[code], seen=seen) for text, code, seen in data.get("c", ())),
        postings=tuple(Posting(currency=currency, amount=amount) for currency, amount in data.get("p", ())),
        message=data.get("m", ""),
        completes=tuple(data.get("st", ())),
    )


def encode_promise(decision: Decision) -> bytes:
    """What a hold promises: the postings and the uses an approval would book, the reserved ones first."""
    uses = [(use.meter, use.bucket, use.learner, use.at, use.amount, use.slot) for use in decision.uses]
    postings = [(posting.currency, posting.amount) for posting in decision.postings]
    kept = {"r": len(decision.reserves)} if decision.reserves else {}
    return orjson.dumps({"p": postings, "u": uses} | kept)


def decode_reserves(promise: bytes, decision_no: int) -> tuple[Use, ...]:
    """The uses that the hold of a decision keeps from others, with the slots that they have in the ledger."""
    _, uses = decode_promise(promise)
    kept = uses[: orjson.loads(promise).get("r", 0)]
    return tuple(use if use.slot >= 0 else replace(use, slot=-decision_no) for use in kept)


def decode_promise(promise: bytes) -> tuple[tuple[Posting, ...], tuple[Use, ...]]:
    """The postings and uses of `encode_promise`."""
    data = orjson.loads(promise)
    return (
        tuple(Posting(currency=currency, amount=amount) for currency, amount in data["p"]),
        tuple(
            Use(meter=meter, bucket=bucket, learner=learner, at=at, amount=amount, slot=slot)
            for meter, bucket, learner, at, amount, slot in data["u"]
        ),
    )


def encode_award(decision: Decision) -> bytes:
    """What an undo must know of an award: who got what, and what it used."""
    uses = [(use.meter, use.bucket, use.learner, use.at, use.amount, use.slot) for use in decision.uses]
    postings = [(posting.currency, posting.amount) for posting in decision.postings]
    return orjson.dumps({"r": decision.role, "s": decision.scope, "g": decision.generation, "p": postings, "u": uses})


def decode_award(award: bytes, *, marker: int, when: tuple[int, int], learner: str) -> Award:
    """The award of `encode_award`; its uses have the slots that they have in the ledger."""
    data = orjson.loads(award)
    postings, uses = decode_promise(award)
    return Award(
        marker=marker,
        when=when,
        role=data["r"],
        learner=learner,
        scope=data["s"],
        generation=data["g"],
        postings=postings,
        uses=tuple(use if use.slot >= 0 else replace(use, slot=marker) for use in uses),
    )


def with_entries(award: Award, entries: tuple[str, ...]) -> Award:
    """The same award with the ids of its entries."""
    return replace(award, entries=entries)
