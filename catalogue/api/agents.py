"""What agents ask for, told in OpenAPI: every request is signed by the agent's key, every answer by the catalogue's.

Signatures are HTTP message signatures (RFC 9421, Ed25519); `x-signed-as` is the tag that a request is signed with.
"""

from __future__ import annotations

from typing import Any

from catalogue.api.openapi import REFUSAL, WHOLE, closed
from catalogue.recognition.agents.door import DOINGS
from catalogue.redemption import voucher
from wire import batch, receipt, signing, statement
from wire.canonical import CAMPUS, HASH_BYTES, NAME_CHARS_MAX, WHOLE_MAX
from wire.enrolment import MESSAGE_BYTES_MAX
from wire.keeping import HISTORY_TYPE, PERSONS_MAX
from wire.money import spending
from wire.people import known, names
from wire.recognition import deed

SIGNATURE = {
    "type": "apiKey",
    "in": "header",
    "name": "Signature",
    "description": "HTTP message signature (RFC 9421) of the agent's key, over method, path, query and Content-Digest",
}
_REFUSALS = {
    "400": "The message or the path cannot be read",
    "401": "Not signed, not by a key that is known, too long ago, or for another purpose",
    "403": "The campus is suspended or closed, the agent revoked, or the message another's",
    "404": "There is nothing of that name",
    "409": "It cannot be done as things are; the message says why",
    "410": "It is in the archive; the message says how the operator brings it back",
    "413": "The message is too large",
    "503": "Busy, the database does not answer, or the operator must look; Retry-After says how many seconds to wait",
}
_JSON = "application/json"
_ANY = {"type": "string"}
_OBJECT = {"type": "object"}


def paths() -> dict[str, Any]:
    """Every path of theirs."""
    return {**_delivering(), **_keeping(), **_people(), **_spending()}


def _delivering() -> dict[str, Any]:
    wish = _message(campus=_CALLED, environment=_NAME, secret=_NAME, public=_hex(32))
    enrolled = closed(
        v=_FORMAT, campus=_CALLED, agent=_CALLED, catalogue_public=_hex(32), epoch=_NUMBER | {"minimum": 1}
    )
    rotation = _message(**_OWNER, public=_hex(32), proof=_hex(64))
    taken = _asking("Entries in order: a header and a line each", signing.BATCH_TAG, _RECEIPT)
    taken["requestBody"] = {"required": True, "content": {batch.CONTENT_TYPE: {"schema": _ANY}}}
    taken["responses"]["409"] = _told(
        "It does not follow: where the agent stands, signed", {"anyOf": [_STAND, REFUSAL]}
    )
    return {
        "/v1/enrol": {
            "post": _sending("Bind a key to a campus by a one-time token", signing.ENROL_TAG, wish, enrolled)
        },
        "/v1/agents/key": {"post": _sending("Replace the key that signs", signing.ROTATE_TAG, rotation, _STAND)},
        "/v1/batches": {"post": taken},
        "/v1/stand": {"get": _asking("Where the agent stands", signing.ASK_TAG, _STAND)},
        "/v1/keys": {"get": _asking("Which key of the catalogue followed which; unsigned", "", _OBJECT)},
    }


def _keeping() -> dict[str, Any]:
    sealed = {"type": "object", "additionalProperties": _ANY, "maxProperties": PERSONS_MAX}
    persons = _message(kind={"const": "persons"}, **_OWNER, persons=sealed, gone=_list(_CALLED, PERSONS_MAX))
    begun = _message(
        kind={"const": "takeover"}, **_OWNER, epoch=_NUMBER | {"minimum": 1}, seq=_NUMBER, head=_hex(HASH_BYTES)
    )
    place = [_in_path("epoch"), _in_path("seq")]
    history = _asking("The first batch after an entry, as it came", signing.ASK_TAG, _ANY, HISTORY_TYPE)
    sums = _asking("What the agent's next batches come to", signing.ASK_TAG, _OBJECT)
    page = _asking("A page of what is kept", signing.ASK_TAG, _OBJECT)
    return {
        "/v1/persons": {"post": _sending("Keep sealed persons", signing.KEEP_TAG, persons, _OBJECT)},
        "/v1/persons/{after}": {"parameters": [_in_path("after", _NAME)], "get": page},
        "/v1/history/{epoch}/{seq}": {"parameters": place, "get": history},
        "/v1/sums/{epoch}/{seq}": {"parameters": place, "get": sums},
        "/v1/agents/epoch": {"post": _sending("Begin a new epoch", signing.TAKEOVER_TAG, begun, _STAND)},
    }


def _people() -> dict[str, Any]:
    tag = {"type": "array", "minItems": 3, "maxItems": 3, "items": {"type": ["string", "boolean"]}}
    one = closed(into=_ANY, tags={"type": "array", "items": tag})
    by_name = {"type": "object", "additionalProperties": one, "maxProperties": known.TOLD_MAX}
    told = _message(kind={"const": "people"}, **_OWNER, key=_ANY, people=by_name)
    name = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": ["string", "integer"]}}
    called = {"type": "object", "additionalProperties": name, "maxProperties": names.NAMES_MAX}
    said_by = {"enum": list(names.SAID_BY)}
    naming = _message(
        kind={"const": "names"}, **_OWNER, said_by=said_by, register=_ANY, names=called, withdrawn=_NUMBER
    )
    elsewhere = _asking("What this agent's persons have elsewhere", signing.ASK_TAG, _OBJECT)
    lines = _asking("What the centre booked after a number", signing.ASK_TAG, _ANY, statement.CONTENT_TYPE)
    return {
        "/v1/people": {"post": _sending("Tell what persons are known by", signing.KEEP_TAG, told, _OBJECT)},
        names.PATH: {"post": _sending("Tell what learners are called", signing.KEEP_TAG, naming, _OBJECT)},
        "/v1/people/{moved}/{linked}/{after}": {
            "parameters": [_in_path("moved"), _in_path("linked"), _in_path("after", _NAME)],
            "get": elsewhere,
        },
        "/v1/statement/{after}/{head}": {
            "parameters": [_in_path("after"), _in_path("head", _hex(HASH_BYTES))],
            "get": lines,
        },
    }


def _spending() -> dict[str, Any]:
    wanted = {"key": _NAME, "reward": _NAME, "currency": _SHORT}
    till = {"token": _ANY | {"minLength": 1, "maxLength": spending.TOKEN_CHARS_MAX}, "key": _SHORT, "by": _SHORT}
    epoch = {"epoch": _NUMBER | {"minimum": 1}}
    names = _list(_NAME, spending.SETTLED_MAX)
    why = _ANY | {"minLength": 1, "maxLength": spending.WHY_CHARS_MAX}
    fields = {
        "type": "object",
        "maxProperties": deed.FIELDS_MAX,
        "additionalProperties": {"type": ["string", "integer"]},
    }
    one = _asking("Where a redemption is, with its voucher", signing.ASK_TAG, _REDEMPTION)
    wished = _asking("What became of a wish; asking makes nothing", signing.ASK_TAG, _REDEMPTION)
    shelf = closed(rewards={"type": "array", "items": _OBJECT}, wallets={"type": "array", "items": _OBJECT})
    asked_for = {"type": "array", "items": _ANY}
    gated = closed(cohorts=asked_for, countries=asked_for)
    settled = closed(against={"type": "object", "additionalProperties": _ANY})
    asked = {
        "/v1/shelf": ("What is offered to a learner, and what stands against it", {}, shelf),
        "/v1/shelf/cohorts": ("Which cohorts and countries a reward asks for, or all do", {"reward": _SHORT}, gated),
        "/v1/redemptions": ("Spend a learner's points; the same key again gets the same answer", wanted, _REDEMPTION),
        "/v1/redemptions/cancel": ("Give a reservation back", {"redemption": _NAME, "why": why}, _REDEMPTION),
        "/v1/vouchers/look": ("What a voucher is good for that a learner shows", till, _GOOD_FOR),
        "/v1/vouchers/use": ("Use it, once; the same key again is the same use", till, _GOOD_FOR),
        "/v1/allowances": ("Have a voucher made beforehand", wanted | epoch, _REDEMPTION),
        "/v1/allowances/settle": ("What became of those", epoch | {"spent": names, "returned": names}, settled),
    }
    act = _message(**_OWNER, act={"enum": list(DOINGS)}, learner=_SHORT, fields=fields)
    tag = signing.SPEND_TAG
    return {
        **{path: {"post": _sending(about, tag, _asker(more), answer)} for path, (about, more, answer) in asked.items()},
        "/v1/redemptions/{redemption}": {"parameters": [_in_path("redemption", _NAME)], "get": one},
        "/v1/wishes/{key}": {"parameters": [_in_path("key", _NAME)], "get": wished},
        deed.PATH: {"post": _sending("Recognition: give, look, moderate, by its act", tag, act, _OBJECT)},
    }


def _asking(about: str, tag: str, answer: dict[str, Any], kind: str = _JSON) -> dict[str, Any]:
    """What can be asked for, signed with this tag."""
    refusals = {status: _told(why, REFUSAL) for status, why in _REFUSALS.items()}
    signed = {"security": [{"signature": []}], "x-signed-as": tag} if tag else {"security": []}
    return {"summary": about, **signed, "responses": {"200": _told("What was asked for", answer, kind), **refusals}}


def _sending(about: str, tag: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    sent = {"required": True, "content": {_JSON: {"schema": body}}}
    return _asking(about, tag, answer) | {"requestBody": sent}


def _told(why: str, answer: dict[str, Any], kind: str = _JSON) -> dict[str, Any]:
    return {"description": why, "content": {kind: {"schema": answer}}}


def _message(**fields: dict[str, Any]) -> dict[str, Any]:
    """A message in canonical JSON: keys sorted, no spaces, at most so many bytes."""
    said = {"v": _FORMAT} | fields
    return closed(**said) | {"description": f"Canonical JSON; enrolment and keys at most {MESSAGE_BYTES_MAX} bytes"}


def _asker(more: dict[str, Any]) -> dict[str, Any]:
    who = {"learner": _NAME, "cohorts": _list(_NAME, spending.COHORTS_MAX), "country": _ANY | {"maxLength": 2}}
    return _message(**_OWNER, **who, **more)


def _hex(length: int) -> dict[str, Any]:
    return _ANY | {"pattern": f"^[0-9a-f]{{{2 * length}}}$"}


def _list(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most}


def _in_path(name: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema or _PLACE}


_FORMAT = {"const": 1}
_NUMBER = WHOLE | {"minimum": 0, "maximum": WHOLE_MAX}
_PLACE = WHOLE | {"minimum": 0, "maximum": 10**18 - 1}
_NAME = _ANY | {"minLength": 1, "maxLength": NAME_CHARS_MAX}
_SHORT = _ANY | {"maxLength": NAME_CHARS_MAX}
_CALLED = _ANY | {"pattern": f"^{CAMPUS.pattern}$"}
_OWNER = {"campus": _CALLED, "agent": _CALLED}
_STAND = closed(
    v=_FORMAT,
    kind={"const": "stand"},
    **_OWNER,
    epoch=WHOLE,
    seq=WHOLE,
    head=_hex(HASH_BYTES),
    why=_ANY | {"maxLength": receipt.REASON_CHARS_MAX},
    at=WHOLE,
    notice=_ANY,
)
_RECEIPT = closed(
    v=_FORMAT,
    kind={"const": "receipt"},
    **_OWNER,
    **dict.fromkeys(("epoch", "first_seq", "last_seq", "accepted", "received_at"), WHOLE),
    digest=_hex(HASH_BYTES),
    head=_hex(HASH_BYTES),
    rejected={"type": "array", "items": closed(seq=WHOLE, reason=_ANY)},
)
_WHEN = {"type": ["integer", "null"]}
_GOOD_FOR = closed(redemption=_ANY, reward=_ANY, title=_ANY, expires_at=_WHEN, used_at=_WHEN)
_REDEMPTION = closed(
    **dict.fromkeys(voucher.FIELDS, _ANY)
    | dict.fromkeys(("amount", "attempts", "reserved_at"), WHOLE)
    | dict.fromkeys(("ended_at", "expires_at", "used_at"), _WHEN)
    | {"code": _ANY, "token": _ANY}
)
