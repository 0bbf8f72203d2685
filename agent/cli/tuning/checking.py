"""`rewards-agent rules check` and `rules test`: every fault, doubt, example and story; and whom they reach."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, emit_one, note, run_async, settings_of
from agent.errors import ConfigError
from machine.words import counted

if TYPE_CHECKING:
    from agent.collectors.logstore.names import Named
    from agent.config.document import Fault
    from agent.config.rulefile import RuleFile
    from agent.config.rulefile.tables.condition import Audience
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook
    from agent.model import Selector

FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE", help="Files of rules; without them those of the configuration."),
]
_REACH = ("rule", "courses", "cohorts", "people")


def check(
    files: FilesArgument = None,
    *,
    site: Annotated[
        bool,
        typer.Option("--site", help="Look in the LMS what names mean there, and count whom each audience matches."),
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tell every fault of the rules at once, as FILE:LINE:COLUMN; exits with 2 where there is one.

    Examples in the rules are tried. Warnings are told too and break nothing: conditions that contradict each other,
    rules that others make pointless, limits that never act, facts that no configured source supplies, numbers that
    read otherwise than they look, rules whose time is over. With --site the
    database is asked, read-only: names of courses, categories, cohorts, roles and profile fields that mean nothing
    there are warnings, names that mean several things are faults. A cohort is meant by its idnumber, else by its name:
    a name that is another's idnumber is told.

    With a configuration a `min_trust` that none of its sources reaches is a fault, too: the agent runs with such a
    rule, and holds all of it for approval. So are other `decimals` of a currency that was given, and another semester
    under a period's name, with which the agent does not go on.

    Example: rewards-agent rules check --site
    """
    from agent.config.document import FaultsError
    from agent.config.rulefile.across.experiments import forgetful
    from agent.config.rulefile.across.experiments import over as shown
    from agent.config.rulefile.across.scheduled import hasty
    from agent.config.rulefile.sense.reach import unheard
    from agent.config.rulefile.sense.timed import over

    try:
        rules, rulebook = _in_order(files, config)
    except FaultsError as error:
        if json:
            emit_json({"ok": False, "faults": [_told(fault) for fault in error.faults], "warnings": []})
            raise typer.Exit(error.exit_code) from None
        raise
    unknown = unheard(rules, settings_of(config)) if not files or config is not None else ()
    today = datetime.now(rules.timezone).date()
    late = (*over(rules, today), *shown(rules, today))
    ours = () if files else (*hasty(rules, settings_of(config)), *forgetful(rules, settings_of(config)))
    found = sorted((*rules.warnings, *unknown, *late, *ours))
    seen = run_async(_site(settings_of(config), rules, rulebook)) if site else {}
    ok = not any(one["ambiguous"] for one in seen.values())
    if json:
        told = {"ok": ok, "faults": [], "warnings": [_told(fault) for fault in found]}
        emit_json({**told, "rules": len(rules.rules), "version": rules.version, **({"site": seen} if site else {})})
    else:
        for warning in found:
            note(f"warning: {warning}")
        _show(seen)
        emit_one(
            {"in order" if ok else "read": counted(len(rules.rules), "rule"), "version": rules.version}, json=False
        )
    if not ok:
        raise typer.Exit(ConfigError.exit_code)


async def _site(settings: Settings, rules: RuleFile, rulebook: Rulebook) -> dict[str, dict[str, Any]]:
    """For each log source: whom the audiences reach, and the names that mean nothing or several things."""
    from agent.collectors.logstore.names import meant, unknown
    from agent.collectors.logstore.reached import reached
    from agent.wiring.sources.options import logstore_options

    found: dict[str, dict[str, Any]] = {}
    named: dict[str, Sequence[Named]] = {}
    for source in settings.log_sources:
        options = logstore_options(settings, source)
        reach = await reached(options, _audiences(rules))
        named[source.name] = await meant(options, rulebook.demand.selectors)
        found[source.name] = {
            "audiences": [{key: getattr(one, key) for key in _REACH} for one in reach],
            "unknown": [],
            "ambiguous": [_named(one.selector, one.means) for one in named[source.name] if len(one.means) > 1],
            "beside": [
                _named(one.selector, one.means) | {"beside": list(one.beside), "told": one.told_beside()}
                for one in named[source.name]
                if one.beside
            ],
        }
    for one in unknown(named):
        found[one.source]["unknown"].append(_named(one.selector) | {"told": one.told("there")})
    return found


def _audiences(rules: RuleFile) -> Iterator[tuple[str, Audience | None]]:
    """Every rule's; of challenges and scheduled rewards those that have one."""
    for rule in rules.rules:
        if rule.it.mode != "off":
            yield rule.it.id, rule.it.audience
    for challenge in rules.challenges:
        if challenge.it.mode != "off" and challenge.it.whom is not None:
            yield challenge.it.id, challenge.it.whom
    for scheduled in rules.scheduled:
        if scheduled.it.mode != "off" and scheduled.it.audience is not None:
            yield scheduled.it.id, scheduled.it.audience


def _named(one: Selector, means: Sequence[str] = ()) -> dict[str, object]:
    return {"rule": one.of, "where": one.where, "key": one.by, "name": one.name, "means": list(means)}


def _show(seen: dict[str, dict[str, Any]]) -> None:
    for source, found in seen.items():
        note(f"in {source}, as it is now (people: not deleted; roles are not looked at):")
        emit(found["audiences"], _REACH, json=False, empty="no rules")
        for one in (*found["unknown"], *found["beside"]):
            note(f"warning: {one['told']}")
        for one in found["ambiguous"]:
            note(f"{one['where']}: {one['name']!r} is ambiguous: it means {'; '.join(one['means'])}")


def try_cases(files: FilesArgument = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Try every `[[rule.example]]` and play every `[[case]]` of the rules; exits with 1 where one is not true.

    Stories may stand in files of their own: name them after the rules, or alone, to try them on the configured rules.
    Nothing is read but the files, and nothing is paid; with files of rules no configuration is needed.

    Example: rewards-agent rules test rules.toml cases/*.toml
    """
    from agent.engine.stories import run_cases

    named = list(files or ())
    if named and not any(_has_rules(path) for path in named):
        named = [*settings_of(config).rule_files(), *named]
    rules, rulebook = compiled_of(named, config)
    results = run_cases(rules, rulebook)
    untrue = [result for result in results if result.failures]
    examples = sum(len(one.it.example) for one in rules.rules)
    if json:
        told = [{"name": one.name, "where": one.where, "failures": list(one.failures)} for one in results]
        emit_json({"ok": not untrue, "cases": told, "examples": examples})
    else:
        for result in untrue:
            note(f"{result.where}: {result.name}")
            for failure in result.failures:
                note(f"  {failure}")
        cases = f"{len(results) - len(untrue)} of {len(results)} true"
        emit_one({"examples": f"{examples} true", "cases": cases}, json=False)
    if untrue:
        raise typer.Exit(1)


def _has_rules(path: Path) -> bool:
    """Whether a file is more than stories; one that cannot be read is taken for rules, and told as such."""
    try:
        return set(tomllib.loads(path.read_text(encoding="utf-8"))) - {"case"} != set()
    except (OSError, ValueError):
        return True


def compiled_of(files: Sequence[Path] | None, config: Path | None) -> tuple[RuleFile, Rulebook]:
    """The rules of these files, else of the configuration, in the light of its sources where one is named.

    Raises:
        ConfigError: they have faults, or there is no such file.
    """
    from agent.config.kinds import KindTable
    from agent.config.rulefile import load_rules
    from agent.config.rulefile.sense.reach import facts_told
    from agent.engine.rules import compile_rules

    settings = settings_of(config) if not files or config is not None else None
    facts = facts_told(settings) if settings is not None else None
    rules = load_rules(tuple(files or ()) or settings_of(config).rule_files(), facts=facts)
    return rules, compile_rules(rules, KindTable())


def _in_order(files: Sequence[Path] | None, config: Path | None) -> tuple[RuleFile, Rulebook]:
    """The rules, in order for the configuration's sources where one is named or its rules are checked.

    Raises:
        ConfigError: they have faults, ask for a trust that no source reaches, would count otherwise what was given, or
            there is no such file.
    """
    from agent.config.document import FaultsError
    from agent.config.rulefile.sense.reach import unreached
    from agent.wiring.rules import clashing

    rules, rulebook = compiled_of(files, config)
    if not files or config is not None:
        settings = settings_of(config)
        if found := (*unreached(rules, settings), *clashing(settings, rules, rulebook)):
            raise FaultsError(found)
    return rules, rulebook


def _told(fault: Fault) -> dict[str, object]:
    return {key: getattr(fault, key) for key in ("file", "line", "column", "message", "hint")}
