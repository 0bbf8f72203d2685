"""How events and decisions are written into the ledger's local columns, and read back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
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


def encode_event(seen: Observation) -> bytes:
    """The parts of an observation that have no column of their own; facts stay exact."""
    payload: dict[str, object] = {"e": seen.lms_event, "w": seen.people, "v": seen.evidence, "f": seen.facts}
    if seen.site != seen.source:
        payload["si"] = seen.site
    optional = (
        ("k", seen.kind),
        ("t", seen.object_table),
        ("o", seen.object_id),
        ("c", seen.course),
        ("s", seen.section),
        ("l", seen.lesson),
        ("p", seen.post),
        ("m", seen.marks),
        ("pm", seen.person_marks),
    )
    payload |= {key: value for key, value in optional if value}
    try:
        return orjson.dumps(payload, default=_exact)
    except TypeError:
        payload["f"] = {name: _plain(value) for name, value in seen.facts.items()}
        return orjson.dumps(payload, default=_exact)


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
        facts={name: _fact(value) for name, value in data["f"].items()},
    )
    return Event(seen=seen, event_id=event_id, trust=Trust(trust))


def encode_detail(decision: Decision) -> bytes | None:
    """What explains a decision beyond its reason: scope, checks, postings; None where there is nothing to add."""
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
    return orjson.dumps(detail) if detail else None


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
    """What a hold promises: the postings and the uses an approval would book."""
    uses = [(use.meter, use.bucket, use.learner, use.at, use.amount, use.slot) for use in decision.uses]
    postings = [(posting.currency, posting.amount) for posting in decision.postings]
    return orjson.dumps({"p": postings, "u": uses})


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
