"""What was sold: what learners were told, and what the books must say of it. Judged from stored rows alone."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sim.purse import Line

TEAS = 4
"""How many there are of the reward that runs out."""
REWARDS: tuple[Mapping[str, Any], ...] = (
    {"id": "mug", "title": "Mug", "price": {"points": 5}},
    {"id": "tea", "title": "Tea", "price": {"points": 1}, "stock": TEAS},
    {"id": "book", "title": "Book", "price": {"points": 2}, "handing": "codes"},
)
PRICES = {str(one["id"]): int(one["price"]["points"]) for one in REWARDS}
CODED = {str(one["id"]) for one in REWARDS if one.get("handing") == "codes"}
"""Rewards that hand out codes."""
LEG = "+"
"""Before the number of a spend's second and further part."""
GIVEN_BACK = ("released", "refunded")
OPEN = ("asked", "shown", "returning")
"""States of vouchers made beforehand in which the catalogue is still to be asked or told."""

_REDEMPTIONS = "SELECT redemption, key, learner, reward, amount, state FROM redemption ORDER BY redemption"
_CODES = "SELECT redemption FROM code WHERE redemption IS NOT NULL AND redemption <> '-'"
_LINKS = "SELECT name, purse FROM link"
_WISHES = "SELECT key, state, redemption FROM wish ORDER BY wish_no"
_KEPT = "SELECT key, state, redemption, ended FROM allowance ORDER BY key"


class Known(NamedTuple):
    """What a copy of the catalogue's books knows of what learners were told."""

    granted: Mapping[str, str]
    refunded: frozenset[str]


class Redemption(NamedTuple):
    """One as the catalogue keeps it."""

    name: str
    key: str
    learner: str
    reward: str
    amount: int
    state: str


class Wish(NamedTuple):
    """One as the agent keeps it."""

    key: str
    state: str
    redemption: str


class Kept(NamedTuple):
    """A voucher that was made beforehand, as the agent keeps it."""

    key: str
    state: str
    redemption: str
    ended: str


@dataclass(slots=True)
class Sold:
    """What learners were told by the books that are in force: a copy that is put back knows less.

    ``codes`` are the redemptions for which codes were shown, by whatever books: nobody else may ever be shown one.
    """

    granted: dict[str, str] = field(default_factory=dict)
    """The redemption's name, by the key of the wish as the catalogue has it."""
    refunded: set[str] = field(default_factory=set)
    codes: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    apart: bool = False
    """Whether what one of the two books knows the other may not: an older copy was put back, or somebody erased."""
    books: int = 0
    """Which books of the catalogue are in force."""

    def grant(self, key: str, redemption: str, code: str, *, books: int) -> None:
        """Somebody was told that a wish came true, which was brought while ``books`` were in force."""
        if books == self.books and self.granted.setdefault(key, redemption) != redemption:
            self.faults.append(f"wish {key} came true as {self.granted[key]}, and again as {redemption}")
        if code and self.codes.setdefault(code, redemption) != redemption:
            self.faults.append(f"{code} was given for {self.codes[code]}, and again for {redemption}")

    def known(self) -> Known:
        """What a copy of the books knows that is made now."""
        return Known(dict(self.granted), frozenset(self.refunded))

    def back_to(self, known: Known) -> None:
        """The books are those of then."""
        self.granted, self.refunded = dict(known.granted), set(known.refunded)
        self.apart = True
        self.books += 1


def judged(
    sold: Sold,
    lines: Iterable[Line],
    centre: sqlite3.Connection,
    ledger: sqlite3.Connection,
    agent: str,
    owners: Mapping[str, object],
) -> Iterator[str]:
    """What does not hold of all that was sold; ``owners`` says of pseudonyms at several agents whose they are."""
    made = [Redemption(*row) for row in centre.execute(_REDEMPTIONS)]
    yield from sold.faults
    yield from _paid(made, lines, {**dict(centre.execute(_LINKS).fetchall()), **owners})
    yield from _told(sold, made)
    yield from _stock(made, centre)
    if not sold.apart:
        kept = [Kept(*row) for row in ledger.execute(_KEPT)]
        yield from _wished([Wish(*row) for row in ledger.execute(_WISHES)], kept, made, agent)
        yield from _kept(kept, made)


def _paid(made: Iterable[Redemption], lines: Iterable[Line], purses: Mapping[str, object]) -> Iterator[str]:
    """Each redemption took its price once, and gave it back once where that is its end; nothing else was spent.

    It took it from its learner's wallets: those of linked accounts are one purse.
    """
    spent: defaultdict[str, Counter[str]] = defaultdict(Counter)
    back: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        if line.kind == "spend":
            spent[line.ref.partition(LEG)[0]][line.learner] -= line.amount
        elif line.kind == "refund":
            back[line.about.partition(LEG)[0]][line.learner] += line.amount
    for one in made:
        name, whose = f"redemption:{one.name}", purses.get(one.learner, one.learner)
        took, gave = spent.pop(name, Counter()), back.pop(name, Counter())
        if took.total() != PRICES[one.reward] or one.amount != PRICES[one.reward]:
            yield f"{one.name} took {dict(took)} for a {one.reward}"
        if {purses.get(learner, learner) for learner in took} != {whose}:
            yield f"{one.name} of {one.learner} took {dict(took)}"
        if gave != (took if one.state in GIVEN_BACK else Counter()):
            yield f"{one.name} is {one.state}, took {dict(took)} and gave {dict(gave)} back"
    for name in sorted(spent.keys() | back.keys()):
        yield f"{name} moved points and is no redemption"


def _told(sold: Sold, made: Iterable[Redemption]) -> Iterator[str]:
    """What learners were told is so."""
    by_key = {one.key: one for one in made}
    for key, name in sorted(sold.granted.items()):
        if key not in by_key or by_key[key].name != name:
            yield f"wish {key} came true as {name}; the books have {by_key.get(key)}"
    states = {one.name: one.state for one in made}
    for name in sorted(set(sold.granted.values()) - sold.refunded):
        if states.get(name) in GIVEN_BACK:
            yield f"{name} is somebody's and was {states[name]}"
    for name in sorted(sold.refunded):
        if states.get(name) != "refunded":
            yield f"{name} was refunded; the books have it {states.get(name)}"


def _stock(made: Iterable[Redemption], centre: sqlite3.Connection) -> Iterator[str]:
    """Nothing was sold oftener than there was, and every code once."""
    teas = sum(one.reward == "tea" and one.state != "released" for one in made)
    if teas > TEAS:
        yield f"{teas} teas of {TEAS} were sold"
    books = {one.name for one in made if one.reward in CODED and one.state != "released"}
    given = Counter(name for (name,) in centre.execute(_CODES))
    for name in sorted(books | given.keys()):
        if given[name] != (name in books):
            yield f"{name} has {given[name]} codes"


def _kept(kept: Iterable[Kept], made: Iterable[Redemption]) -> Iterator[str]:
    """What was made beforehand is given back at the centre where the campus says so, and only there."""
    states = {one.name: one.state for one in made}
    for one in kept:
        if one.state in OPEN:
            yield f"nobody knows what became of voucher {one.key}: it is {one.state}"
        back = states.get(one.redemption) == "released"
        if back is not (one.ended == "returned"):
            yield f"voucher {one.key} is {one.state} {one.ended}; the catalogue has it {states.get(one.redemption)}"


def _wished(wishes: Iterable[Wish], kept: Iterable[Kept], made: Iterable[Redemption], agent: str) -> Iterator[str]:
    """What campus and centre say of the same wish is the same."""
    ours: dict[str, Wish | Kept] = {f"{agent}:{one.key}": one for one in wishes}
    ours |= {f"{agent}:{one.key}": one for one in kept}
    there = {one.key: one.name for one in made if one.key.startswith(f"{agent}:")}
    for key, wish in sorted(ours.items()):
        if wish.state == "asked":
            yield f"nobody knows what became of wish {key}"
        elif there.get(key, "") != wish.redemption:
            yield f"wish {key} is {wish.state} {wish.redemption}; the catalogue has {there.get(key, 'nothing')}"
    for key in sorted(there.keys() - ours.keys()):
        yield f"the catalogue has {there[key]} for wish {key}, of which the campus knows nothing"
