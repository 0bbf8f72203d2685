"""A site whose database nobody may read: a test of its web services, and what is left to be done in Moodle."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import typer

from agent.cli.frame import run_async
from agent.cli.setup import workflows
from agent.cli.setup.looks.finding import show
from agent.cli.setup.looks.webservices import web_findings
from agent.config.secrets import secret_file

if TYPE_CHECKING:
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook

PAGES = ("docs/integrations/moodle-web-services.md", "docs/integrations/tool-trigger.md")


def tested(settings: Settings, rulebook: Rulebook) -> None:
    """Test each web service whose token is there, and list what its service must hold where one is not."""
    from agent.collectors.moodlews.needs import CAPABILITIES, wanted

    if not settings.web_sources:
        return
    if not _untold(settings):
        typer.echo("\nTested now:")
        show(run_async(web_findings(settings, rulebook.needs)))
        return
    kinds = {kind for needs in rulebook.needs.values() for kind in needs.kinds}
    facts = rulebook.demand.facts | ({"cohorts"} if settings.privacy.agreed.cohorts else set())
    needed = list(wanted(facts, kinds))
    rights = dict.fromkeys((*CAPABILITIES, *(right for need in needed for right in need.capabilities)))
    typer.echo("\nIn Moodle, a service with these functions (Site administration → Server → Web services):\n")
    for need in needed:
        older = f"    (before Moodle 5.0: {need.instead})" if need.instead else ""
        typer.echo(f"  {need.function}{older}")
    typer.echo("\nand a user of its own, with a role at the site that allows:\n")
    for right in rights:
        typer.echo(f"  {right}")


def steps(settings: Settings) -> list[str]:
    """What is left to be done in Moodle, in order."""
    found = []
    for path in _untold(settings):
        quoted = shlex.quote(str(path))
        found.append(f"the service's token into {quoted} (chmod 600), step by step in {PAGES[0]}; then init again")
    if settings.web_sources and settings.post_sources and not (settings.home / workflows.FOLDER).is_dir():
        found.append(f"the workflows that post, with the token of posts: {PAGES[1]}")
    return found


def _untold(settings: Settings) -> list[str]:
    """The files of tokens that are not there yet."""
    files = [secret_file(settings.home, source.token_file) for source in settings.web_sources]
    return [str(path) for path in files if not path.exists()]
