"""What must be true before something is earned: the tree that `[[badge]]`, `[[tier]]` and `requires` are read into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agent.config.document import KeyPath, MisfitError, quoted
from agent.config.grammar import Number, toml_number

Of = Literal["lifetime", "current"]
"""Which total of a currency: all that was ever earned, or what there is now."""

Asked = Literal["all", "any", "named", "rule", "badge", "group", "tag", "level", "tier", "programme", "balance"]

DEPTH_MAX = 8
_HINT = (
    'the id of a rule or badge, or a table such as { rule = "quiz-80", at_least = 3 },'
    ' { tag = "safety", distinct = true, at_least = 2 } or { any_of = [ … ] }'
)
_NAMED: Mapping[str, Asked] = {
    "rule": "rule",
    "badge": "badge",
    "group": "group",
    "tag": "tag",
    "level": "level",
    "tier": "tier",
    "programme": "programme",
}
_COUNTED = frozenset({"rule", "group", "tag"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One thing that must be true. ``asked`` says what of ``name``; ``parts`` are those of `all` and `any`.

    ``at_least`` counts awards of a rule, group or tag (``distinct``: its different rules), the parts of `any` that must
    be true, or a balance in whole units. ``at`` leads to where it stands.
    """

    asked: Asked
    name: str = ""
    at_least: Number = 1
    distinct: bool = False
    of: Of = "lifetime"
    parts: tuple[Wish, ...] = ()
    at: KeyPath = ()

    def leaves(self) -> Iterator[Wish]:
        """Every wish that has no parts."""
        if self.asked in {"all", "any"}:
            for part in self.parts:
                yield from part.leaves()
        else:
            yield self


def wishes(table: Mapping[str, Any], at: KeyPath = (), depth: int = 0) -> Wish:
    """What a table of criteria asks, all of it together.

    Raises:
        MisfitError: a key or value that is no criterion, or none at all.
    """
    if depth > DEPTH_MAX:
        raise MisfitError("this is nested too deep", f"at most {DEPTH_MAX} levels", at=at)
    parts = tuple(_key(key, value, table, at, depth) for key, value in table.items() if key not in _BESIDE)
    if not parts:
        raise MisfitError("this asks for nothing", _HINT, at=at)
    stray = next((key for key in table if key in _BESIDE and not _COUNTED & table.keys() and "any_of" not in table), "")
    if stray:
        raise MisfitError(f"`{stray}` counts nothing here", "it belongs to rule, group, tag or any_of", at=(*at, stray))
    return parts[0] if len(parts) == 1 else Wish(asked="all", parts=parts, at=at)


_BESIDE = frozenset({"at_least", "distinct"})


def _key(key: str, value: Any, table: Mapping[str, Any], at: KeyPath, depth: int) -> Wish:
    here = (*at, key)
    if key in _NAMED:
        if not isinstance(value, str) or not value:
            raise MisfitError(f"{quoted(value)} is no name", f"the name of one {key}", at=here)
        counted = key in _COUNTED
        return Wish(
            asked=_NAMED[key],
            name=value,
            at_least=_count(table.get("at_least", 1), (*at, "at_least")) if counted else 1,
            distinct=_flag(table.get("distinct", False), (*at, "distinct")) if counted else False,
            at=here,
        )
    reader = _KEYS.get(key)
    if reader is None:
        known = ", ".join((*_KEYS, *_NAMED))
        raise MisfitError(f"unknown key {quoted(key)}", f"there is {known}", at=here)
    return reader(value, table, here, depth)


def _all_of(value: Any, _: Mapping[str, Any], at: KeyPath, depth: int) -> Wish:
    return Wish(asked="all", parts=_items(value, at, depth), at=at)


def _any_of(value: Any, table: Mapping[str, Any], at: KeyPath, depth: int) -> Wish:
    parts = _items(value, at, depth)
    needed = _count(table.get("at_least", 1), (*at[:-1], "at_least"))
    if needed > len(parts):
        raise MisfitError(f"at least {needed} of {len(parts)} can never be", "ask for fewer", at=at)
    return Wish(asked="any", parts=parts, at_least=needed, at=at)


def _items(value: Any, at: KeyPath, depth: int) -> tuple[Wish, ...]:
    if not isinstance(value, list) or not value:
        raise MisfitError("a list with something in it", _HINT, at=at)
    found = []
    for number, each in enumerate(value):
        here = (*at, number)
        if isinstance(each, str) and each:
            found.append(Wish(asked="named", name=each, at=here))
        elif isinstance(each, Mapping):
            found.append(wishes(each, here, depth + 1))
        else:
            raise MisfitError(f"{quoted(each)} is no criterion", _HINT, at=here)
    return tuple(found)


def _counted(value: Any, _: Mapping[str, Any], at: KeyPath, depth: int) -> Wish:
    """`count = { rule = "x", at_least = 3 }`, or `{ of = [ … ], at_least = 2 }`."""
    if not isinstance(value, Mapping) or "at_least" not in value:
        raise MisfitError("a count is a table", 'such as { rule = "quiz-80", at_least = 3 }', at=at)
    if "of" in value:
        others = value.keys() - {"of", "at_least"}
        if others:
            raise MisfitError(f"unknown key {quoted(min(others))}", "`of` stands beside at_least alone", at=at)
        return _any_of(value["of"], value, (*at, "of"), depth)
    if len(_COUNTED & value.keys()) != 1:
        raise MisfitError("a count is of one thing", "name a rule, a group, a tag or `of` a list", at=at)
    return wishes(value, at, depth + 1)


def _balance(value: Any, _: Mapping[str, Any], at: KeyPath, __: int) -> Wish:
    known = {"currency", "at_least", "of"}
    if not isinstance(value, Mapping) or not {"currency", "at_least"} <= value.keys() <= known:
        raise MisfitError(
            "a balance names a currency and at_least", '{ currency = "points", at_least = 500, of = "current" }', at=at
        )
    least = toml_number(value["at_least"])
    if least is None or least <= 0:
        raise MisfitError(f"{quoted(value['at_least'])} is no amount", "more than nothing", at=(*at, "at_least"))
    of = value.get("of", "lifetime")
    if of not in ("lifetime", "current"):
        raise MisfitError(f"{quoted(of)} is no total", "lifetime or current", at=(*at, "of"))
    return Wish(asked="balance", name=_text(value["currency"], (*at, "currency")), at_least=least, of=of, at=at)


def _tags(value: Any, _: Mapping[str, Any], at: KeyPath, __: int) -> Wish:
    """`tags = { distinct = ["a", "b"] }`: an award of a rule with each of them, whatever the points."""
    if not isinstance(value, Mapping) or not {"distinct"} <= value.keys() <= {"distinct", "at_least"}:
        raise MisfitError("tags are counted as a table", 'such as { distinct = ["ai-1", "ai-2"] }', at=at)
    named = value["distinct"]
    if not isinstance(named, list) or not named:
        raise MisfitError("a list of tags", 'such as { distinct = ["ai-1", "ai-2"] }', at=(*at, "distinct"))
    here = (*at, "distinct")
    parts = tuple(Wish(asked="tag", name=_text(tag, (*here, n)), at=(*here, n)) for n, tag in enumerate(named))
    needed = _count(value.get("at_least", len(parts)), (*at, "at_least"))
    if needed > len(parts):
        raise MisfitError(f"at least {needed} of {len(parts)} can never be", "ask for fewer", at=at)
    return Wish(asked="any", parts=parts, at_least=needed, at=at)


def _listed(asked: Asked) -> Callable[[Any, Mapping[str, Any], KeyPath, int], Wish]:
    def read(value: Any, _: Mapping[str, Any], at: KeyPath, __: int) -> Wish:
        if not isinstance(value, list) or not value:
            raise MisfitError("a list of names", "with something in it", at=at)
        named = (Wish(asked=asked, name=_text(each, (*at, n)), at=(*at, n)) for n, each in enumerate(value))
        return Wish(asked="all", parts=tuple(named), at=at)

    return read


_KEYS: Mapping[str, Callable[[Any, Mapping[str, Any], KeyPath, int], Wish]] = {
    "all_of": _all_of,
    "any_of": _any_of,
    "count": _counted,
    "balance": _balance,
    "tags": _tags,
    "badges": _listed("badge"),
    "rules": _listed("rule"),
    "programmes": _listed("programme"),
}


def _text(value: Any, at: KeyPath) -> str:
    if not isinstance(value, str) or not value:
        raise MisfitError(f"{quoted(value)} is no name", "a text in quotes", at=at)
    return value


def _count(value: Any, at: KeyPath) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:  # noqa: PLR2004 - as `frequency`
        raise MisfitError(f"{quoted(value)} is no count", "a whole number from 1 on", at=at)
    return value


def _flag(value: Any, at: KeyPath) -> bool:
    if not isinstance(value, bool):
        raise MisfitError(f"{quoted(value)} is neither true nor false", at=at)
    return value


def required(value: Any) -> Wish:
    """What `requires` and the gates of a tier ask.

    Raises:
        MisfitError: it is no table of criteria.
    """
    if not isinstance(value, Mapping):
        raise MisfitError("this is a table", 'such as { badges = ["starter"], level = "Regular" }')
    return wishes(value)
