"""`rewards-agent rules …`: check, try and explain the rules, and see what they can be about."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.experiments.effect import effect
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, note, settings_of, tell, utc
from agent.cli.mending.backfill import backfill
from agent.cli.scheduled.draw import app as draw
from agent.cli.tuning.checking import check, compiled_of, try_cases
from agent.cli.tuning.convert import convert
from agent.cli.tuning.diff import diff
from agent.cli.tuning.schema import schema
from agent.cli.tuning.simulate import simulate
from agent.errors import InvalidInputError
from machine.commands import Application

if TYPE_CHECKING:
    pass

app = Application(no_args_is_help=True, help="Check, try and explain the rules.")
app.command()(check)
app.command("test")(try_cases)
app.command()(simulate)
app.command()(diff)
app.command()(effect)
app.command()(backfill)
app.command()(schema)
app.command("import")(convert)
app.add_typer(draw)


@app.command()
def explain(
    rule: Annotated[
        str | None, typer.Argument(metavar="RULE|FILE", help="One rule's id, or a file of rules (.toml).")
    ] = None,
    files: Annotated[
        list[Path] | None, typer.Option("--file", metavar="FILE", help="Files of rules instead of the configured ones.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say in plain sentences what each rule does, with the defaults it left unsaid.

    What several rules stop at together, such as a budget, is said once, behind them; of one rule everything is said.

    Example: rewards-agent rules explain rules.toml
    """
    from agent.config.document import nearest
    from agent.config.kinds import KindTable
    from agent.engine.challenge.told import challenge_sentences
    from agent.engine.experiment.telling import sentences as experiment_sentences
    from agent.engine.explain import rule_sentences, shared_brakes
    from agent.engine.recognition.sentences import of_book
    from agent.engine.schedule.telling import sentences as scheduled_sentences

    if rule is not None and Path(rule).suffix == ".toml":
        files, rule = [Path(rule), *(files or ())], None
    rules, rulebook = compiled_of(files, config)
    kinds = KindTable().extended(rules.kinds)
    ids = (*rulebook.by_id(), *(timed.spec.id for timed in rulebook.scheduled))
    if rule is not None and rule not in ids:
        likely = nearest(rule, ids)
        raise InvalidInputError(
            f"there is no rule {rule}",
            hint=f"did you mean {likely}?" if likely else f"the rules: {', '.join(ids) or 'none'}",
        )
    challenges = {one.spec.id: challenge_sentences(one, rulebook) for one in rulebook.challenges}
    said = {
        name: challenges.get(name) or rule_sentences(one, rulebook, kinds=kinds)
        for name, one in rulebook.by_id().items()
        if rule in (None, name)
    }
    said |= {t.spec.id: scheduled_sentences(t, rulebook) for t in rulebook.scheduled if rule in (None, t.spec.id)}
    said |= {f"experiment {one.name}": experiment_sentences(one) for one in rulebook.experiments if rule is None}
    said |= of_book(rulebook.badges.values(), rulebook.tiers, rulebook.levels, rulebook.words) if rule is None else {}
    if json:
        emit_json([{"rule": name, "sentences": list(sentences)} for name, sentences in said.items()])
        return
    if not said:
        note("the rules have no rule: nobody earns anything")
    all_of_them = (*rulebook.by_id().values(), *(timed.rule for timed in rulebook.scheduled))
    shared = shared_brakes(all_of_them) if rule is None else {}
    together = [f"{sentence.removesuffix('.')} ({', '.join(ids)})." for sentence, ids in shared.items()]
    for name, sentences in (*said.items(), *([("what rules share", together)] if together else [])):
        typer.echo(name)
        for sentence in sentences:
            if sentence not in shared:
                tell(f"  {sentence}")


@app.command()
def facts(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help="Of one kind, such as quiz.submitted, or of all quiz.*.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the facts that conditions can look at: kind, fact, type, unit, who supplies it, and a real sample.

    Kinds that the rules of a configuration add with `[[kind]]` are among them where --config names it.

    Example: rewards-agent rules facts quiz.submitted
    """
    from agent.config.document import nearest
    from agent.config.facts import FactTable
    from agent.config.kinds import KindTable

    table_of_kinds = KindTable()
    if config is not None:
        from agent.config.rulefile import load_rules

        table_of_kinds = table_of_kinds.extended(load_rules(settings_of(config).rule_files()).kinds)
    kinds = sorted(table_of_kinds.kinds())
    wanted = fnmatch.filter(kinds, kind if "." in kind else f"{kind}.*") if kind is not None else kinds
    if kind is not None and not wanted:
        likely = nearest(kind, tuple(kinds))
        hint = f"did you mean {likely}?" if likely else f"known: {', '.join(kinds)}"
        raise InvalidInputError(f"there is no kind {kind}", hint=hint)
    table = FactTable()
    rows = [
        {
            "kind": one,
            "fact": fact.name,
            "type": fact.type,
            "unit": fact.unit,
            "supplied_by": sorted(table.suppliers(fact.name, one)),
            "sample": fact.sample,
            "meaning": fact.meaning,
        }
        for one in wanted
        for fact in table.for_kind(one)
    ]
    columns = ("kind", "fact", "type", "unit", "supplied_by", "sample", *(("meaning",) if kind else ()))
    emit(rows, columns, json=json, empty="no facts")


@app.command()
def history(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List every version of the rules that was ever in force: since when, and how much it decided.

    A version is the hash of the files' text: the same text again is the same version. See one with rules show.

    Example: rewards-agent rules history
    """
    from agent.cli.access import ledger_of
    from agent.config.document import FaultsError
    from agent.ledger import reading

    try:
        now = compiled_of(None, config)[0].version
    except FaultsError:
        now = ""
    with ledger_of(config) as connection:
        versions = reading.rules_versions(connection)
    rows = [
        {"version": version, "first_used_at": utc(first_at), "decisions": made, "files_now": version == now}
        for version, first_at, made in versions
    ]
    emit(rows, ("version", "first_used_at", "decisions", "files_now"), json=json, empty="no version was in force yet")
    if rows and not json and not any(row["files_now"] for row in rows):
        note("the files as they are now were never in force" if now else "the files as they are now have faults")


@app.command()
def show(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A version, or how it begins.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Print the text of one version of the rules, exactly as it was in force.

    Example: rewards-agent rules show 87a2a4f5 > rules.of-then.toml
    """
    from agent.cli.access import ledger_of
    from agent.ledger import reading

    with ledger_of(config) as connection:
        known = {one: first_at for one, first_at, _ in reading.rules_versions(connection)}
        found = [one for one in known if one.startswith(version.lower())] if version else []
        kept = reading.rules_text(connection, found[0]) if len(found) == 1 else None
    if kept is None:
        several = f"{len(found)} versions begin with {version}" if found else f"there is no version {version}"
        raise InvalidInputError(several, hint="see: rewards-agent rules history")
    if json:
        emit_json({"version": kept[0], "first_used_at": utc(known[kept[0]]), "text": kept[1]})
        return
    typer.echo(kept[1], nl=not kept[1].endswith("\n"))
