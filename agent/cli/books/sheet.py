"""Held decisions as a spreadsheet, and what somebody wrote into it: every bad line told by row and column."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from agent.cli.frame import text_of
from agent.cli.terms.inforce import smallest_units
from agent.cli.terms.sheets import guarded
from agent.collectors.csvfile.source import opened
from agent.errors import InvalidInputError
from machine.sheets import Rows

if TYPE_CHECKING:
    from agent.engine.rulebook import Rulebook
    from agent.model import Decision

LISTED = ("decision", "occurred_at", "learner", "rule_id", "would_pay", "kind", "held_because", "evidence")
WRITTEN = ("verdict", "amount", "reason")
COLUMNS = (*LISTED, *WRITTEN)
ROWS_MAX = 100_000
_NEEDED = ("decision", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What a file asks for: ``verdicts`` as `review.apply` takes them, ``faults`` as sentences, rows left ``blank``."""

    verdicts: tuple[dict[str, Any], ...]
    faults: tuple[str, ...]
    blank: int


def write(rows: Iterable[Mapping[str, Any]], out: BinaryIO) -> None:
    """UTF-8, RFC 4180, the columns to fill in last and empty."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    writer = Rows(text)
    try:
        writer.row(COLUMNS)
        writer.rows([*(guarded(text_of(row.get(name))) for name in LISTED), "", "", ""] for row in rows)
        text.flush()
    finally:
        text.detach()


def read(path: Path, held: Mapping[int, Decision], rulebook: Rulebook, *, encoding: str = "") -> Sheet:
    """What a file says; ``held`` are all decisions that ever were held, by their number.

    Raises:
        InvalidInputError: it cannot be read at all: not there, not text in ``encoding`` (where none is said, in the one
            that its first bytes name, else UTF-8), too long, or columns are missing.
    """
    file = opened(path, encoding=encoding)
    missing = [name for name in _NEEDED if name not in file.columns]
    if missing:
        hint = "begin with the file that `review list --csv` writes"
        raise InvalidInputError(f"{path} has no column {' and no column '.join(missing)}", hint=hint)
    listed = list(islice(file.rows(), ROWS_MAX + 1))
    if len(listed) > ROWS_MAX:
        raise InvalidInputError(f"{path} has more than {ROWS_MAX} rows", hint="split it")
    # A row may be shorter than the heading: spreadsheets leave out what is empty at its end.
    return _judged([(row, dict(zip(file.columns, cells, strict=False))) for row, cells in listed], held, rulebook)


def _judged(listed: Sequence[tuple[int, Mapping[str, str]]], held: Mapping[int, Decision], rulebook: Rulebook) -> Sheet:
    verdicts: dict[int, dict[str, Any]] = {}
    faults: list[str] = []
    blank = 0
    for number, row in listed:
        said = {name: row.get(name, "").strip() for name in ("decision", *WRITTEN)}
        if not said["verdict"]:
            blank += 1
            if said["amount"]:
                faults.append(f"row {number}, column verdict: empty, though an amount is given")
            continue
        try:
            verdict = _verdict(said, held, rulebook)
        except _BadCellError as bad:
            faults.append(f"row {number}, column {bad.column}: {bad.why}")
        else:
            if verdict["decision"] in verdicts:
                faults.append(f"row {number}, column decision: {verdict['decision']} stands in the file twice")
            verdicts.setdefault(verdict["decision"], verdict)
    return Sheet(verdicts=tuple(verdicts.values()), faults=tuple(faults), blank=blank)


class _BadCellError(Exception):
    """One cell that says nothing useful."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__()
        self.column = column
        self.why = why


def _verdict(said: Mapping[str, str], held: Mapping[int, Decision], rulebook: Rulebook) -> dict[str, Any]:
    number, verdict = said["decision"], said["verdict"].lower()
    if not number.isascii() or not number.isdecimal():
        raise _BadCellError("decision", f"{number!r} is not the number of a decision")
    decision = held.get(int(number))
    if decision is None:
        raise _BadCellError("decision", f"no decision {number} is held")
    if verdict not in {"approve", "reject"}:
        raise _BadCellError("verdict", f"{said['verdict']!r} is neither approve nor reject")
    if verdict == "reject" and not said["reason"]:
        raise _BadCellError("reason", "a rejection needs a reason: the learner is told")
    found: dict[str, Any] = {"decision": int(number), "verdict": verdict, "reason": said["reason"]}
    if said["amount"]:
        if verdict == "reject":
            raise _BadCellError("amount", "a rejection pays nothing: leave it empty")
        try:
            found["amounts"] = amounts_of(said["amount"].split(), decision, rulebook)
        except InvalidInputError as error:
            raise _BadCellError("amount", f"{error.message} ({error.hint})" if error.hint else error.message) from None
    return found


def amounts_of(written: Iterable[str], decision: Decision | None, rulebook: Rulebook) -> dict[str, int]:
    """`40` (where one currency is promised), `points=40`: smallest units by currency.

    Raises:
        InvalidInputError: it is no amount of a currency, or does not say of which.
    """
    found: dict[str, int] = {}
    for each in written:
        currency, equals, amount = each.rpartition("=")
        if not equals:
            promised = [one.currency for one in decision.postings if ":" not in one.currency] if decision else []
            if len(promised) != 1:
                raise InvalidInputError(f"{each!r} does not say of which currency", hint="write points=40")
            currency = promised[0]
        found[currency] = smallest_units(amount, currency, rulebook)
    return found
