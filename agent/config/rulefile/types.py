"""The small types that the tables of rules.toml are made of: how each value is written, and what is refused."""

from __future__ import annotations

import contextlib
import re
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StrictStr

from agent.config import grammar
from agent.config.document import MisfitError, quoted
from agent.config.document.words import kind_of_value
from agent.config.grammar import Duration, Limit, Number
from agent.model import Trust

ONCE_PER = (
    "ever", "lesson", "section", "course", "programme", "post", "badge", "day", "week", "month", "year", "subject",
    "event",
)  # fmt: skip
"""What a rule can be once per, besides the names of periods."""

_ALIASES = {
    r"\core\event\quiz_attempt_submitted": r"\mod_quiz\event\attempt_submitted",
    r"\core\event\assignment_submitted": r"\mod_assign\event\assessable_submitted",
    r"\core\event\user_login": r"\core\event\user_loggedin",
}
"""Names that guides use for events which Moodle calls otherwise."""

ID = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""How the ids of rules, badges, challenges, checks and scheduled rewards are written."""

_ID = re.compile(ID)
_LMS_NAME = re.compile(r"\\?[a-z0-9_]+\\event\\[a-z0-9_]+")
_KIND = re.compile(r"[a-z0-9_*]+(?:\.[a-z0-9_*]+)*")
_SELECTOR_HINT = 'a short name, "idnumber:…" or "id:7"'


class Model(BaseModel):
    """Frozen; a key it does not know is a fault. What checks it is made when the first is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)


def _listed(value: Any) -> Any:
    """One value stands for a list of one."""
    return value if isinstance(value, list) else [value]


def _identifier(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise MisfitError(f"{quoted(value)} is not an id", "letters, digits, . _ and -, at most 64")
    return value


_NO_ZONE = re.compile(r"(posix|right)/|(posixrules|localtime|Factory)$")
"""Files of tzdata that are no zone of their own, and the machine's own zone: another machine has another."""

_OFFSET = re.compile(r"(?:GMT|UTC)? ?[+-]\d", re.IGNORECASE)


def _zone(value: Any) -> ZoneInfo:
    # Opened by its name: listing all zones walks through every file of tzdata, longer than all else here takes.
    with contextlib.suppress(TypeError, ValueError, OSError, KeyError):
        if not _NO_ZONE.match(value):
            return ZoneInfo(value)
    if isinstance(value, str) and _OFFSET.match(value):
        hint = 'name a city, such as "Africa/Johannesburg": it knows when the clocks change'
        raise MisfitError(f"{quoted(value)} is not an IANA time zone", hint)
    near = get_close_matches(str(value), sorted(available_timezones()), n=1)
    hint = f"did you mean {quoted(near[0])}?" if near else 'write one such as "Africa/Johannesburg"'
    raise MisfitError(f"{quoted(value)} is not an IANA time zone", hint)


def _day(value: Any) -> date:
    found = grammar.day(value)
    if found is None:
        hint = "expected a date, such as 2026-09-01 without quotes"
        raise MisfitError(f"{kind_of_value(value)} cannot stand here", hint)
    return found


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise MisfitError(f"{kind_of_value(value)} is no number", "write schema = 1")
    return value


def _on(value: Any) -> str:
    """A kind, a wildcard over kinds, or a full LMS name (a missing first backslash is put there)."""
    if not isinstance(value, str) or not (_KIND.fullmatch(value) or _LMS_NAME.fullmatch(value)):
        hint = r"a kind such as quiz.submitted, a wildcard forum.*, or '\mod_quiz\event\attempt_submitted'"
        raise MisfitError(f"{quoted(value)} is neither a kind nor an LMS event", hint)
    full = f"\\{value}" if "\\" in value and not value.startswith("\\") else value
    return _ALIASES.get(full, full)


def _kind(value: Any) -> str:
    """The name of a kind, without a wildcard."""
    if not isinstance(value, str) or not _KIND.fullmatch(value) or "*" in value or "." not in value:
        raise MisfitError(f"{quoted(value)} is not a kind", "thing.happened, in small letters")
    return value


def _period(value: Any) -> str:
    if value in {*ONCE_PER, *grammar.CALENDAR_WINDOWS}:
        raise MisfitError(f"{quoted(value)} is a scope or a window already", "give the period another name")
    return grammar.name(value)


def _currency(value: Any) -> str:
    if value in {"to", "awards", "badge", "per", "of"}:
        told = f"{quoted(value)} means something else in an award or a limit"
        raise MisfitError(told, "give the currency another name")
    return grammar.name(value)


def _once(value: Any) -> str:
    if value in ONCE_PER:
        return str(value)
    if isinstance(value, str) and grammar.is_duration(value):
        raise MisfitError(f"{quoted(value)} is no scope", f'write cooldown = "{value}", or limit = "1/{value}"')
    try:
        return grammar.name(value)
    except MisfitError as error:
        raise MisfitError(error.message, 'such as "lesson", "day", or both: ["lesson", "day"]') from None


def _course(value: Any) -> str:
    if not isinstance(value, str) or not value.partition(":")[0] or value.endswith(":"):
        raise MisfitError(f"{quoted(value)} names no course", _SELECTOR_HINT)
    prefix, _, rest = value.partition(":")
    if prefix in {"id", "idnumber"} and rest != rest.strip():
        raise MisfitError(f"{quoted(value)} names no course", _SELECTOR_HINT)
    return value


def _valued_course(value: Any) -> str:
    if not isinstance(value, str) or not value or value.startswith(("id:", "idnumber:")):
        raise MisfitError(f"{quoted(value)} names no course here", "a value names courses by their short names")
    return value


def _expiry(value: Any) -> int | None:
    return None if value == "never" else grammar.duration(value)


def _operand(value: Any) -> Number:
    found = grammar.toml_number(value)
    if found is not None:
        return found
    if not isinstance(value, str):
        raise MisfitError(f"{quoted(value)} is neither a number nor a duration", 'such as 80 or "7d"')
    return grammar.quantity(value)


def _trust(value: Any) -> Trust:
    if not isinstance(value, str) or value not in Trust.__members__:
        raise MisfitError(f"{quoted(value)} is not a trust", f"one of {', '.join(Trust.__members__)}")
    return Trust[value]


def _total(value: Any) -> Number:
    total = grammar.toml_number(value)
    if total is None or total < 0:
        raise MisfitError(f"{quoted(value)} is no total to begin at", "a number, 0 or more, such as from = 50")
    return total


def _expected(value: Any) -> Number | str:
    found = grammar.toml_number(value)
    if found is None and not isinstance(value, str):
        raise MisfitError(f"{quoted(value)} is no amount", 'such as points = 10, or badge = "quiz-ace"')
    return value if found is None else found


def _budget(value: Any) -> dict[str, tuple[Limit, ...]]:
    if not isinstance(value, dict):
        raise MisfitError("a budget is a table", '[budget] with points = "50000/week"')
    found: dict[str, tuple[Limit, ...]] = {}
    for currency, given in value.items():
        if isinstance(given, list):
            found[currency] = tuple(_of_currency(one, currency, (currency, n)) for n, one in enumerate(given))
        else:
            found[currency] = (_of_currency(given, currency, (currency,)),)
    return found


def _of_currency(value: Any, currency: str, at: tuple[str | int, ...]) -> Limit:
    try:
        limit = _held_over(grammar.limit(value, unit=currency))
    except MisfitError as error:
        raise MisfitError(error.message, error.hint, at=(*at, *error.at)) from None
    if limit.unit != currency:
        raise MisfitError(f"a budget of {currency} counts {currency}", 'such as "50000/week"', at=at)
    return limit


def _own_budget(value: Any) -> Limit:
    return _held_over(grammar.limit(value))


def _held_over(limit: Limit) -> Limit:
    if limit.over != "refuse" or limit.for_role is not None:
        raise MisfitError("a budget is everybody's, and what goes over it is held", 'such as "500 points/day"')
    return limit


Total = Annotated[Number, PlainValidator(_total)]
SchemaNumber = Annotated[Literal[1], BeforeValidator(_no_truth)]
Day = Annotated[date, BeforeValidator(_day)]
Identifier = Annotated[str, PlainValidator(_identifier)]
Name = Annotated[str, PlainValidator(grammar.name)]
On = Annotated[tuple[Annotated[str, PlainValidator(_on)], ...], Field(min_length=1), BeforeValidator(_listed)]
Limits = Annotated[tuple[Annotated[Limit, PlainValidator(grammar.limit)], ...], BeforeValidator(_listed)]
Days = Annotated[tuple[date, date], PlainValidator(grammar.days)]
Span = Annotated[Duration, PlainValidator(grammar.written_duration)]
Zone = Annotated[ZoneInfo, PlainValidator(_zone)]
Text = Annotated[StrictStr, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]
ListOf = BeforeValidator(_listed)
Event = Annotated[str, PlainValidator(_on)]
Kind = Annotated[str, PlainValidator(_kind)]
PeriodName = Annotated[str, PlainValidator(_period)]
CurrencyName = Annotated[str, PlainValidator(_currency)]
Scope = Annotated[str, PlainValidator(_once)]
Course = Annotated[str, PlainValidator(_course)]
ValuedCourse = Annotated[str, PlainValidator(_valued_course)]
Expiry = Annotated[int | None, PlainValidator(_expiry)]
Operand = Annotated[Number, PlainValidator(_operand)]
TrustName = Annotated[Trust, PlainValidator(_trust)]
Expected = Annotated[Number | str, PlainValidator(_expected)]
Budget = Annotated[dict[str, tuple[Limit, ...]], PlainValidator(_budget)]
OwnBudget = Annotated[tuple[Annotated[Limit, PlainValidator(_own_budget)], ...], BeforeValidator(_listed)]
