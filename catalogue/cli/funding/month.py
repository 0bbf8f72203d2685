"""A month as it is told: for JSON, and a line for each currency as the accounts department takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalogue.cli.common import Lines

if TYPE_CHECKING:
    from catalogue.finance.closing import Month

COLUMNS = ("opening", "awarded", "adjusted", "spent", "refunded", "expired", "reversed", "closing")


def fields(month: Month) -> dict[str, Any]:
    """A month with its lines, for JSON."""
    lines = [
        {"currency": currency}
        | {name: getattr(line, name) for name in COLUMNS}
        | {"issued": line.issued, "worth": month.worth.get(currency, "")}
        for currency, line in month.lines.items()
    ]
    said = {"campus": month.campus, "month": month.month, "state": month.state, "lines": lines}
    numbers = {"first_no": month.first_no, "last_no": month.last_no, "ends_at": month.ends_at}
    return said | numbers | {"closed_at": month.closed_at, "closed_by": month.closed_by}


def write(months: list[dict[str, Any]], *, plain: bool) -> None:
    """Months on stdout, a line for each currency: CSV, or ``plain`` lines of JSON."""
    out = Lines(("campus", "month", "state", "currency", *COLUMNS, "issued", "worth"), plain=plain)
    for month in months:
        said = {name: month[name] for name in ("campus", "month", "state")}
        for line in month["lines"]:
            out.write(said | line)
