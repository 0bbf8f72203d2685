"""Rewards as a sheet: one line each, cells that people write. Pure. Every bad cell is told with line and column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from catalogue.errors import CatalogueError
from catalogue.rewards.model import Limit, Reward
from catalogue.rewards.model import faults as model_faults
from catalogue.rewards.text import iso, plain, quoted
from machine.sheets import Rows

LINES_MAX = 10_000
FAULTS_TOLD_MAX = 100

_DECIMAL = re.compile(r"[0-9]+[.,][0-9]+")

Written = Callable[[Reward], str]


def _many(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _pairs(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in _many(text):
        name, equals, amount = part.rpartition("=")
        if not equals or not name.strip():
            raise ValueError(f"{part!r} is not currency=amount, such as points=500")
        if name.strip() in found:
            raise ValueError(f"{name.strip()} is there twice")
        if _DECIMAL.fullmatch(amount.strip()):
            raise ValueError(f"{part!r} is in units: write smallest ones, 250 for 2.50 of a currency with two decimals")
        found[name.strip()] = _whole(amount)
    return found


def _limits(text: str) -> list[dict[str, Any]]:
    found = []
    for part in _many(text):
        count, _, per = part.partition("/")
        found.append({"count": _whole(count), "per": per.strip() or "ever"})
    return found


def _whole(text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()!r} is no whole number") from None


def _listed(values: Iterable[str]) -> str:
    return "; ".join(values)


def _paired(values: Mapping[str, int]) -> str:
    return _listed(f"{name}={amount}" for name, amount in values.items())


def _limited(values: Iterable[Limit]) -> str:
    return _listed(f"{limit.count}/{limit.per}" for limit in values)


_COLUMNS: dict[str, tuple[tuple[str, ...], Callable[[str], Any], Written]] = {
    "id": (("id",), str, lambda it: it.id),
    "title": (("title",), str, lambda it: it.title),
    "description": (("description",), str, lambda it: it.description),
    "type": (("type",), str, lambda it: it.type),
    "category": (("category",), str, lambda it: it.category),
    "groups": (("groups",), _many, lambda it: _listed(it.groups)),
    "brand": (("brand",), str, lambda it: it.brand),
    "countries": (("countries",), _many, lambda it: _listed(it.countries)),
    "image": (("image",), str, lambda it: it.image),
    "price": (("price",), _pairs, lambda it: _paired(it.price)),
    "cost": (("cost",), str, lambda it: str(it.cost or "")),
    "value": (("value",), str, lambda it: str(it.value or "")),
    "learner_pays": (("learner_pays",), str, lambda it: str(it.learner_pays or "")),
    "funding": (("funding",), str, lambda it: it.funding),
    "state": (("state",), str, lambda it: it.state),
    "handing": (("handing",), str, lambda it: it.handing),
    "partner": (("partner",), str, lambda it: it.partner),
    "stock": (("stock",), _whole, lambda it: "" if it.stock is None else str(it.stock)),
    "valid_from": (("valid_from",), str, lambda it: iso(it.valid_from)),
    "valid_until": (("valid_until",), str, lambda it: iso(it.valid_until)),
    "days": (("window", "days"), _many, lambda it: _listed(it.window.days)),
    "hours": (("window", "hours"), str, lambda it: it.window.hours),
    "timezone": (("window", "timezone"), str, lambda it: it.window.timezone),
    "voucher_days": (("voucher_days",), _whole, lambda it: str(it.voucher_days)),
    "per_learner": (("per_learner",), _limits, lambda it: _limited(it.per_learner)),
    "in_all": (("in_all",), _limits, lambda it: _limited(it.in_all)),
    "tier": (("tier",), str, lambda it: it.tier),
    "badges": (("gate", "badges"), _many, lambda it: _listed(it.gate.badges)),
    "any_of": (("gate", "any_of"), _many, lambda it: _listed(it.gate.any_of)),
    "any_count": (("gate", "any_count"), _whole, lambda it: str(it.gate.any_count) if it.gate.any_of else ""),
    "level": (("gate", "level"), str, lambda it: it.gate.level),
    "earned": (("gate", "earned"), _pairs, lambda it: _paired(it.gate.earned)),
    "cohorts": (("cohorts",), _many, lambda it: _listed(it.cohorts)),
}
"""By column: its place in a description, how a cell is read, and how it is written."""

COLUMNS = tuple(_COLUMNS)
REQUIRED = ("id", "title", "price")


def fields(given: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """What cells say, empty ones left out: a description, and by column what cannot be read."""
    said: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for column, (place, read, _) in _COLUMNS.items():
        cell = plain(given.get(column) or "").strip()
        if not cell:
            continue
        try:
            value = read(cell)
        except ValueError as exc:
            faults[column] = str(exc)
            continue
        inner = said
        for name in place[:-1]:
            inner = inner.setdefault(name, {})
        inner[place[-1]] = value
    return said, faults


def read(text: str) -> list[tuple[int, Reward]]:
    """(line, reward) of every line of a sheet.

    Raises:
        CatalogueError: a cell is wrong; all of them are told.
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restkey="", strict=True)
    found: list[tuple[int, Reward]] = []
    faults: list[str] = []
    try:
        _check_header(rows.fieldnames or ())
        for row in rows:
            reward = _line(rows.line_num, row, faults)
            if reward is not None:
                found.append((rows.line_num, reward))
            if rows.line_num > LINES_MAX:
                raise CatalogueError(f"more than {LINES_MAX} lines", hint="import it in parts")
    except csv.Error as exc:
        faults.append(f"line {rows.line_num + 1}: {exc}: is there a quotation mark too many?")
    faults += _twice(found)
    if faults:
        more = len(faults) - FAULTS_TOLD_MAX
        told = [*faults[:FAULTS_TOLD_MAX], *([f"and {more} more"] if more > 0 else [])]
        raise CatalogueError("nothing was imported:\n  " + "\n  ".join(told), hint="mend these cells and try again")
    return found


def cells(reward: Reward) -> dict[str, str]:
    """The cells of a reward, by column."""
    return {column: written(reward) for column, (_, _, written) in _COLUMNS.items()}


def gate(given: Mapping[str, str]) -> dict[str, Any]:
    """What the cells of a gate say.

    Raises:
        CatalogueError: one cannot be read.
    """
    said, unread = fields(given)
    if unread:
        told = "\n  ".join(f"{column}: {why}" for column, why in unread.items())
        raise CatalogueError(f"this is no gate:\n  {told}", hint="such as points=200")
    found: dict[str, Any] = said.get("gate", {})
    return found


def write(rewards: Iterable[Reward]) -> Iterator[str]:
    """The lines of a sheet, its header first; `read` reads them."""
    for row in (COLUMNS, *([quoted(cell) for cell in cells(it).values()] for it in rewards)):
        line = io.StringIO()
        Rows(line).row(row)
        yield line.getvalue()


def _line(number: int, row: dict[str, Any], faults: list[str]) -> Reward | None:
    if row.pop("", None) is not None:
        faults.append(f"line {number}: more cells than columns")
    said, unread = fields(row)
    faults += [f"line {number}, {column}: {why}" for column, why in unread.items()]
    try:
        return Reward.model_validate(said) if not unread else None
    except ValidationError as exc:
        columns = {place: column for column, (place, _, _) in _COLUMNS.items()}
        for where, why in model_faults(exc):
            column = next((columns[where[:end]] for end in range(len(where), 0, -1) if where[:end] in columns), "")
            faults.append(f"line {number}{', ' if column else ''}{column}: {why}")
    return None


def _check_header(names: Iterable[str]) -> None:
    given = list(names)
    wrong = [f"no column {name}" for name in REQUIRED if name not in given]
    wrong += [f"unknown column {name!r}" for name in given if name not in _COLUMNS]
    if wrong:
        raise CatalogueError(f"line 1: {', '.join(wrong)}", hint=f"the columns are: {', '.join(COLUMNS)}")


def _twice(found: list[tuple[int, Reward]]) -> list[str]:
    first: dict[str, int] = {}
    again = [(number, it.id, first.setdefault(it.id, number)) for number, it in found]
    return [
        f"line {number}, id: {name} is on line {before} already" for number, name, before in again if number != before
    ]
