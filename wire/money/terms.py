"""What a batch's header says of the currencies its entries are in: whose loss, how long, spendable or not.

Terms hold for the entries after a seq (docs/adr/0032): what somebody has keeps the date it was given with. A header
carries those that hold somewhere in its range, and the dates of lots that have one of their own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from wire import canonical
from wire.canonical import MalformedError
from wire.money import tiers as tier_of
from wire.money.tiers import TIERS_MAX, Tier

FIELD = "terms"
"""The header's field."""
CURRENCIES_MAX = 50
CHANGES_MAX = 100
LEVELS_MAX = 100
LOTS_MAX = 1000
FIELD_BYTES_MAX = 48 * 2**10
"""Most bytes that the field may take of a header's `batch.HEADER_BYTES_MAX`."""
DECIMALS_MAX = 6
OVERDRAWS = ("owe", "forgive")
BADGE_PREFIX = "badge:"
"""A badge is an account: its currency begins with this."""


class Change(NamedTuple):
    """The terms for entries after ``since_seq``: how many seconds a lot lives (None: for ever), whose loss it is."""

    since_seq: int
    expires_after: int | None
    overdraw: str


UNTOLD = Change(0, None, "owe")
"""What holds for a currency that nobody said anything of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """One currency as its campus has it; ``changes`` in order. ``worth`` of one unit is for reports, "0.01 GBP"."""

    title: str = ""
    decimals: int = 0
    spendable: bool = True
    worth: str = ""
    changes: tuple[Change, ...] = ()


class Level(NamedTuple):
    """A name for a lifetime total of at least ``least`` smallest units."""

    name: str
    currency: str
    least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All of it. ``lots`` are the ends of lots that keep the terms of another entry, by seq (None: never).

    A merge of accounts lists both: the entry that takes a lot from one account, and that which gives it to the other.

    ``tiers`` are None where nothing is said of them: what was said before holds.
    """

    currencies: Mapping[str, Currency] = field(default_factory=dict)
    levels: tuple[Level, ...] = ()
    tiers: tuple[Tier, ...] | None = None
    lots: Mapping[int, int | None] = field(default_factory=dict)

    def under(self, currency: str, seq: int) -> Change:
        """The terms that an entry of a currency was written under."""
        about = self.currencies.get(currency)
        return in_force(about.changes, seq) if about is not None else UNTOLD

    def ends_at(self, change: Change, seq: int, occurred_at: int) -> int | None:
        """When the lot is over that the entry ``seq`` opened under ``change`` for an act at ``occurred_at``.

        None is never; no end is later than what both ends can keep.
        """
        if seq in self.lots:
            return self.lots[seq]
        return None if change.expires_after is None else min(occurred_at + change.expires_after, canonical.WHOLE_MAX)

    def is_owed(self, change: Change, seq: int) -> bool:
        """Whether what the entry ``seq`` takes, and is not there, is owed: always where a merge only moves it."""
        return change.overdraw == "owe" or seq in self.lots


def in_force(changes: Sequence[Change], seq: int) -> Change:
    """Of one currency's terms in order those that an entry was written under; the first hold for all before."""
    place = bisect_left(changes, seq, key=lambda one: one.since_seq)
    return changes[max(place, 1) - 1] if changes else UNTOLD


def within(changes: Sequence[Change], first_seq: int, last_seq: int) -> tuple[Change, ...]:
    """Those that hold somewhere from ``first_seq`` to ``last_seq``."""
    start = in_force(changes, first_seq)
    return tuple(one for one in changes if one == start or first_seq <= one.since_seq < last_seq)


def encode(terms: Terms) -> dict[str, Any]:
    """What goes into the header."""
    currencies = {
        name: {
            "title": one.title,
            "decimals": one.decimals,
            "spendable": one.spendable,
            "worth": one.worth,
            "changes": [list(change) for change in one.changes],
        }
        for name, one in terms.currencies.items()
    }
    lots = {str(seq): at for seq, at in terms.lots.items()}
    said = {"currencies": currencies, "levels": [list(level) for level in terms.levels], "lots": lots}
    return said if terms.tiers is None else said | {"tiers": [tier_of.encode(one) for one in terms.tiers]}


def fitting(terms: Terms) -> Terms:
    """As much of it as a header holds: names are cut, titles, levels and tiers go first, what money hangs on stays."""
    currencies = {
        name: replace(one, title=one.title[: canonical.NAME_CHARS_MAX], worth=one.worth[: canonical.NAME_CHARS_MAX])
        for name, one in sorted(terms.currencies.items())[:CURRENCIES_MAX]
    }
    levels = tuple(one for one in terms.levels if len(one.name) <= canonical.NAME_CHARS_MAX)[:LEVELS_MAX]
    tiers = None if terms.tiers is None else terms.tiers[:TIERS_MAX]
    cut = replace(terms, currencies=currencies, levels=levels, tiers=tiers)
    if len(canonical.dump(encode(cut))) <= FIELD_BYTES_MAX:
        return cut
    bare = {name: replace(one, title="", worth="") for name, one in currencies.items()}
    cut = replace(cut, currencies=bare, levels=())
    return cut if len(canonical.dump(encode(cut))) <= FIELD_BYTES_MAX else replace(cut, tiers=None)


def parse(fields: Any) -> Terms:
    """What a header's field says; nothing (an agent that tells none) is nothing.

    Raises:
        MalformedError: it is not of this form, or too much.
    """
    if fields is None:
        return Terms()
    known = _object(fields, "terms", ("currencies", "levels", "lots"))
    currencies = _bounded(known["currencies"], dict, "currencies", CURRENCIES_MAX)
    levels = _bounded(known["levels"], list, "levels", LEVELS_MAX)
    lots = _bounded(known["lots"], dict, "lots", LOTS_MAX)
    tiers = _bounded(known["tiers"], list, "tiers", TIERS_MAX) if "tiers" in known else None
    return Terms(
        currencies={canonical.text({"currency": name}, "currency"): _currency(one) for name, one in currencies.items()},
        levels=tuple(_level(one) for one in levels),
        tiers=None if tiers is None else tuple(tier_of.parse(one) for one in tiers),
        lots={_seq(name): _time(at) for name, at in lots.items()},
    )


def _currency(fields: Any) -> Currency:
    known = _object(fields, "currency", ("title", "decimals", "spendable", "worth", "changes"))
    changes = tuple(_change(one) for one in _bounded(known["changes"], list, "changes", CHANGES_MAX))
    if [one.since_seq for one in changes] != sorted({one.since_seq for one in changes}):
        raise MalformedError("the changes of a currency must be in order of their seq, each once")
    if not isinstance(known["spendable"], bool):
        raise MalformedError("field 'spendable' must be true or false")
    decimals = canonical.whole(known, "decimals")
    if decimals > DECIMALS_MAX:
        raise MalformedError(f"a currency has at most {DECIMALS_MAX} decimals")
    return Currency(
        title=canonical.text(known, "title", empty=True),
        decimals=decimals,
        spendable=known["spendable"],
        worth=canonical.text(known, "worth", empty=True),
        changes=changes,
    )


def _change(item: Any) -> Change:
    if not isinstance(item, list) or len(item) != len(Change._fields):
        raise MalformedError("a change of terms must be [since_seq, expires_after, overdraw]")
    since_seq, _, overdraw = item
    if overdraw not in OVERDRAWS:
        raise MalformedError(f"overdraw must be one of {', '.join(OVERDRAWS)}")
    return Change(canonical.whole({"since_seq": since_seq}, "since_seq"), _time(item[1]), overdraw)


def _level(item: Any) -> Level:
    if not isinstance(item, list) or len(item) != len(Level._fields):
        raise MalformedError("a level must be [name, currency, least]")
    fields = dict(zip(Level._fields, item, strict=True))
    return Level(canonical.text(fields, "name"), canonical.text(fields, "currency"), canonical.whole(fields, "least"))


def _seq(name: str) -> int:
    if not (name.isascii() and name.isdecimal() and name[0] != "0" and int(name) <= canonical.WHOLE_MAX):
        raise MalformedError("field 'lots' must be an object of seq: time")
    return int(name)


def _time(value: Any) -> int | None:
    return None if value is None else canonical.whole({"time": value}, "time")


def _object(fields: Any, what: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(fields, dict) or not set(names) <= fields.keys():
        raise MalformedError(f"the {what} must be an object with {', '.join(names)}")
    return fields


def _bounded(value: Any, kind: type[list[Any] | dict[str, Any]], what: str, most: int) -> Any:
    if not isinstance(value, kind):
        raise MalformedError(f"field {what!r} must be {'a list' if kind is list else 'an object'}")
    if len(value) > most:
        raise MalformedError(f"{len(value)} {what} are more than {most}")
    return value
