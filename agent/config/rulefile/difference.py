"""What is different between two sets of rules, told rule by rule and field by field in plain words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import BaseModel

from agent.config.rulefile.inline import inline
from agent.config.rulefile.merged import Placed, RuleFile
from agent.config.rulefile.models import Rule

Change = Literal["added", "removed", "changed", "moved"]

_NOT_COMPARED = frozenset({"version", "text", "rules", "warnings", "cases", "places"})
"""Cases are told by their number: they pay nothing."""

_ONE: Mapping[str, str] = {
    "periods": "period",
    "currencies": "currency",
    "values": "value",
    "levels": "level",
    "badges": "badge",
    "tiers": "tier",
    "budgets": "budget",
    "kinds": "kind",
    "caps": "cap",
    "denies": "deny",
    "challenges": "challenge",
    "scheduled": "scheduled",
    "programmes": "programme",
    "experiments": "experiment",
    "profile": "person",
    "checks": "check",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that changed: ``what`` it is (`rule`, `cap`, `setting`, …), its ``name``, and ``details`` in words."""

    what: str
    name: str
    change: Change
    details: tuple[str, ...] = ()


def differences(old: RuleFile, new: RuleFile) -> tuple[Difference, ...]:
    """Everything that differs in meaning: rules first, in their new order. Comments and spelling are no difference."""
    return (*_rules(old, new), *_order(old, new), *_rest(old, new))


def _rules(old: RuleFile, new: RuleFile) -> Iterator[Difference]:
    before = {placed.it.id: placed for placed in old.rules}
    after = {placed.it.id: placed for placed in new.rules}
    for rule, placed in after.items():
        if rule not in before:
            yield Difference(what="rule", name=rule, change="added", details=tuple(_given(placed)))
        elif details := tuple(_changed(before[rule], placed)):
            yield Difference(what="rule", name=rule, change="changed", details=details)
    for rule, placed in before.items():
        if rule not in after:
            yield Difference(what="rule", name=rule, change="removed", details=tuple(_given(placed)))


def _given(placed: Placed[Rule]) -> Iterator[str]:
    """What a rule that is only on one side says."""
    for key, value in _written(placed).items():
        if key not in {"id", "example"}:
            yield f"{key} {inline(value)}"


def _changed(old: Placed[Rule], new: Placed[Rule]) -> Iterator[str]:
    """What was meant before and is meant now, for each key whose meaning differs."""
    for name, field in Rule.model_fields.items():
        if getattr(old.it, name) == getattr(new.it, name):
            continue
        key = field.alias or name
        before, after = _written(old).get(key), _written(new).get(key)
        if key == "example":
            yield f"examples: {len(old.it.example)} before, {len(new.it.example)} now"
        elif isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from (_said(f"{key} {inner}", *pair) for inner, pair in _pairs(before, after))
        else:
            yield _said(key, before, after) + (_BEGINS_EMPTY if key == "once_per" else "")


_BEGINS_EMPTY = ": its scopes begin empty, what was paid before counts in limits alone"


def _written(placed: Placed[Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = placed.document.value(placed.path)
    return found


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) != after.get(key):
            yield key, (before.get(key), after.get(key))


def _said(key: str, before: Any, after: Any) -> str:
    if before is None:
        return f"{key} is now {inline(after)}, was left out"
    if after is None:
        return f"{key} is now left out, was {inline(before)}"
    return f"{key} is now {inline(after)}, was {inline(before)}"


def _order(old: RuleFile, new: RuleFile) -> Iterator[Difference]:
    """Caps are consumed in the order of the rules, so that another order pays otherwise."""
    both = {placed.it.id for placed in old.rules} & {placed.it.id for placed in new.rules}
    before = [placed.it.id for placed in old.rules if placed.it.id in both]
    after = [placed.it.id for placed in new.rules if placed.it.id in both]
    if before != after:
        details = (f"now {', '.join(after)}", f"was {', '.join(before)}")
        yield Difference(what="setting", name="order of the rules", change="moved", details=details)


def _rest(old: RuleFile, new: RuleFile) -> Iterator[Difference]:
    for field in fields(RuleFile):
        if field.name in _NOT_COMPARED:
            continue
        before, after = getattr(old, field.name), getattr(new, field.name)
        if isinstance(before, Mapping):
            yield from _tables(_ONE.get(field.name, field.name), before, after)
        elif (named := _by_name(before, after)) is not None:
            yield from _tables(_ONE.get(field.name, field.name), *named)
        elif _is_list(before) or _is_list(after):
            yield from _elements(_ONE.get(field.name, field.name), before, after)
        elif before != after:
            yield Difference(
                what="setting", name=field.name, change="changed", details=(_said("it", _plain(before), _plain(after)),)
            )
    if len(old.cases) != len(new.cases):
        details = (f"{len(new.cases)} now, {len(old.cases)} before",)
        yield Difference(what="setting", name="cases", change="changed", details=details)


def _by_name(*lists: Any) -> list[dict[str, Any]] | None:
    """Lists of tables that have an id or a name each, by that; None where some have none."""
    found: list[dict[str, Any]] = []
    for listed in lists:
        if not _is_list(listed):
            return None
        names = [getattr(_meant(one), "id", None) or getattr(_meant(one), "name", None) for one in listed]
        if not all(isinstance(name, str) for name in names):
            return None
        found.append({str(name): one for name, one in zip(names, listed, strict=True)})
    return found if any(found) else None


def _is_list(value: Any) -> bool:
    return isinstance(value, tuple)


def _tables(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys((*after, *before)):
        if name not in before:
            yield Difference(what=what, name=name, change="added", details=(inline(_plain(after[name])),))
        elif name not in after:
            yield Difference(what=what, name=name, change="removed", details=(inline(_plain(before[name])),))
        elif _meant(before[name]) != _meant(after[name]):
            one, other = _plain(before[name]), _plain(after[name])
            if isinstance(one, Mapping) and isinstance(other, Mapping):
                details = tuple(_said(key, *pair) for key, pair in _pairs(one, other))
            else:
                details = (_said("it", one, other),)
            yield Difference(what=what, name=name, change="changed", details=details)


def _elements(what: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Difference]:
    old, new = _texts(before), _texts(after)
    for text in (new - old).elements():
        yield Difference(what=what, name="", change="added", details=(text,))
    for text in (old - new).elements():
        yield Difference(what=what, name="", change="removed", details=(text,))


def _meant(value: Any) -> Any:
    """What is said, wherever it stands."""
    return value.it if isinstance(value, Placed) else value


def _texts(elements: Iterable[Any]) -> Counter[str]:
    return Counter(inline(_plain(one)) for one in elements)


def _plain(value: Any) -> Any:
    """A model or dataclass as the table it was written as, without what was left out."""
    if isinstance(value, Placed):
        return _written(value)
    if isinstance(value, BaseModel):
        return {
            (field.alias or name): _plain(getattr(value, name))
            for name, field in type(value).model_fields.items()
            if name in value.model_fields_set
        }
    text = getattr(value, "text", None) or getattr(value, "key", None)
    if isinstance(text, str):
        return text
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
