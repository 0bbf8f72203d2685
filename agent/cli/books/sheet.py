"""Held decisions as a spreadsheet, and what somebody wrote into it: every bad line told by row and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from agent.cli.books.export import guarded
from agent.cli.frame import text_of
from agent.cli.terms.inforce import smallest_units
from agent.errors import InvalidInputError
from machine.commands import cure
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


def read(path: Path, held: Mapping[int, Decision], rulebook: Rulebook) -> Sheet:
    """What a file says; ``held`` are all decisions that ever were held, by their number.

    Raises:
        InvalidInputError: it cannot be read at all: not there, not UTF-8 text, too long, or columns are missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}", hint=cure(error)) from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{path} is not UTF-8 text", hint="save it as CSV UTF-8") from None
    delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
        listed = [(rows.line_num, row) for row in rows] if not missing else []
    except csv.Error as error:
        raise InvalidInputError(f"{path} is no CSV: {error} (line {rows.line_num})") from None
    if missing:
        hint = "begin with the file that `review list --csv` writes"
        raise InvalidInputError(f"{path} has no column {' and no column '.join(missing)}", hint=hint)
    if len(listed) > ROWS_MAX:
        raise InvalidInputError(f"{path} has more than {ROWS_MAX} rows", hint="split it")
    return _judged(listed, held, rulebook)


def _judged(
    listed: Sequence[tuple[int, Mapping[str, str | None]]], held: Mapping[int, Decision], rulebook: Rulebook
) -> Sheet:
    verdicts: dict[int, dict[str, Any]] = {}
    faults: list[str] = []
    blank = 0
    for line, row in listed:
        said = {name: (row.get(name) or "").strip() for name in ("decision", *WRITTEN)}
        if not said["verdict"]:
            blank += 1
            if said["amount"]:
                faults.append(f"row {line}, column verdict: empty, though an amount is given")
            continue
        try:
            verdict = _verdict(said, held, rulebook)
        except _BadCellError as bad:
            faults.append(f"row {line}, column {bad.column}: {bad.why}")
        else:
            if verdict["decision"] in verdicts:
                faults.append(f"row {line}, column decision: {verdict['decision']} stands in the file twice")
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
