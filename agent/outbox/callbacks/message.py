"""From an item of the ledger's stream to the messages that a callback wants of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from string import Formatter
from typing import Any, NamedTuple

import orjson

from agent.config.grammar import shown_number
from agent.config.rulefile import Level
from agent.config.rulefile.messages import LEARNER_WORDS, addressed
from agent.config.tables.callback import CallbackSettings
from agent.engine import words
from agent.ledger.stream.items import Decided, Entry, Item, Notice, Position

BODY_BYTES_MAX = 64 * 2**10
"""No message is longer; texts in it are cut before that."""
_TEXT_MAX = 4_000
_FIELD_MAX = 1_000

TEMPLATES: Mapping[str, str] = {
    "award": "{learner} earned {amount} {called}: {title}",
    "reversal": "{amount} {called} for {learner}, {title}: {reason}",
    "adjustment": "{amount} {called} for {learner}, by hand: {reason}",
    "badge": "{learner} got the badge {badge}",
    "badge.revoked": "The badge {badge} of {learner} was taken back: {reason}",
    "level": "{learner} reached {level}",
    "challenge.step": "{learner} completed step {step} of {steps}: {title}",
    "challenge.completed": "{learner} completed the challenge {title}",
    "hold": "A decision waits: {title} for {learner}: {reason}",
    "expiry": "{amount} {called} of {learner} expire soon, the first of them {expires_at}",
    "brake": "Issuing is held back, {reason}. Look at what waits: rewards-agent review list --kind budget",
    "test": "A test of the callback from {campus}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the rules in force say of names: rule id → title and group, steps of challenges, levels, currencies."""

    titles: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)
    levels: Sequence[Level] = ()
    currencies: words.Currencies = field(default_factory=dict)

    def unit(self, currency: str) -> int:
        """How many smallest units make one."""
        terms = self.currencies.get(currency)
        return 10**terms.decimals if terms is not None else 1

    def moved(self, currency: str, units: int) -> dict[str, Any]:
        """An amount, as a message tells it; what so much is called is for its text."""
        amount, called = words.amount(currency, units, self.currencies).split(" ", 1)
        return {"currency": currency, "amount": amount, "units": units, "called": called}


def level_totals(known: Known) -> dict[str, list[int]]:
    """Currency → the totals, in smallest units, at which a level begins; not that which everybody begins with."""
    found: dict[str, list[int]] = {}
    for level in known.levels:
        if level.from_:
            found.setdefault(level.currency, []).append(int(level.from_ * known.unit(level.currency)))
    return found


class From(NamedTuple):
    """Whose ledger it is."""

    campus: str
    environment: str


class Message(NamedTuple):
    """One message: its ``id`` is the same each time it is sent; ``at`` is where the receiver stands once it has it."""

    id: str
    event: str
    at: Position
    body: bytes


def messages(item: Item, callback: CallbackSettings, known: Known, sender: From) -> Iterator[Message]:
    """What of an item is to be told, in order."""
    for event, number, data in _of(item, known):
        if event not in callback.on or not _wanted(str(data.get("rule", "")), callback, known):
            continue
        told = _person(item, callback)
        names = dict.fromkeys(LEARNER_WORDS, str(told["learner"]))
        if "message" in data:
            data["message"] = addressed(data["message"], names)
        yield made(event, number, {**told, **data}, item.at, callback, sender)


def made(
    event: str, number: str, data: Mapping[str, Any], at: Position, callback: CallbackSettings, sender: From
) -> Message:
    """A message as it is sent."""
    words = {"campus": sender.campus, "event": event, **{key: _cut(value) for key, value in data.items()}}
    text = _text(callback.template.get(event) or TEMPLATES[event], words)  # type: ignore[call-overload]
    match callback.format:
        case "slack":
            body: dict[str, Any] = {"text": _for_slack(text)}
        case "teams":
            body = _card(text)
        case _:
            body = {
                "id": number,
                "type": event,
                "timestamp": data.get("recorded_at", ""),
                "campus": sender.campus,
                "environment": sender.environment,
                "text": text,
                "data": {key: _cut(value) if isinstance(value, str) else value for key, value in data.items()},
            }
    return Message(number, event, at, orjson.dumps(body))


_Found = Iterator[tuple[str, str, dict[str, Any]]]


def _of(item: Item, known: Known) -> _Found:
    if isinstance(item, Entry):
        return _of_entry(item, known)
    return _of_notice(item, known) if isinstance(item, Notice) else _of_decision(item, known)


def _of_notice(notice: Notice, known: Known) -> _Found:
    data = {**known.moved(notice.currency, notice.amount), "expires_at": _utc(notice.ends_at)}
    yield "expiry", f"n{notice.at.notice_no}.expiry", {**data, "recorded_at": _utc(notice.told_at)}


def _of_entry(entry: Entry, known: Known) -> _Found:
    fields = entry.fields
    rule, currency, amount = str(fields["rule"]), str(fields["currency"]), int(fields["amount"])
    number = str(fields["entry_id"])
    data = {
        "rule": rule,
        "title": known.titles.get(rule) or rule,
        "group": known.groups.get(rule, ""),
        "occurred_at": _utc(fields["occurred_at"]),
        "recorded_at": _utc(fields["recorded_at"]),
        "entry_id": number,
        "reason": str(fields["reason"]),
        "message": entry.message,
        "reverses": str(fields["reverses"]),
    }
    if entry.badge:
        yield "badge" if amount > 0 else "badge.revoked", f"{number}.badge", {**data, "badge": entry.badge}
        return
    event = str(fields["kind"])
    yield event, f"{number}.{event}", {**data, **known.moved(currency, amount)}
    if entry.reached:
        unit = known.unit(currency)
        for level in sorted(known.levels, key=lambda each: each.from_):
            if level.currency == currency and level.from_ * unit in entry.reached:
                begins = shown_number(level.from_)
                yield "level", f"{number}.level.{begins}", {**data, "currency": currency, "level": level.name}


def _of_decision(item: Decided, known: Known) -> _Found:
    decision = item.decision
    rule = decision.rule_id
    data = {
        "rule": rule,
        "title": known.titles.get(rule) or rule,
        "group": known.groups.get(rule, ""),
        "occurred_at": _utc(item.occurred_at),
        "recorded_at": _utc(item.recorded_at),
        "decision": item.at.decision_no,
        "reason": decision.reason,
        "message": decision.message,
    }
    number = f"d{item.at.decision_no}"
    for name in decision.completes:
        challenge = {**data, "challenge": rule, "steps": known.steps.get(rule, 0)}
        what, _, step = name.partition(" ")
        if what == "step":
            yield "challenge.step", f"{number}.step.{step}", {**challenge, "step": int(step)}
        else:
            yield "challenge.completed", f"{number}.completed", challenge
    if item.waits:
        yield "hold", f"{number}.hold", data
    if item.braked:
        yield "brake", f"{number}.brake", {**data, "learner": ""}


def _wanted(rule: str, callback: CallbackSettings, known: Known) -> bool:
    if callback.rules and not any(fnmatchcase(rule, pattern) for pattern in callback.rules):
        return False
    return not callback.groups or known.groups.get(rule, "") in callback.groups


def _person(item: Item, callback: CallbackSettings) -> dict[str, Any]:
    """The learner, as far as this callback is told."""
    if callback.learner == "none":
        return {"learner": "somebody"}
    if isinstance(item, Entry):
        pseudonym, learner = str(item.fields["learner"]), item.learner
    elif isinstance(item, Notice):
        pseudonym, learner = item.pseudonym, item.learner
    else:
        pseudonym, learner = item.pseudonym or "somebody", item.decision.learner
    return {"learner": learner or pseudonym if callback.learner == "lms-id" else pseudonym}


def _text(template: str, words: Mapping[str, Any]) -> str:
    """A template with its words; one that this event does not have is left empty."""
    parts = [
        literal + (str(words.get(name, "")) if name is not None else "")
        for literal, name, _, _ in Formatter().parse(template)
    ]
    return "".join(parts)[:_TEXT_MAX]


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _card(text: str) -> dict[str, Any]:
    """The smallest adaptive card: what Teams' workflows take."""
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": text, "wrap": True}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
    return {"type": "message", "attachments": [attachment]}


def _cut(value: Any) -> Any:
    return value[:_FIELD_MAX] if isinstance(value, str) else value


def _utc(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)
