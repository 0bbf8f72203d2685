"""`rewards-catalogue`: the list of commands."""

from __future__ import annotations

from catalogue.cli import agent, audit, books, operate, partner, proof, redemption, tenant, token
from catalogue.cli.archive import commands as archive
from catalogue.cli.common import Application
from catalogue.cli.funding import budget, finance, issue
from catalogue.cli.keeping import backup, doctor, scrub
from catalogue.cli.people import links, names
from catalogue.cli.recognition import award, kudos, tag
from catalogue.cli.rewards import codes, reward
from machine.commands import PlainGroup, open_what_is_closed, speak_any_script
from machine.interpreter import at_work

app = Application(
    cls=PlainGroup,
    help="The central rewards catalogue: campuses, their agents, their learners' wallets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(operate.init)
app.command()(operate.serve)
app.command()(operate.verify)
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(scrub.scrub)
app.add_typer(tenant.app, name="tenant", help="Campuses.")
app.add_typer(token.app, name="token", help="Who else may read a campus's books, over HTTP.")
app.add_typer(agent.app, name="agent", help="The campuses' agents.")
app.add_typer(proof.key, name="key", help="The key that signs receipts.")
app.add_typer(proof.site, name="site", help="Which agent reads which site.")
app.add_typer(proof.entry, name="entry", help="Entries that were set aside.")
books.wallet.command(name="links")(links.list_links)
books.wallet.command()(links.link)
books.wallet.command()(links.unlink)
books.wallet.command()(names.find)
app.add_typer(books.wallet, name="wallet", help="What learners have.")
app.add_typer(books.ledger, name="ledger", help="What came in.")
app.add_typer(reward.app, name="reward", help="What points can be spent on.")
app.add_typer(codes.app, name="codes", help="Codes that a partner gave beforehand.")
app.command()(redemption.redeem)
app.add_typer(redemption.app, name="redemption", help="What points were spent on.")
app.add_typer(partner.app, name="partner", help="Who makes vouchers for us.")
app.add_typer(budget.app, name="budget", help="What the institution pays for.")
app.add_typer(issue.app, name="issue", help="How much a campus may issue in a day.")
app.add_typer(finance.app, name="finance", help="What a month came to.")
app.add_typer(kudos.app, name="kudos", help="What learners thank each other for.")
app.add_typer(award.app, name="award", help="What learners are recognised for by hand.")
app.add_typer(tag.app, name="tag", help="What kudos are for.")
app.add_typer(archive.app, name="archive", help="Old months, in files.")
app.add_typer(audit.app, name="audit", help="Who did what, and what it changed.")


def main() -> None:
    """The console script."""
    with at_work():
        open_what_is_closed()
        speak_any_script()
    app()
