"""`rewards-agent`: the list of commands. A command's file is imported when it is called, so that `--help` is quick."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import typer

from agent import __version__
from agent.cli.failures import told
from machine.commands import Application, PlainGroup, open_what_is_closed, speak_any_script
from machine.interpreter import at_work


class Entry(NamedTuple):
    """A command or group of commands: the file that holds it as ``app``, and its line in `--help`."""

    module: str
    help: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("agent.cli.demo", "A whole campus in one terminal: nothing needed, nothing touched."),
    "init": Entry("agent.cli.setup.init", "Set up a campus: configuration, rules, key, database account."),
    "doctor": Entry("agent.cli.setup.doctor", "Say what is wrong and what to do."),
    "mode": Entry("agent.cli.setup.mode", "Whether this campus pays: shadow, or live."),
    "run": Entry("agent.cli.run", "Read the sources, decide, record, deliver."),
    "status": Entry("agent.cli.status", "Where everything stands: sources, gaps, ledger, holds, delivery."),
    "rules": Entry("agent.cli.rules", "Check, try and explain the rules."),
    "learner": Entry("agent.cli.helpdesk.learner", "What somebody has, and why they earned or earned nothing."),
    "events": Entry("agent.cli.helpdesk.events", "What was seen, and why it earned or earned nothing."),
    "report": Entry("agent.cli.books.report", "What a week or a term came to: seen, paid, refused, spent."),
    "measures": Entry("agent.cli.measures.commands", "Engagement, cohorts, effect: what recorded acts come to."),
    "import": Entry("agent.cli.importing.csv_file", "What happened elsewhere: CSV files, checked first."),
    "ledger": Entry("agent.cli.books.ledger", "List, export, verify and correct the ledger."),
    "badge": Entry("agent.cli.badges.badge", "Badges: list, show, give, take, and make them to show elsewhere."),
    "review": Entry("agent.cli.books.review", "Decisions that are held: list, approve, reject."),
    "scheduled": Entry("agent.cli.scheduled.runs", "Rankings, attendance, draws: what is due, what was decided."),
    "challenge": Entry("agent.cli.challenges.commands", "Challenges: enrol, withdraw, and how far everybody is."),
    "source": Entry("agent.cli.books.source", "Accept a log that is not the log it was."),
    "enrol": Entry("agent.cli.delivery.enrol", "Become known to the catalogue."),
    "key": Entry("agent.cli.delivery.key", "The key that signs what leaves the campus."),
    "callback": Entry("agent.cli.delivery.callback", "Who is told what happens in the ledger, and whether it works."),
    "rewards": Entry("agent.cli.spending.offers", "What somebody can have for their points."),
    "redeem": Entry("agent.cli.spending.redeem", "Spend somebody's points, and show the voucher once."),
    "redemption": Entry("agent.cli.spending.redemption", "What learners asked for, and what became of it."),
    "kudos": Entry("agent.cli.kudos.commands", "Learners thank each other; who may see it, and what is taken back."),
    "allowance": Entry("agent.cli.spending.allowance", "Vouchers made beforehand, for when there is no line."),
    "sync": Entry("agent.cli.delivery.sync", "Delivery to the catalogue: now, where it stands, what goes out."),
    "backup": Entry("agent.cli.keeping.backup", "Copy the ledger, and read the copy again before it counts."),
    "audit": Entry("agent.cli.keeping.audit", "What administrators had this agent do."),
    "restore": Entry("agent.cli.keeping.restore", "Put a backup, or what the catalogue has, in place of the ledger."),
}
"""Every word after `rewards-agent`, in the order `--help` shows them."""


class Commands(PlainGroup):
    """Knows the commands by name and imports the one that is called; errors become a sentence and an exit code."""

    _listing = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write `--help`, from the lines of `COMMANDS` alone."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as click calls it
        """The words of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - as click calls it
        """The command of that name; only what `--help` shows of it while it is listed."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if self._listing:
            return typer.main.get_command(_line_of_help(cmd_name, entry))
        application: Application = import_module(entry.module).app
        application._add_completion = False  # noqa: SLF001 - only the first word could offer it, and it does not
        command = typer.main.get_command(application)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: Any) -> Any:
        """The command that was typed; of a slip typer tells the nearest name among ``commands``."""
        self.commands = dict.fromkeys(COMMANDS, self)  # only the names are looked at
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with told():
            return super().invoke(ctx)


def _line_of_help(name: str, entry: Entry) -> Application:
    line = Application(add_completion=False)
    line.command(name, help=entry.help)(lambda: None)
    return line


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rewards-agent {__version__}")
        raise typer.Exit


app = Application(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root(
    *,
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_print_version, is_eager=True),
) -> None:
    """Pays learners for what they did in Moodle: reads its log, applies one file of rules, keeps the ledger.

    Begin with `rewards-agent demo`, then `rewards-agent init`. Exits with 0 ok, 1 failed, 2 configuration, 3 integrity.
    """


def main() -> NoReturn:
    """The console script."""
    with at_work():
        open_what_is_closed()
        speak_any_script()
    typer.main.get_command(app)(prog_name="rewards-agent")
    raise SystemExit(0)
