"""What a condition can say about a fact: `">=80"`, `"60..79"`, `"!=x"`, `"abc*"`, `true`, a list, `"<= @window"`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.grammar import Number

Operator = Literal[">=", "<=", ">", "<", "=", "!=", "..", "one of"]
IfUnknown = Literal["pass", "fail", "hold"]

_ORDERING: tuple[Operator, ...] = (">=", "<=", ">", "<")
_MEANT: Mapping[str, str] = {"=>": ">=", "=<": "<=", "≥": ">=", "≤": "<=", "<>": "!=", "≠": "!=", "==": "", "=": ""}
_HINT = 'such as ">=80", "60..79", "!=x", "abc*", true, a value, or a list of them'


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRef:
    """`@window`: a number that differs by course, from `[value.window]`."""

    name: str


Plain = bool | Number | str
"""What a fact is compared with. A text with `*` in it is a pattern."""

Operand = Plain | ValueRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One condition on one fact, exact.

    ``text`` is how it is told (`>=80`); ``high`` is the upper end of a range (``..``), both ends included; ``members``
    are what a list holds (``one of``). ``if_unknown`` None leaves it to where the condition stands.
    """

    text: str
    op: Operator
    operand: Operand = 0
    high: Number = 0
    members: tuple[Comparison, ...] = ()
    if_unknown: IfUnknown | None = None

    def refs(self) -> frozenset[str]:
        """Names of the `[value.…]` it looks at."""
        own = {self.operand.name} if isinstance(self.operand, ValueRef) else set()
        return frozenset(own.union(*(member.refs() for member in self.members)))


def comparison(value: Any) -> Comparison:
    """The condition that a TOML value says.

    Raises:
        MisfitError: it says nothing that a fact can be compared with.
    """
    if isinstance(value, Mapping):
        return _table(value)
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, bool):
        return Comparison(text="true" if value else "false", op="=", operand=value)
    if isinstance(value, str):
        return _text(value.strip())
    found = grammar.toml_number(value)
    if found is None:
        raise MisfitError(f"{value} cannot be compared with a fact", _HINT)
    return Comparison(text=grammar.shown_number(found), op="=", operand=found)


def _table(value: Mapping[str, Any]) -> Comparison:
    for key in value:
        if key not in {"is", "if_unknown"}:
            raise MisfitError(f"unknown key {quoted(key)}", 'write { is = "<3", if_unknown = "hold" }', at=(key,))
    if "is" not in value or isinstance(value["is"], Mapping):
        raise MisfitError("a condition in braces needs `is`", 'write { is = "<3", if_unknown = "hold" }')
    choice = value.get("if_unknown")
    if choice is not None and choice not in get_args(IfUnknown):
        raise MisfitError(f"{quoted(choice)} is no answer to an unknown fact", "pass, fail or hold", at=("if_unknown",))
    return replace(comparison(value["is"]), if_unknown=cast("IfUnknown | None", choice))


def _list(value: list[Any]) -> Comparison:
    if not value:
        raise MisfitError("an empty list fits nothing", "name at least one value")
    if any(isinstance(each, (Mapping, list)) for each in value):
        raise MisfitError("a list of conditions holds plain values only", 'such as ["quiz", "lesson"]')
    members = tuple(comparison(each) for each in value)
    return Comparison(text=f"one of {', '.join(each.text for each in members)}", op="one of", members=members)


def _text(text: str) -> Comparison:
    if not text:
        return Comparison(text='""', op="=", operand="")
    for op in _ORDERING:
        if text.startswith(op) and not text.startswith("<>"):
            rest = text[len(op) :].strip()
            if not rest or rest[0] in "<>=":
                told = f"{quoted(text)} does not say what to compare with"
                raise MisfitError(told, 'write ">=80", "<7d" or "<= @name"')
            return Comparison(text=_told(op, rest), op=op, operand=_ordered(rest))
    if text.startswith("!="):
        rest = text[2:].strip()
        return Comparison(text=_told("!=", rest), op="!=", operand=_ref(rest) or _plain(rest))
    for wrong, right in _MEANT.items():
        if text.startswith(wrong):
            meant = f"{right}{text[len(wrong) :].strip()}"
            raise MisfitError(f"{quoted(wrong)} is no comparison here", f'write "{meant}"')
    return _range(text) or Comparison(text=text, op="=", operand=_ref(text) or _plain(text))


def _range(text: str) -> Comparison | None:
    first, dots, last = (part.strip() for part in text.partition(".."))
    readable = all(grammar.is_number(end) or grammar.is_length(end) for end in (first, last))
    if not dots or not readable:
        return None
    low, high = grammar.quantity(first), grammar.quantity(last)
    if high < low:
        raise MisfitError(f"{quoted(text)} ends before it begins", "the smaller number stands first")
    return Comparison(text=f"{first}..{last}", op="..", operand=low, high=high)


def _ordered(rest: str) -> Operand:
    return _ref(rest) or grammar.quantity(rest)


def _plain(rest: str) -> Operand:
    """A number stays one in quotes: `"80"` is 80; facts that are texts are compared by how it is written."""
    return rest


def _ref(rest: str) -> ValueRef | None:
    return ValueRef(name=grammar.name(rest[1:].strip())) if rest.startswith("@") else None


def _told(op: str, rest: str) -> str:
    return f"{op} {rest}" if rest.startswith("@") else f"{op}{rest}"
