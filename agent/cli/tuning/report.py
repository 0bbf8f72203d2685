"""What a simulation found, as figures for programs, tables for people, and a file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from agent.cli.frame import emit, emit_json, note
from agent.errors import ConfigError
from machine.sheets import Table

if TYPE_CHECKING:
    from agent.cli.tuning.worth import Price
    from agent.engine.whatif.trial import Findings, Trial

BIGGEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Trials of the rules asked about and, where there is one, of those they are compared with (``names`` of both).

    ``heading`` is what was simulated; ``remarks`` are what a reader must know to believe the figures; ``prices`` are
    by currency.
    """

    heading: Mapping[str, Any]
    trials: Sequence[Trial]
    names: Sequence[str]
    prices: Mapping[str, Price]
    remarks: Sequence[str]

    @property
    def found(self) -> Findings:
        """What the rules asked about came to."""
        return self.trials[0].findings

    @property
    def other(self) -> Findings | None:
        """What the rules they are compared with came to."""
        return self.trials[1].findings if len(self.trials) > 1 else None

    def decimals(self, account: str) -> int:
        """Of a currency, by the rules that know it."""
        return next((t.rulebook.decimals[account] for t in self.trials if account in t.rulebook.decimals), 0)

    def accounts(self) -> list[str]:
        """Every account that anybody gains on: currencies, then badges."""
        seen = {account: None for trial in self.trials for account in trial.findings.gains}
        return sorted(seen, key=lambda account: (":" in account, account))

    def amount(self, account: str, units: int) -> str:
        """An amount as people write it."""
        decimals = self.decimals(account)
        return str(units) if not decimals else f"{_decimal(units, decimals)}"

    def totals(self) -> list[dict[str, Any]]:
        """One row for each account."""
        rows = []
        for account in self.accounts():
            units = self.found.totals().get(account, 0)
            row: dict[str, Any] = {
                "currency": account,
                "learners": self.found.gaining(account),
                "amount": self.amount(account, units),
            }
            price = self.prices.get(account)
            row["cost"] = price.of(units, self.decimals(account)) if price else ""
            against = self.other.totals().get(account, 0) if self.other is not None else None
            if price and against is not None:
                row["cost_against"] = price.of(against, self.decimals(account))
            rows.append(row | self._compared(account, units, against))
        return rows

    def by_rule(self) -> list[dict[str, Any]]:
        """One row for each rule and account, the rules' own order first."""
        order = {rule.id: n for trial in reversed(self.trials) for n, rule in enumerate(trial.rulebook.rules)}
        keys = [key for key in self._paying() if key[0] not in self._timed()]
        return [
            {"rule": rule} | self._paid(rule, account)
            for rule, account in sorted(keys, key=lambda key: (order.get(key[0], 0), key))
        ]

    def scheduled(self) -> list[dict[str, Any]]:
        """One row for each scheduled reward and account, in their own order; one without prizes has none."""
        paying, rows = self._paying(), list[dict[str, Any]]()
        for name in self._timed():
            mine = sorted(account for rule, account in paying if rule == name)
            runs = {"scheduled": name, "runs": self.found.scheduled[name].count if name in self.found.scheduled else 0}
            rows.extend(runs | self._paid(name, account) for account in mine or ("",))
        return rows

    def drawn(self) -> list[dict[str, Any]]:
        """What draws would pay to whom chance picks."""
        return [
            {
                "scheduled": name,
                "runs": runs.count,
                "winners": runs.drawn,
                "prizes": {account: self.amount(account, units) for account, units in sorted(runs.chance.items())},
            }
            for name, runs in self.found.scheduled.items()
            if runs.drawn
        ]

    def _timed(self) -> list[str]:
        """Every scheduled reward."""
        return list(dict.fromkeys(timed.spec.id for trial in self.trials for timed in trial.rulebook.scheduled))

    def _paying(self) -> set[tuple[str, str]]:
        return {*self.found.awards, *(self.other.awards if self.other else ())}

    def _paid(self, rule: str, account: str) -> dict[str, Any]:
        awards, units = self.found.awards.get((rule, account), (0, 0))
        row = {
            "currency": account,
            "awards": awards,
            "learners": self.found.paid_by(rule),
            "amount": self.amount(account, units),
        }
        against = self.other.awards.get((rule, account), (0, 0))[1] if self.other else None
        return row | self._compared(account, units, against)

    def gainers(self) -> list[dict[str, Any]]:
        """The biggest gainers of each currency."""
        return [
            {"learner": learner, "currency": account, "amount": self.amount(account, units)}
            | self._compared(account, units, self._theirs(account, learner))
            for account in self.accounts()
            if ":" not in account
            for learner, units in self.found.biggest(account, BIGGEST)
        ]

    def held(self) -> list[dict[str, Any]]:
        """What would wait for somebody: rule and reason, how often, and what would then be paid."""
        grouped: dict[tuple[str, str], tuple[int, dict[str, int]]] = {}
        for one in self.found.waiting.values():
            count, promised = grouped.get((one.rule, one.reason), (0, {}))
            for posting in one.postings:
                promised[posting.currency] = promised.get(posting.currency, 0) + posting.amount
            grouped[one.rule, one.reason] = (count + 1, promised)
        return [
            {
                "rule": rule,
                "reason": reason,
                "decisions": count,
                "promised": {account: self.amount(account, units) for account, units in sorted(promised.items())},
            }
            for (rule, reason), (count, promised) in sorted(grouped.items())
        ]

    def refused(self) -> list[dict[str, Any]]:
        """Why nothing would be paid, the most frequent reasons first."""
        listed = sorted(self.found.refused.items(), key=lambda each: (-each[1], each[0]))
        return [{"rule": rule, "reason": reason, "decisions": count} for (rule, reason), count in listed]

    def in_shadow(self) -> list[dict[str, Any]]:
        """What rules in shadow would give."""
        return [
            {"rule": rule, "currency": account, "awards": awards, "amount": self.amount(account, units)}
            for (rule, account), (awards, units) in sorted(self.found.shadow.items())
        ]

    def learners(self) -> Iterable[dict[str, Any]]:
        """One row for each learner and account."""
        for account in self.accounts():
            mine = self.found.gains.get(account, {})
            theirs = self.other.gains.get(account, {}) if self.other else {}
            for learner in sorted({*mine, *theirs}):
                units = mine.get(learner, 0)
                if not units and not theirs.get(learner, 0):
                    continue
                row = {"learner": learner, "currency": account, "amount": self.amount(account, units)}
                yield row | self._compared(account, units, self._theirs(account, learner))

    def ranges(self, account: str) -> list[dict[str, Any]]:
        """The spread of an account."""
        from agent.cli.tuning.picture import label_of

        return [
            {"range": label_of(one, self.decimals(account)), **dict(zip(self.names, one.counts, strict=True))}
            for one in self._spread(account)
        ]

    def _spread(self, account: str) -> Any:
        from agent.engine.whatif.spread import spread

        return spread([trial.findings.gains.get(account, {}).values() for trial in self.trials])

    def _theirs(self, account: str, learner: str) -> int | None:
        return self.other.gains.get(account, {}).get(learner, 0) if self.other is not None else None

    def _compared(self, account: str, units: int, against: int | None) -> dict[str, str]:
        if against is None:
            return {}
        sign = "+" if units > against else ""
        return {
            "against": self.amount(account, against),
            "difference": f"{sign}{self.amount(account, units - against)}",
        }

    def as_json(self) -> None:
        """Everything, as one JSON object."""
        emit_json(
            {
                **self.heading,
                "learners": len(self.found.gainers()),
                "totals": self.totals(),
                "rules": self.by_rule(),
                "scheduled": self.scheduled(),
                "drawn": self.drawn(),
                "shadow": self.in_shadow(),
                "gainers": self.gainers(),
                "held": self.held(),
                "refused": self.refused(),
                "distribution": {account: self.ranges(account) for account in self.accounts() if ":" not in account},
                "remarks": list(self.remarks),
            }
        )

    def show(self) -> None:
        """Tables and pictures for people; remarks go to standard error."""
        from agent.cli.tuning.picture import drawn

        for name, value in self.heading.items():
            typer.echo(f"{name.replace('_', ' '):<8}  {value}")
        compared = ("against", "difference") if self.other is not None else ()
        costs = ("cost", *(("cost_against",) if self.other else ())) if self.prices else ()
        _section("What it comes to", self.totals(), ("currency", "learners", "amount", *compared, *costs))
        _section("By rule", self.by_rule(), ("rule", "currency", "awards", "learners", "amount", *compared))
        timed = ("scheduled", "runs", "currency", "awards", "learners", "amount", *compared)
        _section("Scheduled: decided at a time", self.scheduled(), timed)
        _section("Drawn by chance, in no other figure", self.drawn(), ("scheduled", "runs", "winners", "prizes"))
        _section("In shadow: decided, not paid", self.in_shadow(), ("rule", "currency", "awards", "amount"))
        _section("Who gains most", self.gainers(), ("learner", "currency", "amount", *compared))
        for account in self.accounts():
            if ":" not in account:
                typer.echo(f"\nLearners by {account} gained")
                for line in drawn(self._spread(account), self.names, self.decimals(account)):
                    typer.echo(line)
        _section("What would be held", self.held(), ("rule", "reason", "decisions", "promised"))
        _section("What would be refused", self.refused(), ("rule", "reason", "decisions"))
        for remark in self.remarks:
            note(f"note: {remark}")

    def write_csv(self, path: Path) -> None:
        """Who would gain what: one row for each learner and account."""
        columns = ["learner", "currency", "amount", *(("against", "difference") if self.other else ())]
        try:
            with path.open("w", encoding="utf-8", newline="") as file:
                Table(file, columns).rows(self.learners())
        except OSError as error:
            raise _unwritable(path, error) from None

    def write_svg(self, path: Path) -> None:
        """The spread of the first currency, as a drawing."""
        from agent.cli.tuning.picture import svg

        account = next((one for one in self.accounts() if ":" not in one), "points")
        text = svg(self._spread(account), self.names, self.decimals(account), f"Learners by {account} gained")
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _unwritable(path, error) from None


def _section(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    if rows:
        typer.echo(f"\n{title}")
        emit(rows, columns, json=False)


def _decimal(units: int, decimals: int) -> str:
    sign, digits = ("-" if units < 0 else ""), f"{abs(units):0{decimals + 1}d}"
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path} cannot be written: {error.strerror}", hint="name another file")
