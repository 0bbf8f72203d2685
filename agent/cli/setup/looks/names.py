"""What the rules call courses, categories, cohorts and roles: whether that means something in the LMS, and one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.errors import RewardsError
from machine.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.collectors.logstore.names import Named
    from agent.config.settings import LogSource, Settings
    from agent.engine.rulebook import Rulebook

_DO = "correct the name or take it out, then: rewards-agent rules check --site"


async def name_findings(settings: Settings, rulebook: Rulebook) -> list[Finding]:
    """Every name that means nothing or several things; of a database that does not answer nothing is said."""
    from agent.wiring.naming import unasked

    found = {source.name: await _meant(settings, source, rulebook) for source in settings.log_sources}
    doubtful = [*_ambiguous(found), *_unknown(found, unasked(settings))]
    count = len(rulebook.demand.selectors)
    if not doubtful and count and any(found.values()):
        said = counted(count, "name in the rules is", "names in the rules are")
        return [Finding(about="names", level="ok", found=f"{said} there, each means one thing")]
    return doubtful


async def _meant(settings: Settings, source: LogSource, rulebook: Rulebook) -> tuple[Named, ...]:
    from agent.collectors.logstore.names import meant
    from agent.wiring.sources.options import logstore_options

    try:
        return await meant(logstore_options(settings, source), rulebook.demand.selectors)
    except RewardsError:
        return ()  # told where the source is looked at


def _ambiguous(found: dict[str, tuple[Named, ...]]) -> Iterator[Finding]:
    from agent.collectors.logstore.names import require_one_meaning

    for source, named in found.items():
        try:
            require_one_meaning(source, named)
        except RewardsError as exc:
            yield Finding.of("names", exc, "name-ambiguous")


def _unknown(found: dict[str, tuple[Named, ...]], others: list[str]) -> Iterator[Finding]:
    from agent.collectors.logstore.names import unknown

    for one in unknown(found):
        if others and one.alone:
            told = f"{one.told()}; unless that is what {', '.join(others)} calls it"
            yield Finding(about="names", level="ok", found=told)
        else:
            yield Finding(about="names", level="warn", code="name-unknown", found=one.told(), do=_DO)
