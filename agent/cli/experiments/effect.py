"""`rewards-agent rules effect`: whether a rule does what it is there for, by those who were kept out of it."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, emit_one, note, settings_of, tell
from agent.cli.terms.inforce import rules_in_force
from agent.errors import InvalidInputError

if TYPE_CHECKING:
    from agent.cli.experiments.looking import Looked
    from agent.engine.experiment.groups import Experiment
    from agent.engine.experiment.intervals import Interval, Sums
    from agent.engine.rulebook import Rulebook

LISTED = ("experiment", "rules", "held_out", "from", "until", "state")
GROUPS = ("group", "learners", "before", "since", "did_it_pct", "paid")
DIFFERENCES = ("difference", "estimate", "low", "high")


def effect(
    experiment: Annotated[
        str | None, typer.Argument(metavar="EXPERIMENT", help="Its name in the rules; without it all are listed.")
    ] = None,
    files: Annotated[
        list[Path] | None, typer.Option("--file", metavar="FILE", help="Files of rules instead of the configured ones.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Compare who could earn by the rules of an [experiment.NAME] with who was held out, and say what that shows.

    Both groups are shown with what they did in as many days before. No name is shown, and nothing of a group with fewer
    than 20 learners. Whoever takes no part, was erased, or is staff is in neither group.

    Example: rewards-agent rules effect streaks
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = _of_files(files) if files else rules_in_force(settings, connection)
        now = int(time.time())
        today = rulebook.calendar.day(now)
        if experiment is None:
            _list(rulebook, today, json=json)
            return
        from agent.cli.experiments.looking import looked

        found = looked(connection, _named(experiment, rulebook), rulebook, now)
    if json:
        emit_json(_told(found, today))
    else:
        _show(found, today)


def _of_files(files: list[Path]) -> tuple[Any, Rulebook]:
    from agent.cli.tuning.checking import compiled_of

    return compiled_of(files, None)


def _named(name: str, rulebook: Rulebook) -> Experiment:
    from agent.config.document import nearest

    by_name = {one.name: one for one in rulebook.experiments}
    if name not in by_name:
        likely = nearest(name, tuple(by_name))
        there = f"there are: {', '.join(by_name)}" if by_name else "the rules have none: see docs/admin/experiments.md"
        raise InvalidInputError(f"there is no experiment {name}", hint=f"did you mean {likely}?" if likely else there)
    return by_name[name]


def _list(rulebook: Rulebook, today: date, *, json: bool) -> None:
    from agent.engine.experiment.telling import percent

    rows = [
        {
            "experiment": one.name,
            "rules": list(one.rules),
            "held_out": percent(one.share),
            "from": one.first.isoformat(),
            "until": one.last.isoformat(),
            "state": one.state(today),
        }
        for one in rulebook.experiments
    ]
    emit(rows, LISTED, json=json, empty="the rules have no [experiment.NAME]")


def _told(found: Looked, today: date) -> dict[str, Any]:
    """All of it, as `--json` prints it."""
    from agent.engine.experiment.telling import compared_by, percent
    from agent.engine.experiment.verdict import METHOD

    one = found.experiment
    return {
        "experiment": one.name,
        "title": one.title,
        "rules": list(one.rules),
        "held_out": percent(one.share),
        "from": one.first.isoformat(),
        "until": one.last.isoformat(),
        "state": one.state(today),
        "compared_by": compared_by(one),
        "before_from": found.before_from.isoformat(),
        "groups": [{**row, "group": row["group"].replace(" ", "_")} for row in _groups(found)],
        "differences": [{**row, "difference": row["difference"].replace(" ", "_")} for row in _differences(found)],
        "left_out": dict(found.left_out),
        "verdict": found.verdict,
        "remarks": list(found.remarks),
        "method": METHOD,
    }


def _show(found: Looked, today: date) -> None:
    from agent.engine.experiment.telling import compared_by, percent
    from agent.engine.experiment.verdict import METHOD

    one = found.experiment
    emit_one(
        {
            "experiment": one.title or one.name,
            "rules": ", ".join(one.rules),
            "held out": percent(one.share),
            "days": f"{one.first.isoformat()} to {one.last.isoformat()} ({one.state(today)})",
            "before": f"from {found.before_from.isoformat()}",
            "compared by": compared_by(one),
        },
        json=False,
    )
    typer.echo("")
    emit(_groups(found), GROUPS, json=False)
    if rows := _differences(found):
        typer.echo("")
        emit(rows, DIFFERENCES, json=False)
    typer.echo("")
    tell(found.verdict)
    left_out = [f"{many} {why}" for why, many in found.left_out.items() if many]
    for remark in (*found.remarks, *([f"in neither group: {', '.join(left_out)}"] if left_out else []), METHOD):
        note(remark)


def _groups(found: Looked) -> list[dict[str, Any]]:
    """A row for each group; of one that is too small nothing but that."""
    from agent.engine.experiment.effect import GROUP_MIN

    rows = []
    for name, group in (("could earn", found.effect.free), ("held out", found.effect.held)):
        row: dict[str, Any] = {"group": name, "learners": group.learners, **dict.fromkeys(GROUPS[2:])}
        if group.learners < GROUP_MIN:
            row["learners"] = f"fewer than {GROUP_MIN}"
        elif group.told:
            row |= {
                "before": _mean(group.before),
                "since": _mean(group.since),
                "did_it_pct": group.did * 100 // group.learners,
                "paid": group.paid,
            }
        rows.append(row)
    return rows


def _differences(found: Looked) -> list[dict[str, Any]]:
    """A row for each thing that can be compared."""
    pairs: dict[str, Interval | None] = {
        "since": found.effect.difference,
        "did it": found.effect.did,
        "before": found.effect.before,
    }
    return [
        {"difference": name, **{key: _decimal(getattr(one, key)) for key in DIFFERENCES[1:]}}
        for name, one in pairs.items()
        if one is not None
    ]


def _mean(sums: Sums) -> float | None:
    from agent.engine.experiment.effect import GROUP_MIN

    return _decimal(sums.mean) if sums.count >= GROUP_MIN else None


def _decimal(value: Any) -> float:
    """For people and programs, to three digits after the point."""
    return round(float(value), 3)
