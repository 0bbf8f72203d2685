"""What can be asked, told in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from catalogue.api import agents, names, versions
from catalogue.api.openapi import DAY, LIMIT, TEXT, WHOLE, closed, doing, parameter
from catalogue.api.reading import COLUMNS, EVENT, PAGE_ROWS_MAX
from catalogue.api.recognition.document import paths as recognition_paths
from catalogue.api.rewards import labels, vouchers
from catalogue.api.rewards.shelf import REDEEMED, STATES
from catalogue.rewards.model import Reward
from catalogue.rewards.shelf import TIER
from wire.canonical import NAME_CHARS_MAX
from wire.money.spending import TOKEN_CHARS_MAX
from wire.people.names import NAME_CHARS_MAX as NAMED_CHARS_MAX
from wire.people.names import SAID_BY

_ABOUT = (
    "Every path is served as /api/v1/… and, by the same handlers, as /api/… without the version. Within version 1"
    " paths, parameters that need not be sent, fields of answers and codes of errors may be added, and nothing is taken"
    " away: pass over fields that you do not know. What agents ask for under /v1 is signed."
)
_MEANS = {
    "user": "The pseudonym whose wallet moved; one of several where the person has several",
    "ref": (
        "The movement's name, never given twice: `<agent>/<entry_id>` where an agent's entry made it, with the entry_id"
        " of that agent's `ledger export`; else the centre's own name for what it did."
    ),
    EVENT: (
        "The event that it is about, of an agent's entry that an event made: the same in each row that one event of one"
        " learner made, and made under a secret of that learner's. What the event was is known on campus alone."
    ),
    "about": "The ref of the lot or the spend that it concerns, or nothing",
    "waived": "What of it moves nothing: amount and waived of all rows add up to the balance",
}
_NUMBERS = ("no", "occurred_at", "posted_at", "amount", "waived")


def document() -> dict[str, Any]:
    """The document."""
    described = Reward.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = described.pop("$defs", {}) | {"Reward": _without_id(described)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rewards catalogue", "version": "1", "description": _ABOUT},
        "security": [{"token": []}],
        "paths": versions.both(_api_paths()) | agents.paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}, "signature": agents.SIGNATURE},
            "schemas": schemas,
        },
    }


def _api_paths() -> dict[str, Any]:
    """What programs with a token ask for, by its name without the version."""
    user = parameter("user", TEXT, "The learner's pseudonym") | {"required": True}
    return {
        "/api/user/points": {"get": doing("What one learner has (scope points:read)", [user], _POINTS)},
        "/api/rewards/ledger": {"get": doing("The ledger (scope ledger:read)", _filters(), _PAGE, csv=True)},
        **_shelf_paths(),
        **_label_paths(),
        **_till_paths(),
        **_name_paths(),
        **recognition_paths(),
    }


def _shelf_paths() -> dict[str, Any]:
    reads, writes = "(scope rewards:read)", "(scope rewards:write)"
    page = [parameter("after", TEXT, "`next` of the page before"), LIMIT]
    kinds = [parameter(name, TEXT, "Only rewards with this") for name in ("type", "category")]
    states = parameter("state", {"enum": list(STATES)}, "Only rewards that are this")
    redeemed = [
        parameter("user", TEXT, "Only redemptions of the person who has this pseudonym"),
        parameter("reward", TEXT, "Only redemptions of this reward"),
    ]
    put = doing(f"Keep a reward of the campus's own {writes}; 201 where it is new", [], _SHOWN)
    put["requestBody"] = {"required": True, "content": {"application/json": {"schema": _REWARD}}}
    put["responses"] |= {"201": put["responses"]["200"]}
    gone = _gone(doing(f"Take a reward away that nobody redeemed {writes}", [], _SHOWN))
    where = [parameter("reward", TEXT, "Its id") | {"in": "path", "required": True}]
    approval = {
        "put": doing(f"Let the campus's learners have it {writes}", [], _SHOWN),
        "delete": doing(f"No longer {writes}", [], _SHOWN),
    }
    return {
        "/api/rewards": {"get": doing(f"What the campus may offer {reads}", [*page, states, *kinds], _SHELF)},
        "/api/rewards/{reward}": {
            "parameters": where,
            "get": doing(f"One reward {reads}", [], _SHOWN),
            "put": put,
            "delete": gone,
        },
        "/api/rewards/{reward}/approval": {"parameters": where} | approval,
        "/api/users_rewards": {"get": doing(f"What learners redeemed {reads}", [*page, *redeemed], _REDEMPTIONS)},
    }


def _label_paths() -> dict[str, Any]:
    """Those of the names that rewards are sorted by."""
    page = [parameter("after", TEXT, "`next` of the page before"), LIMIT | {"schema": _MANY}]
    where = [parameter("name", TEXT, "The name") | {"in": "path", "required": True}]
    found: dict[str, Any] = {}
    for path, kind in labels.PATHS.items():
        gate = {"gate": {"$ref": "#/components/schemas/Gate"}} if kind == TIER else {}
        told = {key: {"type": "string"} for key in ("name", "title", "description", "owner")}
        shown = closed(**told, **(_OF_TIERS if gate else {}))
        sent = closed(title={"type": "string"}, description={"type": "string"}, **gate) | {"required": ["title"]}
        put = doing(f"Keep a {kind} of the campus's own (scope rewards:write); 201 where it is new", [], shown)
        put["requestBody"] = {"required": True, "content": {"application/json": {"schema": sent}}}
        put["responses"] |= {"201": put["responses"]["200"]}
        listed = closed(names={"type": "array", "items": shown}, next=_NEXT)
        found[path] = {"get": doing(f"Every {kind} that rewards may have (scope rewards:read)", page, listed)}
        found[f"{path}/{{name}}"] = {
            "parameters": where,
            "get": doing(f"One {kind} (scope rewards:read)", [], shown),
            "put": put,
            "delete": _gone(doing(f"Forget a {kind} of the campus's own (scope rewards:write)", [], shown)),
        }
    return found


def _till_paths() -> dict[str, Any]:
    """Those of vouchers that learners show."""
    text = {"type": "string", "minLength": 1}
    token = text | {"maxLength": TOKEN_CHARS_MAX, "description": "What the learner shows"}
    key = text | {"maxLength": NAME_CHARS_MAX, "description": "The till's own name for this use: again, it is the same"}
    when = {"type": ["integer", "null"]}
    told = closed(
        **{name: {"type": "string"} for name in ("redemption", "reward", "title")}, expires_at=when, used_at=when
    )
    look = doing("What a voucher is good for (scope vouchers:use)", [], told)
    use = doing("Use a voucher, once (scope vouchers:use)", [], told)
    for operation, sent in ((look, closed(token=token)), (use, closed(token=token, key=key) | {"required": ["token"]})):
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": sent}}}
    return {vouchers.LOOK: {"post": look}, vouchers.USE: {"post": use}}


def _name_paths() -> dict[str, Any]:
    """Those of what learners are called."""
    user = {"type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX}
    users = {"type": "array", "minItems": 1, "maxItems": names.USERS_MAX, "items": user}
    text = {"type": "string", "minLength": 1, "maxLength": NAMED_CHARS_MAX, "description": "A part of the name"}
    word = {"type": "string"}
    one = closed(user=word, name=word, said_by={"enum": list(SAID_BY)}, told_at=WHOLE)
    found = {"names": {"type": "array", "items": one}}
    look = doing("What learners are called, where their campus tells it (scope names:read)", [], closed(**found))
    find = doing("Whose name has this text in it (scope names:read)", [], closed(**found, more={"type": "boolean"}))
    for operation, sent in ((look, closed(users=users)), (find, closed(text=text))):
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": sent}}}
    return {names.LOOK: {"post": look}, names.FIND: {"post": find}}


def _gone(operation: dict[str, Any]) -> dict[str, Any]:
    said = {status: told for status, told in operation["responses"].items() if status != "200"}
    return operation | {"responses": {"204": {"description": "It is gone"}} | said}


def _without_id(described: dict[str, Any]) -> dict[str, Any]:
    """A reward as it is sent: its id is in the path."""
    required = [name for name in described["required"] if name != "id"]
    return described | {"required": required}


def _cell(name: str) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": "string"}
    if name == "expires_at":
        kind = {"type": ["integer", "null"]}
    elif name in _NUMBERS:
        kind = WHOLE
    return kind | ({"description": _MEANS[name]} if name in _MEANS else {})


def _of_redemption(name: str) -> dict[str, Any]:
    if name == "ended_at":
        return {"type": ["integer", "null"]}
    return WHOLE if name in {"amount", "reserved_at"} else {"type": "string"}


_WALLET = closed(currency={"type": "string"}, balance=WHOLE, earned=WHOLE)
_POINTS = closed(user={"type": "string"}, wallets={"type": "array", "items": _WALLET})
_ROW = closed(**{name: _cell(name) for name in (*COLUMNS, EVENT)})
_ARCHIVED = {
    "type": ["string", "null"],
    "description": "The newest month (UTC) that is in the archive alone, where rows of it and of before are lacking",
}
_PAGE = closed(rows={"type": "array", "items": _ROW}, next={"type": ["integer", "null"]}, archived=_ARCHIVED)
_REWARD = {"$ref": "#/components/schemas/Reward"}
_OF_OFFER = {"id": {"type": "string"}, "owner": {"type": "string"}, "approved": {"type": "boolean"}, "taken": WHOLE}
_SHOWN: dict[str, Any] = {"type": "object", "required": list(_OF_OFFER), "properties": _OF_OFFER}
_NEXT = {"type": ["string", "null"]}
_SHELF = closed(rewards={"type": "array", "items": _SHOWN}, next=_NEXT)
_OF_TIERS: dict[str, dict[str, Any]] = {
    "gate": {"type": "object", "description": "What a learner must have"},
    "current": {"type": "object", "description": "Balances that the campus's rules ask for, by currency"},
    "on_campus": {
        "type": "array",
        "items": {"type": "string"},
        "description": "What the campus's rules ask for that only the campus knows",
    },
}
_MANY = WHOLE | {"minimum": 1, "maximum": PAGE_ROWS_MAX, "default": PAGE_ROWS_MAX}
_REDEMPTION = closed(**{name: _of_redemption(name) for name in REDEEMED})
_REDEMPTIONS = closed(rows={"type": "array", "items": _REDEMPTION}, next=_NEXT)


def _filters() -> list[dict[str, Any]]:
    return [
        parameter("user", TEXT, "Only rows of the person who has this pseudonym, of all wallets of theirs"),
        *(parameter(name, TEXT, "Only rows with this") for name in ("rule", "source", "currency")),
        parameter("from", DAY, "The first day (UTC) on which it happened"),
        parameter("until", DAY, "The last day (UTC) on which it happened, included"),
        parameter("after", WHOLE | {"minimum": 0, "maximum": 10**18 - 1}, "`next` of the page before"),
        LIMIT | {"schema": {"anyOf": [LIMIT["schema"], {"const": "all"}]}, "description": "Rows of a page; all as CSV"},
        parameter(
            "format",
            {"enum": ["json", "csv"], "default": "json"},
            "CSV tells `next` in the header Next-After, `archived` in Archived-Until",
        ),
    ]
