"""What the rules call something in the LMS, looked up in every database of a campus; what means nothing is told."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from agent.collectors.logstore.names import Named, doubtful, meant, require_one_meaning, unknown
from agent.config.settings import Settings
from agent.engine.rulebook import Rulebook
from agent.errors import RewardsError, TransientError
from agent.ledger.rules import versions
from agent.ledger.writer import Writer
from agent.wiring.sources.options import logstore_options

log = structlog.get_logger()

Meant = Mapping[str, Sequence[Named]]
"""Log source → what the names mean there; nothing of one that does not answer."""


async def names_of(settings: Settings, rulebook: Rulebook, *, strict: bool) -> Meant:
    """Ask each database; one that cannot be reached says nothing. Where it is ``strict`` each name means one thing.

    Raises:
        ConfigError: a name means several things in one, or it refuses us.
    """
    found: dict[str, Sequence[Named]] = {}
    for source in settings.log_sources:
        found[source.name] = ()
        with contextlib.suppress(TransientError):
            found[source.name] = await meant(logstore_options(settings, source), rulebook.demand.selectors)
        if strict:
            require_one_meaning(source.name, found[source.name])
    return found


def unasked(settings: Settings) -> list[str]:
    """The sites of which no database tells what they call their courses."""
    told = {source.site_name for source in settings.log_sources}
    posted = [source.site_name for source in settings.post_sources]
    asked = [settings.web_site(source) for source in settings.web_sources]
    return [name for name in dict.fromkeys((*posted, *asked)) if name not in told]


def doubts(settings: Settings, found: Meant) -> list[str]:
    """What means several things or nothing anywhere, a sentence each; what another site may know is left out."""
    others = unasked(settings)
    several = [f"{told}; nothing is paid by it" for source, named in found.items() for told in doubtful(source, named)]
    return several + [one.told() for one in unknown(found) if not (others and one.alone)]


async def warn_of_names(settings: Settings, rulebook: Rulebook, writer: Writer) -> None:
    """Keep for `status`, and log a warning for, each name that means several things or nothing.

    It never raises, and never holds up the start.
    """
    with contextlib.suppress(RewardsError):  # whoever follows the source tells what is wrong with it
        said = doubts(settings, await names_of(settings, rulebook, strict=False))
        await writer.run(partial(versions.keep_doubts, doubts=said))
        for sentence in said:
            log.warning("rules_warning", warning=sentence)
